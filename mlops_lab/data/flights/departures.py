"""What was going on at the airport at that moment? Rolling counts and delays of departures, on a regular grid.

Only what had happened counts: a departure enters at its actual time, whatever the schedule said, and a flight that
should have left and has not is waiting, whether it turns out delayed or cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_lab.data.flights.questions import LATE_MINUTES, NEVER, from_minutes, later, needed, to_minutes
from mlops_lab.data.flights.tables import load_flights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from mlops_lab.data.flights.questions import Minutes

__all__ = ["FEED_MINUTES", "airport_departures", "carrier_departures"]

FEED_MINUTES = 5  # how far the operations feed, and what is computed from it, lags behind the apron
_WAITING_HOURS = 3  # after which a flight that has not left is no longer on the board
_NEEDED = ["sched_dep", "dep_at", "dep_delay"]


def airport_departures(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """The last one and three hours of departures of each airport, every 30 minutes.

    Args:
        flights: as `load_flights` gives them; the whole year when left out. What is not in it never happened: give
            whole days, and expect the first three hours to know less.

    Returns:
        A frame with the key origin; event_timestamp (UTC): the moment described; created_timestamp: five minutes
        later, when the figures were out; and, over the h = 1 or 3 hours up to and including that moment:
        airport_departures_{h}h (int64), airport_dep_delay_{h}h (mean, minutes; null without departures),
        airport_late_share_{h}h (share that left more than 15 minutes late; null likewise), and airport_waiting (int64):
        flights scheduled in those three hours which have not left. Ordered by moment, then key.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

    >>> from mlops_lab.data.flights import load_flights
    >>> rows = airport_departures(load_flights(month=7)).set_index(["origin", "event_timestamp"])
    >>> rows.loc[("EWR", "2013-07-01T21:00Z"), ["airport_departures_1h", "airport_waiting"]].astype(int).tolist()
    [18, 29]

    A window aggregation as in Feast's stream feature views
    (https://docs.feast.dev/getting-started/concepts/stream-feature-view), computed here with sorted arrays.
    """
    return _rolling(flights, keys=["origin"], prefix="airport", hours=(1, 3), every=30)


def carrier_departures(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """The last three hours of departures of each carrier at each airport, every hour.

    Args:
        flights: as `load_flights` gives them; the whole year when left out.

    Returns:
        As `airport_departures`, with the composite key carrier and origin, and the features carrier_departures_3h,
        carrier_dep_delay_3h, carrier_late_share_3h and carrier_waiting.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

    >>> from mlops_lab.data.flights import load_flights
    >>> rows = carrier_departures(load_flights(month=7)).set_index(["carrier", "origin", "event_timestamp"])
    >>> int(rows.loc[("B6", "JFK", "2013-07-01T21:00Z"), "carrier_waiting"])
    11

    A composite join key as in Feast (https://docs.feast.dev/getting-started/concepts/entity).
    """
    return _rolling(flights, keys=["carrier", "origin"], prefix="carrier", hours=(3,), every=60)


def _rolling(
    flights: pd.DataFrame | None, *, keys: list[str], prefix: str, hours: tuple[int, ...], every: int
) -> pd.DataFrame:
    import numpy as np

    flights = load_flights(columns=[*keys, *_NEEDED]) if flights is None else flights
    grouped = needed(flights, [*keys, *_NEEDED]).groupby(keys, sort=True, observed=True)
    group, names = grouped.ngroup().to_numpy(), grouped.size().index.to_frame(index=False)
    scheduled, departed = to_minutes(flights["sched_dep"]), to_minutes(flights["dep_at"])
    grid = _grid(scheduled, departed, every)
    place = np.tile(np.arange(len(names)), len(grid))
    moment = np.repeat(grid, len(names))
    frame = names.iloc[place].reset_index(drop=True)
    frame["event_timestamp"] = from_minutes(moment)
    frame["created_timestamp"] = later(frame["event_timestamp"], minutes=FEED_MINUTES)
    # Groups side by side on one axis, further apart than any window, so that one sorted search serves them all.
    width = 1 << 32
    at = place * width + moment
    happened = departed < NEVER
    delays = flights["dep_delay"].to_numpy("float64")[happened]
    left = _Sorted((group * width + departed)[happened], {"delay": delays, "late": delays > LATE_MINUTES})
    for hour in hours:
        count = left.count(at) - left.count(at - 60 * hour)
        none = np.where(count == 0, np.nan, count)
        frame[f"{prefix}_departures_{hour}h"] = count
        frame[f"{prefix}_dep_delay_{hour}h"] = (left.total("delay", at) - left.total("delay", at - 60 * hour)) / none
        frame[f"{prefix}_late_share_{hour}h"] = (left.total("late", at) - left.total("late", at - 60 * hour)) / none
    # A flight waits from its scheduled minute until it leaves, or until nobody waits any longer.
    gone: Minutes = np.minimum(departed, scheduled + 60 * _WAITING_HOURS)
    waits = gone > scheduled
    starts, ends = (_Sorted((group * width + when)[waits], {}) for when in (scheduled, gone))
    frame[f"{prefix}_waiting"] = starts.count(at) - ends.count(at)
    return frame


def _grid(scheduled: Minutes, departed: Minutes, every: int) -> Minutes:
    import numpy as np

    happened = np.concatenate([scheduled[scheduled < NEVER], departed[departed < NEVER]])
    if not len(happened):
        return happened
    first, last = happened.min() // every * every, -(-happened.max() // every) * every
    return np.arange(first, last + 1, every, dtype="int64")


class _Sorted:
    """Events in order of time: how many up to a moment, and the sum of something over them."""

    def __init__(self, when: Minutes, values: dict[str, npt.NDArray[Any]]) -> None:
        import numpy as np

        order = np.argsort(when, kind="stable")
        self._when = when[order]
        self._sums = {name: np.concatenate([[0.0], np.cumsum(value[order])]) for name, value in values.items()}

    def count(self, at: Minutes) -> Minutes:
        """How many happened up to and including each moment, in its group and those before it."""
        return self._when.searchsorted(at, side="right")

    def total(self, name: str, at: Minutes) -> npt.NDArray[np.float64]:
        """The sum over them."""
        totals: npt.NDArray[np.float64] = self._sums[name][self.count(at)]
        return totals
