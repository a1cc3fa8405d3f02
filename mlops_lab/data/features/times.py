"""Times as nanoseconds, exactly, or an error that says why they cannot be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_datetime", "in_zone", "moment", "time_column", "ttl_in_ns", "utc_column"]

_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_NULL = -(2**63)  # what pandas keeps where there is no time


def utc_column(column: pd.Series[Any], where: str) -> pd.Series[Any]:
    """A column of times in UTC, in the resolution it came in.

    Raises:
        InvalidData: no times, times without a zone, or times that pandas cannot hold.
    """
    import pandas as pd

    dtype: Any = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        in_utc: pd.Series[Any] = column.dt.tz_convert("UTC")
        return in_utc
    if not len(column):
        return column.astype("object").astype("datetime64[us, UTC]")
    name, naive = column.name, f" {column.name!r} of {where} has no time zone; "
    a_source = where.startswith("source ")
    declare = "say which it is where the source is defined: Source(…, timezone='UTC')."
    if pd.api.types.is_datetime64_dtype(dtype) or getattr(getattr(dtype, "pyarrow_dtype", None), "tz", "") is None:
        hint = declare if a_source else f"say which it is, for example frame[{name!r}].dt.tz_localize('UTC')."
        raise InvalidData(f"column{naive}{hint}", column=str(name))
    arrow = str(getattr(dtype, "pyarrow_dtype", ""))
    if arrow.startswith("timestamp["):
        return column.astype(pd.DatetimeTZDtype(dtype.pyarrow_dtype.unit, "UTC"))
    known = column.dropna()
    if dtype != "object" or pd.api.types.infer_dtype(known) != "datetime":
        found = pd.api.types.infer_dtype(known) if dtype == "object" else dtype
        raise InvalidData(
            f"column {name!r} of {where} must hold times with a time zone, not {found}."
            f"{f' For dates, {declare}' if a_source and 'date' in str(found) else ''}",
            column=str(name),
        )
    if any(value.tzinfo is None for value in known):
        hint = declare if a_source else "some of its times are naive."
        raise InvalidData(f"column{naive}{hint}", column=str(name))
    try:
        return pd.to_datetime(column, utc=True)
    except (ValueError, OverflowError) as error:
        raise InvalidData(f"column {name!r} of {where} holds a time out of range: {error}.", column=str(name)) from None


def in_zone(column: pd.Series[Any], zone: str, where: str) -> pd.Series[Any]:
    """A column of times with those that have no zone read as local to `zone`; dates count from their midnight.

    Raises:
        InvalidData: a time that this zone does not have, or has twice, as when clocks change.
    """
    import pandas as pd

    dates = column.dtype == "object" and pd.api.types.infer_dtype(column, skipna=True) in ("date", "datetime")
    if dates or str(column.dtype).startswith(("date32", "date64", "timestamp[")):
        try:
            column = pd.to_datetime(column)
        except (TypeError, ValueError):
            return column  # times of several kinds: `utc_column` says what they are
    if not pd.api.types.is_datetime64_dtype(column.dtype):
        return column
    try:
        in_utc: pd.Series[Any] = column.dt.tz_localize(zone).dt.tz_convert("UTC")
        return in_utc
    except ValueError as error:
        raise InvalidData(
            f"column {column.name!r} of {where} holds a time that {zone} has not, or has twice: {error}.",
            column=str(column.name),
        ) from None


def time_column(column: pd.Series[Any], where: str) -> Any:
    """A column of times as int64 nanoseconds since 1970, exactly; a null is an error, for it means no moment.

    Raises:
        InvalidData: as `utc_column`; or a null; or a time outside the years 1677 to 2262 that nanoseconds can count.
    """
    times = utc_column(column, where)
    ticks, step = times.array.asi8, _NANOSECONDS[times.dt.unit]
    if not len(ticks):
        return ticks
    first, last = int(ticks.min()), int(ticks.max())
    if first == _NULL:
        count, place = int((ticks == _NULL).sum()), int((ticks == _NULL).argmax())
        raise InvalidData(
            f"column {column.name!r} of {where} has no time in {count} of {len(times)} rows, the first at position "
            f"{place}; drop those rows or fill them.",
            column=str(column.name),
        )
    if first * step <= _NULL or last * step >= 2**63:
        raise InvalidData(
            f"column {column.name!r} of {where} holds a time outside the years 1678 to 2261, "
            "which are those that nanoseconds can count.",
            column=str(column.name),
        )
    return ticks if step == 1 else ticks * step


def moment(value: Any, what: str) -> int:
    """A point in time (datetime or ISO 8601 text, with a zone) as nanoseconds since 1970.

    Raises:
        InvalidData: no time, no time zone, or out of range.
    """
    import pandas as pd

    when = parse_utc(value) if isinstance(value, str) else value
    if not isinstance(when, datetime) or pd.isna(when):
        raise InvalidData(f"{what} must be a time, not {value!r}.")
    to_utc(when)
    try:
        return int(pd.Timestamp(when).as_unit("ns").value)
    except pd.errors.OutOfBoundsDatetime:
        raise InvalidData(f"{what} must be a time between 1678 and 2261, not {value!r}.") from None


def as_datetime(nanoseconds: int) -> datetime:
    """The moment so many nanoseconds after 1970, in UTC."""
    import pandas as pd

    return pd.Timestamp(nanoseconds, unit="ns", tz="UTC")


def ttl_in_ns(ttl: timedelta | None) -> int | None:
    """A duration in nanoseconds, exactly; None for one so long that it means for ever."""
    if ttl is None:
        return None
    nanoseconds = ttl // timedelta(microseconds=1) * 1000 + getattr(ttl, "nanoseconds", 0)
    return int(nanoseconds) if nanoseconds < 2**64 else None
