"""Two panels with a moment that is dragged along a day: what a daily row knew, and which rows a split leaves out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import Entity, FeatureView, Field, Source
from mlops_lab.teaching.drawing.style import EDGE, Look, kind_look, state_look
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import RangeInput
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

if TYPE_CHECKING:
    import pandas as pd

_LEFT, _PLOT, _RIGHT = 70, 640, 30
_ZONE = ZoneInfo("America/New_York")
_HOUR, _STEP = timedelta(hours=1), timedelta(minutes=30)


class _Axis:
    """Moments from left to right, told in New York's time."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self.places = [start + number * _STEP for number in range((end - start) // _STEP + 1)]

    def at(self, moment: datetime) -> float:
        share = (moment - self.start) / (self.end - self.start)
        return _LEFT + _PLOT * min(max(share, 0.0), 1.0)

    def drawn(self, y: float, *, every: int) -> list[str]:
        parts = [svg.line([(_LEFT, y), (_LEFT + _PLOT, y)], width=1)]
        for place in self.places[:: 2 * every]:
            x, local = self.at(place), place.astimezone(_ZONE)
            parts += [svg.line([(x, y), (x, y + 5)], width=1)]
            parts += [svg.text(x, y + 19, f"{local:%H:%M}", anchor="middle")]
            if local.hour == 0 or place == self.start:
                parts.append(svg.text(x, y + 36, f"{local.day} {local:%B}", anchor="middle", bold=True))
        return [*parts, svg.text(_LEFT + _PLOT / 4, y + 36, "New York time", anchor="middle")]

    def control(self, label: str, value: datetime) -> RangeInput:
        names = [f"{each.astimezone(_ZONE):%m-%d %H:%M}" for each in self.places]
        drag = (self.at(self.start), self.at(self.end))
        return RangeInput(label=label, value=self.places.index(value), names=names, drag=drag)


