"""One view in two roles, and features that a function makes at the moment of asking: offline and online the same."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_lab.base.errors import DuplicateName, InvalidData, InvalidDefinition, UnknownName
from mlops_lab.data.features import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    OnDemandFeatureView,
    RequestSource,
    Source,
)
from mlops_lab.data.features.columns import value_column, values_of

T = pd.Timestamp("2013-07-01T12:00Z")
ROWS = pd.DataFrame(
    {
        "origin": ["EWR", "LAX", "EWR"],
        "event_timestamp": [T, T, T + pd.Timedelta("1h")],
        "wind": [10.0, 30.0, 20.0],
        "gusts": pd.array([1, None, 3], dtype="Int64"),
    }
)
WEATHER = FeatureView(
    "weather",
    entities=[Entity("airport", join_keys=["origin"])],
    schema=[Field("wind", "float64"), Field("gusts", "int64")],
    ttl=timedelta(hours=2),
    source=Source("rows", ROWS),
)
THERE = WEATHER.with_name("there").with_join_key_map({"origin": "dest"})
BOOKING = RequestSource("booking", schema=[Field("bags", "int64"), Field("booked", "timestamp")])


def change_of_wind(frame):
    more = frame["there__wind"] - frame["wind"]
    waited = (frame["booked"] - T).dt.total_seconds() / 3600
    return pd.DataFrame({"more_wind": more, "bags_twice": frame["bags"] * 2, "waited": waited, "calm": more < 15})


SCHEMA = [
    Field("more_wind", "float64"),
    Field("bags_twice", "int64"),
    Field("waited", "float64"),
    Field("calm", "bool"),
]
CHANGE = OnDemandFeatureView(
    "change", sources=[WEATHER[["wind"]], THERE[["wind"]], BOOKING], schema=SCHEMA, udf=change_of_wind
)
SERVICE = FeatureService("both", [WEATHER, THERE[["wind"]], CHANGE])


@pytest.fixture
def store(tmp_path):
    made = FeatureStore(tmp_path / "home")
    made.apply([WEATHER, CHANGE, SERVICE])
    return made


def asked(**columns):
    frame = {"origin": ["EWR", "EWR"], "dest": ["LAX", "XXX"], "event_timestamp": [T + pd.Timedelta("1h")] * 2}
    request = {"bags": [1, 2], "booked": [T, T + pd.Timedelta("30min")]}
    return pd.DataFrame(frame | request | columns)


def test_one_view_in_two_roles_is_joined_once_for_each(store):
    service = FeatureService("roles", [WEATHER[["wind"]], THERE[["wind"]]])

    frame = store.get_historical_features(asked(), features=service).frame

    assert frame["wind"].tolist() == [20.0, 20.0]
    assert frame["there__wind"].fillna(-1).tolist() == [30.0, -1]


def test_roles_and_on_demand_features_are_the_same_online(store):
    store.materialize(T + pd.Timedelta("1h"))
    offline = store.get_historical_features(asked(), features="both").frame

    online = store.get_online_features(asked().drop(columns="event_timestamp"), features="both").to_df()

    pd.testing.assert_frame_equal(online, offline.drop(columns="event_timestamp"))
    assert offline["more_wind"].fillna(-1).tolist() == [10.0, -1]
    assert offline["bags_twice"].tolist() == [2, 4]
    assert len(store.get_online_features([], features="both")) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["EWR", "LAX", "XXX", None]),
            st.sampled_from(["EWR", "LAX", None]),
            st.none() | st.integers(-(2**61), 2**61),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_rows_are_the_same_online_as_offline(store, rows):
    if store.materialized_until("weather") is None:
        store.materialize(T + pd.Timedelta("1h"))
    origin, dest, bags = zip(*rows, strict=True)
    rows_asked = pd.DataFrame({"origin": list(origin), "dest": list(dest), "booked": T})
    rows_asked["bags"] = pd.array(bags, dtype="Int64")
    frame = rows_asked.assign(event_timestamp=T + pd.Timedelta("1h"))

    offline = store.get_historical_features(frame, features="both").frame
    online = store.get_online_features(rows_asked.to_dict("records"), features="both").to_df()

    for name in ("wind", "gusts", "there__wind", "more_wind", "bags_twice", "waited", "calm"):
        pd.testing.assert_series_equal(online[name], offline[name])


def test_a_server_without_arrow_computes_the_same(store, monkeypatch):
    store.materialize(T + pd.Timedelta("1h"))
    rows = asked().drop(columns="event_timestamp").to_dict("records")
    with_arrow = store.get_online_features(rows, features="both").to_dict()

    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert store.get_online_features(rows, features="both").to_dict() == with_arrow
    with pytest.raises(InvalidData, match="'bags' of the entity rows must be whole numbers"):
        store.get_online_features([rows[0] | {"bags": "one"}], features="both")


@pytest.mark.parametrize(
    ("values", "dtype", "told"),
    [
        ([1, None, 3], "int64", None),
        ([2**62, None], "int64", None),
        (["a", None], "string", None),
        ([True], "int64", "whole numbers"),
        ([1.5, None], "int64", "whole numbers"),
        ([1.0], "int64", "whole numbers"),
        (["1"], "int64", "whole numbers"),
        ([1], "string", "text"),
    ],
)
def test_without_arrow_a_column_is_read_as_with_it(values, dtype, told, monkeypatch):
    column = pd.Series(values, name="bags", dtype=object if dtype == "string" or None in values else None)
    column = column if told or dtype == "string" else pd.Series(pd.array(values, dtype="Int64"), name="bags")
    with pytest.raises(InvalidData, match=told) if told else nullcontext():
        with_arrow = values_of(value_column(column, dtype, "rows"), dtype)

    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(InvalidData, match=told) if told else nullcontext():
        assert values_of(value_column(column, dtype, "rows"), dtype) == with_arrow == values


def test_a_function_that_looks_at_other_rows_is_refused(store):
    mean = OnDemandFeatureView(
        "mean",
        sources=[WEATHER[["wind"]], THERE[["wind"]]],
        schema=[Field("mean", "float64")],
        udf=lambda frame: pd.DataFrame({"mean": frame["wind"] - frame["there__wind"].mean()}),
    )
    store.apply([mean])

    with pytest.raises(InvalidDefinition, match="computes row 1 alone otherwise"):
        store.get_historical_features(asked(), features=["mean:mean"])


@pytest.mark.parametrize(
    ("udf", "words"),
    [
        (lambda frame: frame["nothing"], "cannot compute: KeyError"),
        (lambda frame: frame["wind"], "must be a frame of 2 rows, as it was asked, not Series"),
        (lambda frame: frame.head(1), "not 1 rows"),
        (lambda frame: frame, "no column 'x'"),
        (lambda frame: pd.DataFrame({"x": ["a"] * len(frame)}), "must be whole numbers"),
    ],
)
def test_a_function_that_does_not_do_what_it_says_is_refused(store, udf, words):
    view = OnDemandFeatureView("x", sources=[WEATHER[["wind"]]], schema=[Field("x", "int64")], udf=udf)
    store.apply([view])

    with pytest.raises(InvalidDefinition, match=words):
        store.get_historical_features(asked(), features=["x:x"])


def test_what_the_request_has_to_bring_is_asked_for(store):
    store.materialize(T + pd.Timedelta("1h"))

    with pytest.raises(InvalidData, match="no column 'bags' in the entity frame"):
        store.get_historical_features(asked().drop(columns="bags"), features="both")
    with pytest.raises(InvalidData, match="no column 'booked' in the entity rows"):
        store.get_online_features({"origin": "EWR", "dest": "LAX", "bags": 1}, features="both")
    assert SERVICE.entity_columns == ("origin", "dest", "bags", "booked")


def test_definitions_come_back_from_the_home(store, tmp_path):
    again = FeatureStore(tmp_path / "home")

    assert again.get_on_demand_feature_view("change") == CHANGE
    assert again.get_feature_service("both") == SERVICE
    assert again.get_feature_service("both").features[1].key_columns == ("dest",)
    assert again.apply([CHANGE, SERVICE]).unchanged == ("on demand feature view change", "feature service both")


MODULE = """
import pandas as pd

