"""Figures of a few numbers: bars, a number along an axis, and drift month by month."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_lab.base.display import text_table
from mlops_lab.base.errors import InvalidData
from mlops_lab.teaching.drawing.plots.plot import COLOURS, Plot, letters
from mlops_lab.teaching.drawing.style import EDGE, INK, PAPER
from mlops_lab.teaching.drawing.words import plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlops_lab.models.drift import DriftReport


Bars = Mapping[str, float | None] | Mapping[str, Mapping[str, float | None]]
_HATCHES = ("", "//", "..", "xx", "\\\\", "++")
Interval = tuple[float, float, float]
_MARKERS = "osD^v"
_DASHES = ("-", "--", "-.", ":")
_MOST_POINTS = 31  # a line with more points than a month has days tells its key figures instead


def plot_bars(title: str, values: Bars, unit: str = "", *, decimals: int = 2) -> Plot:
    """Horizontal bars, each with its name and its number written beside it.

    Args:
        title: One line.
        values: Name to number, or group to name to number (two bars a model: offline and served). None and NaN show as
            "no figure".
        unit: What the numbers count, such as "AUC" or "minutes".
        decimals: Digits after the point.

    Raises:
        InvalidData: nothing to plot, or something that is no number.

    >>> measured = {"as known": {"offline": 0.7, "served": 0.7}, "daily": {"offline": 0.89, "served": 0.64}}
    >>> plot_bars("promised and served", measured, "AUC")
    promised and served
    as known, offline  0.70 AUC
    as known, served   0.70 AUC
    daily, offline     0.89 AUC
    daily, served      0.64 AUC
    """
    bars: list[tuple[str, str, float | None]] = []
    for group, value in values.items():
        if isinstance(value, Mapping):
            bars += [(f"{group}, {name}", str(name), _number(each, f"{group}, {name}")) for name, each in value.items()]
        else:
            bars.append((str(group), "", _number(value, str(group))))
    if not bars:
        raise InvalidData("there is nothing to plot: give at least one name with its number.")
    series = list(dict.fromkeys(name for _, name, _ in bars))
    names = [plain(label) for label, _, _ in bars]
    said = [_said(value, decimals, plain(unit)) for _, _, value in bars]
    wide = max(len(name) for name in names)
    outline = [plain(title), *(f"{name:<{wide}}  {text}" for name, text in zip(names, said, strict=True))]

    def draw(axes: Axes) -> None:
        for row, (_, name, value) in enumerate(bars):
            place = series.index(name)
            hatch = _HATCHES[place % len(_HATCHES)]
            colour = COLOURS[place % len(COLOURS)]
            axes.barh(
                row, value or 0.0, height=0.7, color=colour if not hatch else PAPER, edgecolor=colour, hatch=hatch
            )
            left = value is not None and value < 0
            axes.annotate(
                _said(value, decimals, ""),
                (value or 0.0, row),
                xytext=(-5 if left else 5, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                color=INK,
            )
        axes.set_yticks(range(len(bars)), [letters(shortened(name, 40)) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.margins(x=0.18)
        axes.set_xlabel(letters(unit or "value"))

    return Plot(plain(title), "\n".join(outline), draw, size=(7.0, 1.2 + 0.38 * len(bars)))


def plot_points(
    title: str,
    values: Mapping[str, Interval] | Mapping[str, Mapping[str, Interval]],
    unit: str = "",
    *,
    decimals: int = 2,
) -> Plot:
    """A point a row with its interval, on an axis that shows where they differ: for figures that lie close together.

    Args:
        title: One line.
        values: Name to (figure, low, high), or group to name to that; see `score_interval`.
        unit: What the numbers count, such as "AUC".
        decimals: Digits after the point.

    Raises:
        InvalidData: nothing to plot, or something that is no number.

    >>> plot_points("in July", {"logistic": (0.78, 0.77, 0.79), "trees": (0.8, 0.785, 0.815)}, "AUC", decimals=3)
    in July
    logistic  0.780 (0.770 to 0.790) AUC
    trees     0.800 (0.785 to 0.815) AUC
    """
    points: list[tuple[str, str, tuple[float, float, float]]] = []
    for group, value in values.items():
        named = value.items() if isinstance(value, Mapping) else [("", value)]
        for name, each in named:
            label = ", ".join(part for part in (str(group), str(name)) if part)
            numbers = [number for one in each if (number := _number(one, label)) is not None]
            if len(numbers) != 3:
                raise InvalidData(f"{label} is {each!r}; a point is a figure with its low and its high end.")
            points.append((label, str(name), (numbers[0], numbers[1], numbers[2])))
    if not points:
        raise InvalidData("there is nothing to plot: give at least one name with its figure and interval.")
    series = list(dict.fromkeys(name for _, name, _ in points))
    names = [plain(label) for label, _, _ in points]
    wide = max(len(name) for name in names)
    outline = [plain(title)]
    for name, (_, _, (at, low, high)) in zip(names, points, strict=True):
        said = f"{at:,.{decimals}f} ({low:,.{decimals}f} to {high:,.{decimals}f}) {plain(unit)}".rstrip()
        outline.append(f"{name:<{wide}}  {said}")

    def draw(axes: Axes) -> None:
        for row, (_, name, (at, low, high)) in enumerate(points):
            place = series.index(name)
            colour, marker = COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)]
            axes.plot([low, high], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt")
            axes.plot(at, row, marker, color=colour, markersize=8)
            axes.annotate(
                f"{at:,.{decimals}f}", (at, row), xytext=(0, 8), textcoords="offset points", ha="center", color=INK
            )
        axes.set_yticks(range(len(points)), [letters(shortened(name, 40)) for name in names])
        axes.set_ylim(len(points) - 0.5, -0.8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=EDGE, linewidth=0.4)
        axes.margins(x=0.12)
        axes.set_xlabel(letters(f"{unit or 'value'}, the line is two standard errors to either side"))

    return Plot(plain(title), "\n".join(outline), draw, size=(7.0, 1.2 + 0.5 * len(points)))


def plot_line(
    title: str,
    lines: Mapping[str, Sequence[float | None]],
    *,
    x: Sequence[object],
    x_label: str,
    y_label: str,
    decimals: int = 1,
) -> Plot:
    """One or more lines over a common axis, each with its name at its end (delay by hour, AUC by month).

    The text has every point, or, of more than 31, each line's first, lowest, highest and last.

    Args:
        title: One line.
        lines: Name to values, one for each of `x`; None and NaN leave a gap.
        x: Numbers, or texts for evenly spaced places.
        x_label: What `x` is, with its unit.
        y_label: What the values are, with their unit.
        decimals: Digits after the point.

    Raises:
        InvalidData: nothing to plot, unequal lengths, or something that is no number.

    >>> plot_line("mean delay", {"EWR": [3.1, 12.25], "JFK": [None, 9]}, x=[6, 18], x_label="hour", y_label="minutes")
    mean delay
    minutes by hour
    hour  EWR   JFK
    6     3.1     –
    18   12.2   9.0
    """
    if not lines or not len(x):
        raise InvalidData("there is nothing to plot: give at least one line with one point.")
    values = {str(name): [_number(each, f"line {name!r}") for each in line] for name, line in lines.items()}
    for name, line in values.items():
        if len(line) != len(x):
            raise InvalidData(f"line {name!r} has {len(line)} values for {len(x)} places on the x axis.")
    numeric = all(isinstance(each, int | float) and not isinstance(each, bool) for each in x)
    places = [float(str(each)) for each in x] if numeric else [float(place) for place in range(len(x))]
    head = [plain(title), f"{plain(y_label)} by {plain(x_label)}"]
    outline = head + (_table(x_label, x, values, decimals) if len(x) <= _MOST_POINTS else _ends(x, values, decimals))

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        ends = []
        for place, (name, line) in enumerate(values.items()):
            colour, dashes = COLOURS[place % len(COLOURS)], _DASHES[place % len(_DASHES)]
            marker = "o" if len(places) <= _MOST_POINTS else ""
            points = [math.nan if each is None else each for each in line]
            axes.plot(places, points, color=colour, linestyle=dashes, linewidth=2, marker=marker, markersize=4)
            known = [(at, each) for at, each in zip(places, line, strict=True) if each is not None]
            if known:
                ends.append((known[-1], letters(shortened(name, 24)), colour))
        axes.set(xlabel=letters(x_label), ylabel=letters(y_label))
        if not numeric:
            step = max(1, len(x) // 12)
            axes.set_xticks(places[::step], [letters(shortened(str(each), 16)) for each in x[::step]])
        if numeric and all(at.is_integer() for at in places):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color=EDGE, linewidth=0.4)
        axes.set_axisbelow(True)
        _name_ends(axes, ends)

    return Plot(plain(title), "\n".join(outline), draw)


def _name_ends(axes: Axes, ends: list[tuple[tuple[float, float], str, str]]) -> None:
    """The names at the right edge, at the height of each line's last point, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    apart = (high - low) * 0.075
    height = -math.inf
    for (at, end), name, colour in sorted(ends, key=lambda each: each[0][1]):
        height = max(end, height + apart)
        axes.annotate(
            name,
            (at, end),
            xytext=(1.03, height),
            textcoords=("axes fraction", "data"),
            color=INK,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "linestyle": ":", "shrinkB": 4},
        )


