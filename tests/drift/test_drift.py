"""Drift: a planted change is found, none is not, and the distances agree with SciPy and with a slow count."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.models.drift import DriftPolicy, kolmogorov_smirnov, population_stability, watch_drift
from mlops_lab.teaching.drawing.plots import plot_drift

LEAST = 1e-4


def flights(seed, rows=2000, **changes):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "temp": draw.normal(40, 10, rows),
            "delay": np.where(draw.random(rows) < 0.1, np.nan, draw.exponential(20, rows)),
            "origin": draw.choice(["EWR", "JFK", "LGA"], rows),
            "in_air": draw.random(rows) < 0.3,
            "score": draw.beta(2, 6, rows),
        }
    )
    return frame.assign(**changes)


FEATURES = ["temp", "delay", "origin", "in_air"]


def slow_psi(before, now):
    """PSI of texts by the textbook: one share after the other."""
    total = 0.0
    shares = []
    for value in sorted(set(before) | set(now)):
        shares.append([max(list(side).count(value) / len(side), LEAST) for side in (before, now)])
    sums = [sum(pair[side] for pair in shares) for side in (0, 1)]
    for pair in shares:
        p, q = pair[0] / sums[0], pair[1] / sums[1]
        total += (p - q) * math.log(p / q)
    return total


texts = st.lists(st.sampled_from(["EWR", "JFK", "LGA", "", "Zürich"]), min_size=1, max_size=40)
numbers = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan) | st.integers(-3, 3), min_size=1, max_size=60)


@given(texts, texts)
def test_the_index_of_texts_is_that_of_the_textbook(before, now):
    assert population_stability(before, now) == pytest.approx(slow_psi(before, now), abs=1e-9)


@given(numbers, numbers)
def test_the_index_of_numbers_is_never_negative_and_0_for_the_same(before, now):
    there, same = population_stability(before, now), population_stability(before, list(before))

    assert there >= 0
    assert math.isfinite(there)
    assert same == 0


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=40), st.lists(st.floats(-100, 100), min_size=2, max_size=40))
def test_the_distance_is_scipys(before, now):
    assert kolmogorov_smirnov(before, now) == pytest.approx(ks_2samp(before, now, method="asymp").statistic)


def test_two_draws_of_one_source_do_not_drift():
    report = watch_drift(flights(1), flights(2), features=FEATURES, score="score")

    assert (report.drifted, report.retrain, report.score.state) == ((), False, "stable")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("temp", lambda frame: frame["temp"] + 15),
        ("temp", lambda frame: frame["temp"].mask(frame.index % 2 == 0)),
        ("delay", lambda frame: frame["delay"] * 3),
        ("delay", lambda frame: frame["delay"].fillna(-1.0)),
        ("origin", lambda frame: frame["origin"].replace("JFK", "EWR")),
        ("origin", lambda frame: frame["origin"].where(frame.index % 3 > 0, "PHL")),
        ("in_air", lambda frame: ~frame["in_air"]),
    ],
    ids=[
        "warmer",
        "a sensor falls silent",
        "longer",
        "nulls become -1",
        "an airport closes",
        "a new one",
        "turned round",
    ],
)
def test_a_planted_change_is_found_and_only_this_one(name, change):
    now = flights(2)

    report = watch_drift(flights(1), now.assign(**{name: change(now)}), features=FEATURES, score="score")

    assert report.drifted == (name,)
    assert report.columns[0].column == name


def test_answers_that_drift_ask_for_retraining_though_no_feature_does():
    now = flights(2)

    report = watch_drift(flights(1), now.assign(score=now["score"] ** 0.5), features=FEATURES, score="score")

    assert report.retrain
    assert report.why.startswith("the model's answers have drifted")


def test_a_share_of_drifted_features_asks_for_retraining():
    now = flights(2).assign(temp=90.0, in_air=True)

    asked = watch_drift(flights(1), now, features=FEATURES, policy=DriftPolicy(share=0.49)).retrain
    patient = watch_drift(flights(1), now, features=FEATURES, policy=DriftPolicy(share=0.5)).retrain

    assert (asked, patient) == (True, False)


def test_what_is_expected_to_move_is_shown_and_not_counted():
    now = flights(2).assign(temp=90.0)

    report = watch_drift(flights(1), now, features=FEATURES, policy=DriftPolicy(share=0, expected=("temp",)))

    assert (report.drifted, report.retrain) == ((), False)
    assert (report.columns[0].column, report.columns[0].state) == ("temp", "expected")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([1, 1, 1], [1, 1, 1]),
        ([None, None], [None, None]),
        ([math.inf, 1.0, -math.inf], [1.0, math.inf, -math.inf]),
        ([True, False], [False, True]),
        (pd.Series(["a", None], dtype="string"), pd.Series([None, "a"], dtype="object")),
        (pd.Series([1, None], dtype="Int64"), pd.Series([None, 1.0])),
        (pd.Series(["a"], dtype="category"), ["a"]),
    ],
)
def test_the_same_shares_are_no_drift_whatever_their_type(before, now):
    assert population_stability(before, now) == 0


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [([], [1], "without rows"), ([1], [], "without rows"), ([1, 2], ["a", "b"], "text on the other")],
)
def test_what_cannot_be_compared_is_told(before, now, told):
    with pytest.raises(InvalidData, match=told):
        population_stability(before, now)


def test_a_missing_column_few_rows_and_nothing_to_watch_are_told():
    before, now = flights(1), flights(2)

    with pytest.raises(UnknownName, match="Did you mean 'temp'"):
        watch_drift(before, now, features=["tempp"])
    with pytest.raises(InvalidData, match="needs 200"):
        watch_drift(before, now.head(199), features=FEATURES)
    with pytest.raises(InvalidData, match="nothing to watch"):
        watch_drift(before, now, features=[])


def test_the_frames_are_not_changed():
    before, now = flights(1), flights(2)
    copies = before.copy(), now.copy()

    watch_drift(before, now, features=FEATURES, score="score")

    pd.testing.assert_frame_equal(before, copies[0])
    pd.testing.assert_frame_equal(now, copies[1])


@pytest.mark.parametrize(
    "wrong", [{"notice": 0}, {"drifted": math.nan}, {"share": 1.0}, {"min_rows": 0}, {"notice": 0.5}]
)
def test_a_policy_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(InvalidDefinition):
        DriftPolicy(**wrong)


def test_the_plot_shows_the_answers_and_what_moved_furthest():
    reports = [
        watch_drift(flights(1), flights(2).assign(temp=40.0 + 10 * n), features=FEATURES, score="score", period=f"m{n}")
        for n in range(3)
    ]

    plot = plot_drift("drift", reports)

    head = plot.outline.splitlines()[2].split("  ")
    assert [word.strip() for word in head if word.strip()][:3] == ["month", "the answers", "temp"]
    assert "<svg" in plot.svg
    with pytest.raises(InvalidData, match="no report"):
        plot_drift("drift", [])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([5.0] * 1000, [4.0] * 1000),
        ([0.0] * 500 + [1.0] * 500, [-1.0] * 500 + [1.0] * 500),
        ([f"a{n}" for n in range(5000)], [f"b{n}" for n in range(5000)]),
        ([f"a{n}" for n in range(20_000)], [f"b{n}" for n in range(20_000)]),
    ],
    ids=["below the first edge", "away from an atom", "5,000 new texts", "20,000 new texts"],
)
def test_what_moved_altogether_is_drift(before, now):
    assert population_stability(before, now) > 1


def test_many_texts_drawn_twice_from_one_distribution_are_no_drift():
    draws = np.random.default_rng(0).integers(0, 500, (2, 20_000)).astype(str)

    assert population_stability(*draws) < 0.1


def test_the_distance_of_kolmogorov_and_smirnov_decides_where_bins_hide_a_move():
    before = pd.DataFrame({"x": np.repeat(np.arange(10.0), 100)})
    report = watch_drift(before, before + 4.0, features=["x"], policy=DriftPolicy(notice=50, drifted=100))

    assert report.columns[0].state == "drifted"
