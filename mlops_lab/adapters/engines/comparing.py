"""How do our executor, Airflow and Prefect differ on one pipeline?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any

from mlops_lab.adapters.engines.asking import python_of
from mlops_lab.adapters.engines.planted import echo_dag, manners, sequence
from mlops_lab.adapters.engines.running import ENGINES, Answer, Asked, Record, run_all
from mlops_lab.base.clock import SystemClock
from mlops_lab.base.display import html_table, shown
from mlops_lab.base.errors import MissingExtra

__all__ = [
    "DATES",
    "STORED",
    "Comparison",
    "compare_engines",
    "live_comparison",
    "missed_since",
    "questions",
    "stored_comparison",
]

STORED = Path(__file__).with_name("comparison.json")
#: (what it shows, cron, time zone, from, how many)
_CRONS = (
    ("daily at 06:00 in New York over the change to summer time", "0 6 * * *", "America/New_York", "2013-03-09", 3),
    ("daily at 02:30 in Berlin, a time that spring leaves out", "30 2 * * *", "Europe/Berlin", "2013-03-30", 3),
    ("daily at 02:30 in Berlin, a time that autumn has twice", "30 2 * * *", "Europe/Berlin", "2013-10-26", 3),
)
DATES = tuple((cron, zone, f"{start}T00:00:00+00:00", count) for _, cron, zone, start, count in _CRONS)
_SHORT: Mapping[str, Any] = {"holdout_days": 21, "train_from": "2013-07-01", "author": "ada"}
_ERRORS: Mapping[str, Mapping[str, Any]] = {
    'size="7", where a whole number is declared': {"size": "7"},
    "size=99, above the maximum": {"size": 99},
    "sizes=3, a param that does not exist": {"sizes": 3},
    'day="2013-13-01", no date': {"day": "2013-13-01"},
}
_LENGTH = 20
_CELL = 36  # columns that a cell of the table may be wide


def questions() -> dict[str, Asked]:
    """The runs that every engine is asked for, by name.

    >>> [name for name in questions()][:3]
    ['passed', 'refused', 'manners']
    """
    from mlops_lab.pipeline.flights import flights_pipeline

    flights = flights_pipeline()
    errors = {
        name: Asked(echo_dag(), f"2013-10-{day:02}", params) for day, (name, params) in enumerate(_ERRORS.items(), 1)
    }
    return {
        "passed": Asked(flights, "2013-10-01", _SHORT),
        "refused": Asked(flights, "2013-10-02", {**_SHORT, "features": "daily_averages"}),
        "manners": Asked(manners(), "2013-10-01", {"size": 4}),
        **errors,
        "sequence": Asked(sequence(_LENGTH), "2013-10-01", brief=True),
    }


def missed_since() -> tuple[str, str]:
    """A daily schedule and a start a little more than ten days ago: what an engine makes up of it.

    >>> missed_since()[0]
    '0 6 * * *'
    """
    return "0 6 * * *", (SystemClock().now() - timedelta(days=10)).isoformat()


@dataclass(frozen=True)
class Comparison:
    """One table: what was looked at, and what it was on each engine. `versions` names the engines.

    >>> print(Comparison({"ours": "0.1.0"}, (("tasks", {"ours": "11"}),)).table())
             ours 0.1.0
    tasks    11
    """

    versions: Mapping[str, str]
    rows: tuple[tuple[str, Mapping[str, str]], ...]

    def table(self) -> str:
        """The table as text; what is long goes on in the next line."""
        engines = list(self.versions)
        lines = [["", *(f"{each} {self.versions[each]}" for each in engines)]]
        lines += [[what, *(found.get(each, "") for each in engines)] for what, found in self.rows]
        folded = [
            row for line in lines for row in zip_longest(*(wrap(cell, _CELL) or [""] for cell in line), fillvalue="")
        ]
        widths = [max(map(len, column)) for column in zip(*folded, strict=True)]
        return "\n".join("    ".join(map(str.ljust, line, widths)).rstrip() for line in folded)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [(what, *(found.get(each, "") for each in self.versions)) for what, found in self.rows]
        columns = ("", *(f"{each} {version}" for each, version in self.versions.items()))
        return shown(self.table(), html_table("The same DAG on each engine", columns, rows))

    def to_dict(self) -> dict[str, object]:
        """The comparison as JSON values."""
        return {"versions": dict(self.versions), "rows": [{"what": what, **found} for what, found in self.rows]}

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.versions)}; {len(self.rows)} rows)"


def stored_comparison() -> Comparison:
    """The comparison that comes with the course, made from real runs by `scripts/compare_engines.py`.

    >>> list(stored_comparison().versions)
    ['ours', 'airflow', 'prefect']
    """
    found = json.loads(STORED.read_text("utf-8"))
    rows = tuple((str(row["what"]), {key: row[key] for key in row if key != "what"}) for row in found["rows"])
    return Comparison(found["versions"], rows)


def compare_engines() -> tuple[Comparison, str]:
    """A comparison, and where it comes from: live where Airflow and Prefect are installed (it takes some minutes).

    Else it is the stored one, and the sentence has the command that installs them. MLOPS_LAB_ENGINES=stored, which a
    check of the notebooks sets, asks for the stored one anyhow.

    >>> import os
    >>> os.environ["MLOPS_LAB_ENGINES"] = "stored"
    >>> print(compare_engines()[1])
    from runs that are stored with the course; for live ones: python start.py test-engines airflow prefect
    """
    told = "from runs that are stored with the course; for live ones: python start.py test-engines airflow prefect"
    try:
        for engine in ENGINES:
            if engine != "ours":
                python_of(engine)
    except MissingExtra:
        return stored_comparison(), told
    if os.environ.get("MLOPS_LAB_ENGINES") == "stored":
        return stored_comparison(), told
    return live_comparison(), "from live runs on this machine"


def live_comparison(answers: Mapping[str, Answer] | None = None) -> Comparison:
    """The comparison of the answers, or of what the engines that are installed here answer now (minutes).

    >>> live_comparison({}).rows
    ()
    """
    found = dict(answers) if answers is not None else _answers()
    names = list(questions())
    records = {engine: dict(zip(names, each.runs, strict=True)) for engine, each in found.items()}
    looked: dict[str, dict[str, str]] = {}
    for engine, runs in records.items():
        for what, look in _LOOKS.items():
            looked.setdefault(what, {})[engine] = look(runs)
        for (what, *_), dates in zip(_CRONS, found[engine].dates, strict=True):
            looked.setdefault(f"{what} (UTC)", {})[engine] = ", ".join(each[5:16] for each in dates)
        made_up = found[engine].missed
        for catchup in ("True", "False"):
            told = str(made_up.get(catchup, 0)) if engine != "prefect" else "0: it plans ahead only"
            looked.setdefault(f"ten days missed, runs made up with catchup={catchup}", {})[engine] = told
    return Comparison({engine: each.version for engine, each in found.items()}, tuple(looked.items()))


def _answers() -> dict[str, Answer]:
    answers = {}
    for engine in ENGINES:
        try:
            missed = None if engine == "prefect" else missed_since()
            answers[engine] = run_all(engine, list(questions().values()), dates=DATES, missed=missed, timeout=1500)
        except MissingExtra as missing:
            print(missing, file=sys.stderr)
    return answers


def _error(name: str) -> Callable[[Mapping[str, Record]], str]:
    def look(runs: Mapping[str, Record]) -> str:
        return "refused" if runs[name].refused else "accepted"

    return look


def _verdict(runs: Mapping[str, Record], name: str) -> str:
    found = runs[name].verdict
    if found is None:
        return "no version"
    gate = {True: "passed", False: "refused", None: "not asked"}[found.passed]
    return f"{gate}, {found.stage}, model {found.artifact.removeprefix('sha256:')[:12]}"


def _not_run(runs: Mapping[str, Record], name: str) -> str:
    run = runs[name]
    return ", ".join(each for each in sorted(run.tasks) if not run.attempts.get(each))


_LOOKS: Mapping[str, Callable[[Mapping[str, Record]], str]] = {
    "flights: tasks and edges": lambda runs: f"{len(runs['passed'].tasks)} and {len(runs['passed'].edges)}",
    "flights: order": lambda runs: ", ".join(runs["passed"].order),
    "flights, honest features: verdict": lambda runs: _verdict(runs, "passed"),
    "flights, leaking features: verdict": lambda runs: _verdict(runs, "refused"),
    "flights, leaking features: not run": lambda runs: _not_run(runs, "refused"),
    "flights, leaking features: state of the run": lambda runs: runs["refused"].state,
    "a third try succeeds: attempts": lambda runs: str(runs["manners"].attempts["flaky"]),
    "a third try succeeds: seconds waited (1 and 2 asked for)": lambda runs: ", ".join(
        f"{each:.0f}" for each in runs["manners"].waits["flaky"]
    ),
    "three retries, but it said that they cannot help: attempts": lambda runs: str(runs["manners"].attempts["breaks"]),
    "skipped": lambda runs: ", ".join(sorted(k for k, v in runs["manners"].states.items() if v == "skipped")),
    "not run for want of an upstream": lambda runs: ", ".join(
        sorted(k for k, v in runs["manners"].states.items() if v == "upstream_failed")
    ),
    "state of that run, whose failure was coped with": lambda runs: runs["manners"].state,
    **{f"param {name}": _error(name) for name in _ERRORS},
    "overhead a task, in a row of 20 that do nothing": lambda runs: _overhead(runs["sequence"]),
}


def _overhead(run: Record) -> str:
    milliseconds = run.seconds * 1000 / _LENGTH
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
