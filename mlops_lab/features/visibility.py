"""Which row did one know at that moment?

The point-in-time join on whole numbers alone: keys are codes 0, 1, 2 …, times are nanoseconds. The rows of a view are
put in order once, by key, event time, created time and place; then the row that was newest at a moment is found by one
binary search, and if it had not arrived yet, by looking left for the nearest that had.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Whole: TypeAlias = np.ndarray[Any, np.dtype[Any]]

__all__ = ["Known", "Timeline", "stable_order"]

_UNITS = (3_600_000_000_000, 1_000_000_000, 1_000_000, 1_000)


def stable_order(parts: Sequence[tuple[Whole, int]]) -> Whole:
    """The places of the rows in ascending order of several columns, the most important first; ties keep their order.

    Each part is a column of whole numbers from zero on and how many bits they need. NumPy sorts plain integers several
    times faster than it finds an order, so we sort integers that end in the row's own place: a radix sort whose digits
    are as wide as 64 bits allow.

    >>> import numpy as np
    >>> stable_order([(np.array([1, 0, 1, 0]), 1), (np.array([5, 7, 4, 7]), 3)]).tolist()
    [1, 3, 2, 0]
    """
    import numpy as np

    rows = len(parts[0][0])
    place_bits = max(1, (rows - 1).bit_length()) if rows else 1
    room, total = 64 - place_bits, sum(bits for _, bits in parts)
    places = np.arange(rows, dtype=np.uint64)
    order: Whole | None = None
    for done in range(0, total, room):
        digit = places.copy() if order is None else np.zeros(rows, dtype=np.uint64)
        low = -done  # where the part's last bit stands in this digit, above the place
        for values, bits in reversed(parts):
            if low < room and low + bits > 0:
                piece = values.astype(np.uint64)
                if low < 0:
                    piece >>= np.uint64(-low)
                piece <<= np.uint64(max(low, 0) + place_bits)  # what does not fit above is for the next digit
                digit |= piece
            low += bits
        if order is not None:
            digit = digit[order]
            digit |= places
        digit.sort()
        digit &= np.uint64((1 << place_bits) - 1)
        step = digit.astype(np.int64)
        order = step if order is None else order[step]
    return np.arange(rows) if order is None else order


def _ticks(times: Whole) -> tuple[Whole, int, int]:
    """Times counted from the first one in the coarsest unit that is exact, that first one, and the unit in ns."""
    import numpy as np

    origin = int(times.min()) if len(times) else 0
    ticks = (times - origin).view(np.uint64)  # modulo 2**64, so the whole range of int64 is fine
    for unit in _UNITS:
        if not (ticks[:1000] % np.uint64(unit)).any():
            coarse = ticks // np.uint64(unit)
            if (coarse * np.uint64(unit) == ticks).all():
                return coarse, origin, unit
    return ticks, origin, 1


class Timeline:
    """The rows of a view in order of key and time.

    `order[i]` is the row that stands at position i. A row's key and time share one integer, `line`, so that a single
    binary search answers for both. Time is counted in the coarsest unit that is exact, or, where even that is too fine
    to share 64 bits with the key, by its rank among all times.
    """

    def __init__(self, codes: Whole, times: Whole, created: Whole | None, keys: int) -> None:
        """Put rows in order: `codes` (-1 for no key), `times` and `created` in ns, `keys` the number of codes."""
        import numpy as np

        ticks, self._origin, self._unit = _ticks(times)
        self._ranks: Whole | None = None
        key_bits = keys.bit_length()
        self._last = int(ticks.max()) if len(ticks) else 0
        if key_bits + self._last.bit_length() > 64:
            self._ranks, inverse = np.unique(times, return_inverse=True)
            ticks, self._last = inverse.astype(np.uint64), len(self._ranks) - 1
        self._bits = np.uint64(self._last.bit_length())
        line = codes.astype(np.uint64)
        line[codes < 0] = keys  # a null key gets the code after the last, which nobody asks for
        line <<= self._bits
        line |= ticks
        parts = [(line, key_bits + self._last.bit_length())]
        if created is not None and len(created):
            # Between equal events the delay says which was written first, and mostly takes fewer bits than the time.
            fits = int(created.max()) - int(times.min()) < 2**63 > int(times.max()) - int(created.min())
            late, _, _ = _ticks(created - times if fits else created)
            parts.append((late, int(late.max()).bit_length()))
        if len(parts) == 1 and bool((line[1:] >= line[:-1]).all()):
            self.order = np.arange(len(line), dtype=np.int32 if len(line) < 2**31 else np.int64)
        else:
            self.order = stable_order(parts).astype(np.int32 if len(line) < 2**31 else np.int64)
            line = line[self.order]
        self.line = line

    def times_at(self, positions: Whole) -> Whole:
        """The event times, in ns, of the rows at some positions."""
        import numpy as np

        ticks = self.line[positions] & np.uint64((1 << int(self._bits)) - 1)
        if self._ranks is not None:
            return self._ranks[ticks.astype(np.int64)]
        return (ticks * np.uint64(self._unit)).view(np.int64) + self._origin

    def find(self, codes: Whole, moments: Whole, *, ttl: int | None = None, known: Known | None = None) -> Whole:
        """For each key (-1 for none) and moment in ns, the position of the row that was visible, or -1."""
        import numpy as np

        if not len(self.line) or not len(codes):
            return np.full(len(codes), -1, dtype=np.int64)
        if self._ranks is not None:
            ticks: Whole = np.searchsorted(self._ranks, moments, side="right") - 1
            possible = (codes >= 0) & (ticks >= 0)
        else:
            possible = (codes >= 0) & (moments >= self._origin)
            since = (moments - self._origin).view(np.uint64)
            ticks = np.minimum(since // np.uint64(self._unit), np.uint64(self._last))
        asked = (np.where(possible, codes, 0).astype(np.uint64) << self._bits) | np.where(possible, ticks, 0).astype(
            np.uint64
        )
        # In order of the answer, each search finds the memory its neighbour has just warmed.
        order = stable_order([(asked, int(asked.max()).bit_length())])
        asked, moments = asked[order], moments[order]
        found = np.searchsorted(self.line, asked, side="right") - 1
        if known is not None:
            found = known.latest(found, moments)
        hit = (found >= 0) & possible[order]
        hit &= self.line[found] >> self._bits == asked >> self._bits
        if ttl is not None:
            hit &= (moments - self.times_at(found)).view(np.uint64) <= np.uint64(ttl)
        answer = np.empty(len(codes), dtype=np.int64)
        answer[order] = np.where(hit, found, -1)
        return answer


class Known:
    """When each row of a timeline arrived, with the minimum of every 2, 4, 8 … neighbours.

    With those, the nearest earlier row that had arrived is found in a logarithmic number of steps, however many rows
    were late.
    """

    def __init__(self, arrived: Whole) -> None:
        """Keep arrival times in ns, in the timeline's order."""
        self._levels = [arrived]

    def _level(self, height: int) -> Whole:
        import numpy as np

        while len(self._levels) <= height:
            below = self._levels[-1]
            pairs = below[: len(below) // 2 * 2]  # a last one without a neighbour is never asked for from above
            self._levels.append(np.minimum(pairs[0::2], pairs[1::2]))
        return self._levels[height]

    def latest(self, positions: Whole, moments: Whole) -> Whole:
        """For each position (-1 for none), the nearest at or before it whose row had arrived by the moment, or -1."""
        import numpy as np

        answer = positions.copy()
        late = np.flatnonzero((positions >= 0) & (self._levels[0][positions] > moments))
        ends, asked, blocks = positions[late], moments[late], []
        # Upwards: `ends` is the first block of this height that is ruled out already; look at the one before it
        # whenever it is not the left half of a larger block.
        height = 0
        while len(late):
            odd = (ends & 1) == 1
            found = odd & (self._level(height)[np.where(odd, ends - 1, 0)] <= asked)
            blocks.append((late[found], ends[found] - 1))
            over = ends <= 1
            answer[late[over & ~found]] = -1
            stay = ~(found | over)
            late, ends, asked = late[stay], ends[stay] >> 1, asked[stay]
            height += 1
        # Downwards: from the block that holds the answer to its right half, where that holds it, else to its left.
        rows = np.empty(0, dtype=np.int64)
        block = np.empty(0, dtype=np.int64)
        for below in range(len(blocks) - 1, -1, -1):
            rows, block = np.append(rows, blocks[below][0]), np.append(block, blocks[below][1])
            if below:
                block = 2 * block + 1
                block -= self._level(below - 1)[block] > moments[rows]
        answer[rows] = block
        return answer
