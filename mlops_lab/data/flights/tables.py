"""The shipped tables as they were recorded, typed, in UTC, and each file checked to be what was shipped.

`provenance.json` lies beside the Parquet files and says where each came from and what its sha256 is. Reading a file
costs a few milliseconds of hashing, so every load checks it: damaged data never becomes a model.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import DuplicateName, IntegrityError, InvalidData, UnknownName
from mlops_lab.base.fingerprint import fingerprint_bytes

if TYPE_CHECKING:
    import pandas as pd


DATA = Path(__file__).parent.parent


def describe(table: str | None = None) -> dict[str, Any]:
    """Where the data comes from: source, licence, authorship, and each table's rows, columns, units and sha256.

    Args:
        table: only this table's part (`flights`, `weather`, `airlines`, `airports`, `planes`).

    Returns:
        A new dict of plain JSON values, yours to change.

    Raises:
        UnknownName: there is no such table.
        IntegrityError: the file `provenance.json` is missing or damaged.

    >>> describe()["licence"], describe("flights")["rows"]
    ('CC0', 336776)
    >>> describe("weather")["columns"]["visib"]["unit"]
    'mile'

    The idea is that of a model card for data (https://arxiv.org/abs/1803.09010, datasheets for datasets), cut short.
    """
    path = DATA / "provenance.json"
    try:
        provenance: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tables = provenance["tables"]
        whole = all({"file", "rows", "sha256", "columns"} <= set(entry) for entry in tables.values())
    except OSError as error:
        raise IntegrityError(f"data file {path.name}", expected="a readable file", found=_reason(error)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise IntegrityError(f"data file {path.name}", expected="the provenance of each table", found="other content")
    if table is None:
        return provenance
    if table not in list(tables):
        raise UnknownName("table", table, tables, where="the shipped data")
    found: dict[str, Any] = tables[table]
    return found


def verify_data() -> dict[str, str]:
    """Hash every shipped file and compare with what was shipped.

    Returns:
        The verified fingerprint of each table, by table name.

    Raises:
        IntegrityError: a file is missing or its bytes are not those that were shipped.

    >>> sorted(verify_data())
    ['airlines', 'airports', 'flights', 'planes', 'weather']
    """
    tables = describe()["tables"]
    return {name: fingerprint_bytes(_verified_bytes(entry)) for name, entry in tables.items()}


def load_table(
    table: str, *, columns: Sequence[str] | None = None, months: Sequence[int] | None = None
) -> pd.DataFrame:
    """One shipped table as a frame, checked against its sha256.

    Args:
        table: `flights`, `weather`, `airlines`, `airports` or `planes`.
        columns: which columns, in this order; all of them when left out.
        months: which months (only flights are stored by month).

    Returns:
        Text in the text type pandas infers (`object` before pandas 3, `str` since), whole numbers int64, other
        numbers float64, flags bool, moments `datetime64[us, UTC]`; the same for every subset, empty ones included.

    Raises:
        UnknownName: no such table or column.
        InvalidData: `columns` is not a list of names, or the table is not stored by month.
        IntegrityError: the file is missing or damaged.

    >>> load_table("airlines", columns=["name"]).head(2)
                         name
    0       Endeavor Air Inc.
    1  American Airlines Inc.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    entry = describe(table)
    names = _checked_columns(table, columns, list(entry["columns"]))
    file = pq.ParquetFile(pa.BufferReader(_verified_bytes(entry)))
    if months is None:
        return _to_frame(file.read(columns=names).select(names))
    stored: list[int] = json.loads((file.schema_arrow.metadata or {}).get(b"row_group_months", b"[]"))
    if not stored:
        raise InvalidData(f"table {table!r} is not stored by month; load it whole and filter it.")
    groups = [group for group, month in enumerate(stored) if month in set(months)]
    return _to_frame(file.read_row_groups(groups, columns=names).select(names))


def _to_frame(table: Any) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _checked_columns(table: str, columns: Sequence[str] | None, options: list[str]) -> list[str]:
    if columns is None:
        return options
    if isinstance(columns, str):
        raise InvalidData(f"columns is a list of names: write columns=[{columns!r}], not columns={columns!r}.")
    if not isinstance(columns, Iterable):
        raise InvalidData(f"columns is a list of names, not {columns!r}.")
    names = list(columns)
    for name in names:
        if name not in options:
            raise UnknownName("column", name, options, where=f"table {table}")
        if names.count(name) > 1:
            raise DuplicateName("column", name, where=f"the columns asked of table {table}")
    return names


def _verified_bytes(entry: dict[str, Any]) -> bytes:
    path = DATA / str(entry["file"])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"data file {path.name}", expected=entry["sha256"], found=_reason(error)) from None
    found = fingerprint_bytes(data)
    if found != entry["sha256"]:
        raise IntegrityError(f"data file {path.name}", expected=entry["sha256"], found=found)
    return data


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


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
