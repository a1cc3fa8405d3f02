"""How fast are the joins and the online store, beside pandas, DuckDB and Polars doing the same, each at its best?

    python tests/benchmarks/features.py [--quick] [--runs N] [--rows 1000000 5000000 10000000] [--scenes text ...]

Every contender joins the same rows and its answer is checked against the others'. A figure is the median of several
runs, each in a process of its own, in turn, so that a busy minute of the machine meets all of them. Seconds are of the
processor, over all threads, so that what else the machine does matters little. Memory is the most that the process
held, less what it held with the data ready. Peers get their own kind of frame, ready made, free, with keys in the type
that is best for them: whole numbers for pandas, `Enum` for Polars, `ENUM` for DuckDB. A row that arrived late they find
as `plain_join` does, by a running maximum and an as-of join.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta

import numpy as np
import pandas as pd

TTL = timedelta(days=2)
ROWS = (1_000_000, 5_000_000, 10_000_000)  # of features; a fifth as many entity rows ask
SCENES = ("text", "whole", "text+ttl", "text+created+ttl", "text+micro")
CONTENDERS = ("mlops_lab cold", "mlops_lab warm", "pandas", "duckdb", "polars")
KEYS = 50_000
LATE, MICRO = "created", "micro"  # rows that become known later; times to the microsecond


def data(scene, rows):
    """Feature rows and entity rows in random order, over a year."""
    chance = np.random.default_rng(20130101)
    start = pd.Timestamp("2013-01-01", tz="UTC").as_unit("us")
    names = pd.Series([f"N{number:05d}" for number in range(KEYS)])
    per_second = 1_000_000 if MICRO in scene else 1

    def frame(count):
        key = chance.integers(0, KEYS, count)
        ticks = chance.integers(0, 365 * 86_400 * per_second, count)
        column = key if scene.startswith("whole") else names.take(key).reset_index(drop=True)
        times = start + pd.to_timedelta(ticks, "us" if MICRO in scene else "s").as_unit("us")
        return pd.DataFrame({"key": column, "event_timestamp": times})

    features = frame(rows)
    if LATE in scene:
        delay = pd.to_timedelta(chance.integers(0, 7200, rows), "s").as_unit("us")
        features["created_timestamp"] = features["event_timestamp"] + delay
    # Two rows of one key and moment would leave the peers free to choose: give those the same value.
    seconds = (features["event_timestamp"] - start) // pd.Timedelta(1, "s")
    features["value"] = (pd.util.hash_array(features["key"].to_numpy()) % 1009 + seconds % 10007).astype("float64")
    return features, frame(rows // 5)


def codes(features, entities):
    """The keys of both frames as whole numbers, for those who are fastest with them."""
    found, names = pd.factorize(features["key"])
    return features.assign(key=found), entities.assign(key=pd.Index(names).get_indexer(entities["key"]))


def ready_mlops_lab(features, entities, scene, home, *, warm):
    from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

    created = "created_timestamp" if LATE in scene else None
    kind = "int64" if scene.startswith("whole") else "string"

    def apply():
        store = FeatureStore(home)
        source = Source("rows", features, created_timestamp_column=created)
        ttl = TTL if "ttl" in scene else None
        schema, entity = [Field("value", "float64")], Entity("key", value_type=kind)
        store.apply(FeatureView("view", entities=[entity], schema=schema, ttl=ttl, source=source))
        return store

    def join(store):
        return store.get_historical_features(entities, features=["view:value"]).frame["value"]

    if not warm:
        return lambda: join(apply())
    store = apply()
    join(store)
    return lambda: join(store)


def ready_pandas(features, entities, scene):
    features, entities = codes(features, entities)

    def join():
        left = entities.reset_index().sort_values("event_timestamp", kind="stable")
        right, tolerance, on = features, TTL if "ttl" in scene else None, "event_timestamp"
        if LATE in scene:
            right = right.sort_values(["event_timestamp", "created_timestamp"]).reset_index(drop=True)
            on, right = "created_timestamp", right.assign(rank=right.index)
            right = right.sort_values(on, kind="stable")
            right = right[right["rank"] == right.groupby("key")["rank"].cummax()]
            right, tolerance = right.rename(columns={"event_timestamp": "event"}), None
            found = pd.merge_asof(left, right, left_on="event_timestamp", right_on=on, by="key")
            found["value"] = found["value"].where(found["event_timestamp"] - found["event"] <= TTL)
        else:
            found = pd.merge_asof(left, right.sort_values(on, kind="stable"), on=on, by="key", tolerance=tolerance)
        return found.set_index("index")["value"].sort_index()

    return join


def ready_duckdb(features, entities, scene):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("features_frame", features)
    connection.register("entities_frame", entities.reset_index())
    connection.execute("CREATE TABLE features AS SELECT * FROM features_frame")
    connection.execute("CREATE TABLE entities AS SELECT * FROM entities_frame")
    if not scene.startswith("whole"):
        connection.execute("CREATE TYPE keys AS ENUM (SELECT DISTINCT key FROM features ORDER BY key)")
        connection.execute("ALTER TABLE features ALTER key TYPE keys")
        connection.execute("ALTER TABLE entities ALTER key TYPE keys USING TRY_CAST(key AS keys)")
    value = f"CASE WHEN e.event_timestamp - f.event_timestamp <= INTERVAL {TTL.days} DAY THEN f.value END"
    value, rows, on = (value if "ttl" in scene else "f.value"), "features", "event_timestamp"
    if LATE in scene:
        on = "created_timestamp"
        by = "PARTITION BY key ORDER BY created_timestamp, event_timestamp"
        newest = f"SELECT *, max(event_timestamp) OVER ({by}) AS newest FROM features"  # noqa: S608
        rows = f"(FROM ({newest}) WHERE event_timestamp = newest)"
    asof = f"ASOF LEFT JOIN {rows} f ON e.key = f.key AND e.event_timestamp >= f.{on}"
    query = f"SELECT e.index, {value} AS value FROM entities e {asof} ORDER BY e.index"  # noqa: S608
    return lambda: connection.execute(query).df()["value"]


def ready_polars(features, entities, scene):
    import polars as pl

    left, right = pl.from_pandas(entities).with_row_index(), pl.from_pandas(features)
    if not scene.startswith("whole"):
        kind = pl.Enum(right["key"].unique().sort())
        left, right = (frame.with_columns(pl.col("key").cast(kind, strict=False)) for frame in (left, right))

    def join():
        tolerance, on, rows = TTL if "ttl" in scene else None, "event_timestamp", right
        if LATE in scene:
            tolerance, on = None, "created_timestamp"
            rows = rows.sort("event_timestamp", on).with_row_index("rank").sort(on, maintain_order=True)
            rows = rows.filter(pl.col("rank") == pl.col("rank").cum_max().over("key"))
            rows = rows.select("key", on, "value", event="event_timestamp")
        else:
            rows = rows.sort(on)
        found = left.sort("event_timestamp").join_asof(
            rows,
            left_on="event_timestamp",
            right_on=on,
            by="key",
            tolerance=tolerance,
            check_sortedness=False,
        )
        if LATE in scene:
            young = pl.col("event_timestamp") - pl.col("event") <= TTL
            found = found.with_columns(value=pl.when(young).then(pl.col("value")))
        return found.sort("index")["value"].to_pandas()

    return join


def one(scene, contender, rows):
    """In a process of its own: time one join, and say what it found and how much memory that took."""
    features, entities = data(scene, rows)
    with tempfile.TemporaryDirectory() as home:
        if contender.startswith("mlops_lab"):
            join = ready_mlops_lab(features, entities, scene, home, warm=contender.endswith("warm"))
        else:
            join = globals()[f"ready_{contender}"](features, entities, scene)
        import pyarrow.compute  # noqa: F401 - the cost of an import is nobody's speed

        before = memory_now()
        started = time.process_time()
        found = join()
        seconds = time.process_time() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values = found.to_numpy("float64")
    return {
        "seconds": seconds,
        "mib": most - before,
        "most": most,
        "answer": [int(np.isnan(values).sum()), float(np.nansum(values * (np.arange(len(values)) % 97)))],
    }


def memory_now():
    """Start the count of the most memory held anew, where the system can, and say how many MiB are held now."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as switch:
            switch.write("5")
    except OSError:
        pass  # then the most includes what it took to make the data
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def joins(runs, rows, scenes):
    print(f"{rows // 5:,} entity rows x {rows:,} feature rows over {KEYS:,} keys; median of {runs}")
    print(f"{'scene':18}{'contender':16}{'CPU s':>9}{'fastest peer':>14}{'peak MiB':>10}{'added MiB':>10}")
    for scene in scenes:
        results = {name: [] for name in CONTENDERS}
        for _ in range(runs):
            for name in CONTENDERS:
                command = [sys.executable, __file__, "--one", scene, name, str(rows)]
                results[name].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        answers = {tuple(result["answer"]) for found in results.values() for result in found}
        assert len(answers) == 1, f"{scene}: the contenders disagree: {results}"
        middle = {name: statistics.median(result["seconds"] for result in found) for name, found in results.items()}
        peer = min(seconds for name, seconds in middle.items() if not name.startswith("mlops_lab"))
        for name, seconds in middle.items():
            most, added = (statistics.median(result[key] for result in results[name]) for key in ("most", "mib"))
            print(f"{scene:18}{name:16}{seconds:9.3f}{peer / seconds:13.1f}x{most:10.0f}{added:10.0f}", flush=True)


