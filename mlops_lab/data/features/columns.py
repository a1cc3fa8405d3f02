"""The columns of frames as their declared types, or an error that says what was found instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, closest
from mlops_lab.data.features.times import utc_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_columns", "column_of", "key_column", "refuse", "value_column", "values_of"]

_EXACT = 2**53  # whole numbers up to here survive being a float


def check_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Refuse a frame that lacks one of the columns or has it twice."""
    existing = [str(column) for column in frame.columns]
    for column in columns:
        if column not in existing:
            meant = closest(column, existing)
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise InvalidData(f"no column {column!r} in {where}; it has: {', '.join(existing)}.{hint}", column=column)
        if existing.count(column) > 1:
            raise InvalidData(f"{where} has {existing.count(column)} columns {column!r}; rename one.", column=column)


def refuse(column: pd.Series[Any], wanted: str, where: str, hint: str = "") -> InvalidData:
    """The error that says what a column should have held and what it holds."""
    import pandas as pd

    found = str(column.dtype)
    if found == "object":
        found = f"object ({pd.api.types.infer_dtype(column, skipna=True)})"
    return InvalidData(
        f"column {column.name!r} of {where} must be {wanted}, not {found}.{hint}", column=str(column.name)
    )


def _texts(column: pd.Series[Any], where: str) -> Any:
    """The column as an Arrow array of text."""
    import pandas as pd
    import pyarrow as pa

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _texts(pd.Series(dtype.categories, name=column.name), where)
        codes = pa.array(column.cat.codes.to_numpy(), mask=column.cat.codes.to_numpy() < 0)
        return categories.take(codes)
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


def _wholes(column: pd.Series[Any], where: str) -> Any:
    """The column as an Arrow array of int64."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if pd.api.types.is_integer_dtype(column.dtype):
        try:
            if isinstance(column.dtype, pd.ArrowDtype):  # as a plain column it would go through float64 beside a null
                whole = pa.array(column.array).cast(pa.int64())
                return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
            return pa.array(column, pa.int64(), from_pandas=True)
        except (pa.ArrowInvalid, OverflowError):
            raise refuse(column, "int64", where, " Some values are too large.") from None
    if not len(column) or not column.notna().any():
        return pa.nulls(len(column), pa.int64())
    if pd.api.types.is_float_dtype(column.dtype) and column.isna().any():
        # A plain pandas column of whole numbers turns into floats when a null enters.
        numbers = column.to_numpy("float64", na_value=np.nan)
        unknown = np.isnan(numbers)
        whole = np.where(unknown, 0, numbers)
        if (np.abs(whole) <= _EXACT).all() and (whole == np.floor(whole)).all():
            return pa.array(whole.astype("int64"), mask=unknown)
    if column.dtype == "object" and pd.api.types.infer_dtype(column, skipna=True) == "integer":
        try:
            return pa.array(column, pa.int64(), from_pandas=True)
        except (pa.ArrowInvalid, OverflowError):
            raise refuse(column, "int64", where, " Some values are too large.") from None
    hint = " Use the type Int64 for whole numbers with nulls." if pd.api.types.is_float_dtype(column.dtype) else ""
    raise refuse(column, "whole numbers (int64)", where, hint)


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

    Whole numbers may come as any integer type, or as whole floats where there are nulls; float64 takes any number.

    Raises:
        InvalidData: the column holds something else.
    """
    import numpy as np
    import pandas as pd

    column = _dense(column)
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
    if not (empty or numeric or kind in ("integer", "floating", "mixed-integer-float")):
        category = isinstance(column.dtype, pd.CategoricalDtype)
        hint = " Convert it with astype('float64') first." if kind == "decimal" or category else ""
        raise refuse(column, "numbers (float64)", where, hint)
    if empty:
        return np.full(len(column), np.nan)
    return column.to_numpy("float64", na_value=np.nan) if column.hasnans else column.to_numpy("float64")


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