def _table(x_label: str, x: Sequence[object], values: Mapping[str, list[float | None]], decimals: int) -> list[str]:
    names = [plain(name) for name in values]
    rows = [
        [plain(at), *(_said(line[place], decimals, "", missing="–") for line in values.values())]
        for place, at in enumerate(x)
    ]
    return text_table([plain(x_label), *names], rows, right=names).splitlines()


def _ends(x: Sequence[object], values: Mapping[str, list[float | None]], decimals: int) -> list[str]:
    said = []
    for name, line in values.items():
        known = [(each, at) for each, at in zip(line, x, strict=True) if each is not None]
        if not known:
            said.append(f"{plain(name)}: no figure in {len(x):,} points")
            continue
        key = {
            "first": known[0],
            "lowest": min(known, key=_value),
            "highest": max(known, key=_value),
            "last": known[-1],
        }
        words = ", ".join(f"{word} {each:,.{decimals}f} at {plain(at)}" for word, (each, at) in key.items())
        said.append(f"{plain(name)}: {words} ({len(known):,} points)")
    return said


def _value(point: tuple[float, object]) -> float:
    return point[0]


def _number(value: object, what: str) -> float | None:
    """A finite number, or None where there is none."""
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidData(f"{what} is {value!r}, which is no number.") from None
    if math.isinf(number):
        raise InvalidData(f"{what} is infinite, which no axis can show.")
    return None if math.isnan(number) else number


def _said(value: float | None, decimals: int, unit: str, *, missing: str = "no figure") -> str:
    return missing if value is None else f"{value:,.{decimals}f} {unit}".rstrip()


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
