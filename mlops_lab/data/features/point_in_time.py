"""The point-in-time join: which row was the newest known of a key at a moment, in plain pandas and made fast.

`plain_join` says what is meant, and `Timeline` has to equal it on whole numbers. Keys become codes 0, 1, 2 …; a key and
the moment at which a row became known share one 64-bit integer; the rows are put in order of it once, and each question
is then one binary search.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Whole: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_UNITS = (3_600_000_000_000, 1_000_000_000, 1_000_000, 1_000)  # ns
_BLOCK = 1 << 16  # rows whose intermediate results stay in the processor's cache: fresh memory costs more than sums


def plain_join(
    entity_df: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    keys: Sequence[str],
    features: Sequence[str],
    event: str = "event_timestamp",
    created: str | None = None,
    ttl: timedelta | None = None,
) -> pd.DataFrame:
    """The features that were known of each entity row at its `event_timestamp`, as `get_historical_features` says.

    A row counts from the moment at which it became known: when it had both happened and been written. In that order,
    only a row that is newer than all before it is ever the newest known; the others go, and an as-of join remains.

    >>> import pandas as pd
    >>> hours = pd.date_range("2013-01-01", periods=4, freq="h", tz="UTC")
    >>> rows = pd.DataFrame({"event_timestamp": hours[:2], "created": [hours[0], hours[3]], "wind": [3.5, 9.0]})
    >>> asked = pd.DataFrame({"event_timestamp": hours[2:]})
    >>> plain_join(asked, rows, keys=[], features=["wind"], created="created")["wind"].tolist()
    [3.5, 9.0]
    """
    import pandas as pd

    rows = rows.reset_index(drop=True)
    known = rows[[*keys, *features]].assign(_event=rows[event], _created=rows[created or event], _place=rows.index)
    known = known.dropna(subset=list(keys))
    known["_known"] = known[["_event", "_created"]].max(axis=1)
    known["_rank"] = known.sort_values(["_event", "_created", "_place"]).assign(_rank=range(len(known)))["_rank"]
    known = known.sort_values(["_known", "_rank"])
    newest = known.groupby(list(keys))["_rank"].cummax() if keys else known["_rank"].cummax()
    known = known[known["_rank"] == newest]

    asked = entity_df[list(keys)].assign(_at=entity_df["event_timestamp"], _row=range(len(entity_df)))
    asked = asked.dropna(subset=list(keys)).sort_values("_at", kind="stable")
    found = pd.merge_asof(asked, known, left_on="_at", right_on="_known", by=list(keys) or None)
    if ttl is not None:
        found = found[found["_at"] - found["_event"] <= ttl]
    return found.set_index("_row")[list(features)].reindex(range(len(entity_df)))


class KeyIndex:
    """The keys of a source, as numbers from 0 to `count` - 1; the same key has the same number.

    A composite key is numbered step by step: the first column's number and the second's make a pair, which gets a
    number, which makes a pair with the third's … so no intermediate grows beyond 64 bits.

    >>> import pyarrow as pa
    >>> index = KeyIndex([pa.array(["JFK", "EWR", None, "JFK"]), pa.array([1, 1, 1, 2])], 4)
    >>> index.codes.tolist(), index.lookup([pa.array(["JFK", "LGA"]), pa.array([2, 1])], 2).tolist()
    ([0, 1, -1, 2], [2, -1])
    """

    def __init__(self, columns: Sequence[Any], rows: int) -> None:
        """Number the keys in Arrow arrays of equal length; `codes` holds each row's number, -1 where a part is null."""
        import numpy as np

        self._values: list[tuple[Any, Any]] = []  # the values of each column, and the pairs that it made
        self.codes = np.zeros(rows, dtype=np.int32)
        self.count = min(rows, 1)
        for place, column in enumerate(columns):
            numbered = _as_numbers(column, or_text=True).dictionary_encode()
            values, codes = numbered.dictionary, _codes(numbered.indices)
            pairs = values
            if place:
                numbered = _pairs(self.codes, codes, len(values)).dictionary_encode()
                pairs, codes = numbered.dictionary, _codes(numbered.indices)
            self._values.append((values, pairs))
            self.codes, self.count = codes, len(pairs)

    def lookup(self, columns: Sequence[Any], rows: int) -> Whole:
        """The numbers of other rows' keys: -1 where a part is null or the source lacks the key."""
        import numpy as np
        import pyarrow.compute as pc

        codes: Whole = np.full(rows, 0 if self.count else -1, dtype=np.int32)
        for place, (column, (values, pairs)) in enumerate(zip(columns, self._values, strict=True)):
            asked = _as_numbers(column) if values.type == "uint64" else column
            found = _codes(pc.index_in(asked, value_set=values, skip_nulls=True))
            if place:
                found = _codes(pc.index_in(_pairs(codes, found, len(values)), value_set=pairs, skip_nulls=True))
            codes = found
        return codes


