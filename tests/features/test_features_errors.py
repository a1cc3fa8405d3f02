"""What a feature store refuses, in which words, and the edges it does not refuse."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import (
    DuplicateName,
    HomeError,
    IntegrityError,
    InvalidData,
    InvalidDefinition,
    UnknownName,
)
from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView, Field, Source

T = pd.Timestamp("2013-07-01T06:00Z")


def rows(**columns):
    data = {
        "origin": ["EWR", "JFK"],
        "event_timestamp": [T, T],
        "wind": [1.5, None],
        "gusts": pd.array([3, None], "Int64"),
    }
    return pd.DataFrame(data | columns)


def view(name="weather", data=None, *, kind="string", ttl=timedelta(hours=3), fields=None, **times):
    source = Source("station", rows() if data is None else data, **times)
    schema = fields or [Field("wind", "float64"), Field("gusts", "int64")]
    airport = Entity("airport", join_keys=["origin"], value_type=kind)
    return FeatureView(name, entities=[airport], schema=schema, ttl=ttl, source=source)


def asked(**columns):
    return pd.DataFrame({"origin": ["EWR", "LGA"], "event_timestamp": [T, T]} | columns)


@pytest.fixture
def store(tmp_path):
    store = FeatureStore(tmp_path / "home", clock=FakeClock())
    store.apply([view(), FeatureService("delays", [view()[["wind"]]])])
    return store


@pytest.mark.parametrize(
    ("entity_df", "words"),
    [
        (asked().drop(columns="origin"), "no column 'origin' in the entity frame; it has: event_timestamp"),
        (asked().rename(columns={"origin": "orign"}), "The nearest there is 'orign'."),
        (asked().drop(columns="event_timestamp"), "no column 'event_timestamp'"),
        (asked(event_timestamp=[T.tz_localize(None)] * 2), "has no time zone"),
        (
            asked(event_timestamp=["2013-07-01", "2013-07-02"]),
            "must hold times with a time zone, not text. Make times of it first",
        ),
        (asked(event_timestamp=[1, 2]), "must hold times with a time zone, not whole numbers (int64)"),
        (asked(event_timestamp=pd.Series([T.to_pydatetime(), T.tz_localize(None)], dtype=object)), "are naive"),
        (asked(event_timestamp=[T, pd.NaT]), "has no time in 1 of 2 rows, the first at position 1"),
        (asked(event_timestamp=[T, pd.Timestamp("9999-01-01", tz="UTC").as_unit("us")]), "holds a time"),
        (asked(origin=[1, 2]), "column 'origin' of the entity frame must be text, not whole numbers (int64)"),
        (asked(origin=pd.Series([b"EWR", b"JFK"], dtype=object)), "must be text, not bytes"),
        (asked(origin=pd.Series(["EWR", 7], dtype=object)), "must be text, not values of type int, str"),
        (asked(wind=[0.0, 0.0]), "has a column 'wind' already"),
        (pd.concat([asked(), asked()[["origin"]]], axis=1), "has 2 columns 'origin'"),
        ([{"origin": "EWR"}], "must be a pandas DataFrame, not list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_entity_frame_that_cannot_be_joined_is_refused_in_plain_words(store, entity_df, words):
    with pytest.raises(InvalidData) as refusal:
        store.get_historical_features(entity_df, features="delays")

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            rows(event_timestamp=[T, pd.NaT]),
            "'event_timestamp' of source 'station' of view 'weather' has no time",
        ),
        (rows(event_timestamp=[T.tz_localize(None)] * 2), "has no time zone"),
        (rows().drop(columns="wind"), "no column 'wind' in source 'station'"),
        (rows(wind=["a", "b"]), "must be numbers (float64)"),
        (rows(wind=[True, False]), "must be numbers (float64), not true or false (bool)"),
        (rows(gusts=[1.5, 2.0]), "must be whole numbers (int64), not numbers (float64)"),
        (rows(gusts=[2**63, 1]), "Some values are too large"),
        (rows(origin=[1, 2]), "must be text, not whole numbers (int64)"),
        (lambda: [1, 2], "must give a pandas DataFrame, not list"),
        (rows(event_timestamp=["2013-07-01", "2013-07-02"]), "not text. Dates, and text as 2024-05-31T18:30 says it"),
        (rows(wind=pd.Series([[1], [2]])), "must be numbers (float64), not values of type list"),
        (rows(wind=[pd.Timedelta("1h")] * 2), "must be numbers (float64), not durations"),
        ("nowhere.parquet", "cannot be read from 'nowhere.parquet'"),
    ],
)
def test_a_source_that_is_not_as_declared_is_refused_when_it_is_read(tmp_path, data, words):
    store = FeatureStore(tmp_path)
    store.apply(view(data=data))

    with pytest.raises(InvalidData) as refusal:
        store.get_historical_features(asked(), features=["weather:wind", "weather:gusts"])

    assert words in str(refusal.value)


def test_what_does_not_exist_is_said_with_what_was_probably_meant(store):
    for features, meant in [("delay", "delays"), (["wether:wind"], "weather"), (["weather:wnd"], "wind")]:
        with pytest.raises(UnknownName) as refusal:
            store.get_historical_features(asked(), features=features)

        assert refusal.value.meant == meant


def test_two_features_of_one_name_need_full_feature_names(store):
    store.apply(view("other"))
    features = ["weather:wind", "other:wind"]

    with pytest.raises(InvalidDefinition, match="full_feature_names=True"):
        store.get_historical_features(asked(), features=features)
    frame = store.get_historical_features(asked(), features=features, full_feature_names=True).frame

    assert list(frame)[-2:] == ["weather__wind", "other__wind"]


@pytest.mark.parametrize("features", [[], ["wind"], [3], ["weather:wind", "weather:wind"], [":"], ["weather:"]])
def test_a_request_that_makes_no_sense_is_refused(store, features):
    with pytest.raises((InvalidDefinition, UnknownName)):
        store.get_historical_features(asked(), features=features)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a\\b", "a b", "a:b", "x" * 129, "a\n", "a'; --", None, 3]
)
def test_hostile_names_are_refused(name):
    for make in (lambda: Entity(name), lambda: Field(name, "int64"), lambda: view(name), lambda: Source(name, rows())):
        with pytest.raises(InvalidDefinition):
            make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: view(ttl=timedelta(-1)),
        lambda: view(ttl=3600),
        lambda: view(fields=[Field("wind", "float64"), Field("wind", "int64")]),
        lambda: view(fields=[Field("origin", "string")]),
        lambda: Field("wind", "float"),
        lambda: Entity("a", value_type="float64"),
        lambda: Entity("a", join_keys=[]),
        lambda: Entity("a", join_keys=["b", "b"]),
        lambda: FeatureService("s", []),
        lambda: FeatureService("s", ["weather:wind"]),
        lambda: FeatureService("s", [view(), view()]),
        lambda: view()[["visibility"]],
        lambda: Source("s", 3),
        lambda: Source("s", rows(), created_timestamp_column=""),
    ],
)
def test_definitions_that_contradict_themselves_are_refused(make):
    with pytest.raises((InvalidDefinition, UnknownName)):
        make()


def test_apply_says_what_is_new_what_changed_and_what_did_not(store, tmp_path):
    again = store.apply([view(), view("other")])
    changed = store.apply(view(ttl=None))

    assert again.created == ("feature view other",)
    assert again.unchanged == ("entity airport", "feature view weather")
    assert changed.changed == ("feature view weather",)
    with pytest.raises(DuplicateName):
        store.apply([view(), view(ttl=None)])


def test_definitions_are_there_for_another_process_but_frames_are_not(store, tmp_path):
    rows().to_parquet(tmp_path / "rows.parquet")
    store.apply(view("file", str(tmp_path / "rows.parquet")))
    store.materialize(T)

    other = FeatureStore(tmp_path / "home")

    assert other.list_feature_views() == store.list_feature_views()
    assert other.get_feature_service("delays").references == ("weather:wind",)
    assert other.get_historical_features(asked(), features=["file:wind"]).frame["wind"].tolist()[0] == 1.5
    assert other.get_online_features([{"origin": "EWR"}], features="delays").to_dict()["wind"] == [1.5]
    with pytest.raises(InvalidDefinition, match="Apply the view again"):
        other.get_historical_features(asked(), features="delays")


def test_a_reader_sees_what_another_process_has_applied_since(store, tmp_path):
    other = FeatureStore(tmp_path / "home")
    assert [one.name for one in other.list_feature_views()] == ["weather"]

    store.apply(view("later"))

    assert [one.name for one in other.list_feature_views()] == ["later", "weather"]


def test_an_incremental_run_keeps_the_newest_by_event_time_not_by_input_order(tmp_path):
    store = FeatureStore(tmp_path)
    store.apply(view(data=rows(event_timestamp=[T, T], wind=[1.0, 2.0])))
    store.materialize(T)
    older = rows(event_timestamp=[T - timedelta(hours=1), T + timedelta(hours=1)], wind=[8.0, 9.0])
    store.apply(view(data=older))

    done = store.materialize_incremental(T + timedelta(hours=1))

    online = store.get_online_features([{"origin": "EWR"}, {"origin": "JFK"}], features=["weather:wind"])
    assert online.to_dict()["wind"] == [1.0, 9.0]
    assert done.rows == {"weather": 1}


def test_a_late_row_is_caught_by_the_incremental_run_in_whose_time_it_arrives(tmp_path):
    late = rows(created=[T + timedelta(hours=2)] * 2)
    store = FeatureStore(tmp_path)
    store.apply(view(data=late, ttl=None, created_timestamp_column="created"))
    seen = []
    for hours in (0, 1, 2):
        store.materialize_incremental(T + timedelta(hours=hours))
        seen.append(store.get_online_features({"origin": "EWR"}, features=["weather:wind"]).to_dict()["wind"][0])

    assert seen == [None, None, 1.5]


def test_the_online_store_refuses_to_show_what_it_cannot_know(store):
    for_ewr = {"entity_rows": [{"origin": "EWR"}], "features": ["weather:wind"]}
    with pytest.raises(InvalidData, match="never materialised"):
        store.get_online_features(**for_ewr)
    store.materialize(T)

    with pytest.raises(InvalidData, match="get_historical_features"):
        store.get_online_features(**for_ewr, at=T - timedelta(seconds=1))
    with pytest.raises(InvalidData, match="builds it anew"):
        store.materialize_incremental(T - timedelta(seconds=1))
    with pytest.raises(InvalidData, match="no time zone"):
        store.materialize(T.tz_localize(None))
    store.apply(view(fields=[Field("wind", "string")]))
    with pytest.raises(InvalidDefinition, match="has changed since"):
        store.get_online_features(**for_ewr)


@pytest.mark.parametrize(
    ("entity_rows", "words"),
    [
        ([{"orign": "EWR"}], "The nearest there is 'orign'."),
        ([{"origin": 3}], "must be string, not 3 (int)"),
        ([{"origin": "EWR", "wind": 1}], "has a column 'wind' already"),
        ("EWR", "must be a frame or a list"),
        ([3], "must be a frame or a list"),
        (pd.DataFrame({"origin": [1]}), "must be text, not whole numbers (int64)"),
    ],
)
def test_entity_rows_that_make_no_sense_are_refused_in_plain_words(store, entity_rows, words):
    store.materialize(T)

    with pytest.raises(InvalidData) as refusal:
        store.get_online_features(entity_rows, features="delays")

    assert words in str(refusal.value)


def test_whole_number_keys_come_in_many_coats(tmp_path):
    store = FeatureStore(tmp_path)
    store.apply(view(data=rows(origin=[7, 8]), kind="int64"))
    store.materialize(T)

    for keys in ([7, None], np.array([7, 9], "int8"), pd.array([7, None], "Int32"), pd.Series([7, None], dtype=object)):
        frame = store.get_historical_features(asked(origin=keys), features=["weather:wind"]).frame
        assert frame["wind"].fillna(-1).tolist() == [1.5, -1.0]
    for key in (7, np.int16(7)):
        assert store.get_online_features([{"origin": key}], features=["weather:gusts"]).to_dict()["gusts"] == [3]
    for wrong in (["7", "8"], [7.0, 8.0], [7.5, None], [True, False]):
        with pytest.raises(InvalidData, match="whole numbers"):
            store.get_historical_features(asked(origin=wrong), features=["weather:wind"])
    for wrong in ("7", 7.0, True, np.True_, 2**63):
        with pytest.raises(InvalidData, match="int64"):
            store.get_online_features([{"origin": wrong}], features=["weather:wind"])


def test_what_is_pushed_must_be_a_frame(store):
    with pytest.raises(InvalidData, match="must be a frame, not list"):
        store.push("weather", [{"origin": "EWR"}])


def test_text_keys_come_in_many_coats(store):
    for dtype in ("object", "string", "category", "str"):
        frame = asked(origin=pd.Series(["EWR", "LGA"], dtype=dtype))

        assert store.get_historical_features(frame, features="delays").frame["wind"].tolist()[0] == 1.5


def test_nothing_in_nothing_out(store):
    empty = [asked().iloc[:0], pd.DataFrame({"origin": [], "event_timestamp": []})]
    store.apply(view("bare", rows().iloc[:0]))

    for frame in empty:
        training_set = store.get_historical_features(frame, features=["weather:wind", "bare:gusts"])

        assert (len(training_set), training_set.time_range) == (0, None)
        assert str(training_set.frame["gusts"].dtype) == "Int64"
    assert store.get_historical_features(asked(), features=["bare:gusts"]).frame["gusts"].isna().all()
    store.materialize(T)
    assert store.get_online_features([], features=["bare:gusts"]).to_dict() == {"gusts": [], "origin": []}


def test_values_come_back_exactly_online_and_offline(tmp_path):
    values = rows(
        wind=[0.1 + 0.2, float("inf")],
        gusts=[2**62 + 1, -(2**63)],
        text=["naïve ✈ \x00 '", None],
        flag=pd.array([True, None], "boolean"),
        when=pd.to_datetime(["2013-07-01T06:00:00.123456789Z", None]),
    )
    kinds = {"wind": "float64", "gusts": "int64", "text": "string", "flag": "bool", "when": "timestamp"}
    store = FeatureStore(tmp_path)
    store.apply(view(data=values, fields=[Field(name, dtype) for name, dtype in kinds.items()]))
    store.materialize(T)
    both, features = asked(origin=["EWR", "JFK"]), [f"weather:{name}" for name in kinds]

    offline = store.get_historical_features(both, features=features).frame[list(kinds)]
    online = store.get_online_features(both[["origin"]], features=features).to_df()[list(kinds)]

    pd.testing.assert_frame_equal(online, offline, check_exact=True)
    assert offline["gusts"].tolist() == [2**62 + 1, -(2**63)]
    assert offline["when"][0] == values["when"][0]


def test_the_training_set_is_not_touched_by_what_happens_to_the_frame_afterwards(store):
    frame = asked(label=[0, 1])
    training_set = store.get_historical_features(frame, features="delays")

    frame.loc[:, "label"] = 9

    assert training_set.frame["label"].tolist() == [0, 1]
    assert training_set.fingerprint == training_set.fingerprint
    assert repr(training_set) == "TrainingSet(2 rows, 1 feature, service='delays', views=('weather',))"


def test_times_far_apart_are_compared_without_overflow(tmp_path):
    ends = [pd.Timestamp("1678-01-01", tz="UTC"), pd.Timestamp("2261-01-01", tz="UTC")]
    data = rows(origin=["EWR", "EWR"], event_timestamp=ends, created=ends[::-1])
    store = FeatureStore(tmp_path)
    store.apply([view(data=data, ttl=timedelta(days=200_000)), view("now", data, ttl=timedelta.max)])

    frame = asked(event_timestamp=[ends[1] - timedelta(1)] * 2)
    found = [
        store.get_historical_features(frame, features=[f"{name}:wind"]).frame["wind"] for name in ("weather", "now")
    ]

    assert [column.isna()[0] for column in found] == [True, False]


def test_a_home_that_cannot_be_used_is_said_to_be_so(tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "features.db").write_bytes(b"no database" * 100)

    with pytest.raises(HomeError):
        FeatureStore(tmp_path / "file").apply(view())
    with pytest.raises(IntegrityError):
        FeatureStore(tmp_path / "bad").list_entities()
    assert FeatureStore(tmp_path / "none").describe() == {"entities": [], "feature_services": [], "feature_views": []}
    assert not (tmp_path / "none").exists()


def test_a_database_that_cannot_be_written_is_a_home_error(store, tmp_path, monkeypatch):
    def full(*_args, **_named):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("mlops_lab.base.storage._connect", full)

    with pytest.raises(HomeError, match="disk I/O error"):
        store.materialize(T)


def test_describe_tells_what_a_view_holds(store):
    store.materialize(T)

    told = store.describe("weather")

    assert told["rows"] == {"rows": 2, "first_event": T, "last_event": T}
    assert told["materialised_until"] == T
    assert [one["name"] for one in store.describe()["feature_views"]] == ["weather"]
    with pytest.raises(UnknownName):
        store.describe("wether")


def test_times_come_in_many_coats_and_keep_their_nanoseconds(store):
    exact = pd.Timestamp("2013-07-01T06:00:00.000000001Z")
    store.apply(view(data=rows(event_timestamp=[exact, exact])))
    coats = [
        pd.Series([exact, exact]).dt.tz_convert("America/New_York"),
        pd.Series([exact, exact], dtype="timestamp[ns, tz=UTC][pyarrow]"),
        pd.Series([exact.to_pydatetime(warn=False) + timedelta(microseconds=1), exact], dtype=object),
    ]
    for times in coats:
        frame = store.get_historical_features(asked(event_timestamp=times), features="delays").frame

        assert frame["wind"][0] == 1.5
        assert frame["event_timestamp"][1] == exact
        assert str(frame["event_timestamp"].dt.tz) == "UTC"


def test_statistics_tell_what_the_features_of_a_period_are_like(tmp_path):
    times = [T, T + timedelta(hours=1), T + timedelta(hours=2)]
    data = pd.concat([rows(), rows()], ignore_index=True).head(3)
    data = data.assign(event_timestamp=times, wind=[1.0, None, 3.0])
    store = FeatureStore(tmp_path)
    store.apply(view(data=data))

    whole = store.statistics("weather").loc["wind"]
    first = store.statistics("weather", start=T, end=times[2]).loc["wind"]

    assert whole[["rows", "nulls", "distinct", "mean", "min", "max"]].tolist() == [3, 1, 2, 2.0, 1.0, 3.0]
    assert whole["std"] == pytest.approx(2**0.5)
    assert first[["rows", "nulls", "max"]].tolist() == [2, 1, 1.0]
    assert store.statistics("weather", end=T).loc["wind", "rows"] == 0
    with pytest.raises(InvalidData, match="start must be a time"):
        store.statistics("weather", start=3)


def test_whole_numbers_as_categories_are_keys_and_values(tmp_path):
    keys = pd.Series(pd.Categorical([2**53 + 1, 7, None]))
    data = pd.DataFrame({"k": keys, "event_timestamp": [T] * 3, "v": pd.Categorical([5, None, 6])})
    store = FeatureStore(tmp_path)
    fields = [Field("v", "int64")]
    key = Entity("k", value_type="int64")
    store.apply(FeatureView("f", entities=[key], schema=fields, ttl=None, source=Source("rows", data)))

    asked = pd.DataFrame({"k": [2**53 + 1, 2**53, 7], "event_timestamp": [T] * 3})
    found = store.get_historical_features(asked, features=["f:v"]).frame["v"]

    assert found.fillna(-1).tolist() == [5, -1, -1]
