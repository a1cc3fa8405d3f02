"""Do Feast's stores answer as the embedded one does, whatever small tables they are given?

The embedded store is the oracle (a slow obvious loop is its own, in `tests/features`). A difference that is not refused
by name in `DIFFERENCES` is a defect.
"""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

pytestmark = pytest.mark.skipif(
    "feast-mlflow" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines feast-mlflow runs it",
)
BEGIN = pd.Timestamp("2013-01-01T00:00Z")
HALF_HOUR, MICROSECOND = timedelta(minutes=30), timedelta(microseconds=1)
TEXT, NUMBER = Entity("text", join_keys=["text"]), Entity("number", join_keys=["number"], value_type="int64")
PAIR = Entity("pair", join_keys=["left", "right"])
KINDS = ("float64", "int64", "string", "bool", "timestamp")
KEYS = {
    "text": st.sampled_from(["", "a", "ab", "b", "ü", "1", "None", None]),
    "left": st.sampled_from(["a", "ab", "", "'"]),
    "right": st.sampled_from(["bc", "c", "", None]),
    "number": st.sampled_from([-1, 0, 1, 2**53 + 1, -(2**63), None]),
}
VALUES = {
    "float64": st.sampled_from([1.5, -0.0, float("inf"), float("-inf"), 5e-324, None]),
    "int64": st.sampled_from([0, 7, -(2**53), 2**53, None]),
    "string": st.sampled_from(["", "x", "NaN", "None", "Zürich\n", "🛫", None]),
    "bool": st.sampled_from([True, False, None]),
    "timestamp": st.sampled_from([BEGIN, BEGIN - timedelta(days=40_000), None]),
}
MOMENTS = st.builds(
    lambda half_hours, off: BEGIN + half_hours * HALF_HOUR + off * MICROSECOND,
    st.integers(0, 6),
    st.sampled_from([0] * 4 + [1, -1]),
)


def shape(name, entities, kinds, ttl, *times):
    """A view as a function of its rows; `times` are those of the created and the landed timestamp it has."""
    told = {"created": "created_timestamp_column", "landed": "landed_column"}

    def view(rows):
        source = Source(name, rows, **{told[time]: time for time in times})
        return FeatureView(
            name, entities=entities, schema=[Field(kind, kind) for kind in kinds], ttl=ttl, source=source
        )

    return view


SHAPES = {
    "forever": (shape("forever", [TEXT], ["float64"], None), ("text",), ("float64",), ()),
    "created": (shape("created", [TEXT], ["int64"], 2 * HALF_HOUR, "created"), ("text",), ("int64",), ("created",)),
    "kinds": (shape("kinds", [NUMBER], KINDS, 3 * HALF_HOUR), ("number",), KINDS, ()),
    "pair": (
        shape("pair", [PAIR, NUMBER], ["string", "bool"], None, "created", "landed"),
        ("left", "right", "number"), ("string", "bool"), ("created", "landed"),
    ),
    "nobody": (shape("nobody", [], ["float64"], HALF_HOUR, "created"), (), ("float64",), ("created",)),
}  # fmt: skip
DTYPES = {"float64": "float64", "int64": "Int64", "string": object, "bool": "boolean", "number": "Int64"}


def table(records, columns):
    """The records as a frame whose columns have their types, however few they are."""
    frame = pd.DataFrame.from_records(records, columns=columns)
    for name in columns:
        times = name in ("event_timestamp", "created", "landed", "timestamp")
        frame[name] = pd.Series(list(frame[name]), dtype="datetime64[us, UTC]" if times else DTYPES.get(name, object))
    return frame


@st.composite
def questions(draw):
    """A view over some rows, the entity rows to ask for, and two moments to materialise at."""
    name = draw(st.sampled_from(sorted(SHAPES)))
    make, keys, kinds, times = SHAPES[name]
    columns = [*keys, "event_timestamp", *kinds, *times]
    kind = {**KEYS, **VALUES, "event_timestamp": MOMENTS, "created": MOMENTS, "landed": MOMENTS}
    rows = table(draw(st.lists(st.tuples(*(kind[one] for one in columns)), max_size=12)), columns)
    if draw(st.booleans()):  # for the store that refuses corrections
        rows = rows.drop_duplicates([*keys, "event_timestamp"])
    asked = [*keys, "event_timestamp"]
    frame = table(draw(st.lists(st.tuples(*(kind[one] for one in asked)), max_size=8)), asked)
    return make(rows), frame, sorted(draw(st.tuples(MOMENTS, MOMENTS)))


