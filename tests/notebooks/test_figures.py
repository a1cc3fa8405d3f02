"""No figure in a notebook's prose that no cell makes: each occurs among its outputs, or stands here with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from build_notebooks import from_source
from notebook_kernel import REPOSITORY

SOURCES = sorted((REPOSITORY / "notebooks" / "src").glob("[0-9][0-9]_*.py"))
#: A number with a point or a comma in it, or before a percent sign; no date, version, address or part of a name.
NUMBER = re.compile(r"(?<![\w.,/#:-])(\d{1,3}(?:,\d{3})+|\d+\.\d+|\d+(?= %))(?![\w]|\.\d|,\d)")
ELSEWHERE = {
    ("00", "0.5"): "the AUC of a coin, by definition",
    ("01", "0.5"): "the AUC of a coin, by definition",
    ("00", "30"): "an example of a promise, not a measurement",
    ("04", "2.9"): "the version of MLflow that the link leads to",
    ("01", "0.731"): "test_yesterdays_row_with_the_hour",
}


def made(notebook: dict[str, Any]) -> Iterator[float]:
    """Every number that a code cell holds or gives."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            said = ["".join(cell["source"])]
            for output in cell["outputs"]:
                said += ["".join(output.get("text", "")), "".join(output.get("data", {}).get("text/plain", ""))]
            for number in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", "\n".join(said)):
                if len(number) < 16:  # a longer one is part of a fingerprint
                    yield float(number.replace(",", ""))


def told(source: str) -> Iterator[tuple[str, bool, str]]:
    """Every figure of the prose, whether it is a percentage, and the words around it."""
    for cell in from_source(source).cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"`[^`]*`", "", re.sub(r"\]\([^)]*\)", "]", cell.source))
            for found in NUMBER.finditer(words):
                around = " ".join(words[max(0, found.start() - 40) : found.end() + 30].split())
                yield found.group(1), words[found.end() :].startswith(" %"), around


def unmade(source: str, notebook: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures of the prose that are no number of the cells, rounded as the prose rounds."""
    numbers, missing = list(made(notebook)), []
    for figure, percent, around in told(source):
        value, digits = float(figure.replace(",", "")), len(figure.partition(".")[2])
        near = 0.5 * 10**-digits + 1e-9
        if not any(abs(each * scale - value) <= near for each in numbers for scale in ((1, 100) if percent else (1,))):
            missing.append((figure, around))
    return missing


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_cell_makes_every_figure_of_the_prose(source: Path) -> None:
    notebook = json.loads((source.parents[1] / f"{source.stem}.ipynb").read_text(encoding="utf-8"))

    missing = unmade(source.read_text(encoding="utf-8"), notebook)

    assert [each for each in missing if (source.stem[:2], each[0]) not in ELSEWHERE] == []


def test_a_figure_that_nothing_makes_is_noticed() -> None:
    cell = {"cell_type": "code", "source": "x", "outputs": [{"text": "AUC 0.8149 on 57,595 flights, share 0.343"}]}
    prose = "# %% [markdown]\n# It has 0.81 and 0.82 on 57,595 and 57,596 flights, 34 % and 35 % of them, see `0.9`.\n"

    assert [figure for figure, _ in unmade(prose, {"cells": [cell]})] == ["0.82", "57,596", "35"]


RUN_OF_THE_YEAR = {"0.90", "0.64", "0.74"}


def scene() -> set[str]:
    """The figures of the two models that the dashboard, the playground and the plans are about, on four weeks."""
    from mlops_lab.teaching.classroom.results import load_measured

    return {
        f"{one.metrics[f'{side}.roc_auc']:.3f}" for one in load_measured().values() for side in ("offline", "served")
    }


@pytest.mark.parametrize(
    ("page", "whole_year", "four_weeks"),
    [
        ("README.md", {"0.90", "0.64", "0.74"}, {"0.734"}),
        ("site/index.md", set(), {"0.734"}),
        ("notebooks/src/00_start_here.py", {"0.90", "0.74"}, set()),
        ("notebooks/teacher/README.md", {"0.90", "0.64", "0.74"}, {"0.877", "0.603", "0.734"}),
    ],
)
def test_the_two_models_have_one_set_of_figures_a_window(page: str, whole_year: set[str], four_weeks: set[str]) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    figures = set(re.findall(r"(?<![\d.])0\.[6-9]\d{1,2}(?!\d)", text))

    assert figures & RUN_OF_THE_YEAR == whole_year
    assert figures & scene() == four_weeks


def test_notebook_00_runs_what_the_front_pages_tell() -> None:
    notebook = json.loads((REPOSITORY / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8"))
    ran = {"cells": [cell for cell in notebook["cells"] if "plot_bars(" not in "".join(cell["source"])]}
    numbers = [each for each in made(ran) if 0.6 < each < 1 and round(each, 2) != each]

    assert {f"{each:.2f}" for each in numbers} >= RUN_OF_THE_YEAR


@pytest.mark.parametrize(
    ("notebook", "said"), [("01", "June and July"), ("02", "June and July"), ("03", "in notebook 00")]
)
def test_a_notebook_on_other_flights_says_so(notebook: str, said: str) -> None:
    source = next(each for each in SOURCES if each.stem.startswith(notebook)).read_text(encoding="utf-8")

    assert said in " ".join(source.replace("\n# ", " ").split())


@pytest.mark.nightly
def test_yesterdays_row_with_the_hour(tmp_path: Path) -> None:
    """What notebook 01 tells of the honest view of exercise 01.4, done as it is told."""
    from dataclasses import replace

    from mlops_lab import FakeClock, FeatureStore, Tracker, datasets, flight_objects, parse_utc, train

    clock, july = FakeClock("2013-08-01"), parse_utc("2013-07-01T04:00Z")
    store = FeatureStore(tmp_path, clock=clock)
    store.apply(flight_objects())
    leaking = store.get_feature_view("daily_route")
    source = replace(leaking.source, created_timestamp_column="landed_timestamp", landed_column=None)
    view = replace(leaking, name="route_yesterday", source=source)
    store.apply(view)
    flights = datasets.load_flights(month=[6, 7])
    answers = datasets.outcomes(flights)
    hour = flights["sched_dep"].dt.tz_convert("America/New_York").dt.hour.astype("int64")
    asked = datasets.decisions(flights).assign(
        late=answers["late"], label_timestamp=answers["event_timestamp"], leaves_at=hour
    )
    names = [f"route_yesterday:{field.name}" for field in view.schema]

    known = store.get_historical_features(asked, features=names)
    served = store.replay(asked[asked["event_timestamp"] >= july], features=names)
    known = replace(known, features=("leaves_at", *known.features))
    run = train(known, Tracker(tmp_path, clock=clock), label="late", split_at=july, served=served)

    assert round(run.metrics["offline.roc_auc"], 3) == round(run.metrics["served.roc_auc"], 3) == 0.731
