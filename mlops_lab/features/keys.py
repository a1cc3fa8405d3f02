"""Which entity is meant? One small number for each combination of key values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["KeyIndex"]

_LARGE = 500_000  # rows; below, starting a thread costs more than it saves


class KeyIndex:
    """The keys of a source, numbered 0, 1, 2 … in order of appearance.

    A composite key is numbered step by step: the first column's number and the second's make a pair, which gets a
    number, which makes a pair with the third's … so no intermediate grows beyond 64 bits.
    """

    def __init__(self, columns: Sequence[Any], rows: int) -> None:
        """Number the keys in Arrow arrays of equal length; `codes` holds each row's number, -1 where a part is null."""
        import numpy as np

        self._steps: list[tuple[Any, Any]] = []  # the values of a column, and the pairs it makes with those before
        self.codes = np.zeros(rows, dtype=np.int32)
        self.count = 1 if rows else 0
        for column in columns:
            values, codes = _number(column)
            pairs = None
            if self._steps:
                pairs, codes = _number(_pair(self.codes, codes, len(values)))
            self._steps.append((values, pairs))
            self.codes, self.count = codes, len(values if pairs is None else pairs)

    def lookup(self, columns: Sequence[Any], rows: int) -> Any:
        """The numbers of other rows' keys: -1 where a part is null or the source does not know the key."""
        import numpy as np

        codes = np.full(rows, 0 if self.count else -1, dtype=np.int32)
        for column, (values, pairs) in zip(columns, self._steps, strict=True):
            found = _find(column, values)
            codes = found if pairs is None else _find(_pair(codes, found, len(values)), pairs)
        return codes


def _number(column: Any) -> tuple[Any, Any]:
    import numpy as np

    if len(column) < _LARGE:
        coded = [column.dictionary_encode()]
    else:
        from concurrent.futures import ThreadPoolExecutor

        import pyarrow as pa

        # Arrow numbers one array on one core; two halves take half the time, and their numbers are then made one.
        halves = [column[: len(column) // 2], column[len(column) // 2 :]]
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(lambda half: half.dictionary_encode(), halves))
        coded = pa.chunked_array(parts).unify_dictionaries().chunks
    codes = [part.indices.fill_null(-1).to_numpy(zero_copy_only=False) for part in coded]
    return coded[0].dictionary, codes[0] if len(codes) == 1 else np.concatenate(codes)


def _find(column: Any, values: Any) -> Any:
    import pyarrow.compute as pc

    return pc.index_in(column, value_set=values, skip_nulls=True).fill_null(-1).to_numpy(zero_copy_only=False)


def _pair(first: Any, second: Any, size: int) -> Any:
    import pyarrow as pa

    return pa.array(first.astype("int64") * size + second, mask=(first < 0) | (second < 0))
