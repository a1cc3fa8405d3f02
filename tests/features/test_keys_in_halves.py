"""A large column is numbered in two halves at once; nobody can tell from the numbers."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_lab.data.features import keys

words = st.lists(st.none() | st.sampled_from(["EWR", "JFK", "LGA", ""]), min_size=2, max_size=12)
numbers = st.lists(st.none() | st.integers(-2, 2), min_size=2, max_size=12)


def columns(values: st.SearchStrategy[list[object]], kind: pa.DataType) -> st.SearchStrategy[tuple[pa.Array, pa.Array]]:
    made = values.map(lambda found: pa.array(found, type=kind))
    return st.tuples(made, made)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.one_of(columns(words, pa.string()), columns(numbers, pa.int64())))
def test_halves_give_the_numbers_of_the_whole(monkeypatch, pair: tuple[pa.Array, pa.Array]) -> None:
    column, asked = pair
    whole = keys.KeyIndex([column, column], len(column))

    with monkeypatch.context() as patched:
        patched.setattr(keys, "_LARGE", 2)
        halves = keys.KeyIndex([column, column], len(column))

    assert halves.codes.tolist() == whole.codes.tolist()
    assert halves.count == whole.count
    wanted = whole.lookup([asked, asked], len(asked)).tolist()
    assert halves.lookup([asked, asked], len(asked)).tolist() == wanted


@pytest.mark.parametrize("column", [pa.array(["EWR", None]), pa.array([None, None], pa.string()), pa.array([1, 1])])
def test_the_smallest_column_that_has_two_halves(column: pa.Array, monkeypatch) -> None:
    whole = keys.KeyIndex([column], 2)
    monkeypatch.setattr(keys, "_LARGE", 2)

    assert keys.KeyIndex([column], 2).codes.tolist() == whole.codes.tolist()
