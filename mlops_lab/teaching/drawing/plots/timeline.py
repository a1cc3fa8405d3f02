"""The plot of a point-in-time join: which rows could be seen at the moment of a decision, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.teaching.drawing.plots.plot import Plot, letters
from mlops_lab.teaching.drawing.style import EDGE, INK
from mlops_lab.teaching.drawing.words import plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_SHORT = "%m-%d %H:%M"
GOOD, BAD = "#00805d", "#c04f00"  # a row that is visible, and one that is not, here and on the panel
_WINDOW = "#0072b21f"  # a tint of whatever the card is


@dataclass(frozen=True)
class SeenRow:
    """One row with the verdict on it."""

    name: str
    event: datetime
    created: datetime
    visible: bool
    used: bool
    why: str

    @property
    def verdict(self) -> str:
        """Mark and word."""
        return "✓ used" if self.used else "– visible" if self.visible else "✗ not visible"

    @property
    def said(self) -> str:
        """The verdict and its reason."""
        return f"{self.verdict}: {self.why}"


def plot_join_timeline(
    rows: Sequence[Mapping[str, Any]],
    decision_time: datetime | str,
    ttl: timedelta | None,
    *,
    title: str = "What was known at the decision",
) -> Plot:
    """The point-in-time join on one entity's rows: each row's event, its arrival, and the verdict with its reason.

    A row is visible when its event is at or before the decision, at most `ttl` older, and it was created by then; of
    those the newest event, then the newest creation, then the last row is used. This is the rule of
    `FeatureStore.get_historical_features`, on a handful of rows to look at.

    Args:
        rows: Mappings with `event_timestamp`, optionally `created_timestamp` (by default, at once) and `name`; times
            are timezone-aware or ISO text with a zone.
        decision_time: The entity row's timestamp.
        ttl: How old an event may be, both ends included; None for ever.
        title: One line.

    Raises:
        InvalidData: a row without `event_timestamp`, or a time that is none or has no zone.

    >>> plot_join_timeline([
    ...     {"name": "04:51", "event_timestamp": "2013-01-01T04:51Z"},
    ...     {"name": "08:51", "event_timestamp": "2013-01-01T08:51Z", "created_timestamp": "2013-01-01T08:58Z"},
    ...     {"name": "09:51", "event_timestamp": "2013-01-01T09:51Z", "created_timestamp": "2013-01-01T10:05Z"},
    ... ], "2013-01-01T10:00Z", timedelta(hours=3), title="weather at EWR")
    weather at EWR
    decision 2013-01-01 10:00 UTC; ttl 3 h
    04:51  event 01-01 04:51  created 01-01 04:51  ✗ not visible: too old by 2 h 9 min
    08:51  event 01-01 08:51  created 01-01 08:58  ✓ used: the newest of 1 visible row
    09:51  event 01-01 09:51  created 01-01 10:05  ✗ not visible: not yet arrived: created 5 min too late
    """
    decision = _moment(decision_time, "decision_time")
    seen = judge_rows(rows, decision, ttl)
    wide = max((len(plain(row.name)) for row in seen), default=0)
    limit = "for ever" if ttl is None else span(ttl)
    outline = [plain(title), f"decision {decision:%Y-%m-%d %H:%M} UTC; ttl {limit}"]
    outline += [
        f"{plain(row.name):<{wide}}  event {row.event:{_SHORT}}  created {row.created:{_SHORT}}  {row.said}"
        for row in seen
    ]
    if not any(row.used for row in seen):
        outline.append("no row was visible: the features are null")

    def draw(axes: Axes) -> None:
        _draw(axes, seen, decision, ttl)

    return Plot(plain(title), "\n".join(outline), draw, size=(9.0, 1.7 + 0.55 * len(seen)))


def judge_rows(rows: Sequence[Mapping[str, Any]], decision: datetime, ttl: timedelta | None) -> list[SeenRow]:
    """The verdict on each row of one entity, with its reason; see `plot_join_timeline` for the arguments.

    >>> [seen] = judge_rows([{"event_timestamp": "2013-01-01T08:51Z"}], parse_utc("2013-01-01T10:00Z"), None)
    >>> seen.used, seen.said
    (True, '✓ used: the newest of 1 visible row')
    """
    timed = []
    for number, row in enumerate(rows, start=1):
        if row.get("event_timestamp") is None:
            raise InvalidData(f"row {number} has no event_timestamp; it has: {', '.join(map(str, row)) or 'nothing'}.")
        event = _moment(row["event_timestamp"], f"event_timestamp of row {number}")
        created = row.get("created_timestamp")
        arrived = event if created is None else _moment(created, f"created_timestamp of row {number}")
        timed.append((event, arrived, number, str(row.get("name", f"row {number}"))))
    reasons = [_hidden(event, arrived, decision, ttl) for event, arrived, _, _ in timed]
    visible = [row for row, reason in zip(timed, reasons, strict=True) if not reason]
    best = max(visible, default=None)  # by event, then creation, then place
    newest = f"the newest of {len(visible)} visible row{'s' * (len(visible) != 1)}"
    return [
        SeenRow(name, event, arrived, not reason, row == best, reason or (newest if row == best else "an older one"))
        for row, reason in zip(timed, reasons, strict=True)
        for event, arrived, _, name in [row]
    ]


def _hidden(event: datetime, created: datetime, decision: datetime, ttl: timedelta | None) -> str:
    """Why a row cannot be seen; empty when it can."""
    if event > decision:
        return f"after the decision, by {span(event - decision)}"
    if ttl is not None and decision - event > ttl:
        return f"too old by {span(decision - event - ttl)}"
    if created > decision:
        return f"not yet arrived: created {span(created - decision)} too late"
    return ""


def _draw(axes: Axes, seen: Sequence[SeenRow], decision: datetime, ttl: timedelta | None) -> None:
    from matplotlib import dates as untyped

    dates: Any = untyped
    moments = [decision, *(row.event for row in seen), *(row.created for row in seen)]
    start = min([*moments, decision - ttl] if ttl is not None else moments)
    room = max((max(moments) - start) * 0.04, timedelta(minutes=1))
    left, right, now = (float(dates.date2num(each)) for each in (start - room, max(moments) + room, decision))
    oldest = left if ttl is None else float(dates.date2num(decision - ttl))
    axes.axvspan(oldest, now, facecolor=_WINDOW, edgecolor=EDGE, linestyle=":", zorder=0)  # the tint alone is 1.1:1
    axes.axvline(now, color=INK, linewidth=2)
    for place, row in enumerate(seen):
        colour = GOOD if row.visible else BAD
        event, created = float(dates.date2num(row.event)), float(dates.date2num(row.created))
        axes.plot([event, created], [place, place], color=colour, linewidth=2, linestyle="-" if row.visible else ":")
        axes.plot(
            event, place, "o", color=colour, markersize=10 if row.used else 7, fillstyle="full" if row.used else "none"
        )
        axes.plot(created, place, "|", color=colour, markersize=16, markeredgewidth=2.5)
        words = f"{row.verdict}\n{row.why}"
        axes.annotate(words, (1.02, place), xycoords=("axes fraction", "data"), va="center", color=INK, fontsize=10)
    axes.set(xlim=(left, right), ylim=(len(seen) - 0.4, -1.25))
    axes.annotate(
        "decision", (now, -0.95), xytext=(-4, 0), textcoords="offset points", ha="right", va="center", color=INK
    )
    if ttl is not None:
        axes.annotate(
            f"ttl {span(ttl)}", (oldest, -0.6), xytext=(4, 0), textcoords="offset points", va="center", color=INK
        )
    axes.set_yticks(range(len(seen)), [letters(shortened(row.name, 24)) for row in seen])
    axes.xaxis_date(tz="UTC")
    locator = dates.AutoDateLocator(minticks=2, maxticks=6)  # with 5, three hours have no interval
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz="UTC", show_offset=False))
    axes.set_xlabel("time, UTC: ○ event, ● of the row used, | arrival")


def _moment(value: Any, what: str) -> datetime:
    if isinstance(value, str):
        return parse_utc(value)
    if not isinstance(value, datetime) or value != value:  # pandas' NaT is a datetime that differs from itself
        raise InvalidData(f"{what} is {value!r}, which is no time.")
    return to_utc(value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value)


def span(length: timedelta) -> str:
    """A duration in its two largest units.

    >>> span(timedelta(days=1, hours=2, minutes=3)), span(timedelta(0))
    ('1 d 2 h', '0 s')
    """
    left = length.total_seconds()
    parts = []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count:.0f} {unit}")
    if left:
        parts.append(f"{left:g} s")
    return " ".join(parts[:2]) or "0 s"
