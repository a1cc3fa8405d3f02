"""Rows are put in the order that NumPy's slow and obvious `lexsort` gives, whatever does not fit into 64 bits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_lab.data.features import keys, ordering
from mlops_lab.data.features.visibility import Known, Timeline

NEVER = 2**62


@st.composite
def columns(draw):
    """Some columns of equal length, each few or many bits wide, with many ties."""
    rows = draw(st.integers(1, 40))
    widths = draw(st.lists(st.sampled_from([0, 1, 3, 40, 62, 63]), min_size=1, max_size=4))
    values = [st.sampled_from([0, 2**width - 1, 2**width >> 1, (2**width - 1) // 3]) for width in widths]
    return [
        (np.array(draw(st.lists(value, min_size=rows, max_size=rows)), dtype=np.uint64), width)
        for value, width in zip(values, widths, strict=True)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns(), st.sampled_from([1, 3, 65536]))
def test_the_order_is_that_of_lexsort(monkeypatch, parts, block):
    monkeypatch.setattr(ordering, "_BLOCK", block)

    order = ordering.stable_order(parts)

    assert order.tolist() == np.lexsort([values for values, _ in reversed(parts)]).tolist()


@given(st.lists(st.none() | st.integers(-5, 2000), min_size=1, max_size=30), st.lists(st.none() | st.integers()))
def test_whole_numbers_close_together_are_numbered_like_any_others(values, asked):
    asked = [each for each in asked if each is None or -(2**63) <= each < 2**63]
    column, other = pa.array(values, pa.int64()), pa.array([*asked, *values], pa.int64())
    far = pa.array([None if value is None else value * 2**50 for value in values], pa.int64())

    near, wide = keys.KeyIndex([column], len(column)), keys.KeyIndex([far], len(far))

    found = near.lookup([other], len(other)).tolist()
    codes = near.codes.tolist()
    for each, code in zip(other.to_pylist(), found, strict=True):
        assert code == codes[values.index(each)] if each in values else code not in codes or code == -1
    same = [[one == two for two in index.codes.tolist()] for index in (near, wide) for one in index.codes.tolist()]
    assert same[: len(values)] == same[len(values) :]
    assert max(codes) < max(near.count, 1)


@pytest.mark.parametrize("late", [1, 4, 5, 9, 60])
def test_a_row_behind_many_late_ones_is_found_and_never_one_of_another_entity(late):
    codes = np.repeat([0, 1], 70)
    times = np.tile(np.arange(70), 2)
    created = times.copy()
    created[-late:] = NEVER  # the newest of the second entity
    arrived = np.where(codes == 0, 0, created)
    timeline = Timeline(codes, times, created, 2)

    known = Known(arrived, timeline.order)
    found = timeline.find(np.array([1, 1]), np.array([100, 69 - late]), known=known)
    none = timeline.find(np.array([1]), np.array([100]), known=Known(np.full(140, NEVER), timeline.order))

    assert found.tolist() == [139 - late, 139 - late]
    assert none.tolist() == [-1]


@pytest.mark.parametrize("bits", [40, 60, 64])
def test_numbers_that_leave_no_room_for_places_are_sorted_as_numpy_sorts_them(bits):
    random = np.random.default_rng(0)
    values = (
        random.integers(0, 2**bits, 50_000, dtype=np.uint64, endpoint=False)
        if bits < 64
        else (random.integers(0, 2**64 - 1, 50_000, dtype=np.uint64))
    )
    values[::3] = values[0]
    expected = np.argsort(values, kind="stable")
    before = values.copy()

    order = ordering.sort_in_halves(values, bits)

    assert (order == expected).all()
    assert (values == before[expected]).all()