def _as_numbers(column: Any, *, or_text: bool = False) -> Any:
    """Text of up to seven bytes as those bytes and their number in 64 bits, which Arrow numbers three times as fast.

    Longer text becomes null, or everything stays as it was, as other columns do.

    >>> import pyarrow as pa
    >>> _as_numbers(pa.array(["a", "ab", None, "long text"], pa.large_string())).to_pylist()
    [72057594037928033, 144115188075881057, None, None]
    """
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_large_string(column.type):
        return column
    if not len(column):
        return pa.array([], pa.uint64())
    _, offsets, data = column.buffers()
    edges = np.frombuffer(offsets, dtype=np.int64)[column.offset :][: len(column) + 1]
    text = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
    numbers = np.empty(len(column), dtype=np.uint64)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    for at in _blocks(len(column)):
        starts, sizes = edges[at], np.diff(edges[at.start : at.stop + 1])
        if (long := sizes > 7).any():
            if or_text:
                return column
            missing[at] |= long
        some = np.append(text[edges[at.start] : edges[at.stop]], np.zeros(8, dtype=np.uint8))
        windows: Whole = np.ndarray(len(some) - 7, dtype="<u8", buffer=some, strides=(1,))  # eight bytes from each on
        size = np.minimum(sizes, 7).astype(np.uint64)
        bits = (np.uint64(1) << size * np.uint64(8)) - np.uint64(1)
        numbers[at] = windows[starts - edges[at.start]] & bits | size << np.uint64(56)
    return pa.array(numbers, mask=missing if missing.any() else None)


def _codes(numbers: Any) -> Whole:
    """Arrow's numbers as NumPy's, -1 for null."""
    found: Whole = (numbers.fill_null(-1) if numbers.null_count else numbers).to_numpy(zero_copy_only=False)
    return found


def _pairs(first: Whole, second: Whole, size: int) -> Any:
    import pyarrow as pa

    missing = (first < 0) | (second < 0)
    return pa.array(first.astype("int64") * size + second, mask=missing if missing.any() else None)


class Timeline:
    """The newest known row of each key at each moment at which one became known.

    A row counts from the moment at which it became known, which may be later than the one it tells of. In that order
    each place holds the newest so far, by its event time, then its created time, then its place in the source.
    """

    def __init__(
        self, index: KeyIndex, event: Whole, created: Whole | None = None, *, landed: Whole | None = None
    ) -> None:
        """Put rows in order by the moments, in ns, that they tell of, and at which they were written and came in.

        Nothing is changed or added afterwards, so threads may share a timeline.
        """
        import numpy as np

        self._event, self._nobody = event, index.count  # a code that no row has
        room = 64 - self._nobody.bit_length()
        known = event
        for arrived in (created, landed):
            if arrived is not None and (arrived > known).any():
                known = np.maximum(known, arrived)
        rows = np.flatnonzero(index.codes >= 0) if (index.codes < 0).any() else None
        codes, late = index.codes, known is not event
        if rows is not None:
            codes, event, known = codes[rows], event[rows], known[rows]
            created = None if created is None else created[rows]
        self._ticks = _Ticks(event, room)
        line, order = _in_order(self._ticks.beside(codes, event), created)
        if late:
            before, self._ticks = self._ticks, _Ticks(known, room)
            for at in _blocks(len(line)):
                line[at] = self._ticks.beside(line[at] >> before.bits, known[order[at]])
            line, newest = _in_order(line)  # the place of each in the order of before, where the newer stand later
            order = order[np.maximum.accumulate(newest, out=newest)]
        self._line, self._rows = line, order if rows is None else rows[order]

    def find(self, codes: Whole, moments: Whole, *, ttl: int | None = None) -> Whole:
        """For each key (-1 for none) and moment in ns, the row that was known and at most `ttl` ns old, or -1."""
        import numpy as np

        answer = np.full(len(codes), -1, dtype=np.int64)
        if not len(self._line) or not len(codes):
            return answer
        # In order of the answer, each search finds the memory that its neighbour has just warmed.
        asked, order = _in_order(self._ticks.beside(codes, moments, nobody=self._nobody))
        for at in _blocks(len(asked)):
            found = np.searchsorted(self._line, asked[at], side="right") - 1
            rows, places = self._rows[found], order[at]
            hit = (found >= 0) & (self._line[found] >> self._ticks.bits == asked[at] >> self._ticks.bits)
            if ttl is not None:  # modulo 2**64, for the distance of two int64 needs all of uint64
                hit &= (moments[places] - self._event[rows]).view(np.uint64) <= np.uint64(min(ttl, 2**64 - 1))
            answer[places] = np.where(hit, rows, -1)
        return answer


