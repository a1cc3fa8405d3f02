"""The moments of a schedule: those at which a DAG should have run, and the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
"""Airflow's names for common schedules."""


_SHIFT = timedelta(hours=26)  # the longest change of the clocks: Samoa left out a day
_SECOND = timedelta(seconds=1)
_CHANCE = re.compile(r"(?<![A-Za-z])[rR](?![A-Za-z])")  # croniter would draw it anew at every question


@dataclass(frozen=True)
class Schedule:
    """A cron expression in a time zone, with the moments of Airflow 3's `CronTriggerTimetable`.

    Wall-clock times that a daylight-saving change leaves out happen later by the gap (02:30 becomes 03:30); times that
    happen twice count once, the second time; only an expression with `*` for its hour runs in both doubled hours. This
    holds for every moment; Airflow loses or makes up some where it steps over a change of the clocks
    (https://github.com/apache/airflow/pull/70089).

    Args:
        cron: five fields (six with seconds at the end), or a name of `PRESETS`.
        timezone: an IANA name such as `Europe/Berlin`.

    >>> nightly = Schedule("30 2 * * *", "Europe/Berlin")
    >>> [moment.isoformat() for moment in nightly.between("2013-03-30", "2013-04-01T12:00:00Z")]
    ['2013-03-30T01:30:00+00:00', '2013-03-31T01:30:00+00:00', '2013-04-01T00:30:00+00:00']
    >>> Schedule("@daily").next("2013-09-01").isoformat(), Schedule("@daily").previous("2013-09-01").isoformat()
    ('2013-09-02T00:00:00+00:00', '2013-08-31T00:00:00+00:00')

    Raises:
        InvalidDefinition: no cron expression, or one whose moment never comes (31 February).
        UnknownName: a time zone or a preset that does not exist.

    See Also:
        https://airflow.apache.org/docs/apache-airflow/stable/authoring-and-scheduling/timetable.html
    """

    cron: str
    timezone: str = "UTC"
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", _zone(self.timezone))
        if not isinstance(self.cron, str) or not self.cron.strip():
            raise InvalidDefinition(f"the schedule must be a cron expression such as '0 6 * * *', not {self.cron!r}.")
        if self.cron.startswith("@") and self.cron not in PRESETS:
            raise UnknownName("schedule", self.cron, PRESETS)
        if len(self.cron.split()) > 6:
            raise InvalidDefinition(
                f"the schedule {self.cron[:60]!r} has more than six fields; a year cannot be given."
            )
        if _CHANCE.search(self.cron):
            raise InvalidDefinition(f"the schedule {self.cron!r} leaves a field to chance (R); write a number there.")
        from croniter import CroniterError

        try:
            # In year zero of the story, so that the answer does not hang on today.
            self.next(datetime(2013, 1, 1, tzinfo=UTC))
        except (CroniterError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidDefinition(
                f"{self.cron[:60]!r} is no cron expression whose moment ever comes: {str(error)[:200].rstrip('.')}. "
                "Write five fields (minute hour day month weekday), such as '0 6 * * *'."
            ) from None

    @cached_property
    def _expression(self) -> str:
        return PRESETS.get(self.cron, self.cron)

    @cached_property
    def _covers_every_hour(self) -> bool:
        from croniter import croniter

        return bool(croniter(self._expression).expanded[1] == ["*"])

    def next(self, after: datetime | str) -> datetime:
        """The first moment strictly after the one given, in UTC."""
        return self._step(_moment(after), forward=True)

    def previous(self, before: datetime | str) -> datetime:
        """The last moment strictly before the one given, in UTC."""
        return self._step(_moment(before), forward=False)

    def _step(self, current: datetime, *, forward: bool) -> datetime:
        try:
            return self._stepped(current, forward=forward)
        except OverflowError:
            raise InvalidData(f"the schedule leads from {current.isoformat()} out of the calendar.") from None

    def _stepped(self, current: datetime, *, forward: bool) -> datetime:
        naive = current.astimezone(self._zone).replace(tzinfo=None, fold=0)
        found = self._moments_of(self._wall(naive, forward=forward))
        changes = [each for each in map(self._change_near, (current, found[0])) if each]
        if not changes:
            return found[0]
        # Where the clocks change, wall-clock times come in another order than their moments: what the clock before the
        # change says next, or the one after it, is the answer.
        for change, before, after in changes:
            until = change + (max(before, after) if self._covers_every_hour else after)  # the clock before ends here
            one, other = (current.replace(tzinfo=None) + offset for offset in (before, after))
            start = max(other, change + after - _SECOND) if forward else min(one, until)
            for wall in (one, start) if forward else (start, other):
                found += self._moments_of(self._wall(wall, forward=forward))
        return min(each for each in found if each > current) if forward else max(e for e in found if e < current)

    def _wall(self, start: datetime, *, forward: bool) -> datetime:
        """The next, or the previous, time of the expression on a clock that never changes."""
        from croniter import croniter

        cron: Any = croniter(self._expression, start_time=start)
        found: datetime = cron.get_next(datetime) if forward else cron.get_prev(datetime)
        return found

    def _moments_of(self, wall: datetime) -> list[datetime]:
        """The moments of a wall-clock time: of the two that a doubled or left-out one could mean, the later.

        An expression for every hour means both moments of a doubled time.
        """
        first, second = (_offset(wall.replace(tzinfo=self._zone, fold=fold)) for fold in (0, 1))
        both = self._covers_every_hour and first > second
        offsets = sorted({first, second}, reverse=True) if both else [min(first, second)]
        return [(wall - offset).replace(tzinfo=UTC) for offset in offsets]

    def _change_near(self, moment: datetime) -> tuple[datetime, timedelta, timedelta] | None:
        """The change of clocks within hours of a moment, without a zone, and the offsets before and after it."""
        low, high = ((moment + each).replace(microsecond=0) for each in (-_SHIFT, _SHIFT))
        before, after = (_offset(each.astimezone(self._zone)) for each in (low, high))
        if before == after:
            return None
        while high - low > _SECOND:
            middle = (low + (high - low) / 2).replace(microsecond=0)
            if _offset(middle.astimezone(self._zone)) == before:
                low = middle
            else:
                high = middle
        return high.replace(tzinfo=None), before, after

    def at_or_after(self, moment: datetime | str) -> datetime:
        """The moment given when the schedule fires then, else the next one."""
        moment = _moment(moment)
        following = self.next(moment)
        return moment if self.previous(following) == moment else following

    def at_or_before(self, moment: datetime | str) -> datetime:
        """The moment given when the schedule fires then, else the previous one."""
        moment = _moment(moment)
        earlier = self.previous(moment)
        return moment if self.next(earlier) == moment else earlier

    def iterate(self, start: datetime | str) -> Iterator[datetime]:
        """Every moment from `start` on, without end.

        >>> from itertools import islice
        >>> [moment.day for moment in islice(Schedule("@weekly").iterate("2013-09-01"), 3)]
        [1, 8, 15]
        """
        moment = self.at_or_after(start)
        while True:
            yield moment
            moment = self.next(moment)

    def between(self, start: datetime | str, end: datetime | str) -> list[datetime]:
        """Every moment from `start` to `end`, both included.

        Raises:
            InvalidData: the end lies before the start.
        """
        first, last = _moment(start), _moment(end)
        if last < first:
            raise InvalidData(f"the end {last.isoformat()} lies before the start {first.isoformat()}.")
        found = []
        for moment in self.iterate(first):
            if moment > last:
                break
            found.append(moment)
        return found

    def due(
        self,
        now: datetime | str,
        *,
        start: datetime | str | None = None,
        last: datetime | str | None = None,
        catchup: bool = False,
    ) -> list[datetime]:
        """The logical dates to run now: all missed ones with `catchup`, else only the latest.

        Args:
            now: the present moment.
            start: nothing before it is due (a DAG's `start_date`); without one and without `last`, nothing is missed.
            last: the logical date of the last scheduled run, when there was one.
            catchup: run what was missed, as Airflow's argument of that name.

        >>> daily = Schedule("@daily")
        >>> [moment.day for moment in daily.due("2013-09-04T06:00:00Z", start="2013-09-02", catchup=True)]
        [2, 3, 4]
        >>> [moment.day for moment in daily.due("2013-09-04T06:00:00Z", start="2013-09-02")]
        [4]
        """
        present = _moment(now)
        if last is not None:
            earliest = [self.next(last)]
        elif catchup and start is None:
            return []
        else:
            earliest = []
        if start is not None and not (catchup and last is not None):
            earliest.append(self.at_or_after(start))
        if not catchup:
            earliest.append(self.at_or_before(present))
        first = max(earliest)
        return self.between(first, present) if first <= present else []


def _moment(moment: datetime | str) -> datetime:
    if isinstance(moment, str):
        return parse_utc(moment)
    if isinstance(moment, datetime):
        return to_utc(moment)
    raise InvalidData(
        f"{moment!r} ({type(moment).__name__}) is no moment; give a datetime with a time zone, or ISO text."
    )


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


def _zone(name: object) -> ZoneInfo:
    # Looked up in the list first: ZoneInfo would open whatever file a hostile name leads to.
    if not isinstance(name, str) or (name != "UTC" and name not in available_timezones()):
        raise UnknownName("time zone", name, available_timezones())
    return ZoneInfo(name)
