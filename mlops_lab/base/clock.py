"""The time: what it is, how one waits for later, and times without a zone refused.

Everything in the package that needs the time is handed a `Clock`, so that a notebook's ten-minute retry costs
nothing, a test chooses its hour, and only a real run really waits.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mlops_lab.base.errors import InvalidData


class Clock(Protocol):
    """Two questions to time: what is it now, and wake me later."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return `seconds` seconds later."""


class SystemClock:
    """The machine's own clock.

    >>> SystemClock().now().tzinfo
    datetime.timezone.utc
    """

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Block for `seconds` seconds; zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)


class FakeClock:
    """A clock that stands still until somebody waits: sleeping moves it forward and costs no time.

    >>> clock = FakeClock("2013-07-01T06:00:00Z")
    >>> clock.sleep(90)
    >>> clock.now().isoformat()
    '2013-07-01T06:01:30+00:00'
    """

    def __init__(self, start: datetime | str = "2014-01-01T00:00:00Z") -> None:
        self._now = to_utc(start) if isinstance(start, datetime) else parse_utc(start)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The moment this clock shows."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock forward; nobody waits."""
        try:
            wait = timedelta(seconds=max(0.0, seconds))
        except OverflowError:
            raise InvalidData(
                f"nobody can wait for {seconds:g} seconds; that is past the end of the calendar."
            ) from None
        self.advance(wait)

    def advance(self, by: timedelta) -> None:
        """Move the clock forward by a duration."""
        try:
            with self._lock:
                self._now += by
        except OverflowError:
            raise InvalidData(f"{by} after {self._now.isoformat()} is past the end of the calendar.") from None

    def __repr__(self) -> str:
        return f"FakeClock({self._now:%Y-%m-%dT%H:%M:%SZ})"


def to_utc(moment: datetime) -> datetime:
    """The same moment in UTC.

    Raises:
        InvalidData: the moment is naive, so which moment it means is anybody's guess; or it is no moment at all.

    >>> to_utc(datetime.fromisoformat("2013-07-01T02:00:00-04:00")).isoformat()
    '2013-07-01T06:00:00+00:00'
    """
    if not isinstance(moment, datetime) or moment != moment:  # pandas' NaT is a datetime, unequal to itself
        kind = type(moment).__name__
        raise InvalidData(f"{moment!r} ({kind}) is no moment; give a datetime with a time zone.")
    if moment.tzinfo is None:
        raise InvalidData(
            f"the time {moment.isoformat()} has no time zone; write {moment.isoformat()}Z if it is meant in UTC."
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidData(f"the time {moment.isoformat()} is outside the calendar, in UTC.") from None


def parse_utc(text: str) -> datetime:
    """A moment from ISO 8601 text; a bare date is that day's midnight in UTC.

    >>> parse_utc("2013-10-01").isoformat(), parse_utc("2013-10-01T02:00:00+02:00").isoformat()
    ('2013-10-01T00:00:00+00:00', '2013-10-01T00:00:00+00:00')

    Raises:
        InvalidData: the text is no date, or has a time of day without a time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise InvalidData(f"{text!r} is not a date or time; write it as 2013-10-01 or 2013-10-01T06:00:00Z.") from None
    if moment.tzinfo is None and len(text.strip()) <= len("2013-10-01"):
        return moment.replace(tzinfo=UTC)
    return to_utc(moment)
