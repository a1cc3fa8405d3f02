"""Learn from what was over, be examined on what came after, and measure what the library measures."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as library
from sklearn.dummy import DummyClassifier

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.models.training import METRICS, calibration_error, measure, score, time_split

START = parse_utc("2013-08-01")


def _rows(days: list[int], known_after: list[int]) -> pd.DataFrame:
    times = [START + timedelta(days=day) for day in days]
    known = [time + timedelta(days=wait) for time, wait in zip(times, known_after, strict=True)]
    return pd.DataFrame({"event_timestamp": times, "label_timestamp": known})


@given(
    days=st.lists(st.integers(0, 20), min_size=2, max_size=30),
    waits=st.data(),
    at=st.integers(1, 20),
)
def test_every_row_is_where_the_obvious_loop_puts_it(days: list[int], waits: st.DataObject, at: int) -> None:
    known_after = [waits.draw(st.integers(0, 3)) for _ in days]
    frame, moment = _rows(days, known_after), START + timedelta(days=at)
    rows = list(zip(frame["event_timestamp"], frame["label_timestamp"], strict=True))
    expected_train = [i for i, (time, known) in enumerate(rows) if time < moment and known <= moment]
    expected_holdout = [i for i, (time, _) in enumerate(rows) if time >= moment]

    if not expected_train or not expected_holdout:
        with pytest.raises(InvalidData):
            time_split(frame, moment)
        return
    split = time_split(frame, moment)

    assert split.train.index.tolist() == expected_train
    assert split.holdout.index.tolist() == expected_holdout
    assert split.embargoed == len(frame) - len(expected_train) - len(expected_holdout)


def test_a_naive_moment_and_a_missing_column_are_refused() -> None:
    frame = _rows([0, 5], [0, 0])

    with pytest.raises(InvalidData, match="no time zone"):
        time_split(frame, parse_utc("2013-08-03").replace(tzinfo=None))
    with pytest.raises(UnknownName, match="event_timestamp"):
        time_split(frame.rename(columns={"event_timestamp": "event_timestmp"}), parse_utc("2013-08-03"))


def test_an_empty_frame_says_so() -> None:
    with pytest.raises(InvalidData, match="there are no rows"):
        time_split(_rows([0], [0]).iloc[:0], parse_utc("2013-08-03"))


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99)), min_size=2, max_size=60))
def test_every_figure_is_the_one_the_library_gives(pairs: list[tuple[bool, float]]) -> None:
    truth = np.array([pair[0] for pair in pairs])
    probability = np.array([pair[1] for pair in pairs])

    found = measure(truth, probability, threshold=0.4)

    assert set(found) == set(METRICS)
    assert found["accuracy"] == pytest.approx(library.accuracy_score(truth, probability >= 0.4))
    assert found["brier"] == pytest.approx(library.brier_score_loss(truth, probability, pos_label=True))
    if len(set(truth)) == 2:
        assert found["roc_auc"] == pytest.approx(library.roc_auc_score(truth, probability))
        assert found["average_precision"] == pytest.approx(library.average_precision_score(truth, probability))
        assert found["log_loss"] == pytest.approx(library.log_loss(truth, probability))
    else:
        assert math.isnan(found["roc_auc"])


def test_the_calibration_error_is_the_mean_gap_over_equal_bins() -> None:
    generator = np.random.default_rng(0)
    probability = generator.random(1000)
    truth = generator.random(1000) < probability**2
    by_bin = np.array_split(np.argsort(probability, kind="stable"), 10)
    expected = sum(abs(truth[rows].mean() - probability[rows].mean()) * len(rows) for rows in by_bin) / 1000

    assert calibration_error(truth, probability) == pytest.approx(expected)
    assert calibration_error(generator.random(100_000) < 0.3, np.full(100_000, 0.3)) < 0.01


@pytest.mark.parametrize(
    ("truth", "probability"),
    [
        pytest.param([0, 1], [0.5], id="lengths"),
        pytest.param([0, 1], [0.5, math.nan], id="nan"),
        pytest.param([0, 1], [0.5, 1.1], id="above-one"),
        pytest.param([0, 1], [-0.1, 0.5], id="below-zero"),
    ],
)
def test_figures_of_something_that_is_no_probability_are_refused(truth: list[int], probability: list[float]) -> None:
    with pytest.raises(InvalidData):
        measure(np.array(truth), np.array(probability))


def test_no_rows_measure_as_nothing_known() -> None:
    assert all(math.isnan(figure) for figure in measure(np.array([]), np.array([])).values())


def test_slices_are_measured_like_the_whole() -> None:
    frame = pd.DataFrame(
        {"hour": [1, 2, 3, 4], "origin": ["JFK", "EWR", "JFK", "EWR"], "late": [True, False, False, True]},
        index=[9, 9, 3, 1],
    )
    model = DummyClassifier().fit(frame[["hour"]], frame["late"])

    found = score(model, frame, label="late", slice_by="origin")

    assert found.rows == 4
    assert found.positives == 2
    for part in ("EWR", "JFK"):
        rows = (frame["origin"] == part).to_numpy()
        assert found.slices[part] == measure(frame["late"].to_numpy()[rows], np.full(2, 0.5))
    assert found.flat("served")["served.roc_auc.EWR"] == 0.5


def test_a_missing_feature_is_named_with_what_was_meant() -> None:
    frame = pd.DataFrame({"visibility": [1.0, 2.0], "late": [True, False]})
    model = DummyClassifier().fit(frame[["visibility"]], frame["late"])

    with pytest.raises(UnknownName, match="Did you mean 'visibilty'"):
        score(model, frame.rename(columns={"visibility": "visibilty"}), label="late")
