"""Keys as small numbers: one for each combination of key values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from mlops_lab.data.features.ordering import blocks
from mlops_lab.data.features.spelling import Spelling, spelling_of

__all__ = ["KeyIndex"]

_LARGE = 500_000  # rows; below, starting a thread costs more than it saves
_NARROW = 1024  # whole numbers this close together are never listed, however few there are


class KeyIndex:
    """The keys of a source, as numbers from 0 to `count` - 1; the same key has the same number.

    A composite key is numbered step by step: the first column's number and the second's make a pair, which gets a
    number, which makes a pair with the third's … so no intermediate grows beyond 64 bits.
    """

    def __init__(self, columns: Sequence[Any], rows: int) -> None:
        """Number the keys in Arrow arrays of equal length; `codes` holds each row's number, -1 where a part is null."""
        import numpy as np

        self._steps: list[tuple[_Values, _Values | None]] = []  # a column's values, then its pairs
        self.codes = np.zeros(rows, dtype=np.int32)
        self.count = 1 if rows else 0
        for column in columns:
            values, codes = _number(column)
            pairs = None
            if self._steps:
                pairs, codes = _number(_pair(self.codes, codes, values.count))
            self._steps.append((values, pairs))
            self.codes, self.count = codes, (values if pairs is None else pairs).count

    def lookup(self, columns: Sequence[Any], rows: int) -> Any:
        """The numbers of other rows' keys: -1, or one that no row has, where a part is null or the source lacks it."""
        import numpy as np

        codes = np.full(rows, 0 if self.count else -1, dtype=np.int32)
        for column, (values, pairs) in zip(columns, self._steps, strict=True):
            found = values.find(column)
            codes = found if pairs is None else pairs.find(_pair(codes, found, values.count))
        return codes


class _Listed:
    """Values in order of appearance."""

    def __init__(self, values: Any) -> None:
        self._values, self.count = values, len(values)

    def find(self, column: Any) -> Any:
        import pyarrow.compute as pc

        return _codes(pc.index_in(column, value_set=self._values, skip_nulls=True))


class _Narrow:
    """Whole numbers that lie so close together that each is numbered by its distance from the least."""

    def __init__(self, least: int, count: int) -> None:
        self._least, self.count = least, count

    def find(self, column: Any) -> Any:
        import numpy as np

        numbers = column.fill_null(0).to_numpy() if column.null_count else column.to_numpy()
        codes = np.empty(len(numbers), dtype=np.int32)
        for at in blocks(len(numbers)):
            away = (numbers[at] - self._least).view(np.uint64)  # modulo 2**64: what lies below is far above
            codes[at] = np.where(away < self.count, away, np.uint64(0)).astype(np.int32) - (away >= self.count)
        if column.null_count:
            codes[column.is_null().to_numpy(zero_copy_only=False)] = -1
        return codes


_Values: TypeAlias = _Listed | _Narrow | Spelling


def _number(column: Any) -> tuple[_Values, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_int64(column.type) and column.null_count < len(column):
        ends = pc.min_max(column).as_py()
        count = ends["max"] - ends["min"] + 1
        if count <= max(len(column), _NARROW):
            narrow = _Narrow(ends["min"], count)
            return narrow, narrow.find(column)
    if len(column) >= _LARGE and pa.types.is_large_string(column.type):
        spelling = spelling_of(column)
        if spelling is not None:
            return spelling, spelling.codes
    values, codes = _listed(column)
    return _Listed(values), codes


def _listed(column: Any) -> tuple[Any, Any]:
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
    codes = [_codes(part.indices) for part in coded]
    return coded[0].dictionary, codes[0] if len(codes) == 1 else np.concatenate(codes)


def _codes(numbers: Any) -> Any:
    """Arrow's numbers as NumPy's, -1 for null."""
    return (numbers.fill_null(-1) if numbers.null_count else numbers).to_numpy(zero_copy_only=False)


def _pair(first: Any, second: Any, size: int) -> Any:
    import pyarrow as pa

    return pa.array(first.astype("int64") * size + second, mask=(first < 0) | (second < 0))
