"""The fast scorer says what scikit-learn's own predict_proba says, and steps aside where it cannot."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from mlops_lab.delivery.server import compiled_scorer, estimator_scorer
from mlops_lab.models.training import build_model

CHANCE = np.random.default_rng(7)
ROWS = 600
FRAME = pd.DataFrame(
    {
        "airline": CHANCE.choice(["UA", "AA", "B6", "rare"], ROWS, p=[0.4, 0.3, 0.295, 0.005]),
        "hour": CHANCE.integers(0, 24, ROWS).astype("float64"),
        "delay": np.where(CHANCE.random(ROWS) < 0.2, np.nan, CHANCE.normal(0, 30, ROWS)),
        "constant": np.ones(ROWS),
        "in_air": CHANCE.choice(["True", "False", ""], ROWS),
    }
)
LATE = (FRAME["hour"] / 24 + CHANCE.random(ROWS) > 1).to_numpy()
MODEL = build_model("logistic", FRAME).fit(FRAME, LATE)
SLOW = estimator_scorer(MODEL)
FAST = compiled_scorer(MODEL, SLOW)

numbers = st.one_of(
    st.just(math.nan), st.sampled_from(FRAME["hour"].tolist()), st.floats(-1e9, 1e9), st.integers(-5, 30).map(float)
)
texts = st.one_of(st.sampled_from(["UA", "AA", "B6", "rare", "", "True", "False"]), st.text(max_size=5))
rows = st.lists(st.tuples(texts, numbers, numbers, numbers, texts), min_size=1, max_size=30)


@given(rows)
def test_any_row_gets_the_probability_that_predict_proba_gives(drawn):
    columns = {name: list(values) for name, values in zip(FRAME.columns, zip(*drawn, strict=True), strict=True)}

    fast, slow = FAST(columns), SLOW(columns)

    assert fast == pytest.approx(slow, abs=1e-12)


def test_many_rows_are_no_different_and_a_row_alone_gets_the_very_same_number():
    wide = FRAME.assign(**{f"delay{at}": FRAME["delay"] + at for at in range(20)})
    model = build_model("logistic", wide).fit(wide, LATE)
    columns = {name: wide[name].tolist() * 2 for name in wide.columns}
    fast = compiled_scorer(model, estimator_scorer(model))

    found = fast(columns)

    assert found == pytest.approx(estimator_scorer(model)(columns), abs=1e-12)
    alone = [fast({name: values[at : at + 1] for name, values in columns.items()})[0] for at in range(100)]
    assert alone == found[:100].tolist()


@pytest.mark.parametrize("kept", [["hour", "delay"], ["airline", "in_air"], ["hour"]], ids=str)
def test_a_model_of_numbers_only_or_texts_only_is_taken_apart_too(kept):
    model = build_model("logistic", FRAME[kept]).fit(FRAME[kept], LATE)
    columns = {name: FRAME[name].tolist() for name in kept}

    fast = compiled_scorer(model, estimator_scorer(model))

    assert fast is not None
    assert fast(columns) == pytest.approx(estimator_scorer(model)(columns), abs=1e-12)


def test_another_kind_of_model_is_left_to_answer_itself():
    with threadpool_limits(1):  # two threads beside a busy process take ten times as long
        trees = build_model("gradient_boosting", FRAME).fit(
            FRAME.assign(airline=FRAME["airline"].astype("object"), in_air=FRAME["in_air"].astype("object")), LATE
        )

        assert compiled_scorer(trees, estimator_scorer(trees)) is None


@pytest.mark.parametrize("part", ["coef_", "intercept_"])
def test_a_scorer_that_would_say_something_else_is_thrown_away(part):
    model = build_model("logistic", FRAME).fit(FRAME, LATE)
    logistic = model.named_steps["model"]
    asked = logistic.predict_proba

    def moved(features):
        return asked(features) * [1 - 1e-6, 1 + 1e-6]

    logistic.predict_proba = moved

    assert compiled_scorer(model, estimator_scorer(model)) is None


class Watching(DummyClassifier):
    """Says how many threads OpenMP may take while it is asked."""

    def predict_proba(self, frame):
        self.threads = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp"}
        return super().predict_proba(frame)


def test_an_answer_takes_one_thread_because_threads_that_wait_for_each_other_spin():
    model = Watching().fit(pd.DataFrame({"hour": [6.0, 7.0]}), [0, 1])
    with threadpool_limits(2):
        estimator_scorer(model)({"hour": np.array([6.0])})

    assert model.threads == {1}
