"""Random joins, held against SQLite's own query on every run, and at night against pandas, Polars and DuckDB."""

from __future__ import annotations

import importlib.util
import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

START = pd.Timestamp("2013-01-01", tz="UTC")
STEPS = (1, 1_000, 1_000_000, 1_000_000_000, 3_600_000_000_000)  # ns: times are so far apart that they meet
# Of the rows known at that moment the newest: by event time, then by created time, then the last written.
QUERY = """
SELECT (SELECT value FROM rows WHERE rows.a IS asked.a AND rows.b IS asked.b AND asked.a IS NOT NULL
        AND asked.b IS NOT NULL AND max(event, created) <= moment AND moment - event <= :ttl
        ORDER BY event DESC, created DESC, place DESC LIMIT 1) FROM asked ORDER BY place
"""


class Case:
    """A source and an entity frame of one random shape."""

    def __init__(self, seed, *, rows=400, ties=True):
        chance = np.random.default_rng(seed)
        count, asked = int(chance.integers(0, rows)), int(chance.integers(1, rows))
        self.step = int(chance.choice(STEPS if ties else STEPS[1:-1]))
        span = int(chance.integers(2, 2_000)) if ties else 10**9
        many = int(chance.choice([1, 3, 40, 5000]))
        late = chance.random() < 0.6
        self.whole = bool(chance.random() < 0.5)

        def keys(size):
            drawn = chance.integers(0, many, size).astype("object")
            drawn[chance.random(size) < 0.05] = None
            if self.whole:
                return [None if each is None else 2**53 + int(each) for each in drawn]
            return [None if each is None else f"é{each}" for each in drawn]

        def moments(size):
            return chance.integers(0, span, size) * self.step

        self.rows = pd.DataFrame({"a": keys(count), "b": keys(count), "event": moments(count)}, dtype="object")
        delay = chance.integers(-3, 30, count) * self.step
        self.rows["created"] = self.rows["event"] + delay if late else self.rows["event"]
        self.rows["value"] = np.arange(count)
        self.asked = pd.DataFrame({"a": keys(asked), "b": keys(asked), "moment": moments(asked)}, dtype="object")
        self.ttl = None if chance.random() < 0.4 else int(chance.integers(0, span)) * self.step
        self.late = late

    def found(self, home, *, materialized=False):
        """What the store says: the value for each row asked, None where nothing is known."""
        kind = "int64" if self.whole else "string"
        typed = {"a": "Int64" if self.whole else "object", "b": "Int64" if self.whole else "object"}
        rows, asked = self.rows.astype(typed), self.asked.astype(typed)
        for name in ("event", "created"):
            rows[name] = times(rows[name])
        source = Source(
            "rows", rows, timestamp_field="event", created_timestamp_column="created" if self.late else None
        )
        entities = [Entity(key, value_type=kind) for key in ("a", "b")]
        ttl = None if self.ttl is None else pd.Timedelta(self.ttl, "ns")
        store = FeatureStore(home)
        schema = [Field("value", "int64")]
        store.apply(FeatureView("view", entities=entities, schema=schema, ttl=ttl, source=source))
        if materialized:
            until = START + pd.Timedelta(int(self.asked["moment"].iloc[0]), "ns")
            store.materialize(until)
            told = self.asked[["a", "b"]].to_dict("records")
            return store.get_online_features(told, features=["view:value"]).to_dict()["value"]
        frame = asked[["a", "b"]].assign(event_timestamp=times(asked["moment"]))
        column = store.get_historical_features(frame, features=["view:value"]).frame["value"]
        return [None if pd.isna(each) else int(each) for each in column]

    def by_sqlite(self):
        with closing(sqlite3.connect(":memory:")) as database:
            for name, frame in (("rows", self.rows), ("asked", self.asked)):
                columns = ", ".join(frame.columns)
                database.execute(f"CREATE TABLE {name} (place INTEGER PRIMARY KEY, {columns})")
                marks = ", ".join("?" * (len(frame.columns) + 1))
                told = frame.astype("object").itertuples(name=None)
                database.executemany(f"INSERT INTO {name} VALUES ({marks})", told)  # noqa: S608
            ttl = 2**62 if self.ttl is None else self.ttl
            return [row[0] for row in database.execute(QUERY, {"ttl": ttl})]


