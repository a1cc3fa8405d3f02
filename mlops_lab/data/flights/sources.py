"""What was known about one flight, an airport's weather and departures, and one aircraft, and since when.

Of departures only what had happened counts: one enters at its actual time, whatever the schedule said, and a flight
that should have left and has not is waiting, whether it turns out delayed or cancelled.

The usual daily tables are here too: honest history, and the everyday leak when joined on the date. A row of one is
stamped with the midnight at which its date begins, and describes all of that day: joined at ten in the morning it tells
of the evening. It really exists from `landed_timestamp` on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_lab.data.flights.questions import (
    LATE_MINUTES,
    NEVER,
    from_minutes,
    later,
    local,
    local_midnight,
    needed,
    outcomes,
    to_minutes,
)
from mlops_lab.data.flights.tables import load_flights, load_weather

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from mlops_lab.data.flights.questions import Minutes


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

    It takes and raises what `airport_departures` does.

    Returns:
        As `airport_departures`, with the composite key carrier and origin, and the features carrier_departures_3h,
        carrier_dep_delay_3h, carrier_late_share_3h and carrier_waiting.

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
    until = left.count(at)
    for hour in hours:
        before = left.count(at - 60 * hour)
        none = np.where(until == before, np.nan, until - before)
        frame[f"{prefix}_departures_{hour}h"] = until - before
        frame[f"{prefix}_dep_delay_{hour}h"] = (left.sums["delay"][until] - left.sums["delay"][before]) / none
        frame[f"{prefix}_late_share_{hour}h"] = (left.sums["late"][until] - left.sums["late"][before]) / none
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
    """Events in order of time: how many up to a moment, and `sums`, the sum of something over the first n of them."""

    def __init__(self, when: Minutes, values: dict[str, npt.NDArray[Any]]) -> None:
        import numpy as np

        order = np.argsort(when, kind="stable")
        self._when = when[order]
        self.sums = {name: np.concatenate([[0.0], np.cumsum(value[order])]) for name, value in values.items()}

    def count(self, at: Minutes) -> Minutes:
        """How many happened up to and including each moment, in its group and those before it."""
        return self._when.searchsorted(at, side="right")


_PUBLISHED_DAYS = 30  # before departure: by then the schedule stands and tickets are on sale
_WEATHER_HOURS = 1  # an hour's row may hold what was read at its 51st minute, so it is known when the hour is over
_WIND_LIMIT = 200.0  # miles an hour; more is a broken instrument, and one row of February says 1048
_WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def flight_schedule(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """What the schedule says of each flight, thirty days before it leaves.

    It takes and raises what `airport_departures` does.

    Args:
        flights: as `load_flights` gives them; the whole year when left out. `scheduled_in_hour` counts the flights of
            this frame, so give whole days.

    Returns:
        A frame in the order given with the key flight_id, event_timestamp and created_timestamp (both thirty days
        before scheduled departure), and: airline, airport, destination (text: carrier, origin and dest again,
        under names that do not clash with the keys of the entity frame), month, hour, weekday (int64, New York's
        clocks, Monday is 0), minute_of_day (int64), distance (int64, miles), scheduled_minutes (int64, gate to
        gate), and scheduled_in_hour (int64, flights that the schedule lets leave the same airport in that hour).

    >>> from mlops_lab.data.flights import load_flights
    >>> row = flight_schedule(load_flights(month=1)).iloc[0]
    >>> row["destination"], int(row["hour"]), int(row["scheduled_minutes"]), row["event_timestamp"].isoformat()
    ('IAH', 5, 244, '2012-12-02T10:15:00+00:00')
    """
    import pandas as pd

    columns = ["flight_id", "origin", "dest", "carrier", "distance", "sched_dep", "sched_arr"]
    flights = needed(load_flights(columns=columns) if flights is None else flights, columns).reset_index(drop=True)
    departure = local(flights["sched_dep"])
    published = later(flights["sched_dep"], minutes=-_PUBLISHED_DAYS * 24 * 60)
    hour = flights["sched_dep"].dt.floor("h")  # New York is whole hours from UTC, so both hours begin together
    return pd.DataFrame(
        {
            "flight_id": flights["flight_id"],
            "event_timestamp": published,
            "created_timestamp": published,
            "airline": flights["carrier"],
            "airport": flights["origin"],
            "destination": flights["dest"],
            "month": departure.dt.month.astype("int64"),
            "hour": departure.dt.hour.astype("int64"),
            "weekday": departure.dt.day_of_week.astype("int64"),
            "minute_of_day": (departure.dt.hour * 60 + departure.dt.minute).astype("int64"),
            "distance": flights["distance"],
            "scheduled_minutes": to_minutes(flights["sched_arr"]) - to_minutes(flights["sched_dep"]),
            "scheduled_in_hour": flights.groupby(["origin", hour])["flight_id"].transform("size").astype("int64"),
        }
    )


def airport_weather(weather: pd.DataFrame | None = None) -> pd.DataFrame:
    """The weather at each airport, hour by hour, known when the hour is over.

    The row of an hour holds that hour's first routine reading, often made at its 51st minute, and the rain up to
    then; taking it as known at the full hour would look up to 51 minutes ahead.

    Args:
        weather: as `load_weather` gives it; the whole year when left out.

    Returns:
        A frame in the order given with the key origin; event_timestamp: the hour of the row; created_timestamp: one
        hour later; and temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib (float64, units as
        in `load_weather`). Wind above 200 miles an hour is null. A gust of 0 says that none was reported.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `weather` is not a frame, or a moment in it is null or has no time zone.

    >>> rows = airport_weather()
    >>> (rows["created_timestamp"] - rows["event_timestamp"]).unique().tolist(), float(rows["wind_speed"].max()) < 60
    ([Timedelta('0 days 01:00:00')], True)

    How the rows were made: https://github.com/tidyverse/nycflights13/blob/main/data-raw/weather.R
    """
    import pandas as pd

    weather = load_weather() if weather is None else weather
    frame = needed(weather, ["origin", "time_hour", *_WEATHER], what="weather").reset_index(drop=True)
    moment = later(frame["time_hour"], minutes=0)
    readings = frame[_WEATHER].astype("float64")
    for column in ("wind_speed", "wind_gust"):
        readings[column] = readings[column].where(readings[column] <= _WIND_LIMIT)
    known = (frame["wind_speed"] <= _WIND_LIMIT) & frame["wind_gust"].isna()
    readings["wind_gust"] = readings["wind_gust"].mask(known, 0.0)
    keys = {"origin": frame["origin"], "event_timestamp": moment}
    keys["created_timestamp"] = later(moment, minutes=60 * _WEATHER_HOURS)
    return pd.concat([pd.DataFrame(keys), readings], axis=1)


def aircraft_last_leg(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """What each aircraft last did from New York: one row when it leaves, one more when it arrives.

    It takes and raises what `airport_departures` does.

    Two hours before a flight its aircraft is often still in the air: then the departure's row is the last one, and
    the arrival delay is null because nobody knows it. Legs that do not start in New York are not in the data.

    Returns:
        A frame with the key tailnum; event_timestamp: the actual departure or arrival; created_timestamp: five minutes
        later, when the operations feed had it; and leg_dep_delay (minutes), leg_arr_delay (minutes; null until it
        arrives), leg_delay (minutes: the newest of the two), leg_in_air (bool), leg_distance (int64, miles). At most
        one row an aircraft and moment. Ordered by moment, then key.

    >>> from mlops_lab.data.flights import load_flights
    >>> rows = aircraft_last_leg(load_flights(month=1))
    >>> rows.loc[rows["tailnum"] == "N14228", ["leg_delay", "leg_in_air"]].head(2).values.tolist()
    [[2.0, True], [11.0, False]]
    """
    import pandas as pd

    columns = ["tailnum", "distance", "dep_at", "arr_at", "dep_delay", "arr_delay"]
    flights = needed(load_flights(columns=columns) if flights is None else flights, columns)
    flights = flights[flights["tailnum"].notna()]
    parts = []
    for moment, delay, in_air in (("dep_at", "dep_delay", True), ("arr_at", "arr_delay", False)):
        legs = flights[flights[moment].notna()]
        happened = later(legs[moment], minutes=0)
        row = {
            "tailnum": legs["tailnum"],
            "event_timestamp": happened,
            "created_timestamp": later(happened, minutes=FEED_MINUTES),
            "leg_dep_delay": legs["dep_delay"],
            "leg_arr_delay": float("nan") if in_air else legs["arr_delay"],
            "leg_delay": legs[delay],
            "leg_in_air": in_air,
            "leg_distance": legs["distance"],
        }
        parts.append(pd.DataFrame(row, index=legs.index))
    frame = pd.concat(parts).sort_values(["event_timestamp", "tailnum"], kind="stable")
    return frame.drop_duplicates(["tailnum", "event_timestamp"], keep="last").reset_index(drop=True)


_OF_A_DAY = ["sched_dep", "sched_arr", "arr_at", "dep_delay", "arr_delay", "cancelled"]


def daily_airport(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each airport's averages by date of scheduled departure in New York.

    It takes and raises what `airport_departures` does. Give whole days.

    Returns:
        A frame with the key origin; event_timestamp (UTC): the midnight at which the date begins in New York;
        landed_timestamp: when a batch could have written the row, that is the first full hour, from the next midnight
        on, at which the day's last flight had arrived or was surely late; and airport_day_flights (int64),
        airport_day_dep_delay, airport_day_arr_delay (mean minutes; null when none left), airport_day_late_share (label
        as in `outcomes`), airport_day_cancelled_share. Ordered by date, then key.

    >>> from mlops_lab.data.flights import load_flights
    >>> row = daily_airport(load_flights(month=7)).iloc[0]
    >>> row["origin"], row["event_timestamp"].isoformat(), row["landed_timestamp"].isoformat()
    ('EWR', '2013-07-01T04:00:00+00:00', '2013-07-02T07:00:00+00:00')

    Read with no `created_timestamp`, it leaks: https://docs.feast.dev/getting-started/concepts/point-in-time-joins
    """
    return _by_date(flights, keys=["origin"], prefix="airport_day")


