"""Is it the same thing? One short text for each content, equal for equal content on every machine.

A fingerprint is `sha256:` and 64 hexadecimal digits. Frames are hashed by column name, kind of type and value, in
row order, so that pandas 2 and 3, with their different text and time types, agree.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd


def fingerprint_bytes(data: bytes) -> str:
    """The fingerprint of bytes.

    >>> fingerprint_bytes(b"flights")[:20]
    'sha256:c8cf489ed229d'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


def fingerprint_json(value: Any) -> str:
    """The fingerprint of a JSON value; the order of keys does not matter.

    >>> fingerprint_json({"a": 1, "b": 2}) == fingerprint_json({"b": 2, "a": 1})
    True

    Raises:
        InvalidData: the value holds something JSON has no word for, NaN among them.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return fingerprint_bytes(text.encode())
    except (TypeError, ValueError) as error:
        raise InvalidData(f"cannot fingerprint this as JSON: {error}.") from None
    except RecursionError:
        raise InvalidData("cannot fingerprint this as JSON: it is nested too deeply.") from None


def fingerprint_frame(frame: pd.DataFrame) -> str:
    """The fingerprint of a frame: names, kinds, values and row order; the index does not count.

    >>> import pandas as pd
    >>> one = pd.DataFrame({"key": ["EWR", None], "delay": [1.5, 2.0]})
    >>> fingerprint_frame(one) == fingerprint_frame(one.set_index(pd.Index([7, 9])))
    True
    >>> fingerprint_frame(one) == fingerprint_frame(one.iloc[::-1])
    False

    Raises:
        InvalidData: two columns of one name, or a value that has no fingerprint, a list for example.
    """
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InvalidData(f"the frame has two columns {twice!r}; names are unique, so rename one of the two.")
    digest = hashlib.sha256(str(len(frame)).encode())
    for name in frame.columns:
        try:
            kind, data = _column(frame[name])
        except (TypeError, ValueError) as error:
            raise InvalidData(f"column {name!r} has no fingerprint: {error}.", column=str(name)) from None
        header = json.dumps([str(name), kind])
        digest.update(header.encode())
        digest.update(data)
    return "sha256:" + digest.hexdigest()


def _column(column: pd.Series[Any]) -> tuple[str, bytes]:
    import numpy as np
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(dtype):
        values = column.dt.tz_convert("UTC") if isinstance(dtype, pd.DatetimeTZDtype) else column
        return "time", values.to_numpy("datetime64[ns]").tobytes()
    if pd.api.types.is_timedelta64_dtype(dtype):
        return "duration", column.to_numpy("timedelta64[ns]").tobytes()
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return "whole", column.to_numpy("int64").tobytes()
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        numbers = column.to_numpy("float64", copy=True)
        numbers[np.isnan(numbers)] = np.nan  # one bit pattern for every NaN
        numbers += 0.0  # and one for zero
        return "number", numbers.tobytes()
    # Text and everything else: each distinct value once, then which row holds which.
    codes, values = pd.factorize(column, use_na_sentinel=True)
    words = json.dumps(
        [value if isinstance(value, str) else repr(value) for value in values.tolist()], ensure_ascii=False
    )
    return "text", words.encode() + np.asarray(codes, dtype="int64").tobytes()