def twice(frame):
    return pd.DataFrame({"twice": frame["wind"] * 2})
"""


@pytest.mark.parametrize(("after", "words"), [(MODULE, "[20.0]"), (MODULE.replace("2}", "3}"), "has changed")])
def test_another_process_computes_with_the_same_code_or_not_at_all(after, words, tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import my_features

    monkeypatch.delitem(sys.modules, "my_features")
    schema = [Field("twice", "float64")]
    view = OnDemandFeatureView("v", sources=[WEATHER[["wind"]]], schema=schema, udf=my_features.twice)
    store = FeatureStore(tmp_path / "home")
    store.apply([WEATHER, view])
    store.materialize(T)
    (tmp_path / "my_features.py").write_text(after.replace('wind"] * 2', 'wind"] * 3') if "3}" in after else after)

    program = (
        "from mlops_lab.data.features import FeatureStore\n"
        f"store = FeatureStore({str(tmp_path / 'home')!r})\n"
        "print(store.get_online_features({'origin': 'EWR'}, features=['v:twice']).to_dict()['twice'])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert words in done.stdout + done.stderr


def test_what_cannot_be_said_of_roles_and_functions_is_refused(store):
    with pytest.raises(UnknownName, match="no join key 'orign'"):
        WEATHER.with_join_key_map({"orign": "dest"})
    with pytest.raises(InvalidDefinition, match="belongs into a service"):
        store.apply(THERE)
    with pytest.raises(InvalidDefinition, match="must be a function"):
        OnDemandFeatureView("x", sources=[WEATHER], schema=[Field("x", "int64")], udf="len")
    with pytest.raises(DuplicateName):
        OnDemandFeatureView("x", sources=[WEATHER, WEATHER], schema=[Field("x", "int64")], udf=len)
    with pytest.raises(DuplicateName):
        store.apply(OnDemandFeatureView("weather", sources=[WEATHER], schema=[Field("x", "int64")], udf=len))
    with pytest.raises(InvalidDefinition, match="on demand feature view change and the service both"):
        store.delete_feature_view("weather")


def test_both_roles_of_a_composite_key_may_share_a_column(tmp_path):
    rows = pd.DataFrame({"a": [1, 1], "b": [1, 2], "event_timestamp": T, "v": [5.0, 6.0]})
    pair = Entity("pair", join_keys=["a", "b"], value_type="int64")
    view = FeatureView("pairs", entities=[pair], schema=[Field("v", "float64")], ttl=None, source=Source("r", rows))
    store = FeatureStore(tmp_path)
    store.apply(view)
    store.materialize(T)
    both = view.with_join_key_map({"a": "b"})

    frame = pd.DataFrame({"b": [1, 2], "event_timestamp": T})

    assert np.nan_to_num(store.get_historical_features(frame, features=both).frame["v"]).tolist() == [5.0, 0.0]
    assert store.get_online_features([{"b": 1}, {"b": 2}], features=both).to_dict()["v"] == [5.0, None]
