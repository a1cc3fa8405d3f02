"""Matrices expand as GitHub documents it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlops_lab.base.errors import InvalidData
from mlops_lab.ci import expand_matrix
from mlops_lab.ci.matrix import combination_title, combinations


def test_the_documented_example_of_fruits_and_animals():
    jobs = expand_matrix(
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

    assert jobs == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_exclude_takes_part_matches_away_and_include_may_bring_them_back():
    jobs = expand_matrix(
        {
            "os": ["linux", "mac"],
            "v": [1, 2],
            "exclude": [{"os": "mac"}, {"v": 2, "os": "linux"}],
            "include": [{"os": "mac", "v": 2}],
        }
    )

    assert jobs == [{"os": "linux", "v": 1}, {"os": "mac", "v": 2}]


def test_include_alone_makes_a_leg_of_each_entry():
    assert expand_matrix({"include": [{"a": 1}, {"a": 1, "b": 2}]}) == [{"a": 1}, {"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        ({"a": []}, "Matrix vector 'a' does not contain any values"),
        ({"a": "x"}, "must be a list"),
        ({"a": [1], "include": [1]}, "'include' must be a list of mappings"),
        ({"a": list(range(257))}, "makes 257 jobs"),
        ({}, "Matrix must define at least one vector"),
        ({"include": []}, "Matrix must define at least one vector"),
        ({"a": [1], "include": [{}]}, "Matrix include mapping does not contain any values"),
        ({"a": [1], "exclude": [{}]}, "Matrix exclude filter must not be empty"),
        ({"a": [1], "exclude": [{"b": 1}]}, "Matrix exclude key 'b' does not match any key within the matrix"),
        ({name: list(range(100)) for name in "abcdefgh"}, "GitHub allows at most 256"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(matrix, reason):
    with pytest.raises(InvalidData, match=reason):
        expand_matrix(matrix)


def test_a_leg_is_named_after_its_values():
    assert (
        combination_title({"os": "linux", "v": 3.10, "gpu": True, "more": {"a": [1, None, ""]}})
        == "linux, 3.1, true, 1"
    )


def test_entries_are_compared_as_an_expression_compares():
    matrix = {"os": ["Ubuntu", "mac"], "v": [3, "x", {"node": 12, "npm": 6}]}

    shouted = expand_matrix({**matrix, "exclude": [{"OS": "UBUNTU"}]})
    quoted = expand_matrix({**matrix, "exclude": [{"v": "3"}, {"v": "X"}]})
    partly = expand_matrix({**matrix, "exclude": [{"v": {"node": "12"}}]})
    joined = expand_matrix({**matrix, "include": [{"os": "MAC", "v": "3", "more": 1}]})

    assert [job["os"] for job in shouted] == ["mac"] * 3
    assert [job["v"] for job in quoted] == [matrix["v"][2]] * 2
    assert [job["v"] for job in partly] == [3, "x"] * 2
    assert joined[3] == {"os": "mac", "v": 3, "more": 1}
    assert len(joined) == 6


def test_what_include_adds_to_a_leg_is_not_in_its_title_and_stands_last_in_a_leg_of_its_own():
    jobs = combinations({"os": ["linux"], "include": [{"gpu": True, "os": "linux"}, {"gpu": False, "os": "mac"}]})

    assert [job.title for job in jobs] == ["linux", "mac, false"]
    assert [job.values for job in jobs] == [{"os": "linux", "gpu": True}, {"os": "mac", "gpu": False}]


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


@given(
    st.dictionaries(st.sampled_from("abc"), st.lists(VALUES, min_size=1, max_size=3, unique=True), max_size=3),
    ENTRIES,
    ENTRIES,
)
def test_any_matrix_expands_by_the_book(vectors, include, exclude):
    known = [{name: value for name, value in entry.items() if name in vectors} for entry in exclude]
    matrix = {**vectors, "include": include, "exclude": [entry for entry in known if entry]}
    assume(vectors or include)

    assert expand_matrix(matrix) == by_the_book(matrix)
