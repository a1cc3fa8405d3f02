"""What does the usual daily table say? Averages by date: honest history, and the everyday leak when joined on the date.

A row is stamped with its date, that is the midnight at which the day begins, and describes all of that day. Joined at
ten in the morning it tells of the evening. It really exists from `landed_timestamp` on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_lab.data.flights.questions import local_midnight, needed, outcomes
from mlops_lab.data.flights.tables import load_flights, load_weather

if TYPE_CHECKING:
    import pandas as pd


_NEEDED = ["sched_dep", "sched_arr", "arr_at", "dep_delay", "arr_delay", "cancelled"]


def daily_airport(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each airport's averages by date of scheduled departure in New York.

    Args:
        flights: as `load_flights` gives them; the whole year when left out. Give whole days.

    Returns:
        A frame with the key origin; event_timestamp (UTC): the midnight at which the date begins in New York;
        landed_timestamp: when a batch could have written the row, that is the first full hour, from the next midnight
        on, at which the day's last flight had arrived or was surely late; and airport_day_flights (int64),
        airport_day_dep_delay, airport_day_arr_delay (mean minutes; null when none left), airport_day_late_share (label
        as in `outcomes`), airport_day_cancelled_share. Ordered by date, then key.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

    >>> from mlops_lab.data.flights import load_flights
    >>> row = daily_airport(load_flights(month=7)).iloc[0]
    >>> row["origin"], row["event_timestamp"].isoformat(), row["landed_timestamp"].isoformat()
    ('EWR', '2013-07-01T04:00:00+00:00', '2013-07-02T07:00:00+00:00')

    Read with no `created_timestamp`, it leaks: https://docs.feast.dev/getting-started/concepts/point-in-time-joins
    """
    return _by_date(flights, keys=["origin"], prefix="airport_day")


def daily_carrier(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each carrier's averages at each airport by date of scheduled departure in New York.

    Args:
        flights: as `load_flights` gives them; the whole year when left out. Give whole days.

    Returns:
        As `daily_airport`, with the composite key carrier and origin and the features carrier_day_flights,
        carrier_day_dep_delay, carrier_day_arr_delay, carrier_day_late_share, carrier_day_cancelled_share.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

    >>> from mlops_lab.data.flights import load_flights
    >>> int((daily_carrier(load_flights(month=7))["carrier"] == "B6").sum())  # three airports, 31 days
    93
    """
    return _by_date(flights, keys=["carrier", "origin"], prefix="carrier_day")


def daily_route(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each route's averages by date of scheduled departure in New York.

    Most routes see a handful of flights a day, so a flight's own delay is a good part of the average it is joined to.

    Args:
        flights: as `load_flights` gives them; the whole year when left out. Give whole days.

    Returns:
        As `daily_airport`, with the composite key origin and dest and the features route_day_flights,
        route_day_dep_delay, route_day_arr_delay, route_day_late_share, route_day_cancelled_share.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

    >>> from mlops_lab.data.flights import load_flights
    >>> float(daily_route(load_flights(month=7))["route_day_flights"].median())
    3.0
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
    columns = [*keys, "flight_id", *_NEEDED]
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
