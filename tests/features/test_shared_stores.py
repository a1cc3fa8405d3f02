"""Threads on one store, files that change, and columns whose types would lose what they hold."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MissingExtra
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

T = pd.Timestamp("2024-01-01", tz="UTC")
BIG = 2**53 + 1


def view_of(data, *, name="f", dtype="int64", key_type="int64", ttl=None, **source):
    key = Entity("k", value_type=key_type)
    return FeatureView(name, entities=[key], schema=[Field("v", dtype)], ttl=ttl, source=Source("rows", data, **source))


def asked(*keys):
    return pd.DataFrame({"k": keys, "event_timestamp": T})


def values(store, frame):
    found = store.get_historical_features(frame, features=["f:v"]).frame["v"]
    return [None if pd.isna(value) else value for value in found]


@pytest.mark.parametrize("ask", ["get_historical_features", "replay"])
def test_threads_that_ask_first_at_once_get_what_one_alone_gets(ask, tmp_path):
    chance = np.random.default_rng(0)
    times = [T + pd.to_timedelta(chance.integers(0, 90, 400), "s") for _ in range(3)]
    rows = pd.DataFrame({"k": 1, "event_timestamp": times[0], "created": times[1], "landed": times[2], "v": range(400)})
    frame = pd.DataFrame({"k": 1, "event_timestamp": times[0]})
    start, found = threading.Barrier(4), []

    def store():
        made = FeatureStore(tmp_path)
        made.apply(view_of(rows, created_timestamp_column="created", landed_column="landed"))
        return made

    def join(on):
        return getattr(on, ask)(frame, features=["f:v"]).frame["v"]

    def first(on):
        start.wait()
        found.append(join(on))

    shared = store()
    threads = [threading.Thread(target=first, args=(shared,)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    alone = join(store())
    assert [each.equals(alone) for each in found] == [True] * 4


def test_threads_that_ask_first_at_once_read_a_source_once():
    calls, start = [], threading.Barrier(4)

    def read():
        calls.append(1)
        return pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [1]})

    source = Source("rows", read)

    def ask():
        start.wait()
        source.read()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert len(calls) == 1


def test_large_keys_and_values_beside_a_null_stay_what_they_are(tmp_path):
    moments = pa.array([T.to_pydatetime()] * 3, pa.timestamp("us", tz="UTC"))
    table = pa.table({"k": pa.array([BIG, BIG - 1, None], pa.int64()), "event_timestamp": moments})
    pq.write_table(table.append_column("v", pa.array([BIG, None, 3], pa.int64())), tmp_path / "rows.parquet")
    store = FeatureStore(tmp_path / "home")
    store.apply(view_of(tmp_path / "rows.parquet"))
    store.materialize(T)

    online = store.get_online_features([{"k": BIG}, {"k": BIG - 1}], features=["f:v"]).to_dict()["v"]

    assert values(store, asked(BIG, BIG - 1)) == online == [BIG, None]


def test_whole_keys_that_a_null_made_floats_are_materialized_as_they_are_joined(tmp_path):
    store = FeatureStore(tmp_path)
    store.apply(view_of(pd.DataFrame({"k": [7, None], "event_timestamp": [T, T], "v": [1, 2]})))

    assert store.materialize(T).rows == {"f": 1}
    assert store.get_online_features({"k": 7}, features=["f:v"]).to_dict()["v"] == [1]


def test_a_file_that_has_grown_is_read_again(tmp_path):
    path, store = tmp_path / "rows.parquet", FeatureStore(tmp_path / "home")
    frame = pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [1]})
    frame.to_parquet(path)
    store.apply(view_of(path))
    before = values(store, asked(1, 2))
    pd.DataFrame({"k": [1, 2], "event_timestamp": [T, T], "v": [5, 6]}).to_parquet(path)
    os.utime(path, ns=(1, 1))

    assert (before, values(store, asked(1, 2))) == ([1, None], [5, 6])


@pytest.mark.parametrize("form", ["relative", "address", "home"])
def test_a_place_means_the_same_in_the_next_process(form, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [1]}).to_parquet(tmp_path / "x.parquet")
    place = {"relative": "x.parquet", "address": (tmp_path / "x.parquet").as_uri(), "home": "~/x.parquet"}[form]
    FeatureStore(tmp_path / "home").apply(view_of(place))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert values(FeatureStore(tmp_path / "home"), asked(1)) == [1]


def test_an_address_that_nothing_here_reads_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    store = FeatureStore(tmp_path)
    store.apply(view_of("s3://bucket/x.parquet"))

    with pytest.raises(MissingExtra, match="remote"):
        values(store, asked(1))
    assert FeatureStore(tmp_path).get_feature_view("f").source.path == "s3://bucket/x.parquet"


def test_a_file_far_away_is_read_again_when_its_store_says_that_it_is_another(tmp_path, monkeypatch):
    path, told = tmp_path / "rows.parquet", {"size": 1, "ETag": "a"}
    system = SimpleNamespace(info=lambda _: told, invalidate_cache=lambda: None)
    core = SimpleNamespace(url_to_fs=lambda _: (system, "rows.parquet"))
    fsspec = SimpleNamespace(core=core, open=lambda *_, **__: path.open("rb"))
    monkeypatch.setitem(sys.modules, "fsspec", fsspec)
    monkeypatch.setitem(sys.modules, "fsspec.core", core)
    store = FeatureStore(tmp_path / "home")
    store.apply(view_of("s3://bucket/rows.parquet"))
    found = []
    for value, mark in ((1, "a"), (2, "a"), (3, "b")):
        pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [value]}).to_parquet(path)
        told["ETag"] = mark
        found += values(store, asked(1))

    assert found == [1, 1, 3]


def test_a_csv_file_with_other_names_and_local_times_is_a_source(tmp_path):
    text = "id,at,v\n1,2023-12-31T19:00:00,4\n1,2023-12-31T19:00:01,5\n"
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    store = FeatureStore(tmp_path / "home")
    mapping = {"id": "k", "at": "event_timestamp"}
    store.apply(view_of(tmp_path / "x.csv", field_mapping=mapping, timezone="America/New_York"))

    assert values(store, asked(1)) == values(FeatureStore(tmp_path / "home"), asked(1)) == [4]


def test_dates_without_a_zone_are_refused_with_the_way_out_and_taken_with_one(tmp_path):
    day = pa.array([T.date()], pa.date32())
    pq.write_table(pa.table({"k": [1], "event_timestamp": day, "v": [1]}), tmp_path / "x.parquet")
    store = FeatureStore(tmp_path / "home")

    store.apply(view_of(tmp_path / "x.parquet"))
    with pytest.raises(InvalidData, match="timezone='UTC'"):
        values(store, asked(1))
    store.apply(view_of(tmp_path / "x.parquet", timezone="UTC"))

    assert values(store, asked(1)) == [1]


def test_nanoseconds_of_a_ttl_are_kept_for_the_next_process(tmp_path):
    pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [1]}).to_parquet(tmp_path / "x.parquet")
    FeatureStore(tmp_path).apply(view_of(tmp_path / "x.parquet", ttl=pd.Timedelta(5, "ns")))
    moments = [T + pd.Timedelta(5, "ns"), T + pd.Timedelta(6, "ns")]

    found = values(FeatureStore(tmp_path), pd.DataFrame({"k": [1, 1], "event_timestamp": moments}))

    assert found == [1, None]


@pytest.mark.parametrize(
    ("column", "dtype", "outcome"),
    [
        (pd.arrays.SparseArray([4, 0]), "int64", [4, 0]),
        (np.array([1 + 2j, 0]), "float64", "must be numbers"),
        (pd.Series([1, 2], dtype="category"), "float64", [1, 2]),
    ],
    ids=["sparse", "complex", "category"],
)
def test_unusual_columns_are_taken_whole_or_refused(column, dtype, outcome, tmp_path):
    store = FeatureStore(tmp_path)
    store.apply(view_of(pd.DataFrame({"k": [1, 2], "event_timestamp": T, "v": column}), dtype=dtype))

    if isinstance(outcome, list):
        assert values(store, asked(1, 2)) == outcome
    else:
        with pytest.raises(InvalidData, match=outcome):
            values(store, asked(1, 2))


def test_a_view_stands_for_all_of_its_features_and_nothing_is_refused(tmp_path):
    store = FeatureStore(tmp_path)
    view = view_of(pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [1]}))
    store.apply(view)

    assert store.get_historical_features(asked(1), features=view).features == ("v",)
    with pytest.raises(InvalidDefinition, match="not None"):
        store.get_historical_features(asked(1), features=None)


def test_entity_rows_with_one_name_twice_are_refused(tmp_path):
    store = FeatureStore(tmp_path)
    store.apply(view_of(pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [1]})))
    store.materialize(T)

    with pytest.raises(InvalidData, match="2 columns 'z'"):
        store.get_online_features(pd.DataFrame([[1, 2, 3]], columns=["k", "z", "z"]), features=["f:v"])


def test_the_own_time_of_a_row_can_be_a_feature(tmp_path):
    rows = pd.DataFrame({"k": [1], "measured_at": [T], "v": [1]})
    source = Source("rows", rows, timestamp_field="measured_at")
    view = FeatureView(
        "f",
        entities=[Entity("k", value_type="int64")],
        schema=[Field("measured_at", "timestamp")],
        ttl=None,
        source=source,
        owner="weather team",
    )
    store = FeatureStore(tmp_path)
    store.apply(view)

    found = store.get_historical_features(asked(1), features=["f:measured_at"]).frame["measured_at"]

    assert found.tolist() == [T]
    assert FeatureStore(tmp_path).get_feature_view("f").owner == "weather team"


def test_every_type_comes_back_from_the_online_store_known_and_unknown(tmp_path):
    kinds = {"a": "float64", "b": "int64", "c": "string", "d": "bool", "e": "timestamp"}
    values = {"a": [1.5, None], "b": [2**60, None], "c": ["é", None], "d": [False, None], "e": [T, pd.NaT]}
    rows = pd.DataFrame({"k": [1, 2], "event_timestamp": T, **values}).astype({"b": "Int64", "d": "boolean"})
    schema = [Field(name, kind) for name, kind in kinds.items()]
    key = Entity("k", value_type="int64")
    store = FeatureStore(tmp_path)
    store.apply(FeatureView("f", entities=[key], schema=schema, ttl=None, source=Source("rows", rows)))
    store.materialize(T)

    found = store.get_online_features([{"k": 1}, {"k": 2}], features=[f"f:{name}" for name in kinds]).to_dict()

    assert [found[name] for name in kinds] == [[1.5, None], [2**60, None], ["é", None], [False, None], [T, None]]


def test_rows_that_an_older_version_wrote_as_text_are_read_and_brought_on(tmp_path):
    store = FeatureStore(tmp_path)
    store.apply(view_of(pd.DataFrame({"k": [1, 2], "event_timestamp": T, "v": [1, 2]})))
    store.materialize(T)
    with closing(sqlite3.connect(tmp_path / "online.db")) as database, database:
        database.execute("UPDATE online_rows SET features = '[7]'")

    before = FeatureStore(tmp_path).get_online_features([{"k": 1}, {"k": 2}], features=["f:v"]).to_dict()["v"]

    assert before == [7, 7]


def test_a_home_of_the_version_before_opens_and_nothing_is_lost(tmp_path):
    view = view_of(pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [5]}))
    store = FeatureStore(tmp_path)
    store.apply(view)
    store.materialize(T)
    del store
    with closing(sqlite3.connect(tmp_path / "online.db")) as database:  # as version 0 of the schema was
        database.execute("ALTER TABLE watermarks DROP COLUMN written_at")
        database.execute("UPDATE online_rows SET features = '[5]'")
        database.execute("PRAGMA user_version = 0")
        database.commit()

    again = FeatureStore(tmp_path)

    assert again.get_online_features({"k": 1}, features=["f:v"]).to_dict()["v"] == [5]
    assert (again.materialized_until("f"), again.materialized_at("f")) == (T, None)
    again.apply(view)
    again.materialize_incremental(T + pd.Timedelta("1h"))
    assert again.materialized_at("f") is not None


def test_when_a_view_was_filled_is_told_by_the_clock_of_the_machine(tmp_path):
    store = FeatureStore(tmp_path, clock=FakeClock())
    store.apply(view_of(pd.DataFrame({"k": [1], "event_timestamp": [T], "v": [5]})))
    before = pd.Timestamp.now("UTC").floor("s")

    none = store.materialized_at("f")
    store.materialize(T)

    assert none is None
    assert before <= store.materialized_at("f") <= pd.Timestamp.now("UTC")