def times(numbers):
    return START.as_unit("ns") + pd.to_timedelta(numbers.astype("int64"), "ns")


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_a_random_join_equals_the_query_of_sqlite(start, tmp_path):
    for seed in range(start, start + 20):
        case = Case(seed)
        assert case.found(tmp_path / str(seed)) == case.by_sqlite(), f"seed {seed}"


@pytest.mark.nightly
@pytest.mark.parametrize("start", range(1000, 2000, 100))
def test_many_random_joins_equal_the_query_of_sqlite_and_what_is_served(start, tmp_path):
    for seed in range(start, start + 100):
        case = Case(seed)
        assert case.found(tmp_path / str(seed)) == case.by_sqlite(), f"seed {seed}"
        case.asked["moment"] = case.asked["moment"].iloc[0]
        assert case.found(tmp_path / f"{seed} online", materialized=True) == case.by_sqlite(), f"seed {seed}"


def by_pandas(rows, asked, ttl):
    found = pd.merge_asof(
        asked.sort_values("moment"),
        rows.sort_values("event"),
        left_on="moment",
        right_on="event",
        by="key",
        tolerance=None if ttl is None else pd.Timedelta(ttl, "ns"),
    )
    return found.set_index("row")["value"].sort_index()


def by_polars(rows, asked, ttl):
    import polars as pl

    found = (
        pl.from_pandas(asked)
        .sort("moment")
        .join_asof(
            pl.from_pandas(rows).sort("event"),
            left_on="moment",
            right_on="event",
            by="key",
            tolerance=None if ttl is None else f"{ttl}ns",
            check_sortedness=False,
        )
    )
    return found.sort("row").to_pandas().set_index("row")["value"]


def by_duckdb(rows, asked, ttl):
    import duckdb

    young = f"epoch_ns(asked.moment) - epoch_ns(rows.event) <= {2**62 if ttl is None else ttl}"
    asof = "asked ASOF LEFT JOIN rows ON asked.key = rows.key AND asked.moment >= rows.event"
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        connection.register("asked", asked)
        query = f"SELECT row, CASE WHEN {young} THEN value END AS value FROM {asof} ORDER BY row"  # noqa: S608
        return connection.execute(query).df().set_index("row")["value"]


@pytest.mark.nightly
@pytest.mark.parametrize("peer", [by_pandas, by_polars, by_duckdb])
def test_a_random_join_equals_what_the_peers_say(peer, tmp_path):
    if (name := peer.__name__.partition("_")[2]) != "pandas" and importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not here")
    for seed in range(40):
        case = Case(seed, rows=3000, ties=False)
        case.late, case.rows["created"] = False, case.rows["event"]
        case.rows = case.rows.drop_duplicates(["a", "b", "event"]).reset_index(drop=True)  # they may choose among those
        case.rows["value"] = np.arange(len(case.rows))
        key = [frame["a"].astype("string") + "|" + frame["b"].astype("string") for frame in (case.rows, case.asked)]
        rows = pd.DataFrame({"key": key[0], "event": times(case.rows["event"]), "value": np.arange(len(case.rows))})
        asked = pd.DataFrame({"key": key[1], "moment": times(case.asked["moment"]), "row": range(len(case.asked))})
        known = [frame.dropna().astype({"key": "object"}) for frame in (rows, asked)]

        told = peer(*known, case.ttl).reindex(range(len(asked)))

        expected = [None if pd.isna(each) else int(each) for each in told]
        assert case.found(tmp_path / str(seed)) == expected, f"seed {seed}"
