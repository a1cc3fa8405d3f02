"""What is no figure, no rule or no version is refused in one line, and a near miss can be told from a hit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition
from mlops_lab.models.gates import (
    DataProfile,
    Floor,
    GatePolicy,
    Measured,
    NoWorseThanChampion,
    NullRate,
    ServedSkew,
    SliceFloor,
    evaluate_gates,
    profile,
)
from mlops_lab.models.registry import ModelVersion

NOW = parse_utc("2014-01-01")
VERSION = ModelVersion(
    name="late", version=2, run_id="r", artifact="sha256:" + "0" * 64, stage="None", aliases=(), tags={}, author="ada",
    created=NOW, description="",
)  # fmt: skip
POLICY, MEASURED = GatePolicy([Floor("auc", 0.65)]), Measured({"auc": 0.7})


@pytest.mark.parametrize("figure", [np.float32(0.7), np.int64(1), Fraction(7, 10)])
def test_a_number_of_another_make_is_a_number(figure):
    assert Floor("auc", 0.65).judge(Measured({"auc": figure})).passed


@pytest.mark.parametrize("figure", [10**400, True, "0.7", None, np.array([0.7]), 1 + 0j])
def test_what_is_no_number_passes_nothing(figure):
    assert not Floor("auc", 0.65).judge(Measured({"auc": figure})).passed


def test_a_near_miss_does_not_read_like_a_hit():
    rules = [Floor("auc", 0.65), NoWorseThanChampion("auc", 0.01), ServedSkew("auc", 0.02)]
    near = {"auc": 0.6499999, "offline.auc": 0.7, "served.auc": 0.6799999}

    told = [rule.judge(Measured(near, champion={"auc": 0.66})).sentence for rule in rules]

    assert told == [
        "auc is 0.6499999, below the floor of 0.6500000.",
        "auc is 0.6499999 against 0.6600000 of the champion: 0.0100001 worse, more than the margin of 0.0100000.",
        "auc falls from 0.7000000 offline to 0.6799999 as served: 0.0200001 lost, more than the 0.0200000 allowed.",
    ]


def test_a_rate_that_is_no_number_counts_as_missing_and_hides_no_other():
    rates = {"a": 0.1, "b": float("nan")}

    found = NullRate(0.5).judge(Measured({}, data=DataProfile(9, {}, rates, None, NOW)))

    assert (found.passed, found.figure) == (False, 1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NullRate(0.5, columns="gust"),
        lambda: SliceFloor("auc", 0.6, slices=5),
        lambda: GatePolicy(Floor("auc", 0.6)),
        lambda: Floor("auc", 10**400),
        *(
            lambda age=age: GatePolicy.from_dict({"rules": [{"rule": "freshness", "at_most": age}]})
            for age in (float("inf"), float("nan"), 1e300, True, "3 days")
        ),
    ],
)
def test_a_demand_that_cannot_be_is_refused_when_it_is_made(make):
    with pytest.raises(InvalidDefinition):
        make()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"version": "late"}, "what is judged, and the champion, is a ModelVersion, not str: 'late'."),
        ({"champion": "v1"}, "what is judged, and the champion, is a ModelVersion, not str: 'v1'."),
        ({"champion": replace(VERSION, name="returns")}, "is a version of another model."),
        ({"policy": [1]}, "what is demanded is a GatePolicy, not list: [1]."),
        ({"measured": {"auc": 0.7}}, "what was measured is a Measured, not dict: {'auc': 0.7}."),
        ({"at": "2014-01-01"}, ""),
    ],
)
def test_a_gate_takes_what_the_steps_before_it_gave(words, told):
    given = {"version": VERSION, "champion": None, "policy": POLICY, "measured": MEASURED, "at": NOW} | words

    with pytest.raises(InvalidData) as refused:
        evaluate_gates(given.pop("version"), given.pop("champion"), given.pop("policy"), **given)

    text = str(refused.value)
    assert text == told or (text.endswith(told) and told in ("", "is a version of another model."))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, "this is no profile of data: KeyError: 'newest'."),
        (None, "this is no profile of data: TypeError: 'NoneType' object is not subscriptable."),
        ({"newest": "x", "at": "y"}, "'x' is not a date or time"),
    ],
)
def test_what_is_no_profile_is_refused(found, told):
    with pytest.raises(InvalidData) as refused:
        DataProfile.from_dict(found)
    assert str(refused.value).startswith(told)


def test_two_columns_of_one_name_have_no_profile():
    with pytest.raises(InvalidData, match="two columns 'a'"):
        profile(pd.DataFrame([[1, 2]], columns=["a", "a"]), NOW)