class DailyRowPanel(Panel):
    """Drag the moment of a decision along a day, and see what the day's row tells that nobody knew by then.

    The row that may be used comes from the join of `FeatureStore.get_historical_features` itself.

    Args:
        flights: the flights that the day's row describes: `departs`, `known_at` (both UTC) and `late`.
        rows: the daily rows of their route: `event_timestamp`, `landed_timestamp` and `route_day_late_share`.
        day: the event time of the row that a join on the date hands out; the decision stands at 04:00 of it.

    Raises:
        InvalidData: no row has the event time `day`, or there is no flight.

    >>> import pandas as pd
    >>> def utc(*times): return pd.to_datetime([f"2013-07-0{time}Z" for time in times])
    >>> flights = pd.DataFrame({"departs": utc("8T10:00", "8T23:00"), "known_at": utc("8T12:00", "9T02:00"),
    ...                         "late": [False, True]})
    >>> rows = pd.DataFrame({"event_timestamp": utc("6T04:00", "8T04:00"), "route_day_late_share": [0.25, 0.5]})
    >>> rows["landed_timestamp"] = rows["event_timestamp"] + pd.Timedelta("28h")
    >>> panel = DailyRowPanel(flights, rows, day="2013-07-08T04:00Z")
    >>> panel.view
    ✗ at 04:00 in New York the row of 8 July says 50 % late, and 2 of its 2 outcomes are still to come
    >>> panel.move_to("2013-07-09T08:00Z")
    >>> panel.view
    ✓ at 04:00 in New York the row of 8 July says 50 % late; it has landed, and all its 2 outcomes are known
    """

    title: ClassVar[str] = "The row of the day"

    def __init__(self, flights: pd.DataFrame, rows: pd.DataFrame, *, day: datetime | str) -> None:
        moment = parse_utc(day) if isinstance(day, str) else to_utc(day)
        today = rows[rows["event_timestamp"] == moment]
        if len(today) != 1 or not len(flights):
            raise InvalidData(f"there must be flights, and one row of {moment:%Y-%m-%d %H:%M} UTC, not {len(today)}.")
        self._flights, self._rows, self._day = flights.sort_values("departs"), rows, moment
        self._share = float(today["route_day_late_share"].iloc[0])
        self._landed = to_utc(today["landed_timestamp"].iloc[0].to_pydatetime())
        source = Source("daily", rows.assign(route="it"), created_timestamp_column="landed_timestamp")
        field = Field("route_day_late_share", "float64")
        self._view = FeatureView("daily", entities=[Entity("route")], schema=[field], ttl=None, source=source)
        self._axis = _Axis(moment, self._landed + 2 * _HOUR)
        super().__init__({"decision": self._axis.control("decision (New York)", moment + 4 * _HOUR)})

    def move_to(self, decision: datetime | str) -> None:
        """Put the decision at a moment, which must be one of the slider's places."""
        moment = parse_utc(decision) if isinstance(decision, str) else to_utc(decision)
        if moment not in self._axis.places:
            raise InvalidData(f"the slider has no place at {moment:%Y-%m-%d %H:%M} UTC; it goes by half hours.")
        self.set(decision=self._axis.places.index(moment))

    def honest(self, decision: datetime) -> tuple[datetime, float] | None:
        """The event time and the late share of the row that the join as of this decision uses, or None."""
        import numpy as np
        import pandas as pd

        from mlops_lab.data.features.offline import ViewRows

        asked = pd.DataFrame({"route": ["it"]})
        place = int(ViewRows(self._view).find(asked, np.array([pd.Timestamp(decision).as_unit("ns").value]))[0])
        if place < 0:
            return None
        row = self._rows.iloc[place]
        return to_utc(row["event_timestamp"].to_pydatetime()), float(row["route_day_late_share"])

    def render(self, state: State) -> View:
        """The flights of the day, those that are still to come, and the two rows that a join may hand out."""
        decision = self._axis.places[int(state["decision"])]
        flights, many = self._flights, len(self._flights)
        unknown = int((flights["known_at"] > decision).sum())
        when = f"at {decision.astimezone(_ZONE):%H:%M} in New York"
        line = f"{when} the row of {_date(self._day)} says {self._share:.0%} late".replace("%", " %")
        landed = decision >= self._landed
        if landed:
            line += f"; it has landed, and all its {many} outcomes are known"
        else:
            line += f", and {unknown} of its {many} outcomes are still to come"
        used = self.honest(decision)
        told = f"the row of {_date(used[0])}: {used[1]:.0%} late".replace("%", " %") if used else "no row"
        given = f"the row of {_date(self._day)}: {self._share:.0%} late".replace("%", " %")
        words = [f"the join on the date hands out {given}", f"the point-in-time join uses {told}"]
        for departs, known, late in flights[["departs", "known_at", "late"]].itertuples(index=False):
            when = "known" if known <= decision else "not known yet"
            words.append(f"{departs.astimezone(_ZONE):%H:%M}  {'late' if late else 'on time'}  {when}")
        picture = svg.card(
            "".join(self._picture(decision, told)), width=_LEFT + _PLOT + _RIGHT, height=250, name=f"{line}; {told}"
        )
        return View(line, "success" if landed else "failed", picture, "\n".join(words))

    def _picture(self, decision: datetime, told: str) -> list[str]:
        now, right = self._axis.at(decision), _LEFT + _PLOT
        ahead = Look("", "", "#80808033", EDGE, "dotted")
        parts = [svg.box(now, 44, width=max(right - now, 0.5), height=132, look=ahead)]
        side = "end" if right - now < 170 else "start"
        parts.append(svg.text(right - 6 if side == "end" else now + 18, 40, "nobody knows this yet", anchor=side))
        for late, y in ((True, 78), (False, 112)):
            parts.append(svg.text(12, y + 4, "late" if late else "on time"))
            for departs in self._flights.loc[self._flights["late"] == late, "departs"]:
                colour = state_look("failed" if late else "success").border
                parts.append(svg.dot(self._axis.at(departs), y, colour=colour, radius=5, full=late))
        day_end = self._axis.at(self._day + timedelta(days=1))
        told_row = f"row of {_date(self._day)}: the whole day, {self._share:.0%} late".replace("%", " %")
        parts.append(svg.box(_LEFT, 138, width=day_end - _LEFT, height=26, look=kind_look("view"), name=told_row))
        landed = self._axis.at(self._landed)
        parts += [svg.line([(landed, 132), (landed, 176)], width=3), svg.text(landed, 130, "landed", anchor="middle")]
        parts += [*self._axis.drawn(176, every=4), svg.grip(now, 32, 176)]
        parts.append(svg.text(now, 16, f"decision {decision.astimezone(_ZONE):%H:%M}", anchor="middle", bold=True))
        return [*parts, svg.text(12, 238, f"The point-in-time join uses {told}.", bold=True)]