def online(runs, rows):
    from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

    features, _ = data("text", rows)
    names = sorted(features["key"].unique())
    with tempfile.TemporaryDirectory() as home:
        store = FeatureStore(home)
        schema, source = [Field("value", "float64")], Source("rows", features)
        store.apply(FeatureView("view", entities=[Entity("key")], schema=schema, ttl=None, source=source))
        until = features["event_timestamp"].max()
        store.describe("view")  # reads and orders the source
        for label, work, times in [
            (f"materialize {len(names):,} entities", lambda: store.materialize(until), runs),
            ("materialize_incremental, nothing new", lambda: store.materialize_incremental(until), runs),
            ("get_online_features, 1 entity", lambda: read(store, names[:1]), 1000),
            ("get_online_features, 100 entities", lambda: read(store, names[:100]), 300),
        ]:
            took = []
            for _ in range(times):
                started = time.perf_counter()
                work()
                took.append(time.perf_counter() - started)
            print(f"{label:40}{statistics.median(took) * 1e6:14,.0f} microseconds, median of {times}", flush=True)


def read(store, names):
    return store.get_online_features([{"key": name} for name in names], features=["view:value"]).to_dict()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="half a million rows, two runs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--scenes", nargs="+", default=SCENES, choices=SCENES)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.one:
        print(json.dumps(one(*told.one[:2], int(told.one[2]))))
    else:
        sizes = [500_000] if told.quick else told.rows
        for size in sizes:
            joins(2 if told.quick else told.runs, size, told.scenes)
        online(3 if told.quick else 5, sizes[0])