class _Ticks:
    """Times counted from the first of them in the coarsest unit that is exact, so that they need few bits.

    Where even that is too fine to share 64 bits with a key, a time is its rank among all.
    """

    def __init__(self, times: Whole, room: int) -> None:
        """Look at times in ns, which may take so many bits."""
        import numpy as np

        self._ranks: Whole | None = None
        self._origin, last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        self._unit = np.uint64(next((unit for unit in _UNITS if self._is_exact(times, np.uint64(unit))), 1))
        self._last = (last - self._origin) // int(self._unit)
        if self._last.bit_length() > room:
            self._ranks = np.unique(times)
            self._last = len(self._ranks) - 1
        self.bits = np.uint64(self._last.bit_length())

    def _since(self, times: Whole) -> Whole:
        since: Whole = (times - self._origin).view("uint64")  # modulo 2**64, so the whole range of int64 is fine
        return since

    def _is_exact(self, times: Whole, unit: np.uint64) -> bool:
        some = (self._since(times[at]) for at in (slice(0, 1000), *_blocks(len(times))))  # mostly a few tell
        return all((since // unit * unit == since).all() for since in some)

    def beside(self, codes: Whole, times: Whole, *, nobody: int | None = None) -> Whole:
        """Keys and times as one number each, in their order; what lies between two ticks counts as the earlier one.

        `nobody` is the key of those that have none (-1), and of times before all others.
        """
        import numpy as np

        line = np.empty(len(codes), dtype=np.uint64)
        for at in _blocks(len(codes)):
            if self._ranks is None:
                ticks = self._since(times[at]) // self._unit
            else:
                ticks = (np.searchsorted(self._ranks, times[at], side="right") - 1).view(np.uint64)
            key = codes[at].astype(np.uint64)
            if nobody is not None:
                key[(codes[at] < 0) | (times[at] < self._origin)] = nobody
                ticks = np.minimum(ticks, np.uint64(self._last))
            line[at] = key << self.bits | ticks
        return line


def _in_order(line: Whole, finer: Whole | None = None) -> tuple[Whole, Whole]:
    """Unsigned 64-bit numbers in order, and whence each came; of equals the lower in `finer` first, if any.

    NumPy sorts plain integers several times faster than it finds an order, so we sort integers that end in their own
    place. Where that leaves too little room, the highest bits decide first, and all of them only where those tie. What
    is in `line` may be overwritten.

    >>> import numpy as np
    >>> line, order = _in_order(np.array([7, 5, 7, 4, 2**63], dtype=np.uint64))
    >>> line.tolist(), order.tolist()
    ([4, 5, 7, 7, 9223372036854775808], [3, 1, 0, 2, 4])
    """
    import numpy as np

    rows = len(line)
    place_bits = max(rows - 1, 1).bit_length()
    over = max(int(line.max(initial=0)).bit_length() + place_bits - 64, 0)
    places, cut = np.uint64(place_bits), np.uint64(over)
    packed = np.empty_like(line) if over else line
    order = np.empty(rows, dtype=np.int32 if rows < 2**31 else np.int64)
    for at in _blocks(rows):
        packed[at] = line[at] >> cut << places | np.arange(at.start, at.stop, dtype=np.uint64)
    packed.sort()
    for at in _blocks(rows):
        order[at] = packed[at] & np.uint64((1 << place_bits) - 1)
        packed[at] >>= places
    if over or finer is not None:
        same = packed[1:] == packed[:-1]
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        those = order[tied]
        least_first = [each[those] for each in (finer, line if over else None) if each is not None]
        order[tied] = those[np.lexsort([*least_first, packed[tied]])]
    if over:
        for at in _blocks(rows):
            packed[at] = line[order[at]]
    return packed, order


def _blocks(rows: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, rows)) for start in range(0, rows, _BLOCK)]
