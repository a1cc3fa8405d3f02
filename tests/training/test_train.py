"""A run can be repeated to the byte, knows what it was made of, and refuses what cannot be learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.data.features import TrainingSet
from mlops_lab.models.tracking import Tracker
from mlops_lab.models.tracking.artifacts import dump_model
from mlops_lab.models.training import MODELS, build_model, predict, train
from mlops_lab.models.training.model import lean_columns, prepare

SPLIT = parse_utc("2013-06-01")


def rows(count: int = 400, *, seed: int = 0) -> TrainingSet:
    generator = np.random.default_rng(seed)
    delay = generator.exponential(20, count)
    frame = pd.DataFrame(
        {
            "event_timestamp": pd.date_range("2013-03-01", "2013-08-01", count, tz="UTC"),
            "origin": generator.choice(["EWR", "JFK"], count),
            "delay": np.where(generator.random(count) < 0.1, np.nan, delay),
            "waiting": pd.array(generator.integers(0, 9, count), dtype="Int64"),
            "in_air": pd.array(generator.random(count) < 0.5, dtype="boolean"),
            "airline": generator.choice(["UA", "AA", None], count),
            "late": generator.random(count) < np.clip(delay / 60, 0.05, 0.95),
        }
    )
    return TrainingSet(
        frame, features=("delay", "waiting", "in_air", "airline"), service="s", views=("v",), time_range=None
    )


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(tmp_path, clock=FakeClock())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_same_data_and_seed_give_the_same_bytes(tracker: Tracker, model: str) -> None:
    runs = [train(rows(), tracker, label="late", split_at=SPLIT, model=model, seed=3) for _ in range(2)]

    assert runs[0].artifact == runs[1].artifact
    assert runs[0].inputs == {"training_set": rows().fingerprint}


@pytest.mark.parametrize("model", MODELS)
def test_a_stored_model_predicts_what_the_fitted_one_did(tracker: Tracker, model: str) -> None:
    known = rows()
    run = train(known, tracker, label="late", split_at=SPLIT, model=model, slice_by="origin")
    holdout = known.frame[known.frame["event_timestamp"] >= SPLIT]

    loaded = tracker.artifacts.load_model(str(run.artifact))

    probability = predict(loaded, holdout)
    assert ((probability >= 0) & (probability <= 1)).all()
    brier = float(((probability - holdout["late"].astype(float)) ** 2).mean())
    assert brier == pytest.approx(run.metrics["offline.brier"])
    assert {"offline.roc_auc.EWR", "offline.roc_auc.JFK"} <= set(run.metrics)


@pytest.mark.parametrize("model", MODELS)
def test_a_value_never_seen_and_a_feature_that_is_missing_are_still_answered(tracker: Tracker, model: str) -> None:
    run = train(rows(), tracker, label="late", split_at=SPLIT, model=model)
    stranger = pd.DataFrame({"delay": [np.nan], "waiting": [pd.NA], "in_air": [pd.NA], "airline": ["ZZ"]}).astype(
        {"waiting": "Int64", "in_air": "boolean"}
    )

    assert predict(tracker.artifacts.load_model(str(run.artifact)), stranger).shape == (1,)


def test_the_holdout_is_never_learnt_from(tracker: Tracker) -> None:
    known = rows()
    flipped = known.frame.copy()
    after = flipped["event_timestamp"] >= SPLIT
    flipped.loc[after, "late"] = ~flipped.loc[after, "late"]
    other = TrainingSet(flipped, features=known.features, service="s", views=("v",), time_range=None)

    one, two = (train(each, tracker, label="late", split_at=SPLIT) for each in (known, other))

    assert one.artifact == two.artifact
    assert one.metrics["offline.roc_auc"] == pytest.approx(1 - two.metrics["offline.roc_auc"])


def test_served_figures_come_from_the_replayed_rows(tracker: Tracker) -> None:
    known = rows()
    blind = known.frame.assign(delay=np.nan)
    served = TrainingSet(blind, features=known.features, service="s", views=("v",), time_range=None)

    run = train(known, tracker, label="late", split_at=SPLIT, served=served)

    assert run.metrics["served.roc_auc"] < run.metrics["offline.roc_auc"] - 0.1


@pytest.mark.parametrize("model", MODELS)
def test_a_column_without_any_value_is_survived(tracker: Tracker, model: str) -> None:
    known = rows()
    empty = TrainingSet(
        known.frame.assign(delay=np.nan), features=known.features, service="s", views=("v",), time_range=None
    )

    assert train(empty, tracker, label="late", split_at=SPLIT, model=model).artifact


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        pytest.param({"label": "lat"}, UnknownName, "Did you mean 'late'", id="label"),
        pytest.param({"model": "logstic"}, UnknownName, "Did you mean 'logistic'", id="model"),
        pytest.param({"slice_by": "origins"}, UnknownName, "Did you mean 'origin'", id="slice"),
        pytest.param({"split_at": parse_utc("2014-06-01")}, InvalidData, "nothing to be examined on", id="split"),
    ],
)
def test_what_cannot_be_is_refused_and_no_run_is_kept(
    tracker: Tracker, change: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        train(rows(), tracker, **{"label": "late", "split_at": SPLIT, **change})  # type: ignore[arg-type]

    assert tracker.search_runs() == ()


def test_an_outcome_that_never_varies_or_is_not_known_is_refused(tracker: Tracker) -> None:
    known = rows()
    always, unknown = known.frame.assign(late=True), known.frame.assign(late=None)

    for frame, says in ((always, "nothing to learn"), (unknown, "leave rows out")):
        with pytest.raises(InvalidData, match=says):
            train(
                TrainingSet(frame, features=known.features, service="", views=(), time_range=None),
                tracker,
                label="late",
                split_at=SPLIT,
            )


def test_no_features_are_no_training_set() -> None:
    with pytest.raises(InvalidData, match="no features"):
        build_model("logistic", pd.DataFrame(index=range(3)))


TEXTS = [("text", OneHotEncoder(drop="first"), ["carrier"]), ("raw", OneHotEncoder(), ["gate"])]
OWN = Pipeline([("columns", ColumnTransformer(TEXTS)), ("model", LogisticRegression())])


FRAMES = ColumnTransformer([("text", OneHotEncoder(sparse_output=False), ["carrier", "dest"])])
NAMED = Pipeline([("columns", FRAMES.set_output(transform="pandas")), ("model", LogisticRegression())])


@pytest.mark.parametrize("model", ["logistic", OWN, NAMED])
def test_the_lean_columns_make_the_same_model_to_the_byte(model):
    chance = np.random.default_rng(7)
    wind = np.where(chance.random(70_000) < 0.1, np.nan, chance.normal(size=70_000))
    rows = pd.DataFrame({"wind": wind, "carrier": chance.choice(["UA", "AA", "B6"], 70_000)})
    rows["dest"] = np.where(
        chance.random(70_000) < 0.001, chance.choice(np.array(["é", "a\0", "a"], dtype="O"), 70_000), "ORD"
    )
    rows["gate"] = chance.integers(3, size=70_000).astype(float)
    late = wind > 0.3
    plain, lean = (build_model(model, rows) for _ in range(2))
    plain.fit(prepare(rows), late)

    with lean_columns(lean):
        lean.fit(prepare(rows), late)

    assert type(lean[0]) is type(plain[0])
    assert lean[:-1].get_feature_names_out().tolist() == plain[:-1].get_feature_names_out().tolist()
    assert dump_model(lean) == dump_model(plain)


@pytest.mark.parametrize("dtype", ["object", "boolean", "bool[pyarrow]", "category"])
def test_truth_that_may_be_missing_is_prepared_as_text(dtype):
    rows = pd.DataFrame({"in_air": pd.Series([True, None, False, True], dtype=dtype).array}, index=[3, 1, 1, 0])

    assert prepare(rows)["in_air"].tolist() == ["True", "", "False", "True"]


@pytest.mark.parametrize("dtype", ["object", "string", "str", "category"])
def test_text_that_may_be_missing_is_prepared_as_one_plain_type(dtype):
    carrier = pd.Series(["UA", None, "B6"], dtype=object).astype(dtype if dtype != "str" else pd.Series(["UA"]).dtype)
    found = prepare(pd.DataFrame({"carrier": carrier.array}, index=[2, 2, 0]))

    assert found["carrier"].tolist() == ["UA", "", "B6"]
    assert found["carrier"].dtype == pd.DataFrame({"carrier": np.array(["UA"], dtype="object")})["carrier"].dtype
