"""The timeline panel: what was known at a decision, were it made a little earlier or later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import Entity, FeatureView, Field, Source
from mlops_lab.teaching.drawing.plots.timeline import BAD, GOOD, SeenRow, judge_rows, span
from mlops_lab.teaching.drawing.style import EDGE, Look
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import RangeInput
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

if TYPE_CHECKING:
    from mlops_lab.data.features.offline import ViewRows


_HOURS = (1, 2, 3, 6, 12)
_TTLS: tuple[timedelta | None, ...] = (timedelta(minutes=30), *(timedelta(hours=each) for each in _HOURS), None)
_STALE = timedelta(hours=1)  # after the last row, so that it can be seen growing old
_MOST_PLACES = 400  # a slider of 200 pixels has no more places to stand
_TICKS = tuple(timedelta(minutes=each) for each in (1, 5, 15, 30, 60, 120, 180, 360, 720, 1440, 7 * 1440, 28 * 1440))
_MOST_TICKS = 8
_LEFT, _PLOT, _RIGHT, _ROW, _TOP = 130, 520, 330, 34, 50


class JoinTimelinePanel(Panel):
    """Move the moment of a decision, and `ttl`, and see rows of a feature view appear, be used, and vanish.

    The row that is used comes from the join of `FeatureStore.get_historical_features` itself; the reasons are those of
    `plot_join_timeline`.

    Args:
        rows: what is known of one entity, as `plot_join_timeline` takes it, in the order it was written.
        decision: where the decision stands at first, ISO text with a zone or timezone-aware.
        feature: the key of the value in each row that the decision is after; without it, the row's name is told.
        step: how far one step of the slider goes.
        ttl: where the slider of `ttl` stands at first: 30 minutes, 1, 2, 3, 6 or 12 hours, or None for ever.

    Raises:
        InvalidData: no rows, none with the feature, one without `event_timestamp`, a time without a zone, or a `ttl`
            that the slider does not have.

    >>> panel = JoinTimelinePanel([
    ...     {"name": "08:51", "event_timestamp": "2013-01-01T08:51Z", "created_timestamp": "2013-01-01T09:00Z", "w": 9},
    ...     {"name": "09:51", "event_timestamp": "2013-01-01T09:51Z", "created_timestamp": "2013-01-01T10:05Z", "w": 4},
    ... ], decision="2013-01-01T10:00Z", feature="w")
    >>> panel
    The point-in-time join: ✓ w is 9, from row 08:51
    >>> panel.move_to("2013-01-01T10:05Z")
    >>> panel.view.line
    'w is 4, from row 09:51'
    >>> panel.set(ttl=0)
    >>> panel.move_to("2013-01-01T10:25Z")
    >>> print(panel.view.words)
    decision 2013-01-01 10:25 UTC; ttl 30 min
    08:51  event 08:51  created 09:00  ✗ not visible: too old by 1 h 4 min
    09:51  event 09:51  created 10:05  ✗ not visible: too old by 4 min
    no row was visible: w is null
    """

    title: ClassVar[str] = "The point-in-time join"

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        decision: datetime | str,
        feature: str = "",
        step: timedelta = timedelta(minutes=5),
        ttl: timedelta | None = timedelta(hours=3),
    ) -> None:
        first = _moment(decision)
        self._rows = [dict(row) for row in rows]
        self._feature = feature
        if not self._rows:
            raise InvalidData("there is no row to look at: give at least one with its event_timestamp.")
        if feature and not any(feature in row for row in self._rows):
            raise InvalidData(f"no row has {feature!r}; the first has: {', '.join(map(str, self._rows[0]))}.")
        if ttl not in _TTLS:
            there = ", ".join("None" if each is None else span(each) for each in _TTLS)
            raise InvalidData(f"the slider has no ttl of {ttl}; it has: {there}.")
        judged = judge_rows(self._rows, first, None)
        moments = [first, *(each for row in judged for each in (row.event, row.created))]
        before = -(-(first - min(moments)) // step) + 1
        after = -(-(max(moments) + _STALE - first) // step)
        if step <= timedelta(0) or before + after > _MOST_PLACES:
            raise InvalidData(f"steps of {step} make {before + after} places for the decision; at most {_MOST_PLACES}.")
        self._places = [first + number * step for number in range(-before, after + 1)]
        self._start, self._end = min([self._places[0], *moments]), max([self._places[-1], *moments])
        self._times = [(row.event, row.created) for row in judged]
        self._known = lru_cache(maxsize=len(_TTLS))(self._view_rows)
        super().__init__(
            {
                "decision": RangeInput(
                    label="decision (UTC)",
                    value=before,
                    names=[f"{each:%m-%d %H:%M}" for each in self._places],
                    drag=(self._at(self._places[0]), self._at(self._places[-1])),
                ),
                "ttl": RangeInput(
                    label="ttl",
                    value=_TTLS.index(ttl),
                    names=["for ever" if each is None else span(each) for each in _TTLS],
                ),
            }
        )

    def move_to(self, decision: datetime | str) -> None:
        """Put the decision at a moment, which must be one of the slider's places."""
        moment = _moment(decision)
        if moment not in self._places:
            near = min(self._places, key=lambda each: abs(each - moment))
            raise InvalidData(f"the slider has no place at {moment:%H:%M}; the nearest is {near:%Y-%m-%d %H:%M} UTC.")
        self.set(decision=self._places.index(moment))

    def _view_rows(self, ttl: timedelta | None) -> ViewRows:
        """The rows as a feature view knows them, with their place in the list as the feature."""
        import pandas as pd

        from mlops_lab.data.features.offline import ViewRows

        frame = pd.DataFrame({"thing": "it", "place": range(len(self._times))})
        for number, name in enumerate(("event_timestamp", "created_timestamp")):
            frame[name] = pd.to_datetime([times[number] for times in self._times], utc=True)
        source = Source("rows", frame, created_timestamp_column="created_timestamp")
        view = FeatureView("rows", entities=[Entity("thing")], schema=[Field("place", "int64")], ttl=ttl, source=source)
        return ViewRows(view)

    def used(self, state: State) -> int | None:
        """The place of the row that the join uses, or None."""
        import numpy as np
        import pandas as pd

        moment = pd.Timestamp(self._places[int(state["decision"])]).as_unit("ns").value
        known = self._known(_TTLS[int(state["ttl"])])
        place = int(known.find(pd.DataFrame({"thing": ["it"]}), np.array([moment]))[0])
        return None if place < 0 else place

    def render(self, state: State) -> View:
        """Each row with its event, its arrival and the verdict on it."""
        decision, ttl = self._places[int(state["decision"])], _TTLS[int(state["ttl"])]
        seen = judge_rows(self._rows, decision, ttl)
        place = self.used(state)
        what = self._feature or "the value"
        line = f"no row was visible: {what} is null"
        words = [f"decision {decision:%Y-%m-%d %H:%M} UTC; ttl {'for ever' if ttl is None else span(ttl)}"]
        wide = max(len(row.name) for row in seen)
        words += [
            f"{row.name:<{wide}}  event {row.event:%H:%M}  created {row.created:%H:%M}  {row.said}" for row in seen
        ]
        if place is None:
            words.append(line)
        elif self._feature:
            value = self._rows[place].get(self._feature)
            told = "null" if value is None or value != value else value  # NaN differs from itself
            line = f"{self._feature} is {told}, from row {seen[place].name}"
        else:
            line = f"row {seen[place].name} is used"
        picture = self._picture(seen, decision, ttl, name=line)
        return View(line, "skipped" if place is None else "success", picture, "\n".join(words))

    def _at(self, moment: datetime) -> float:
        share = (moment - self._start) / (self._end - self._start)
        return _LEFT + _PLOT * min(max(share, 0.0), 1.0)

    def _picture(self, seen: Sequence[SeenRow], decision: datetime, ttl: timedelta | None, *, name: str) -> str:
        bottom = _TOP + _ROW * len(seen)
        oldest = _LEFT if ttl is None else self._at(decision - ttl)
        now = self._at(decision)
        window = Look("", "", "#0072b21f", EDGE, "dotted")  # a tint of whatever the card is
        parts = [svg.box(oldest, _TOP - 14, width=max(now - oldest, 0.5), height=bottom - _TOP + 14, look=window)]
        if ttl is not None and decision - ttl > self._start:
            parts.append(svg.text(oldest, _TOP - 20, f"ttl {span(ttl)}", anchor="middle"))
        parts.append(svg.grip(now, _TOP - 10, bottom))
        parts.append(svg.text(now, 16, f"decision {decision:%H:%M}", anchor="middle", bold=True))
        for number, row in enumerate(seen):
            parts += self._row(row, _TOP + _ROW * number + _ROW / 2 - 8)
        parts += self._axis(bottom)
        return svg.card("".join(parts), width=_LEFT + _PLOT + _RIGHT, height=bottom + 44, name=name)

    def _row(self, row: SeenRow, y: float) -> list[str]:
        colour = GOOD if row.visible else BAD
        event, created = self._at(row.event), self._at(row.created)
        return [
            svg.text(12, y + 4, row.name, most=_LEFT - 30),
            svg.line([(event, y), (created, y)], colour=colour, dashes="" if row.visible else "3 3"),
            svg.line([(created, y - 8), (created, y + 8)], colour=colour, width=3),
            svg.dot(event, y, colour=colour, radius=7 if row.used else 5, full=row.used),
            svg.text(_LEFT + _PLOT + 14, y - 3, row.verdict, bold=row.used),
            svg.text(_LEFT + _PLOT + 14, y + 12, row.why),
        ]

    def _axis(self, y: float) -> list[str]:
        parts = [svg.line([(_LEFT, y), (_LEFT + _PLOT, y)], width=1)]
        whole = next((each for each in _TICKS if (self._end - self._start) / each <= _MOST_TICKS), _TICKS[-1])
        first = self._start.replace(hour=0, minute=0, second=0, microsecond=0)
        first += -((first - self._start) // whole) * whole
        for number in range((self._end - first) // whole + 1):
            moment = first + number * whole
            x = self._at(moment)
            said = f"{moment:%H:%M}" if whole < timedelta(days=1) else f"{moment:%m-%d}"
            parts += [svg.line([(x, y), (x, y + 5)], width=1), svg.text(x, y + 19, said, anchor="middle")]
        return [*parts, svg.text(_LEFT, y + 37, "○ event   ● event of the row used   | arrival (created)")]


def _moment(value: datetime | str) -> datetime:
    return parse_utc(value) if isinstance(value, str) else to_utc(value)
