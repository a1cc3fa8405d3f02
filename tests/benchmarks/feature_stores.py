"""How fast are the feature store's joins, materialisation and online reads, beside Feast's on its two local stores?

    python start.py test-engines feast-mlflow --version   # once: it makes the environment
    .venv-feast-mlflow/bin/python tests/benchmarks/feature_stores.py [--quick] [--runs N]
    … --contenders mlops_lab spark --sizes 200000x1000000 1000000x5000000     the curve beside Spark (needs Java)

Feast is asked directly, not through the course's adapter, on a Parquet file as it likes it; ours reads the same file.
Each historical join runs in a process of its own, from opening the store on, imports and entity rows ready; "once more"
is the next join of that process, of the same rows in another order. The fastest of some runs counts, for everyone. All
answers are checked to be the same. Memory is that of the process and its children, for Spark works in one. Online,
every read asks for entities that were not asked for before.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

SIZES = {False: [(100_000, 1_000_000), (1_000_000, 5_000_000)], True: [(10_000, 100_000), (100_000, 500_000)]}
VERSIONS = 10  # rows a key: Feast's dask store makes a row for each pair, so more would not fit into memory
ENTITIES = {False: 50_000, True: 5_000}
CONTENDERS = ("mlops_lab", "duckdb", "dask")
START = pd.Timestamp("2013-01-01", tz="UTC").as_unit("us")


def write_rows(path, rows):
    """Feature rows in random order, times to the second over a year, no two of one key and time."""
    chance = np.random.default_rng(20130101)
    key = chance.integers(0, rows // VERSIONS, rows)
    seconds = chance.integers(0, 365 * 86_400, rows)
    frame = pd.DataFrame(
        {"key": np.char.mod("N%07d", key), "event_timestamp": START + pd.to_timedelta(seconds, "s").as_unit("us")}
    )
    frame["value"] = ((key * 31 + seconds) % 10_007).astype("float64")
    frame.drop_duplicates(["key", "event_timestamp"]).to_parquet(path, index=False)


def entity_rows(count, rows):
    chance = np.random.default_rng(20140101)
    key = np.char.mod("N%07d", chance.integers(0, rows // VERSIONS, count))
    seconds = chance.integers(0, 365 * 86_400, count)
    frame = pd.DataFrame({"key": key, "event_timestamp": START + pd.to_timedelta(seconds, "s").as_unit("us")})
    frame = frame.drop_duplicates().reset_index(drop=True)  # Feast's dask store would do that
    return frame.assign(row=np.arange(len(frame)))


def ours(path, home):
    from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

    store = FeatureStore(home)
    schema, source = [Field("value", "float64")], Source("rows", path)
    store.apply(FeatureView("view", entities=[Entity("key")], schema=schema, ttl=None, source=source))
    return store


def feasts(offline, path, home):
    import feast
    from feast import types
    from feast.repo_config import RegistryConfig

    from mlops_lab.adapters.feast.repository import OFFLINE_STORES

    config = feast.RepoConfig(
        project="bench",
        provider="local",
        registry=RegistryConfig(path=f"{home}/registry.db"),
        offline_store=OFFLINE_STORES[offline],
        online_store={"type": "sqlite", "path": f"{home}/online.db"},
        entity_key_serialization_version=3,
        repo_path=home,
    )
    entity = feast.Entity(name="key", join_keys=["key"], value_type=feast.ValueType.STRING)
    fields = [feast.Field(name="key", dtype=types.String), feast.Field(name="value", dtype=types.Float64)]
    told = {"name": "rows", "path": str(path), "timestamp_field": "event_timestamp"}
    if offline == "spark":
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        source = SparkSource(file_format="parquet", **told)
    else:
        source = feast.FileSource(**told)
    view = feast.FeatureView(name="view", entities=[entity], ttl=timedelta(0), schema=fields, source=source)
    store = feast.FeatureStore(config=config)
    store.apply([entity, view])
    return store


def opened(contender, path, home):
    return ours(path, home) if contender == "mlops_lab" else feasts(contender, path, home)


def join(store, asked):
    job = store.get_historical_features(entity_df=asked, features=["view:value"])
    return job.to_df()


def most_memory():
    """The largest resident size so far of the process and its children, in MiB; `ru_maxrss` would begin elsewhere."""
    parents, most = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, IndexError):
            told = status.read_text("utf-8")
            number = int(status.parent.name)
            parents[number] = int(told.partition("PPid:")[2].split()[0])
            most[number] = int(told.partition("VmHWM:")[2].split()[0]) / 1024
    own = {os.getpid()}
    while found := {each for each, parent in parents.items() if parent in own} - own:
        own |= found
    return sum(most.get(each, 0) for each in own)


def one(contender, path, entities, rows):
    """In a process of its own: time a join and the next one, and say what was found and how much memory that took."""
    asked = entity_rows(entities, rows)
    with tempfile.TemporaryDirectory() as folder, quiet():
        tiny = Path(folder) / "tiny.parquet"
        write_rows(tiny, 100)
        for name in ("tiny", "real"):
            (Path(folder) / name).mkdir()
        join(opened(contender, tiny, f"{folder}/tiny"), entity_rows(10, 100))  # an import is nobody's speed
        started = time.perf_counter()
        store = opened(contender, path, f"{folder}/real")
        found = join(store, asked)
        first = time.perf_counter()
        join(store, asked.sample(frac=1.0, random_state=1))
        seconds, again = first - started, time.perf_counter() - first
    values = found.set_index("row")["value"].reindex(np.arange(len(asked))).to_numpy("float64")
    answer = [int(np.isnan(values).sum()), float(np.nansum(values * (np.arange(len(values)) % 97)))]
    return {"seconds": seconds, "again": again, "mib": most_memory(), "answer": answer, "returned": len(found)}


@contextlib.contextmanager
def quiet():
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def line(what, times):
    fastest = times["mlops_lab"]
    told = "".join(f"{name:>10} {seconds:11.6f} s{seconds / fastest:7.1f}x" for name, seconds in times.items())
    print(f"{what:36}{told}", flush=True)


def historical(runs, sizes, contenders):
    for entities, rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            write_rows(path, rows)
            results = {name: [] for name in contenders}
            for _ in range(runs):
                for name in contenders:
                    command = [sys.executable, __file__, "--one", name, str(path), str(entities), str(rows)]
                    done = subprocess.run(command, check=True, capture_output=True, timeout=1200)
                    results[name].append(json.loads(done.stdout.splitlines()[-1]))
        answers = {tuple(result["answer"]) for found in results.values() for result in found}
        assert len(answers) == 1, f"the contenders disagree: {results}"
        for what, field in (("historical", "seconds"), ("once more", "again")):
            fastest = {name: min(r[field] for r in found) for name, found in results.items()}
            line(f"{what} {entities:,} x {rows:,}", fastest)
        told = ", ".join(
            f"{name} {found[0]['mib']:.0f} MiB, {found[0]['returned']:,} rows" for name, found in results.items()
        )
        print(f"    most memory and rows returned: {told}", flush=True)


def online(quick):
    count = ENTITIES[quick]
    until = datetime(2014, 1, 1, tzinfo=UTC)
    timed = {what: {} for what in ("materialise", "1 read", "100 reads")}
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_rows(path, count * VERSIONS)
        names = sorted(pd.read_parquet(path, columns=["key"])["key"].unique())
        for contender in CONTENDERS:
            home = Path(folder) / contender
            home.mkdir()
            with quiet():
                store = opened(contender, path, str(home))
                started = time.perf_counter()
                if contender == "mlops_lab":
                    store.materialize(until)
                else:
                    store.materialize(datetime(2012, 12, 1, tzinfo=UTC), until)
                timed["materialise"][contender] = time.perf_counter() - started
                for what, asked, times in (("1 read", 1, 200), ("100 reads", 100, 40)):
                    took = []
                    for turn in range(times):
                        entities = [{"key": name} for name in names[turn * asked : (turn + 1) * asked]]
                        started = time.perf_counter()
                        found = store.get_online_features(entity_rows=entities, features=["view:value"]).to_dict()
                        took.append(time.perf_counter() - started)
                        answers.setdefault(what, {}).setdefault(contender, []).extend(found["value"])
                    timed[what][contender] = statistics.median(took)
    for found in answers.values():
        assert len({tuple(values) for values in found.values()}) == 1, "the contenders disagree"
    line(f"materialise {len(names):,} of {count * VERSIONS:,}", timed["materialise"])
    line("online read of 1 entity", timed["1 read"])
    line("online read of 100 entities", timed["100 reads"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS, choices=(*CONTENDERS, "spark"))
    parser.add_argument("--sizes", nargs="+", help="only these joins: ENTITIESxROWS")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.one:
        print(json.dumps(one(told.one[0], told.one[1], int(told.one[2]), int(told.one[3]))))
    else:
        print("seconds, and how many times ours that is")
        if told.sizes is None:
            online(told.quick)
        sizes = SIZES[told.quick] if told.sizes is None else [tuple(map(int, one.split("x"))) for one in told.sizes]
        historical(told.runs, sizes, told.contenders)
