"""A plot's words carry its numbers, agree with scikit-learn and the feature store, and touch no global state."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.models.training import calibration_error
from mlops_lab.teaching.drawing.plots import Plot, plot_bars, plot_calibration, plot_join_timeline, plot_line, plot_roc

MORNING = pd.Timestamp("2013-01-01T06:00Z")
SAMPLES = {
    "roc": plot_roc({"as known": ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), "daily $x$ 列": ([0, 1], [0.1, 0.2])}),
    "calibration": plot_calibration({"as known": ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])}, bins=2),
    "bars": plot_bars("AUC", {"as known": {"offline": 0.7, "served": None}, "<daily>": {"offline": -0.9}}, "AUC"),
    "line": plot_line(
        "delay", {"EWR": [1.0, None, 3.0], "JFK": [1.0, 2.0, 3.0]}, x=[5, 6, 7], x_label="hour", y_label="min"
    ),
    "words": plot_line("AUC", {"champion": [0.7, 0.64]}, x=["2013-09", "2013-10"], x_label="month", y_label="AUC"),
    "nothing known": plot_line("AUC", {"champion": [None, math.nan]}, x=[1, 2], x_label="month", y_label="AUC"),
    "timeline": plot_join_timeline(
        [{"event_timestamp": MORNING, "created_timestamp": MORNING}], "2013-01-01T07:00Z", None
    ),
    "no rows": plot_join_timeline([], "2013-01-01T07:00Z", timedelta(0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("plot", SAMPLES.values(), ids=SAMPLES)
def test_every_plot_draws_the_same_bytes_twice_and_names_itself(plot: Plot) -> None:
    again = Plot(plot.title, plot.outline, plot.draw, plot.size)

    root = ElementTree.XML(plot.svg)

    assert (plot.png, plot.svg) == (again.png, again.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == plot.outline
    assert "matplotlib v" not in plot.svg.lower()


def test_a_notebook_gets_the_picture_and_the_numbers() -> None:
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(SAMPLES["roc"])

    assert sorted(data) == ["image/svg+xml", "text/html", "text/plain"]
    assert data["text/plain"].splitlines()[1] == "as known: AUC 0.750 (4 rows, 2 positive)"
    assert "<style" not in data["image/svg+xml"], "inside a page its rules would be the page's"
    assert ElementTree.fromstring(data["image/svg+xml"]).get("aria-label") == data["text/plain"]  # noqa: S314  our own


@pytest.mark.slow
def test_plots_leave_pyplot_and_the_settings_of_the_session_alone() -> None:
    program = (
        "import sys\n"
        "import mlops_lab.teaching.drawing.plots as plots\n"
        "assert 'matplotlib' not in sys.modules, 'matplotlib is imported before it is needed'\n"
        "plot = plots.plot_bars('t', {'a': 1})\n"
        "repr(plot)\n"
        "assert 'matplotlib' not in sys.modules, 'the words need matplotlib'\n"
        "import matplotlib\n"
        "matplotlib.rcParams['font.size'] = 33\n"
        "before = matplotlib.rcParams.copy()\n"
        "plot.png\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot is used'\n"
        # Only to look at the backend would choose one, and import pyplot for it.
        "changed = [key for key in before if key != 'backend' and matplotlib.rcParams[key] != before[key]]\n"
        "assert changed == [], changed\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".txt"])
def test_a_plot_is_saved_by_suffix(suffix: str, tmp_path: Path) -> None:
    path = SAMPLES["bars"].save(tmp_path / f"bars{suffix}")

    assert path.read_bytes()[:4] in (b"\x89PNG", b"<svg", b"AUC\n")
    with pytest.raises(UnknownName, match="no file type for a plot"):
        SAMPLES["bars"].save(tmp_path / "bars.pdf")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_the_auc_is_scikit_learns(rows: list[tuple[bool, int]]) -> None:
    from sklearn.metrics import roc_auc_score

    outcomes, scores = [one for one, _ in rows], [score / 6 for _, score in rows]

    if len(set(outcomes)) == 1:
        with pytest.raises(InvalidData, match="all alike"):
            plot_roc({"m": (outcomes, scores)})
    else:
        expected = roc_auc_score(outcomes, scores)
        assert f"AUC {expected:.3f} " in plot_roc({"m": (outcomes, scores)}).outline


def test_the_mean_gap_is_the_calibration_error_of_training() -> None:
    chance = np.random.default_rng(7).random(997)
    happened = np.random.default_rng(8).random(997) < chance**2

    outline = plot_calibration({"m": (happened, chance)}).outline

    assert f"mean gap {calibration_error(happened, chance):.3f} (997 rows)" in outline
    assert len(outline.splitlines()) == 2 + 10


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (([], []), "give one of each a row"),
        (([0, 1], [0.5]), "give one of each a row"),
        (([0, 2], [0.5, 0.5]), "neither 0 nor 1"),
        (([0, None], [0.5, 0.5]), "neither 0 nor 1"),
        (([0, 1], [0.5, math.nan]), "missing or infinite"),
        (([0, 1], ["high", "low"]), "must be numbers"),
    ],
)
def test_outcomes_and_scores_that_cannot_be_plotted_are_refused(pairs: Any, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        plot_roc({"m": pairs})
    with pytest.raises(InvalidData, match=words):
        plot_calibration({"m": pairs})


def test_nothing_to_plot_is_refused() -> None:
    for plot in (
        lambda: plot_roc({}),
        lambda: plot_bars("t", {}),
        lambda: plot_line("t", {}, x=[], x_label="", y_label=""),
    ):
        with pytest.raises(InvalidData, match="nothing to plot"):
            plot()
    with pytest.raises(InvalidData, match="outside 0 to 1"):
        plot_calibration({"m": ([0, 1], [0.5, 1.5])})
    with pytest.raises(InvalidData, match="at least 1 bin"):
        plot_calibration({"m": ([0, 1], [0.5, 0.5])}, bins=0)


def test_bars_say_every_number_and_where_there_is_none() -> None:
    plot = plot_bars("late", {"EWR": 12.345, "JFK": math.nan, "LGA": None, "all": -3}, "minutes", decimals=1)

    assert plot.outline == "late\nEWR  12.3 minutes\nJFK  no figure\nLGA  no figure\nall  -3.0 minutes"


def test_a_long_title_breaks_where_the_picture_ends() -> None:
    plot = plot_bars(
        "Four models, the same 15,048 flights of July", {"gradient_boosting": {"random split": 0.8}}, "AUC"
    )
    figure = plot.figure

    figure.draw_without_rendering()

    (title,) = figure.findobj(lambda one: getattr(one, "get_text", str)() == plot.title)
    assert title.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("value", ["many", math.inf, object()])
def test_a_bar_or_point_that_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidData, match="EWR"):
        plot_bars("late", {"EWR": value})
    with pytest.raises(InvalidData, match="EWR"):
        plot_line("late", {"EWR": [value]}, x=[1], x_label="hour", y_label="minutes")


def test_a_line_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidData, match="line 'EWR' has 2 values for 3 places"):
        plot_line("late", {"EWR": [1, 2]}, x=[1, 2, 3], x_label="hour", y_label="minutes")


def test_a_long_line_tells_its_key_figures() -> None:
    plot = plot_line("t", {"a": [5, *range(98), None], "b": [None] * 100}, x=list(range(100)), x_label="x", y_label="y")

    assert plot.outline.splitlines()[2:] == [
        "a: first 5.0 at 0, lowest 0.0 at 1, highest 97.0 at 98, last 97.0 at 98 (99 points)",
        "b: no figure in 100 points",
    ]
    assert plot.png[:4] == b"\x89PNG"


@pytest.mark.parametrize("title", ["Four models, the same 15,048 flights of July", "A title of many words " * 6])
def test_a_title_is_whole_however_long_the_names_of_the_bars_are(title: str) -> None:
    figure = plot_bars(title, {"a name that is as long as names may be": {"random split": 0.8}}, "AUC").figure

    figure.draw_without_rendering()

    said = figure.get_suptitle()
    seen = figure._suptitle.get_window_extent()
    assert " ".join(said.split()) == title.strip()
    assert seen.x0 >= 0
    assert seen.x1 <= figure.bbox.width


def test_points_that_lie_close_together_are_told_with_their_intervals_and_fill_the_axis() -> None:
    from matplotlib.figure import Figure

    from mlops_lab.teaching.drawing.plots import plot_points

    plot = plot_points("July", {"a": {"x": (0.79, 0.78, 0.8), "y": (0.77, 0.76, 0.78)}}, "AUC")
    axes = Figure().subplots()
    plot.draw(axes)

    assert plot.outline.splitlines() == ["July", "a, x  0.79 (0.78 to 0.80) AUC", "a, y  0.77 (0.76 to 0.78) AUC"]
    left, right = axes.get_xlim()
    assert left > 0.75, "no axis from zero, on which all points are one"
    assert right < 0.81


@pytest.mark.parametrize("values", [{}, {"a": (0.7, None, 0.8)}, {"a": {"x": (0.7, 0.6)}}])
def test_a_point_without_its_interval_is_refused(values: Any) -> None:
    from mlops_lab.teaching.drawing.plots import plot_points

    with pytest.raises(InvalidData):
        plot_points("July", values)


def test_a_plot_takes_paper_and_ink_from_the_page() -> None:
    svg = plot_bars("AUC", {"a": {"x": 0.7, "y": 0.8}}).svg

    assert svg.count("var(--jp-layout-color0") >= 2, "card and axes; and the paper below a hatch"
    assert "var(--jp-content-font-color0" in svg
    for colour in ("#ffffff", "#1b1b1b", "#000000"):
        assert f": {colour}" not in svg
        assert f'fill="{colour}" ' not in svg.replace(f'fill="{colour}" style="fill:var', "")
