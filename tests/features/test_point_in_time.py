"""The join on whole numbers gives what a slow and obvious loop gives, whatever does not fit into 64 bits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlops_lab.data.features import point_in_time
from mlops_lab.data.features.point_in_time import KeyIndex, Timeline

LONG = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
DAY = 86_400 * 10**9
# Times a nanosecond, a second, half of all time apart: with many keys beside them the last need more than 64 bits.
moments = st.one_of(
    st.integers(0, 6),
    st.integers(0, 6).map(lambda n: n * 10**9),
    st.integers(-3, 3).map(lambda n: n * 2**61 + n),
    st.sampled_from([-(2**63) + 1, 2**63 - 1]),
)
# Up to seven bytes are told from each other as numbers, more as text.
words = st.none() | st.sampled_from(["EWR", "JFK", "", "é\0", "é", "N12345", "N123456", "N123456\0", "N1234567"])
wholes = st.none() | st.integers(-2, 2) | st.sampled_from([2**63 - 1, -(2**63), 2**53, 2**53 + 1])


@st.composite
def cases(draw):
    rows = draw(st.lists(st.tuples(st.integers(-1, 3), moments, moments, moments), min_size=1, max_size=25))
    asked = draw(st.lists(st.tuples(st.integers(-1, 4), moments), min_size=1, max_size=25))
    ttl = draw(st.none() | st.sampled_from([0, 3, 3 * 10**9, 2**63, 2**64 + 5]))
    return rows, asked, ttl, draw(st.booleans()), draw(st.booleans())


def loop(rows, asked, ttl, with_created, with_landed):
    """The newest row of the key that was there at the moment, if young enough: event, created, place decide."""
    found = []
    for key, moment in asked:
        known = [
            (event, created if with_created else 0, place)
            for place, (code, event, created, landed) in enumerate(rows)
            if code == key >= 0
            and max(event, created if with_created else event, landed if with_landed else event) <= moment
        ]
        newest = max(known, default=None)
        found.append(-1 if newest is None or (ttl is not None and moment - newest[0] > ttl) else newest[2])
    return found


@LONG
@given(cases(), st.sampled_from([1, 3, 65536]), st.sampled_from([4, 2**30]))
def test_the_timeline_finds_what_the_loop_finds(monkeypatch, case, block, keys):
    rows, asked, ttl, with_created, with_landed = case
    monkeypatch.setattr(point_in_time, "_BLOCK", block)
    codes, event, created, landed = (np.array(column) for column in zip(*rows, strict=True))
    index = KeyIndex([], len(rows))
    index.codes, index.count = codes, keys  # many keys leave few bits for the time

    timeline = Timeline(index, event, created if with_created else None, landed=landed if with_landed else None)
    found = timeline.find(np.array([key for key, _ in asked]), np.array([at for _, at in asked]), ttl=ttl)

    assert found.tolist() == loop(*case)


@LONG
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 5, 2**40, 2**63, 2**64 - 1]), st.integers(-2, 2)), max_size=40),
    st.sampled_from([1, 3, 65536]),
    st.booleans(),
)
def test_the_order_is_that_of_lexsort(monkeypatch, pairs, block, with_finer):
    monkeypatch.setattr(point_in_time, "_BLOCK", block)
    values = np.array([value for value, _ in pairs], dtype=np.uint64)
    finer = np.array([value for _, value in pairs], dtype=np.int64)
    expected = np.lexsort([finer, values] if with_finer else [values])

    line, order = point_in_time._in_order(values.copy(), finer if with_finer else None)

    assert (order.tolist(), line.tolist()) == (expected.tolist(), values[expected].tolist())


@pytest.mark.parametrize("bits", [40, 60, 64])
def test_many_numbers_that_leave_no_room_for_their_places_are_sorted_as_numpy_sorts_them(bits):
    values = np.random.default_rng(0).integers(0, 2**bits - 1, 200_000, dtype=np.uint64)
    values[::3] = values[0]
    expected = np.argsort(values, kind="stable")

    line, order = point_in_time._in_order(values.copy())

    assert (order == expected).all()
    assert (line == values[expected]).all()


@given(
    st.lists(st.tuples(words, wholes), max_size=12), st.lists(st.tuples(words, wholes), max_size=12), st.integers(1, 2)
)
@example([("é", 0), ("é\0", 0), ("N123456", 0)], [("N1234567", 0)], 1)
def test_a_key_has_one_number_and_an_unknown_one_none(rows, asked, parts):
    def columns(pairs):
        kinds = (pa.large_string(), pa.int64())
        return [pa.array([None, *(pair[place] for pair in pairs)], kinds[place])[1:] for place in range(parts)]

    rows, asked = ([pair[:parts] for pair in pairs] for pairs in (rows, asked))
    index = KeyIndex(columns(rows), len(rows))

    number = {}
    for key, code in zip(rows, index.codes.tolist(), strict=True):
        assert (code == -1) == (None in key)
        assert number.setdefault(key, code) == code
    known = {key: code for key, code in number.items() if code >= 0}
    assert sorted(known.values()) == list(range(index.count))
    assert index.lookup(columns(asked), len(asked)).tolist() == [known.get(key, -1) for key in asked]


@pytest.mark.parametrize("late", [1, 4, 9, 60])
def test_a_row_behind_many_late_ones_is_found_and_never_one_of_another_entity(late):
    index = KeyIndex([pa.array(np.repeat([0, 1], 70))], 140)
    times = np.tile(np.arange(70), 2)
    created = times.copy()
    created[-late:] = 2**62  # the newest of the second entity

    timeline = Timeline(index, times, created)

    assert timeline.find(np.array([1, 1]), np.array([100, 69 - late])).tolist() == [139 - late, 139 - late]
    assert timeline.find(np.array([1]), np.array([2**62])).tolist() == [139]


def test_a_day_in_nanoseconds_over_many_keys_is_as_exact_as_any():
    keys = np.arange(1 << 18)
    event = keys * (DAY * 300 // len(keys)) + keys % 7  # 55 bits of time beside 19 of key
    timeline = Timeline(KeyIndex([pa.array(keys)], len(keys)), event)

    assert (timeline.find(keys, event) == keys).all()
    assert (timeline.find(keys, event - 1) == -1).all()
