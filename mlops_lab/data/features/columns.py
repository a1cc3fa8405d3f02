"""The columns of frames as what they are declared to be, exactly, or an error that says what was found instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData, closest

if TYPE_CHECKING:
    import pandas as pd


_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_NULL = -(2**63)  # what pandas keeps where there is no time


def utc_column(column: pd.Series[Any], where: str) -> pd.Series[Any]:
    """A column of times in UTC, in the resolution it came in.

    Raises:
        InvalidData: no times, times without a zone, or times that pandas cannot hold.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    dtype: Any = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        in_utc: pd.Series[Any] = column.dt.tz_convert("UTC")
        return in_utc
    if not len(column):
        return column.astype("object").astype("datetime64[us, UTC]")
    arrow: Any = getattr(dtype, "pyarrow_dtype", None)
    if str(arrow).startswith("timestamp[") and arrow.tz is not None:
        return column.astype(pd.DatetimeTZDtype(arrow.unit, "UTC"))
    name, held, known = column.name, what_it_holds(column), column.dropna()
    naive = "without a zone" in held
    if not naive and (dtype != "object" or pd.api.types.infer_dtype(known) != "datetime"):
        hint = ""
        if held.startswith(("dates", "text")):
            hint = " Make times of it first: pd.to_datetime(…, utc=True)."
            if where.startswith("source "):
                hint = f" Dates, and text as 2024-05-31T18:30 says it, are read where {_DECLARE}"
        raise InvalidData(
            f"column {name!r} of {where} must hold times with a time zone, not {held}.{hint}", column=str(name)
        )
    if naive or any(value.tzinfo is None for value in known):
        hint = f"say which it is, for example frame[{name!r}].dt.tz_localize('UTC')."
        if where.startswith("source "):
            hint = f"say which it is where {_DECLARE}"
        elif not naive:
            hint = "some of its times are naive."
        raise InvalidData(f"column {name!r} of {where} has no time zone; {hint}", column=str(name))
    try:
        return pd.to_datetime(column, utc=True)
    except (ValueError, OverflowError) as error:
        raise InvalidData(f"column {name!r} of {where} holds a time out of range: {error}.", column=str(name)) from None


_DECLARE = "the source is defined: Source(…, timezone='UTC')."
_KINDS = {
    "boolean": "true or false",
    "bytes": "bytes",
    "date": "dates",
    "datetime": "times",
    "datetime64": "times",
    "decimal": "decimals",
    "empty": "nothing",
    "floating": "numbers",
    "integer": "whole numbers",
    "string": "text",
    "time": "times of day",
    "timedelta": "durations",
    "timedelta64": "durations",
}


def what_it_holds(column: pd.Series[Any]) -> str:
    """What a column holds, in words for an error: the kind of its values, and its type where that says more.

    >>> import pandas as pd
    >>> what_it_holds(pd.Series(["2024-01-01"])), what_it_holds(pd.Series([[1], None], dtype="object"))
    ('text', 'values of type list')
    """
    import pandas as pd

    dtype: Any = column.dtype
    arrow = str(getattr(dtype, "pyarrow_dtype", ""))
    if pd.api.types.is_datetime64_dtype(dtype) or (arrow.startswith("timestamp[") and "tz=" not in arrow):
        return "times without a zone"
    if isinstance(dtype, pd.CategoricalDtype):
        return f"categories of {what_it_holds(dtype.categories.to_series())}"
    found = pd.api.types.infer_dtype(column.dropna(), skipna=True)
    if dtype == "object" and found not in _KINDS:
        kinds = sorted({type(value).__name__ for value in column.dropna()})
        return f"values of type {', '.join(kinds[:5])}"
    words = _KINDS.get(found, str(dtype))
    return words if words in ("text", str(dtype)) or dtype == "object" else f"{words} ({dtype})"


def in_zone(column: pd.Series[Any], zone: str, where: str) -> pd.Series[Any]:
    """A column of times with those that have no zone read as local to `zone`; dates count from their midnight.

    Raises:
        InvalidData: a time that this zone does not have, or has twice, as when clocks change.
    """
    import pandas as pd

    kind = pd.api.types.infer_dtype(column.dropna()) if column.dtype == "object" else what_it_holds(column)
    if kind in ("date", "datetime", "string", "text") or str(column.dtype).startswith(("date", "timestamp[")):
        try:
            column = pd.to_datetime(column, format="ISO8601" if kind in ("string", "text") else None)
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


_EXACT = 2**53  # whole numbers up to here survive being a float


