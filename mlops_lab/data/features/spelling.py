"""Which small number stands for a short text?

Identifiers such as "N0001234" differ in a few places and by a few letters there. Read like a number whose digits those
letters are, each text is its own place in a table, and no text needs to be hashed or compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mlops_lab.data.features.ordering import blocks

__all__ = ["Spelling", "spelling_of"]

_LONGEST = 24  # bytes; with more, hashing is as fast
_SPARSE = 8  # places in the table for each row, at most
_SAMPLE = 1000  # rows, to see early that texts differ too much


class _Texts:
    """The bytes of an Arrow array of text."""

    def __init__(self, column: Any) -> None:
        import numpy as np

        _, offsets, data = column.buffers()
        ends = np.frombuffer(offsets, dtype=np.int64, count=column.offset + len(column) + 1)[column.offset :]
        self._ends = ends
        self.data = np.frombuffer(data or b"", dtype=np.uint8)[ends[0] : ends[-1]]
        shortest, self.longest = _LONGEST, 0
        for lengths in map(self.lengths, blocks(len(column))):
            shortest, self.longest = min(shortest, int(np.min(lengths))), max(self.longest, int(np.max(lengths)))
        self.is_even = shortest == self.longest
        self.has_zero = bool(self.data.size) and int(np.min(self.data)) == 0
        if self.is_even:
            self.data = self.data.reshape(len(column), self.longest)

    def lengths(self, at: slice) -> Any:
        """How many bytes some texts have."""
        return self._ends[at.start + 1 : at.stop + 1] - self._ends[at]

    def letters(self, place: int, at: slice) -> Any:
        """The bytes at one place of some texts, 0 beyond their end."""
        import numpy as np

        if self.is_even:
            beyond = place >= self.longest
            return np.zeros(at.stop - at.start, dtype=np.uint8) if beyond else self.data[at, place]
        within = self.lengths(at) > place
        found = np.zeros(len(within), dtype=np.uint8)
        found[within] = self.data[self._ends[at][within] - self._ends[0] + place]
        return found


class Spelling:
    """Texts as numbers from 0 to `count` - 1, by the letters at each place."""

    def __init__(self, lowest: list[int], spans: list[int], column: Any) -> None:
        """Number the texts of an Arrow array; at place i their bytes begin at `lowest[i]` and span `spans[i]`."""
        import numpy as np

        self._lowest, self._spans = lowest, spans
        self._size = math.prod(spans)
        places = self._places(column)
        table = np.full(self._size + 1, -1, dtype=np.int32)  # the last one is for texts that no row has
        table[places] = 0
        table[-1] = -1
        taken = np.flatnonzero(table == 0)
        table[taken] = np.arange(len(taken), dtype=np.int32)
        self._table, self.count = table, len(taken)
        self.codes = self._coded(places)

    def find(self, column: Any) -> Any:
        """The numbers of an Arrow array's texts; -1 for null and for a text that was not there."""
        return self._coded(self._places(column))

    def _coded(self, places: Any) -> Any:
        import numpy as np

        codes = np.empty(len(places), dtype=np.int32)
        _side_by_side(lambda at: np.take(self._table, places[at], out=codes[at], mode="clip"), len(places))
        return codes

    def _places(self, column: Any) -> Any:
        """Where each text stands in the table."""
        import numpy as np
        import pyarrow.compute as pc

        texts = _Texts(column)
        places = np.empty(len(column), dtype=np.int64)

        def read(at: slice) -> None:
            place = np.zeros(at.stop - at.start, dtype=np.int64)
            strange = texts.lengths(at) > len(self._spans)
            for number, (low, span) in enumerate(zip(self._lowest, self._spans, strict=True)):
                away = texts.letters(number, at) - np.uint8(low)  # modulo 256: what lies below is far above
                strange |= away > span - 1
                if span > 1:
                    place *= span
                    place += away
            place[strange] = self._size
            places[at] = place

        _side_by_side(read, len(column))
        if texts.has_zero:  # a letter 0 is no end of a text
            places[pc.match_substring(column, "\0").fill_null(False).to_numpy(zero_copy_only=False)] = self._size
        if column.null_count:
            places[column.is_null().to_numpy(zero_copy_only=False)] = self._size
        return places


def spelling_of(column: Any) -> Spelling | None:
    """A spelling for the texts of an Arrow array (large_string), or None where they are too long or differ too much.

    >>> import pyarrow as pa
    >>> found = spelling_of(pa.array(["JFK", "EWR", None, "JFK"] * 2000, pa.large_string()))
    >>> found.count, found.codes[:4].tolist(), found.find(pa.array(["LGA", "EWR", ""], pa.large_string())).tolist()
    (2, [1, 0, -1, 1], [-1, 0, -1])
    """
    known = column.drop_null() if column.null_count else column
    most = _SPARSE * len(column)
    if not len(known) or _ends(known[:_SAMPLE], most) is None:
        return None
    ends = _ends(known, most)
    return None if ends is None else Spelling(*ends, column)


def _ends(column: Any, most: int) -> tuple[list[int], list[int]] | None:
    """The lowest byte at each place and how many there are up to the highest; None if that makes too large a table."""
    texts = _Texts(column)
    if texts.longest > _LONGEST or texts.has_zero:
        return None
    lowest, spans = [], []
    for place in range(texts.longest):
        letters = [texts.letters(place, at) for at in blocks(len(column))]
        low = min(int(some.min()) for some in letters)
        lowest.append(low)
        spans.append(max(int(some.max()) for some in letters) - low + 1)
    return None if math.prod(spans) > most else (lowest, spans)


def _side_by_side(do: Callable[[slice], object], rows: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(do, blocks(rows)))
