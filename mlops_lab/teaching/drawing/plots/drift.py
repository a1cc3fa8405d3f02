"""How did what is served move away from what the model learnt, month by month?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlops_lab.base.errors import InvalidData
from mlops_lab.teaching.drawing.plots.bars import plot_line
from mlops_lab.teaching.drawing.plots.plot import Plot
from mlops_lab.teaching.drawing.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlops_lab.models.drift import DriftReport


_MOST_LINES = 4


def plot_drift(
    title: str, reports: Iterable[DriftReport], *, columns: Iterable[str] | None = None, bound: float = 0.25
) -> Plot:
    """The PSI of the model's answers and of a few features, period by period, with the bound as a line.

    Args:
        title: One line.
        reports: What `watch_drift` found, in order of time.
        columns: Which features; those that moved furthest when left out.
        bound: The PSI from which a column counts as drifted.

    Raises:
        InvalidData: there is no report.

    >>> from mlops_lab.models.drift import ColumnDrift, DriftReport
    >>> def month(name, temp):
    ...     column = ColumnDrift("temp", temp, 0.1, "stable")
    ...     return DriftReport(name, 1000, ColumnDrift("score", 0.05, 0.1, "stable"), (column,), retrain=False, why="")
    >>> plot_drift("drift since winter", [month("2013-04", 0.08), month("2013-07", 1.5)])
    drift since winter
    PSI (0.25 is drift) by month
    month    the answers  temp
    2013-04         0.05  0.08
    2013-07         0.05  1.50
    """
    found = list(reports)
    if not found:
        raise InvalidData("there is no report to plot; watch at least one period.")
    names = list(columns) if columns is not None else _furthest(found)
    lines: dict[str, list[float | None]] = {}
    if any(report.score is not None for report in found):
        lines["the answers"] = [None if report.score is None else report.score.psi for report in found]
    for name in names:
        by_period = [{each.column: each.psi for each in report.columns} for report in found]
        lines[name] = [psis.get(name) for psis in by_period]
    periods = [report.period for report in found]
    plain = plot_line(title, lines, x=periods, x_label="month", y_label=f"PSI ({bound:g} is drift)", decimals=2)
    # A feature that has left its old range altogether would press every other line onto the axis.
    most = 4 * bound
    cut = {name: [None if each is None else min(each, most) for each in line] for name, line in lines.items()}
    label = f"PSI ({bound:g} is drift), cut at {most:g}"
    shown = plot_line(title, cut, x=periods, x_label="month", y_label=label, decimals=2)

    def draw(axes: Axes) -> None:
        shown.draw(axes)
        axes.axhline(bound, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_ylim(bottom=0)
        axes.tick_params(axis="x", labelrotation=45)

    return Plot(plain.title, plain.outline, draw, size=plain.size)


def _furthest(reports: list[DriftReport]) -> list[str]:
    """The features that moved furthest in any period, those aside that are expected to."""
    most: dict[str, float] = {}
    for report in reports:
        for each in report.columns:
            if each.state != "expected":
                most[each.column] = max(most.get(each.column, 0.0), each.psi)
    return sorted(most, key=lambda name: (-most[name], name))[:_MOST_LINES]
