"""The order of rows by several whole numbers.

NumPy sorts plain integers several times faster than it finds an order, so we sort integers that end in the row's own
place. Whatever is large is made in blocks that fit the processor's cache: fresh memory costs more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Whole: TypeAlias = np.ndarray[Any, np.dtype[Any]]

__all__ = ["blocks", "order_ties", "place_bits", "sort_in_halves", "sort_in_place", "stable_order"]

_BLOCK = 1 << 16  # rows


def blocks(rows: int) -> Iterator[slice]:
    """The rows in consecutive pieces.

    >>> list(blocks(70_000))
    [slice(0, 65536, None), slice(65536, 70000, None)]
    """
    return (slice(start, min(start + _BLOCK, rows)) for start in range(0, rows, _BLOCK))


def place_bits(rows: int) -> int:
    """How many bits the place of a row needs.

    >>> [place_bits(rows) for rows in (0, 1, 2, 3, 256, 257)]
    [1, 1, 1, 2, 8, 9]
    """
    return max(1, (rows - 1).bit_length()) if rows else 1


def sort_in_place(values: Whole) -> Whole:
    """Sort unsigned 64-bit numbers that leave room for `place_bits` above them; return whence each came.

    Equal numbers keep their order.

    >>> import numpy as np
    >>> values = np.array([7, 5, 7, 4], dtype=np.uint64)
    >>> sort_in_place(values).tolist(), values.tolist()
    ([3, 1, 0, 2], [4, 5, 7, 7])
    """
    import numpy as np

    rows = len(values)
    bits = np.uint64(place_bits(rows))
    for at in blocks(rows):
        piece = values[at]
        piece <<= bits
        piece |= np.arange(at.start, at.stop, dtype=np.uint64)
    values.sort()
    order = np.empty(rows, dtype=np.int32 if rows < 2**31 else np.int64)
    mask = np.uint64((1 << int(bits)) - 1)
    for at in blocks(rows):
        piece = values[at]
        order[at] = piece & mask
        piece >>= bits
    return order


def sort_in_halves(values: Whole, bits: int) -> Whole:
    """As `sort_in_place`, for numbers of so many bits that may leave too little room for the place of a row.

    The numbers with and without the highest bit are sorted apart: each half needs a bit less, and fewer places.

    >>> import numpy as np
    >>> values = np.array([2**63, 5, 2**63, 4], dtype=np.uint64)
    >>> sort_in_halves(values, 64).tolist(), (values - np.array([4, 5, 2**63, 2**63], dtype=np.uint64)).tolist()
    ([3, 1, 0, 2], [0, 0, 0, 0])
    """
    import numpy as np

    if bits + place_bits(len(values)) <= 64:
        return sort_in_place(values)
    highest = np.uint64(1 << (bits - 1))
    order = np.empty(len(values), dtype=np.int32 if len(values) < 2**31 else np.int64)
    upper, start = values >= highest, 0
    halves = [np.flatnonzero(half).astype(order.dtype) for half in (~upper, upper)]  # small ones are gathered faster
    pieces = [values[places] & (highest - np.uint64(1)) for places in halves]
    for places, piece, base in zip(halves, pieces, (np.uint64(0), highest), strict=True):
        end = start + len(piece)
        order[start:end] = places[sort_in_halves(piece, bits - 1)]
        values[start:end] = piece | base
        start = end
    return order


def stable_order(parts: Sequence[tuple[Whole, int]]) -> Whole:
    """The places of the rows in ascending order of several columns, the most important first; ties keep their order.

    Each part is a column of whole numbers from zero on and how many bits they need. The most important bits that fit
    beside the place decide first; where they tie, which is rare, the rest does, among the tied rows alone.

    >>> import numpy as np
    >>> stable_order([(np.array([1, 0, 1, 0]), 1), (np.array([5, 7, 4, 7]), 3)]).tolist()
    [1, 3, 2, 0]
    """
    import numpy as np

    rows = len(parts[0][0])
    room, total = 64 - place_bits(rows), sum(bits for _, bits in parts)
    first = np.zeros(rows, dtype=np.uint64)
    low = min(room, total)  # where the last bit of the part before stands
    rest: list[tuple[Whole, int]] = []
    for values, bits in parts:
        low -= bits
        if low >= 0:
            first |= values.astype(np.uint64) << np.uint64(low)
        elif low > -bits:
            first |= values.astype(np.uint64) >> np.uint64(-low)
            rest.append((values.astype(np.uint64) & np.uint64((1 << -low) - 1), -low))
        else:
            rest.append((values, bits))
    order = sort_in_place(first)
    if rest:
        order_ties(first, order, lambda rows: [(values[rows], bits) for values, bits in rest])
    return order


def order_ties(line: Whole, order: Whole, parts: Any) -> None:
    """Put rows that tie in a sorted `line` in the order of further columns, which `parts(rows)` gives; changes `order`.

    >>> import numpy as np
    >>> order = np.array([2, 0, 1])
    >>> order_ties(np.array([4, 7, 7]), order, lambda rows: [(np.array([9, 3, 0])[rows], 4)])
    >>> order.tolist()
    [2, 1, 0]
    """
    import numpy as np

    same = np.flatnonzero(line[1:] == line[:-1])
    if not len(same):
        return
    tied = np.union1d(same, same + 1)
    group = np.zeros(len(tied), dtype=np.uint64)
    group[1:] = np.cumsum(line[tied[1:]] != line[tied[:-1]])
    rows = order[tied]
    order[tied] = rows[stable_order([(group, int(group[-1]).bit_length()), *parts(rows)])]
