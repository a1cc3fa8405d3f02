"""Is a right answer right in whatever style it is written, and a plausible wrong one told what is wrong with it?"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mlops_lab.teaching.checks import find_exercise
from tests.checks.clauses import LONG, judged

_COSTS = """\
import numpy as np

def choose(late, chance, missed, alarm):
    each = np.array(THRESHOLDS)[:, None]
    costs = missed * ((chance < each) & late).mean(1) + alarm * ((chance >= each) & ~late).mean(1)
    return {returned}"""
_FIGURE = """\
import numpy as np

def reaches(figures, name, floor):
    figure = figures.get(name)
    return {returned}"""
_KNOWN = """\
def latest(rows, at, ttl):
    known = [row for row in rows if row["event"] <= at and row["created"] <= at and {fresh}]
    newest = max(known, key=lambda row: (row["event"], row["created"]), default=None)
    {returned}"""
_FRESH = 'at - row["event"] <= ttl'
_TELL = """\
def in_production(events, at):
    current = None
    for event in events:
        if event.at <= at and "Production" in (event.source, event.target):
            current = event if event.target == "Production" else None
    {returned}"""
_ENVIRONMENT = "env: {TITLE: '${{ github.event.pull_request.title }}'}"


def _repairs(**changed: str) -> str:
    names: dict[str, Any] = {}
    exec(find_exercise("06.4").solution, names)  # noqa: S102
    return f"repairs = {names['repairs'] | {int(line[1:]): text for line, text in changed.items()}!r}"


RIGHT = (
    ("01.1", "import numpy as np\nwind = np.int64(8)"),
    ("01.2", _KNOWN.format(fresh=_FRESH, returned='return newest["wind"] if newest else None')),
    ("02.1", 'sides = ["Train", " neither", "Holdout", "Train"]'),
    ("02.1", 'import numpy as np\nsides = np.array(["train", "neither", "holdout", "train"])'),
    ("02.1", 'sides = {"A": "train", "B": "neither", "C": "holdout", "D": "train"}'),
    ("02.3", _COSTS.format(returned="THRESHOLDS[costs.argmin()]")),
    ("02.3", _COSTS.format(returned="np.float32(THRESHOLDS[costs.argmin()])")),
    ("03.2", _FIGURE.format(returned="figure is not None and np.isfinite(figure) and figure >= floor")),
    ("03.2", _FIGURE.format(returned="False if figure is None else np.isfinite(figure) & (figure >= floor)")),
    ("03.3", "from mlops_lab.pipeline.flights import FLIGHTS_POLICY\npolicy = FLIGHTS_POLICY"),
    ("04.1", 'moves = ("staging", "production")'),
    ("04.2", "import numpy as np\nversion = np.int64(1)"),
    ("04.2", "version = 1.0"),
    ("04.3", _TELL.format(returned="return current.version if current else None")),
    ("06.3", "matrix_jobs = 6.0"),
    ("06.2", "conditions = {'job': '${{ always() }}', 'step': \"join(needs.*.result) != 'success,success'\"}"),
    ("06.4", _repairs(_6="", _9="      - {run: bash gate.sh | tee report.txt, shell: bash}")),
    ("06.4", _repairs(_10=f'      - run: echo "judged $TITLE"\n        {_ENVIRONMENT}', _14="")),
)

WRONG = (
    ("00.1", "never = {1, 'promote'}", "only the five tasks"),
    ("00.2", "def may_replace(offline, served):\n    return 'yes' if served >= 0.66 else 'no'", "True or False"),
    ("00.2", "def may_replace(offline, served):\n    return served >= 0.66 and served / offline > 0.97", "0.025"),
    ("00.2", "def may_replace(offline, served):\n    return served > 0.66 and offline - served < 0.02", "the bound"),
    ("01.1", "wind = None", "is None"),
    ("01.2", _KNOWN.format(fresh=_FRESH, returned="return newest"), "the wind of the row"),
    ("01.2", _KNOWN.format(fresh=_FRESH, returned="print(newest)"), "returns nothing"),
    ("01.2", _KNOWN.format(fresh='at - row["created"] <= ttl', returned='return newest and newest["wind"]'), "from"),
    ("01.4", 'honest = replace(leaking, source=replace(leaking.source, landed_column="landed_timestamp"))', "replay"),
    (
        "01.4",
        (
            'landing = replace(leaking.source, created_timestamp_column="landed_timestamp")\n'
            "honest = replace(leaking, ttl=None, source=landing)"
        ),
        "the ttl",
    ),
    ("02.3", _COSTS.format(returned="costs.argmin()"), "not among THRESHOLDS"),
    ("02.3", _COSTS.format(returned="THRESHOLDS[len(THRESHOLDS) - 1 - costs[::-1].argmin()]"), "the lowest of them"),
    ("03.2", "def reaches(figures, name, floor):\n    return 'yes' if figures.get(name, 0) > floor else 'no'", "True"),
    ("03.2", "def reaches(figures, name, floor):\n    return figures['served.roc_auc'] >= floor", "look up"),
    ("03.2", "def reaches(figures, name, floor):\n    print(figures)", "returns nothing"),
    ("04.1", 'moves = ["Staging"]', "the last stage"),
    ("04.3", _TELL.format(returned="return current"), "the number"),
    ("04.3", _TELL.format(returned="print(current)"), "returns nothing"),
    ("06.2", """conditions = {"job": "always()", "step": 'needs.lint.result != "success"'}""", "single quotes"),
    ("06.2", "conditions = {'job': '!cancelled()', 'step': \"join(needs.*.result) != 'success,success'\"}", "cancels"),
    ("06.4", _repairs(_10="      - run: echo 'judged ${{ github.event.pull_request.title }}'"), "a command of its own"),
    ("06.4", _repairs(_2="on: workflow_dispatch"), "pull requests"),
)


@pytest.mark.parametrize(("exercise_id", "source"), RIGHT)
def test_a_right_answer_in_another_style_passes(exercise_id: str, source: str) -> None:
    verdict = judged(exercise_id, source)

    assert verdict.passed, verdict


@pytest.mark.parametrize(("exercise_id", "source", "says"), WRONG)
def test_a_plausible_wrong_answer_is_told_what_is_wrong(exercise_id: str, source: str, says: str) -> None:
    verdict = judged(exercise_id, source)

    assert not verdict.passed
    assert says in verdict.message


TRIED = tomllib.loads(Path(__file__).with_name("tried.toml").read_text("utf-8"))


def _tried(kind: str) -> list[Any]:
    named = [(f"{one['exercise']}-{number}", one) for number, one in enumerate(TRIED[kind], 1)]
    return [
        pytest.param(one, id=name, marks=pytest.mark.nightly if one["exercise"] in LONG else ()) for name, one in named
    ]


@pytest.mark.parametrize("one", _tried("wrong"))
def test_what_a_learner_may_well_believe_is_answered_in_its_own_terms(one: dict[str, str]) -> None:
    verdict = judged(one["exercise"], one["source"])

    assert verdict.status == "not yet", verdict
    assert one["says"] in verdict.message
    assert "it raised" not in verdict.message


@pytest.mark.parametrize("one", _tried("right"))
def test_what_is_right_passes_however_it_is_written(one: dict[str, str]) -> None:
    assert judged(one["exercise"], one["source"]).passed
