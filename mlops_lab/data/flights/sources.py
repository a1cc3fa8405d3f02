"""What was known about one flight, one airport's weather, one aircraft, and since when?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_lab.data.flights.departures import FEED_MINUTES
from mlops_lab.data.flights.questions import later, local, needed, to_minutes
from mlops_lab.data.flights.tables import load_flights, load_weather

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["aircraft_last_leg", "airport_weather", "flight_schedule"]

_PUBLISHED_DAYS = 30  # before departure: by then the schedule stands and tickets are on sale
_WEATHER_HOURS = 1  # an hour's row may hold what was read at its 51st minute, so it is known when the hour is over
_WIND_LIMIT = 200.0  # miles an hour; more is a broken instrument, and one row of February says 1048
_WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def flight_schedule(flights: pd.DataFrame | None = None) -> pd.DataFrame:
    """What the schedule says of each flight, thirty days before it leaves.

    Args:
        flights: as `load_flights` gives them; the whole year when left out. `scheduled_in_hour` counts the flights of
            this frame, so give whole days.

    Returns:
        A frame in the order given with the key flight_id, event_timestamp and created_timestamp (both thirty days
        before scheduled departure), and: airline, airport, destination (text: carrier, origin and dest again,
        under names that do not clash with the keys of the entity frame), month, hour, weekday (int64, New York's
        clocks, Monday is 0), minute_of_day (int64), distance (int64, miles), scheduled_minutes (int64, gate to
        gate), and scheduled_in_hour (int64, flights that the schedule lets leave the same airport in that hour).

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

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

    Two hours before a flight its aircraft is often still in the air: then the departure's row is the last one, and
    the arrival delay is null because nobody knows it. Legs that do not start in New York are not in the data.

    Args:
        flights: as `load_flights` gives them; the whole year when left out.

    Returns:
        A frame with the key tailnum; event_timestamp: the actual departure or arrival; created_timestamp: five minutes
        later, when the operations feed had it; and leg_dep_delay (minutes), leg_arr_delay (minutes; null until it
        arrives), leg_delay (minutes: the newest of the two), leg_in_air (bool), leg_distance (int64, miles). At most
        one row an aircraft and moment. Ordered by moment, then key.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

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