def daily_carrier(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each carrier's averages at each airport by date of scheduled departure in New York.

    It takes and raises what `airport_departures` does. Give whole days.

    Returns:
        As `daily_airport`, with the composite key carrier and origin and the features carrier_day_flights,
        carrier_day_dep_delay, carrier_day_arr_delay, carrier_day_late_share, carrier_day_cancelled_share.
    """
    return _by_date(flights, keys=["carrier", "origin"], prefix="carrier_day")


def daily_route(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each route's averages by date of scheduled departure in New York.

    It takes and raises what `airport_departures` does. Give whole days.

    Most routes see a handful of flights a day, so a flight's own delay is a good part of the average it is joined to.

    Returns:
        As `daily_airport`, with the composite key origin and dest and the features route_day_flights,
        route_day_dep_delay, route_day_arr_delay, route_day_late_share, route_day_cancelled_share.
    """
    return _by_date(flights, keys=["origin", "dest"], prefix="route_day")


def daily_weather(weather: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each airport's weather by New York date.

    Args:
        weather: as `load_weather` gives it; the whole year when left out.

    Returns:
        A frame with the key origin; event_timestamp (UTC): the midnight at which the date begins; landed_timestamp:
        the next midnight; and day_temp (mean, Fahrenheit), day_wind_speed (median, miles an hour), day_visib (lowest,
        miles), day_precip (sum, inches), day_pressure (mean, millibars). Ordered by date, then key.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `weather` is not a frame, or a moment in it is null or has no time zone.

    >>> rows = daily_weather()
    >>> len(rows), rows.columns[3:].tolist()
    (1092, ['day_temp', 'day_wind_speed', 'day_visib', 'day_precip', 'day_pressure'])
    """
    columns = ["origin", "time_hour", "temp", "wind_speed", "visib", "precip", "pressure"]
    weather = needed(load_weather(columns=columns) if weather is None else weather, columns, what="weather")
    frame = weather.assign(
        event_timestamp=local_midnight(weather["time_hour"]),
        landed_timestamp=local_midnight(weather["time_hour"], days=1),
    )
    found = frame.groupby(["event_timestamp", "origin"], sort=True, observed=True).agg(
        landed_timestamp=("landed_timestamp", "first"),
        day_temp=("temp", "mean"),
        day_wind_speed=("wind_speed", "median"),
        day_visib=("visib", "min"),
        day_precip=("precip", "sum"),
        day_pressure=("pressure", "mean"),
    )
    return _keys_first(found.reset_index(), ["origin"])


def _by_date(flights: pd.DataFrame | None, *, keys: list[str], prefix: str) -> pd.DataFrame:
    columns = [*keys, "flight_id", *_OF_A_DAY]
    flights = needed(load_flights(columns=columns) if flights is None else flights, columns).reset_index(drop=True)
    answer = outcomes(flights)
    frame = flights.assign(
        event_timestamp=local_midnight(flights["sched_dep"]),
        midnight=local_midnight(flights["sched_dep"], days=1),
        late=answer["late"].astype("float64"),
        lost=flights["cancelled"].astype("float64"),
        known=answer["event_timestamp"],
    )
    found = frame.groupby(["event_timestamp", *keys], sort=True, observed=True).agg(
        midnight=("midnight", "first"),
        known=("known", "max"),
        flights=("late", "size"),
        dep_delay=("dep_delay", "mean"),
        arr_delay=("arr_delay", "mean"),
        late_share=("late", "mean"),
        cancelled_share=("lost", "mean"),
    )
    landed = found["known"].dt.ceil("h")
    found.insert(0, "landed_timestamp", landed.where(landed > found["midnight"], found["midnight"]))
    features = ["flights", "dep_delay", "arr_delay", "late_share", "cancelled_share"]
    found = found.drop(columns=["midnight", "known"]).rename(columns={name: f"{prefix}_{name}" for name in features})
    return _keys_first(found.reset_index().astype({f"{prefix}_flights": "int64"}), keys)


def _keys_first(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    rest = [column for column in frame.columns if column not in keys]
    return frame[[*keys, *rest]]
