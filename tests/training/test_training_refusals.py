"""What cannot be learnt from, measured or predicted is refused in one line that says what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression

from mlops_lab.base.clock import FakeClock, parse_utc, to_utc
from mlops_lab.base.errors import InvalidData, MlopsLabError, UnknownName
from mlops_lab.base.fingerprint import fingerprint_frame, fingerprint_json
from mlops_lab.data.features import TrainingSet
from mlops_lab.models.tracking import Tracker
from mlops_lab.models.training import build_model, calibration_error, measure, predict, refit, score, time_split, train
from mlops_lab.models.training.metrics import yes_or_no

SPLIT = "2013-03-01"


def known(**columns) -> TrainingSet:
    count = 80
    frame = pd.DataFrame(
        {
            "event_timestamp": pd.date_range("2013-01-01", "2013-03-31", count, tz="UTC"),
            "delay": np.arange(count, dtype=float),
            "empty": np.nan,
            "late": [place % 3 == 0 for place in range(count)],
        }
    )
    return TrainingSet(frame.assign(**columns), features=("delay",), service="s", views=("v",), time_range=None)


@pytest.fixture
def tracker(tmp_path):
    return Tracker(tmp_path, clock=FakeClock())


LABELS = {
    "text": (["no", "yes"] * 40, "holds 'no', 'yes'; an outcome is True or False"),
    "text that says True": (["True", "False"] * 40, "holds 'False', 'True'"),
    "three classes": ([0, 1, 2, 0] * 20, "holds 0, 1, 2"),
    "a number that 8 bits cannot hold": ([0, 256] * 40, "holds 0, 256"),
    "times": (pd.Timestamp("2013-01-01"), "holds Timestamp"),
    "categories": (pd.Categorical(["n", "y"] * 40), "holds 'n', 'y'"),
    "none in the holdout": ([True, False] * 39 + [None, None], "2 of .* rows to score have no 'late'"),
    "NaN in the holdout": ([1.0, 0.0] * 39 + [np.nan, 1.0], "1 of .* rows to score have no 'late'"),
}


@pytest.mark.parametrize("case", LABELS)
def test_only_yes_and_no_are_outcomes(tracker, case):
    values, said = LABELS[case]

    with pytest.raises(InvalidData, match=said):
        train(known(late=values), tracker, label="late", split_at=SPLIT)


@pytest.mark.parametrize("dtype", ["int64", "float64", "boolean", "bool[pyarrow]", "Int8", "object"])
def test_one_and_zero_are_yes_and_no_in_every_type(tracker, dtype):
    plain = train(known(), tracker, label="late", split_at=SPLIT)

    same = train(known(late=known().frame["late"].astype(dtype)), tracker, label="late", split_at=SPLIT)

    assert (same.metrics, same.artifact) == (plain.metrics, plain.artifact)


FAULTS = {
    "a frame for a training set": (lambda: {"training_set": known().frame}, "is a TrainingSet, not DataFrame"),
    "a folder for a tracker": (lambda: {"tracker": "home"}, "is a Tracker, not str: 'home'"),
    "a negative seed": (lambda: {"seed": -1}, "the seed is -1"),
    "a seed that is none": (lambda: {"seed": None}, "the seed is None"),
    "a threshold of text": (lambda: {"threshold": "0.5"}, "the threshold is '0.5'"),
    "a threshold that is NaN": (lambda: {"threshold": float("nan")}, "the threshold is nan"),
    "the label among the features": (lambda: {"training_set": replace(known(), features=("late",))}, "the answer"),
    "a feature twice": (lambda: {"training_set": replace(known(), features=("delay", "delay"))}, "defined twice"),
    "a feature that is not there": (lambda: {"training_set": replace(known(), features=("dely",))}, "mean 'delay'"),
    "features without a value": (lambda: {"training_set": replace(known(), features=("empty",))}, "value of empty"),
    "infinity to learn from": (lambda: {"training_set": known(delay=[np.inf, *range(79)])}, "delay is infinite"),
    "infinity in the holdout": (lambda: {"training_set": known(delay=[*range(79), -np.inf])}, "delay is infinite"),
    "decisions without a time": (
        lambda: {"training_set": known(event_timestamp=known().frame["event_timestamp"].where(lambda t: t.dt.day > 2))},
        "6 of 80 rows have no 'event_timestamp'",
    ),
    "times without a zone": (
        lambda: {"training_set": known(event_timestamp=known().frame["event_timestamp"].dt.tz_localize(None))},
        "not times with a time zone",
    ),
    "served rows without a time": (
        lambda: {"served": replace(known(), frame=known().frame.drop(columns="event_timestamp"))},
        "no column 'event_timestamp' in the served rows",
    ),
    "a list in a cell": (lambda: {"training_set": known(empty=[[1]] * 80)}, "'empty' has no fingerprint"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_learnt_from_is_said_in_one_line(tracker, case):
    make, said = FAULTS[case]
    words = {"training_set": known(), "tracker": tracker, "label": "late", "split_at": SPLIT} | make()

    with pytest.raises(MlopsLabError, match=said) as refused:
        train(words.pop("training_set"), words.pop("tracker"), **words)

    assert "\n" not in str(refused.value)


FRAME = known().frame
STRANGERS = {
    "a regressor": (DummyRegressor().fit(FRAME[["delay"]], FRAME["late"]), "no predict_proba"),
    "fitted on an array": (DummyClassifier().fit(FRAME[["delay"]].to_numpy(), FRAME["late"]), "fit it on a DataFrame"),
    "answers in words": (
        DummyClassifier().fit(FRAME[["delay"]], np.where(FRAME["late"], "late", "on time")),
        "answers 'late', 'on time', not yes or no",
    ),
    "three answers": (DummyClassifier().fit(FRAME[["delay"]], np.arange(80) % 3), "answers 0, 1, 2"),
    "no missing numbers": (LogisticRegression().fit(FRAME[["delay"]], FRAME["late"]), "NaN"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_an_estimator_that_cannot_say_yes_or_no_is_refused(case):
    estimator, said = STRANGERS[case]

    with pytest.raises(InvalidData, match=said) as refused:
        score(estimator, FRAME.assign(delay=np.nan), label="late")

    assert "\n" not in str(refused.value)


def test_an_estimator_that_never_saw_a_yes_says_no_and_one_that_saw_nothing_else_says_yes():
    models = [DummyClassifier().fit(FRAME[["delay"]], [answer] * 80) for answer in (False, True)]

    found = [predict(model, FRAME).max() for model in models]

    assert found == [0.0, 1.0]


def test_no_rows_are_no_predictions():
    model = LogisticRegression().fit(FRAME[["delay"]], FRAME["late"])

    assert predict(model, FRAME.head(0)).tolist() == []
    assert score(model, FRAME.head(0), label="late").rows == 0


def test_rows_that_were_promised_the_same_count_alike_in_whatever_order_they_stand():
    truth, promised = np.repeat([0, 1], 50), np.full(100, 0.5)

    sorted_, mixed = (calibration_error(each, promised) for each in (truth, np.tile([0, 1], 50)))

    assert (sorted_, mixed) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("truth", "probability"),
    [(["no", "yes"], [0.1, 0.2]), ([0, 2], [0.1, 0.2]), ([0.0, np.nan], [0.1, 0.2]), ([0, 1], ["a", "b"])],
)
def test_figures_of_what_is_no_answer_are_refused(truth, probability):
    with pytest.raises(InvalidData):
        measure(np.array(truth), np.array(probability))


def test_refit_refuses_what_does_not_belong_together():
    model = build_model("logistic", FRAME[["delay"]]).fit(FRAME[["delay"]], FRAME["late"])

    with pytest.raises(InvalidData, match="10 labels cannot belong to 80 rows"):
        refit(model, FRAME, FRAME["late"][:10])
    with pytest.raises(UnknownName, match="delay"):
        refit(model, FRAME.drop(columns="delay"), FRAME["late"])


def test_a_split_may_be_written_as_text():
    assert time_split(FRAME, "2013-03-01").at == parse_utc("2013-03-01")


MOMENTS = ["2013-10-01", 3, None, pd.NaT, datetime.fromisoformat("9999-12-31T23:59:59-05:00")]


@pytest.mark.parametrize("value", MOMENTS)
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(InvalidData):
        to_utc(value)


def test_nobody_waits_past_the_end_of_the_calendar():
    for seconds in (float("inf"), 1e13):
        with pytest.raises(InvalidData, match="end of the calendar"):
            FakeClock().sleep(seconds)


def test_what_has_no_fingerprint_is_refused():
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    deep: list = []
    for _ in range(100_000):
        deep = [deep]

    for fingerprint, value in [(fingerprint_frame, twice), (fingerprint_json, deep), (fingerprint_json, "\ud800")]:
        with pytest.raises(InvalidData):
            fingerprint(value)


def test_a_hint_compares_with_a_value_and_never_with_the_name_of_a_type():
    for values, hint in ((["a", 1], "values == 1."), ([None, True], "values > 0, for example."), ([[1], [2]], "list")):
        with pytest.raises(InvalidData, match=re.escape(hint)):
            yes_or_no(pd.Series(values, dtype="object").to_numpy(), what="x")
