"""features.spelling: short texts get the numbers that a dictionary would give them, whatever is in them."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.data.features import keys, spelling
from mlops_lab.data.features.keys import KeyIndex
from mlops_lab.data.features.spelling import spelling_of

alike = st.lists(st.sampled_from(["N1", "N2", "N12", "", "n1", "Né", "N1 ", None]), max_size=30)
strange = st.lists(st.one_of(st.none(), st.text("ab\0é", max_size=4)), max_size=30)


def places(texts):
    """How many places a table needs for these texts, letter by letter."""
    written = [text.encode() for text in texts if text is not None]
    longest = max(map(len, written))
    columns = zip(*(text.ljust(longest, b"\0") for text in written), strict=True)
    return math.prod(max(column) - min(column) + 1 for column in columns)


def arrow(texts):
    return pa.array(texts, pa.large_string())


@given(st.one_of(alike, strange), st.one_of(alike, strange), st.integers(0, 3))
def test_a_text_has_one_number_and_an_unknown_one_none(texts, asked, cut):
    kept = texts[cut:]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spelling, "_SPARSE", 1000)
        found = spelling_of(arrow(texts)[cut:])  # a slice begins in the middle of Arrow's buffers

    known = [text for text in kept if text is not None]
    if found is None:
        assert not known or any("\0" in text for text in known) or places(known) > 1000 * len(kept)
        return
    numbers = dict(zip(kept, found.codes.tolist(), strict=True))
    assert numbers.pop(None, -1) == -1
    assert sorted(numbers.values()) == list(range(found.count))
    assert found.codes.tolist() == [numbers.get(text, -1) for text in kept]
    assert found.find(arrow(asked)[cut:]).tolist() == [numbers.get(text, -1) for text in asked[cut:]]


@pytest.mark.parametrize(
    "texts",
    [
        ["x" * 25] * 9,
        ["a\0"] * 9,
        [f"{number * 7919 % 10**12:012d}" for number in range(9)],
        [None] * 9,
        [],
    ],
    ids=["long", "a letter 0", "too different", "null only", "none at all"],
)
def test_what_cannot_be_spelled_is_left_to_the_dictionary(texts):
    assert spelling_of(arrow(texts)) is None


def test_texts_that_differ_only_after_the_sample_are_noticed():
    texts = ["AAAA"] * 2000 + ["ZZZZ"]

    assert spelling_of(arrow(texts)) is None


@pytest.mark.parametrize("texts", [["N1", "N2", None, "N1"], ["x" * 30, "y", None, "x" * 30]])
def test_an_index_of_keys_spells_when_there_are_many(monkeypatch, texts):
    monkeypatch.setattr(keys, "_LARGE", 1)

    index = KeyIndex([arrow(texts)], 4)

    assert (index.codes[0] == index.codes[3], index.codes[2]) == (True, -1)
    assert index.lookup([arrow([texts[1], "never", None, texts[0]])], 4).tolist() == [
        index.codes[1],
        -1,
        -1,
        index.codes[0],
    ]
