"""How fast are the joins and the online store, beside pandas, DuckDB and Polars doing the same?

    python tests/benchmarks/features.py [--quick] [--runs N]

Every contender joins the same rows and its answer is checked against the others'. A figure is the median of several
runs, each in a process of its own, in turn, so that a busy minute of the machine meets all of them; memory is the most
that the process held, less what it held with the data ready. Peers get their own kind of frame, ready made, free.
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
SIZES = {False: (5_000_000, 1_000_000, 50_000), True: (500_000, 100_000, 5_000)}
SCENES = ("text", "whole", "text+ttl", "text+created+ttl")
CONTENDERS = ("mlops_lab cold", "mlops_lab warm", "pandas", "duckdb", "polars")
LATE = "created"  # a merge with "newest that had arrived" is beyond merge_asof and join_asof; only SQL can say it


def data(scene, quick):
    """Feature rows and entity rows in random order, times to the second over a year."""
    rows, entities, keys = SIZES[quick]
    chance = np.random.default_rng(20130101)
    start = pd.Timestamp("2013-01-01", tz="UTC").as_unit("us")
    names = pd.Series([f"N{number:05d}" for number in range(keys)])

    def frame(count):
        key = chance.integers(0, keys, count)
        seconds = chance.integers(0, 365 * 86_400, count)
        column = key if scene.startswith("whole") else names.take(key).reset_index(drop=True)
        return pd.DataFrame({"key": column, "event_timestamp": start + pd.to_timedelta(seconds, "s").as_unit("us")})

    features = frame(rows)
    if LATE in scene:
        delay = pd.to_timedelta(chance.integers(0, 7200, rows), "s").as_unit("us")
        features["created_timestamp"] = features["event_timestamp"] + delay
    # Two rows of one key and moment would leave the peers free to choose: give those the same value.
    seconds = (features["event_timestamp"] - start) // pd.Timedelta(1, "s")
    features["value"] = (pd.util.hash_array(features["key"].to_numpy()) % 1009 + seconds % 10007).astype("float64")
    return features, frame(entities)


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
    def join():
        left = entities.reset_index().sort_values("event_timestamp", kind="stable")
        right = features.sort_values("event_timestamp", kind="stable")
        tolerance = TTL if "ttl" in scene else None
        found = pd.merge_asof(left, right, on="event_timestamp", by="key", tolerance=tolerance)
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
    value = f"CASE WHEN e.event_timestamp - f.event_timestamp <= INTERVAL {TTL.days} DAY THEN f.value END"
    value = value if "ttl" in scene else "f.value"
    asof = "ASOF LEFT JOIN features f ON e.key = f.key AND e.event_timestamp >= f.event_timestamp"
    query = f"SELECT e.index, {value} AS value FROM entities e {asof} ORDER BY e.index"  # noqa: S608
    if LATE in scene:
        within = f"f.event_timestamp BETWEEN e.event_timestamp - INTERVAL {TTL.days} DAY AND e.event_timestamp"
        known = f"LEFT JOIN features f ON e.key = f.key AND {within} AND f.created_timestamp <= e.event_timestamp"
        newest = "arg_max(f.value, f.event_timestamp) AS value"
        query = f"SELECT e.index, {newest} FROM entities e {known} GROUP BY ALL ORDER BY 1"  # noqa: S608
    return lambda: connection.execute(query).df()["value"]


def ready_polars(features, entities, scene):
    import polars as pl

    left, right = pl.from_pandas(entities).with_row_index(), pl.from_pandas(features)

    def join():
        tolerance = TTL if "ttl" in scene else None
        found = left.sort("event_timestamp").join_asof(
            right.sort("event_timestamp"), on="event_timestamp", by="key", tolerance=tolerance, check_sortedness=False
        )
        return found.sort("index")["value"].to_pandas()

    return join


def one(scene, contender, quick):
    """In a process of its own: time one join, and say what it found and how much memory that took."""
    features, entities = data(scene, quick)
    with tempfile.TemporaryDirectory() as home:
        if contender.startswith("mlops_lab"):
            join = ready_mlops_lab(features, entities, scene, home, warm=contender.endswith("warm"))
        else:
            join = globals()[f"ready_{contender}"](features, entities, scene)
        import pyarrow.compute  # noqa: F401 - the cost of an import is nobody's speed

        before = memory_now()
        started = time.perf_counter()
        found = join()
        seconds = time.perf_counter() - started
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


def joins(runs, quick):
    rows, entities, keys = SIZES[quick]
    print(f"{entities:,} entity rows x {rows:,} feature rows over {keys:,} keys; median of {runs}")
    print(f"{'keys':18}{'contender':16}{'seconds':>9}{'fastest peer':>14}{'peak MiB':>10}{'added MiB':>10}")
    for scene in SCENES:
        able = [name for name in CONTENDERS if LATE not in scene or name not in ("pandas", "polars")]
        results = {name: [] for name in able}
        for _ in range(runs):
            for name in able:
                command = [sys.executable, __file__, "--one", scene, name, *(["--quick"] if quick else [])]
                results[name].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        answers = {tuple(result["answer"]) for found in results.values() for result in found}
        assert len(answers) == 1, f"{scene}: the contenders disagree: {results}"
        middle = {name: statistics.median(result["seconds"] for result in found) for name, found in results.items()}
        peer = min(seconds for name, seconds in middle.items() if not name.startswith("mlops_lab"))
        for name, seconds in middle.items():
            most, added = (statistics.median(result[key] for result in results[name]) for key in ("most", "mib"))
            print(f"{scene:18}{name:16}{seconds:9.3f}{peer / seconds:13.1f}x{most:10.0f}{added:10.0f}", flush=True)


def online(runs, quick):
    from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

    features, _ = data("text", quick)
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
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, fewer runs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.one:
        print(json.dumps(one(*told.one, told.quick)))
    else:
        joins(2 if told.quick else told.runs, told.quick)
        online(3 if told.quick else 5, told.quick)