def check_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Refuse a frame that lacks one of the columns or has it twice."""
    existing = [str(column) for column in frame.columns]
    for column in columns:
        if column not in existing:
            meant = closest(column, existing)
            hint = f" The nearest there is {meant!r}." if meant else ""
            raise InvalidData(f"no column {column!r} in {where}; it has: {', '.join(existing)}.{hint}", column=column)
        if existing.count(column) > 1:
            raise InvalidData(f"{where} has {existing.count(column)} columns {column!r}; rename one.", column=column)


def refuse_infinite(column: pd.Series[Any], what: str, rows: str = "rows") -> None:
    """Raise where numbers are infinite: a mean, a scale or a score of such is infinite too, or silently without them.

    Raises:
        InvalidData: with how many, and the first of them.
    """
    import numpy as np
    import pandas as pd

    numeric = pd.api.types.is_float_dtype(column.dtype) or column.dtype == "object"
    if not numeric or not (infinite := column.isin([np.inf, -np.inf]).to_numpy()).any():
        return
    raise InvalidData(
        f"{what} is infinite in {int(infinite.sum()):,} of {len(column):,} {rows}, the first at position "
        f"{int(infinite.argmax())}; make those null, or a number.",
        column=str(column.name),
    )


def refuse(column: pd.Series[Any], wanted: str, where: str, hint: str = "") -> InvalidData:
    """The error that says what a column should have held and what it holds."""
    return InvalidData(
        f"column {column.name!r} of {where} must be {wanted}, not {what_it_holds(column)}.{hint}",
        column=str(column.name),
    )


def _texts(column: pd.Series[Any], where: str) -> Any:
    """The column as an Arrow array of text."""
    import pandas as pd
    import pyarrow as pa

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_categories(column, _texts, where)
    plain = dtype == "object"
    known = isinstance(dtype, pd.StringDtype | pd.ArrowDtype)
    if not known and not (plain and pd.api.types.infer_dtype(column, skipna=True) == "string"):
        if column.notna().any():
            raise refuse(column, "text", where)
        return pa.nulls(len(column), pa.large_string())
    try:
        texts = pa.array(column, pa.large_string() if plain else None, from_pandas=True)
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks()
        if texts.null_count < len(texts) and not (
            pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)
        ):
            raise refuse(column, "text", where)
        return (
            texts.cast(pa.large_string()) if texts.null_count < len(texts) else pa.nulls(len(texts), pa.large_string())
        )
    except UnicodeEncodeError:
        raise refuse(column, "text that UTF-8 can write", where) from None


def _of_categories(column: Any, read: Callable[[Any, str], Any], where: str) -> Any:
    """What `read` makes of the categories of a column, for each row."""
    import pandas as pd
    import pyarrow as pa

    codes = column.cat.codes.to_numpy()
    return read(pd.Series(column.dtype.categories, name=column.name), where).take(pa.array(codes, mask=codes < 0))


def _wholes(column: pd.Series[Any], where: str) -> Any:
    """The column as an Arrow array of int64."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_categories(column, _wholes, where)
    kind = pd.api.types.infer_dtype(column, skipna=True) if dtype == "object" else ""
    if pd.api.types.is_integer_dtype(dtype) or kind in ("integer", "decimal"):
        try:
            if kind == "decimal" or isinstance(dtype, pd.ArrowDtype):
                whole = pa.array(column if kind else column.array, from_pandas=True).cast(pa.int64())
                return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
            return pa.array(column, pa.int64(), from_pandas=True)
        except (pa.ArrowInvalid, OverflowError):
            hint = " Some have decimals, or are too large." if kind == "decimal" else " Some values are too large."
            raise refuse(column, "int64", where, hint) from None
    if not len(column) or not column.notna().any():
        return pa.nulls(len(column), pa.int64())
    if not pd.api.types.is_float_dtype(dtype):
        raise refuse(column, "whole numbers (int64)", where)
    # A plain pandas column of whole numbers turns into floats when a null enters.
    numbers = column.to_numpy("float64", na_value=np.nan)
    unknown = np.isnan(numbers)
    whole = np.where(unknown, 0, numbers)
    if not (unknown.any() and (np.abs(whole) <= _EXACT).all() and (whole == np.floor(whole)).all()):
        raise refuse(column, "whole numbers (int64)", where, " Use the type Int64 for whole numbers with nulls.")
    return pa.array(whole.astype("int64"), mask=unknown)