class EmbargoPanel(Panel):
    """Drag the split along two days, let outcomes arrive later, and see which rows belong to neither side.

    Args:
        frame: one row a decision: `event_timestamp`, `label_timestamp` (when its outcome was known) and the label.
        at: where the split stands at first, a full or half hour; it goes a day to either side.
        label: the column of the outcome.

    >>> import pandas as pd
    >>> decided = pd.date_range("2013-07-01", periods=300, freq="h", tz="UTC")
    >>> frame = pd.DataFrame({"event_timestamp": decided, "late": False})
    >>> frame["label_timestamp"] = decided + pd.Timedelta("5h")
    >>> panel = EmbargoPanel(frame, "2013-07-07T04:00Z")
    >>> panel
    The split and its embargo: ✓ split at 07-07 00:00: 4 rows on neither side, 0 % of them late
    >>> panel.set(delay=24)
    >>> panel.view.line
    'split at 07-07 00:00: 28 rows on neither side, 0 % of them late'
    """

    title: ClassVar[str] = "The split and its embargo"

    def __init__(self, frame: pd.DataFrame, at: datetime | str, *, label: str = "late") -> None:
        moment = parse_utc(at) if isinstance(at, str) else to_utc(at)
        self._frame = frame[["event_timestamp", "label_timestamp", label]]
        self._label, self._axis = label, _Axis(moment - timedelta(days=1), moment + timedelta(days=1))
        super().__init__(
            {
                "split": self._axis.control("split (New York)", moment),
                "delay": RangeInput(label="outcomes later by (hours)", value=0, high=24, step=1, decimals=0),
            }
        )

    def render(self, state: State) -> View:
        """The sides of the split by half hours of decision, counted by `time_split`."""
        import pandas as pd

        from mlops_lab.models.training import time_split

        split = self._axis.places[int(state["split"])]
        known = self._frame["label_timestamp"] + pd.Timedelta(hours=state["delay"])
        frame = self._frame.assign(label_timestamp=known)
        sides = time_split(frame, split)
        neither = frame.drop(sides.train.index).drop(sides.holdout.index)
        named = {"learn from": sides.train, "neither": neither, "exam": sides.holdout}
        shares = {name: f"{rows[self._label].mean():.0%}" if len(rows) else "–" for name, rows in named.items()}
        line = f"split at {split.astimezone(_ZONE):%m-%d %H:%M}: {len(neither):,} rows on neither side"
        line += f", {shares['neither']} of them late".replace("%", " %") if len(neither) else ""
        words = ["side         rows  late"]
        words += [f"{name:<10} {len(rows):>6,}  {shares[name]:>4}" for name, rows in named.items()]
        counts = {name: rows.groupby(rows["event_timestamp"].dt.floor(_STEP)).size() for name, rows in named.items()}
        picture = svg.card("".join(self._picture(split, counts)), width=_LEFT + _PLOT + _RIGHT, height=278, name=line)
        return View(line, "success", picture, "\n".join(words))

    def _picture(self, split: datetime, counts: dict[str, pd.Series[int]]) -> list[str]:
        looks = {"learn from": kind_look("view"), "neither": state_look("failed"), "exam": kind_look("service")}
        totals = [sum(int(each.get(place, 0)) for each in counts.values()) for place in self._axis.places[:-1]]
        most, bottom, high = max([*totals, 1]), 206, 130
        wide = _PLOT / len(self._axis.places) - 1
        parts = [svg.text(_LEFT - 8, bottom, "0", anchor="end"), svg.text(12, 40, "decisions each half hour")]
        parts.append(svg.text(_LEFT - 8, bottom - high + 5, f"{most:,}", anchor="end"))
        for place in self._axis.places[:-1]:
            y = float(bottom)
            for name, series in counts.items():
                tall = high * int(series.get(place, 0)) / most
                if tall:
                    y -= tall
                    parts.append(svg.box(self._axis.at(place), y, width=wide, height=tall, look=looks[name], kind=name))
        now = self._axis.at(split)
        parts += [*self._axis.drawn(bottom, every=6), svg.grip(now, 56, bottom)]
        parts.append(svg.text(now, 16, f"split {split.astimezone(_ZONE):%m-%d %H:%M}", anchor="middle", bold=True))
        marks = {"learn from": "to learn from", "neither": "neither side (thick edge)", "exam": "for the exam"}
        x = float(_LEFT)
        for name, told in marks.items():
            parts += [svg.box(x, 256, width=14, height=14, look=looks[name]), svg.text(x + 20, 268, told)]
            x += 190
        return parts


def _date(moment: datetime) -> str:
    local = moment.astimezone(_ZONE)
    return f"{local.day} {local:%B}"
