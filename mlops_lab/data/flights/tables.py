"""What is in the data? The tables as they were recorded, typed, in UTC."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData
from mlops_lab.data.flights.files import load_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_airlines", "load_airports", "load_flights", "load_planes", "load_weather"]


def load_flights(*, month: int | Sequence[int] | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The 336,776 flights scheduled to leave New York in 2013, ordered by scheduled departure.

    Cancelled flights (8,255) and diverted ones (1,175) are in: dropping them would use the future. All moments are UTC;
    the local day of a flight begins at midnight in America/New_York.

    Args:
        month: only flights scheduled to leave in this local month (1 to 12), or in one of these; they keep their order.
        columns: which columns, in this order; all of them when left out.

    Returns:
        A frame of one row a flight with the columns flight_id, origin, dest, carrier, flight, tailnum, distance
        (miles), sched_dep, sched_arr, dep_at, arr_at (UTC; the last two null where it did not happen), dep_delay,
        arr_delay, air_time (minutes; null likewise), cancelled, diverted. `arr_at` and `arr_delay` are null for
        diverted flights. Types are those of `load_table`.

    Raises:
        InvalidData: a month is not a whole number from 1 to 12.
        UnknownName: no such column.
        IntegrityError: the shipped file is missing or damaged.

    >>> flights = load_flights(month=2, columns=["flight_id", "sched_dep", "arr_delay"])
    >>> len(flights), flights["flight_id"][0], flights["sched_dep"][0].isoformat()
    (24951, '2013-02-01-US-1117-EWR', '2013-02-01T10:00:00+00:00')

    The table is that of https://nycflights13.tidyverse.org with local times turned into moments.
    """
    return load_table("flights", columns=columns, months=_checked_months(month))


def load_weather(*, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Hourly weather at the three airports, as recorded, ordered by hour, then airport.

    Args:
        columns: which columns, in this order; all of them when left out.

    Returns:
        A frame of one row an airport and hour: origin, time_hour (UTC), temp, dewp (degrees Fahrenheit), humid
        (percent), wind_dir (degrees), wind_speed, wind_gust (miles an hour), precip (inches), pressure (millibars),
        visib (miles). Some hours are missing, all of 31 December among them, and one wind speed is nonsense.

    Raises:
        UnknownName: no such column.
        IntegrityError: the shipped file is missing or damaged.

    >>> weather = load_weather()
    >>> len(weather), int(weather["wind_speed"].max())
    (26115, 1048)
    """
    return load_table("weather", columns=columns)


def load_airlines() -> pd.DataFrame:
    """The sixteen carriers: carrier, name.

    Raises:
        IntegrityError: the shipped file is missing or damaged.

    >>> load_airlines().set_index("carrier").loc["B6", "name"]
    'JetBlue Airways'
    """
    return load_table("airlines")


def load_airports() -> pd.DataFrame:
    """Airports of the United States: faa, name, lat, lon (degrees), alt (feet), tz (hours), dst, tzone.

    Raises:
        IntegrityError: the shipped file is missing or damaged.

    >>> load_airports().set_index("faa").loc["HNL", "tzone"]
    'Pacific/Honolulu'
    """
    return load_table("airports")


def load_planes() -> pd.DataFrame:
    """Aircraft by tail number: year, type, manufacturer, model, engines, seats, speed (miles an hour), engine.

    Raises:
        IntegrityError: the shipped file is missing or damaged.

    >>> int(load_planes().set_index("tailnum").loc["N14228", "seats"])
    149
    """
    return load_table("planes")


def _checked_months(month: int | Sequence[int] | None) -> list[int] | None:
    if month is None:
        return None
    asked: list[Any] = list(month) if isinstance(month, Iterable) else [month]
    months = []
    for one in asked:
        try:
            number = 0 if isinstance(one, bool) else operator.index(one)
        except TypeError:
            number = 0
        if not 1 <= number <= 12:
            raise InvalidData(f"month {one!r} is not a month; give a whole number from 1 to 12, or several in a list.")
        months.append(number)
    return months