def _dense(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column, with what is only left out to save room put in."""
    import pandas as pd

    dtype: Any = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        return column.astype(dtype.subtype)
    return column


def key_column(column: pd.Series[Any], value_type: str, where: str) -> Any:
    """A key column as an Arrow array of text or int64, its nulls kept."""
    column = _dense(column)
    return _texts(column, where) if value_type == "string" else _wholes(column, where)


def value_column(column: pd.Series[Any], dtype: str, where: str) -> Any:
    """A feature column as the pandas array that stands for its declared type.

    Whole numbers may come as any type that holds them exactly, floats only where there are nulls; float64 takes any
    number.

    Raises:
        InvalidData: the column holds something else.
    """
    import numpy as np
    import pandas as pd

    column = _dense(column)
    if dtype in ("string", "int64") and find_spec("pyarrow") is None:
        return _without_arrow(column, dtype, where)
    if dtype == "string":
        return _texts_array(_texts(column, where))
    if dtype == "int64":
        wholes = _wholes(column, where)
        unknown = wholes.is_null().to_numpy(zero_copy_only=False)
        return pd.arrays.IntegerArray(wholes.fill_null(0).to_numpy(), unknown)
    if dtype == "timestamp":
        try:
            return utc_column(column, where).dt.as_unit("ns").array
        except pd.errors.OutOfBoundsDatetime:
            raise refuse(column, "times between 1678 and 2261", where) from None
    empty = not column.notna().any()
    kind = pd.api.types.infer_dtype(column, skipna=True) if column.dtype == "object" else ""
    if dtype == "bool":
        if not (empty or pd.api.types.is_bool_dtype(column.dtype) or kind == "boolean"):
            raise refuse(column, "true or false (bool)", where)
        return _array([None] * len(column) if empty else column, "boolean")
    other = pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype)
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not other
    if isinstance(column.dtype, pd.CategoricalDtype) and not empty:
        codes = column.cat.codes.to_numpy()
        of_each = value_column(pd.Series(column.dtype.categories, name=column.name), dtype, where)
        return np.where(codes < 0, np.nan, of_each[codes])
    if not (empty or numeric or kind in ("integer", "floating", "mixed-integer-float", "decimal")):
        raise refuse(column, "numbers (float64)", where)
    if empty:
        return np.full(len(column), np.nan)
    return column.to_numpy("float64", na_value=np.nan) if column.hasnans else column.to_numpy("float64")


def _without_arrow(column: pd.Series[Any], dtype: str, where: str) -> Any:
    """A column of text or whole numbers where only a server runs, which computes a few rows at a time."""
    known, values = column.notna(), column.tolist()
    if dtype == "int64" and not known.all():  # whole numbers, which a null has turned into floats
        values = [int(one) if isinstance(one, float) and one.is_integer() else one for one in values]
    values = [one if is_known else None for one, is_known in zip(values, known, strict=True)]
    if set(map(type, values)) - {type(None), str if dtype == "string" else int}:
        raise refuse(column, "text" if dtype == "string" else "whole numbers (int64)", where)
    return column_of(values, dtype)


def _texts_array(values: Any) -> Any:
    """Text as this pandas likes it: `str` in version 3, Python objects in version 2, where None is null."""
    import numpy as np
    import pandas as pd

    dtype = pd.Series(["text"]).dtype
    if dtype != "object":
        return _array(values, dtype)
    return np.array(values.to_pylist() if hasattr(values, "to_pylist") else values, dtype=object)


def _array(values: Any, dtype: Any) -> Any:
    import pandas as pd

    build: Any = pd.array  # its overloads cannot follow a type that is only known at run time
    return build(values, dtype=dtype)


def column_of(values: list[Any], dtype: str) -> Any:
    """The pandas array of a declared type from Python values; None is unknown, times are nanoseconds."""
    import numpy as np
    import pandas as pd

    if dtype == "float64":
        return np.array([np.nan if value is None else value for value in values], dtype="float64")
    if dtype == "timestamp":
        return pd.Series(_array(values, "Int64")).astype("datetime64[ns, UTC]").array
    return _texts_array(values) if dtype == "string" else _array(values, {"int64": "Int64", "bool": "boolean"}[dtype])


def values_of(column: Any, dtype: str) -> list[Any]:
    """The Python values of a pandas array of a declared type, as `column_of` takes them."""
    import pandas as pd

    unknown = pd.isna(column)
    if dtype == "timestamp":
        column = column.asi8
    if not unknown.any():
        return list(column.tolist())
    return [None if null else value for value, null in zip(column.tolist(), unknown, strict=True)]
