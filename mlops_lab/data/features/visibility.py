"""The point-in-time join: which row was known at a moment.

The point-in-time join on whole numbers alone: keys are codes 0, 1, 2 …, times are nanoseconds. The rows of a view are
put in order once, by key, event time, created time and place; then the row that was newest at a moment is found by one
binary search, and if it had not arrived yet, by looking left for the nearest that had.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mlops_lab.data.features.ordering import blocks, order_ties, sort_in_halves

if TYPE_CHECKING:
    import numpy as np

    Whole: TypeAlias = np.ndarray[Any, np.dtype[Any]]

__all__ = ["Known", "Timeline"]

_UNITS = (3_600_000_000_000, 1_000_000_000, 1_000_000, 1_000)
_STEPS = 4  # to the left, before it pays to look at blocks of rows


class Ticks:
    """Times counted from the first one in the coarsest unit that is exact for all of them."""

    def __init__(self, times: Whole) -> None:
        """Look at times in ns."""
        self.times = times
        self.origin = int(times.min()) if len(times) else 0
        self.unit = next((unit for unit in _UNITS if self._is_exact(unit)), 1)
        self.last = (int(times.max()) - self.origin) // self.unit if len(times) else 0

    def _since(self, at: slice) -> Whole:
        import numpy as np

        return (self.times[at] - self.origin).view(np.uint64)  # modulo 2**64, so the whole range of int64 is fine

    def _is_exact(self, unit: int) -> bool:
        import numpy as np

        def fits(at: slice) -> bool:
            since = self._since(at)
            return bool((since // np.uint64(unit) * np.uint64(unit) == since).all())

        return fits(slice(0, 1000)) and all(fits(at) for at in blocks(len(self.times)))

    def __getitem__(self, at: slice) -> Whole:
        import numpy as np

        since = self._since(at)
        return since if self.unit == 1 else since // np.uint64(self.unit)


def _ranked(times: Whole) -> tuple[Whole, int]:
    """Times as numbers from zero on, and how many bits those need."""
    since = (times - times.min()).view("uint64")
    return since, int(since.max()).bit_length()


class Timeline:
    """The rows of a view in order of key and time.

    `order[i]` is the row that stands at position i. A row's key and time share one integer, `line`, so that a single
    binary search answers for both. Time is counted in the coarsest unit that is exact, or, where even that is too fine
    to share 64 bits with the key, by its rank among all times.
    """

    def __init__(self, codes: Whole, times: Whole, created: Whole | None, keys: int) -> None:
        """Put rows in order: `codes` (-1 for no key), `times` and `created` in ns, `keys` the number of codes."""
        import numpy as np

        ticks: Any = Ticks(times)
        self._origin, self._unit, self._last = ticks.origin, ticks.unit, ticks.last
        self._ranks: Whole | None = None
        self._nobody = np.uint64(keys + 1)  # a code that no row has
        key_bits = (keys + 1).bit_length()
        if key_bits + self._last.bit_length() > 64:
            self._ranks, inverse = np.unique(times, return_inverse=True)
            ticks, self._last = inverse.astype(np.uint64), len(self._ranks) - 1
        self._bits = np.uint64(self._last.bit_length())
        line = np.empty(len(times), dtype=np.uint64)
        for at in blocks(len(line)):
            key = codes[at].astype(np.uint64)
            key[codes[at] < 0] = keys  # a null key gets the code after the last, which nobody asks for
            line[at] = key << self._bits | ticks[at]
        bits = key_bits + int(self._bits)
        if bool((line[1:] >= line[:-1]).all()):
            self.order = np.arange(len(line), dtype=np.int32 if len(line) < 2**31 else np.int64)
        else:
            self.order = sort_in_halves(line, bits)
        self.line = line
        if created is not None:
            order_ties(line, self.order, lambda rows: [_ranked(created[rows])])

    def times_at(self, positions: Whole) -> Whole:
        """The event times, in ns, of the rows at some positions."""
        import numpy as np

        ticks = self.line[positions] & np.uint64((1 << int(self._bits)) - 1)
        if self._ranks is not None:
            times: Whole = self._ranks[ticks.astype(np.int64)]
            return times
        since: Whole = (ticks * np.uint64(self._unit)).view(np.int64) + self._origin
        return since

    def find(self, codes: Whole, moments: Whole, *, ttl: int | None = None, known: Known | None = None) -> Whole:
        """For each key (-1 for none) and moment in ns, the row that was visible, or -1."""
        import numpy as np

        answer = np.full(len(codes), -1, dtype=np.int64)
        if not len(self.line) or not len(codes):
            return answer
        # In order of the answer, each search finds the memory its neighbour has just warmed.
        asked, order = self._ordered(codes, moments)
        for at in blocks(len(asked)):
            key = asked[at] >> self._bits
            found = np.searchsorted(self.line, asked[at], side="right") - 1
            rows = np.flatnonzero((found >= 0) & (self.line[found] >> self._bits == key))
            found, key = found[rows], key[rows]
            places = order[at][rows]
            when = moments[places] if known is not None or ttl is not None else moments[:0]
            if known is not None:
                found = known.latest(found, when, partial(self._belongs, key))
            hit = found >= 0
            if ttl is not None:
                hit &= (when - self.times_at(found)).view(np.uint64) <= np.uint64(ttl)
            answer[places] = np.where(hit, self.order[found], -1)
        return answer

    def _belongs(self, keys: Whole, positions: Whole, of: Whole) -> Whole:
        """Whether the rows at some positions are of those of the keys."""
        mine: Whole = self.line[positions] >> self._bits == keys[of]
        return mine

    def _ordered(self, codes: Whole, moments: Whole) -> tuple[Whole, Whole]:
        """What is asked, as numbers like those of `line` in ascending order, and whence each came."""
        import numpy as np

        asked = np.empty(len(codes), dtype=np.uint64)
        for at in blocks(len(codes)):
            if self._ranks is not None:
                ticks: Whole = np.searchsorted(self._ranks, moments[at], side="right") - 1
                never = ticks < 0
            else:
                since = (moments[at] - self._origin).view(np.uint64)
                ticks = np.minimum(since // np.uint64(self._unit), np.uint64(self._last))
                never = moments[at] < self._origin
            key = codes[at].astype(np.uint64)
            key[(codes[at] < 0) | never] = self._nobody
            asked[at] = key << self._bits | ticks.astype(np.uint64)
        bits = int(self._nobody).bit_length() + int(self._bits)
        order = sort_in_halves(asked, bits)
        return asked, order


class Known:
    """When each row of a timeline arrived.

    The nearest earlier row that had arrived is mostly a neighbour. Where it is not, the minimum of every 2, 4, 8 …
    neighbours finds it in a logarithmic number of steps, however many rows were late.
    """

    def __init__(self, arrived: Whole, order: Whole) -> None:
        """Keep arrival times in ns, and whence the rows of the timeline came."""
        self._arrived, self._order = arrived, order
        self._levels: list[Whole] = []
        self._growing = threading.Lock()  # threads share one timeline, and a level twice would be a wrong one

    def _level(self, height: int) -> Whole:
        import numpy as np

        if len(self._levels) <= height:
            with self._growing:
                if not self._levels:
                    self._levels.append(self._arrived[self._order])
                while len(self._levels) <= height:
                    below = self._levels[-1]
                    pairs = below[: len(below) // 2 * 2]  # a last one without a neighbour is never asked for from above
                    self._levels.append(np.minimum(pairs[0::2], pairs[1::2]))
        return self._levels[height]

    def latest(self, positions: Whole, moments: Whole, belongs: Callable[[Whole, Whole], Whole]) -> Whole:
        """For each position, the nearest at or before it whose row had arrived by the moment, or -1.

        `belongs(positions, rows)` says which positions still are of the entity that the row asks for.
        """
        import numpy as np

        answer = positions.copy()
        late = np.arange(len(answer))
        for _ in range(_STEPS):
            late = late[self._arrived[self._order[answer[late]]] > moments[late]]
            answer[late] -= 1
            gone = (answer[late] < 0) | ~belongs(answer[late], late)
            answer[late[gone]] = -1
            late = late[~gone]
        if len(late):
            found = self._climb(answer[late], moments[late])
            answer[late] = np.where((found >= 0) & belongs(found, late), found, -1)
        return answer

    def _climb(self, positions: Whole, moments: Whole) -> Whole:
        """As `latest`, by way of the blocks of neighbours."""
        import numpy as np

        answer = positions.copy()
        late = np.flatnonzero(self._level(0)[positions] > moments)
        ends, asked, held = positions[late], moments[late], []
        # Upwards: `ends` is the first block of this height that is ruled out already; look at the one before it
        # whenever it is not the left half of a larger block.
        height = 0
        while len(late):
            odd = (ends & 1) == 1
            found = odd & (self._level(height)[np.where(odd, ends - 1, 0)] <= asked)
            held.append((late[found], ends[found] - 1))
            over = ends <= 1
            answer[late[over & ~found]] = -1
            stay = ~(found | over)
            late, ends, asked = late[stay], ends[stay] >> 1, asked[stay]
            height += 1
        # Downwards: from the block that holds the answer to its right half, where that holds it, else to its left.
        rows = np.empty(0, dtype=np.int64)
        block = np.empty(0, dtype=np.int64)
        for below in range(len(held) - 1, -1, -1):
            rows, block = np.append(rows, held[below][0]), np.append(block, held[below][1])
            if below:
                block = 2 * block + 1
                block -= self._level(below - 1)[block] > moments[rows]
        answer[rows] = block
        return answer