class Both:
    """The embedded store and one of Feast's, told and asked the same."""

    def __init__(self, folder, offline):
        from mlops_lab.adapters.feast.store import FeastStore

        self.offline = offline
        self.ours = FeatureStore(folder / "ours", clock=FakeClock())
        self.feast = FeastStore(folder / "feast", clock=FakeClock(), offline=offline)

    def same(self, call):
        """Does a call give the same on both, or the same class of error?"""
        answers = []
        for store in (self.ours, self.feast):
            try:
                answers.append(call(store))
            except InvalidData as error:
                if store is self.feast and self.offline == "dask" and "rows that correct earlier ones" in str(error):
                    return  # refused by name
                answers.append(str(error))
        ours, feast = answers
        if isinstance(ours, pd.DataFrame):
            pd.testing.assert_frame_equal(feast, ours)
        else:
            assert feast == ours


@pytest.fixture(scope="module", params=["duckdb", "dask"])
def both(request, tmp_path_factory):
    """One pair of stores for all questions: making a Feast repository takes seconds, a new source of rows nothing."""
    return Both(tmp_path_factory.mktemp(request.param), request.param)


@settings(suppress_health_check=list(HealthCheck), database=None)
@given(question=questions())
def test_any_small_table_is_joined_replayed_and_served_alike(both, question):
    view, frame, (first, second) = question
    features = [f"{view.name}:{name}" for name in view.features]
    for store in (both.ours, both.feast):
        store.apply(view)
    rows = frame.drop(columns="event_timestamp").astype(object).where(lambda held: held.notna(), None)

    both.same(lambda store: store.get_historical_features(frame, features=features).frame)
    both.same(lambda store: store.replay(frame, features=features).frame)
    both.same(lambda store: dict(store.materialize(first, views=[view.name]).rows))
    both.same(lambda store: served(store, rows, features))
    both.same(lambda store: dict(store.materialize_incremental(second, views=[view.name]).rows))
    both.same(lambda store: served(store, rows, features))
    both.same(lambda store: served(store, rows, features, at=second + HALF_HOUR))


def test_a_ttl_that_spark_would_round_is_refused(tmp_path):
    from mlops_lab.adapters.feast.store import FeastStore

    source = Source("s", pd.DataFrame({"event_timestamp": [BEGIN], "a": [1]}))
    view = FeatureView("v", entities=[], schema=[Field("a", "int64")], ttl=timedelta(seconds=1.5), source=source)

    with pytest.raises(InvalidDefinition, match="whole seconds only"):
        FeastStore(tmp_path, offline="spark").apply(view)


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_a_random_table_is_joined_and_replayed_alike_on_spark(tmp_path):
    chance, count = np.random.default_rng(0), 400
    half_hours = pd.DataFrame({name: chance.integers(0, 6, count) for name in ("event_timestamp", "created", "landed")})
    rows = half_hours.cumsum(axis=1).apply(lambda steps: BEGIN + steps * pd.Timedelta(HALF_HOUR))
    for key, names in (("left", ["a", "ab", None]), ("right", ["bc", "c", ""]), ("number", [1, 2**53 + 1, None])):
        rows[key] = pd.Series(chance.choice(np.array(names, dtype=object), count), dtype=DTYPES.get(key, object))
    rows["string"], rows["bool"] = [f"ü{i}" for i in range(count)], chance.random(count) < 0.5
    make, keys, kinds, _ = SHAPES["pair"]
    view, asked = make(rows.head(250)), rows[[*keys, "event_timestamp"]].tail(150)
    features, stores = [f"{view.name}:{kind}" for kind in kinds], Both(tmp_path, "spark")
    for store in (stores.ours, stores.feast):
        store.apply(view)

    try:
        stores.same(lambda store: store.get_historical_features(asked, features=features).frame)
        stores.same(lambda store: store.replay(asked, features=features).frame)
    finally:
        from pyspark.sql import SparkSession

        SparkSession.builder.getOrCreate().stop()
    assert stores.ours.replay(asked, features=features).frame["string"].notna().sum() > 20


def served(store, rows, features, **options):
    """What the online store gives, as values that can be compared."""
    return store.get_online_features(rows, features=features, **options).to_dict()
