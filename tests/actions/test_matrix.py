"""Matrices expand as GitHub documents it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_lab.actions import expand_matrix
from mlops_lab.actions.matrix import leg_title
from mlops_lab.errors import InvalidData


def test_the_documented_example_of_fruits_and_animals():
    legs = expand_matrix(
        {
            "fruit": ["apple", "pear"],
            "animal": ["cat", "dog"],
            "include": [
                {"color": "green"},
                {"color": "pink", "animal": "cat"},
                {"fruit": "apple", "shape": "circle"},
                {"fruit": "banana"},
                {"fruit": "banana", "animal": "cat"},
            ],
        }
    )

    assert legs == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_exclude_takes_part_matches_away_and_include_may_bring_them_back():
    legs = expand_matrix(
        {
            "os": ["linux", "mac"],
            "v": [1, 2],
            "exclude": [{"os": "mac"}, {"v": 2, "os": "linux"}, {"gpu": True}],
            "include": [{"os": "mac", "v": 2}],
        }
    )

    assert legs == [{"os": "linux", "v": 1}, {"os": "mac", "v": 2}]


def test_include_alone_makes_a_leg_of_each_entry():
    assert expand_matrix({"include": [{"a": 1}, {"a": 1, "b": 2}]}) == [{"a": 1}, {"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        ({"a": []}, "Matrix vector 'a' does not contain any values"),
        ({"a": "x"}, "must be a list"),
        ({"a": [1], "include": [1]}, "'include' must be a list of mappings"),
        ({"a": list(range(257))}, "makes 257 jobs"),
        ({name: list(range(100)) for name in "abcdefgh"}, "GitHub allows at most 256"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(matrix, reason):
    with pytest.raises(InvalidData, match=reason):
        expand_matrix(matrix)


def test_a_leg_is_named_after_its_values():
    assert leg_title({"os": "linux", "v": 3.10, "gpu": True, "more": {"a": [1, None]}}) == "linux, 3.1, true, 1, "


def by_the_book(matrix: dict) -> list[dict]:
    """The documented rule, word for word and slowly."""
    vectors = {name: values for name, values in matrix.items() if name not in ("include", "exclude")}
    names = list(vectors)
    originals = [dict(zip(names, values, strict=True)) for values in product(*vectors.values())] if names else []
    for entry in matrix.get("exclude", []):
        originals = [one for one in originals if not all(key in one and one[key] == entry[key] for key in entry)]
    results = [dict(one) for one in originals]
    for entry in matrix.get("include", []):
        added = False
        for index, original in enumerate(originals):
            overwrites = any(key in original and original[key] != entry[key] for key in entry)
            if not overwrites:
                results[index].update(entry)
                added = True
        if not added:
            results.append(dict(entry))
    return results


VALUES = st.sampled_from(["x", "y", "z"])
ENTRIES = st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES, min_size=1, max_size=3), max_size=4)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.dictionaries(st.sampled_from("abc"), st.lists(VALUES, min_size=1, max_size=3, unique=True), max_size=3),
    ENTRIES,
    ENTRIES,
)
def test_any_matrix_expands_by_the_book(vectors, include, exclude):
    matrix = {**vectors, "include": include, "exclude": exclude}

    assert expand_matrix(matrix) == by_the_book(matrix)
