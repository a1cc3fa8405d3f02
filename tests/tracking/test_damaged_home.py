"""Whatever bytes of a home folder are damaged: one line says so, or what is read is what was written."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import HomeError, IntegrityError
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source
from mlops_lab.models.registry import Registry
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.dag import DAG, list_runs, run_dag, task


def look_at_registry(home):
    registry = Registry(home, clock=FakeClock())
    try:
        return registry.verify(), registry.history()
    finally:
        registry.close()


def look_at_runs(home):
    tracker = Tracker(home, clock=FakeClock())
    try:
        return tracker.search_runs()
    finally:
        tracker.close()


LOOKS = {
    "registry.db": look_at_registry,
    "tracking.db": look_at_runs,
    "dag_runs.db": lambda home: [run.states for run in list_runs(home)],
    "features.db": lambda home: FeatureStore(home).describe(),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    home, clock = tmp_path_factory.mktemp("home"), FakeClock()
    tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    registry.register_model(tracker.log_run("train", artifact=tracker.artifacts.put_bytes(b"model")), "late")
    rows = Source("rows", pd.DataFrame({"event_timestamp": []}))
    schema = [Field("wind", "float64")]
    FeatureStore(home, clock=clock).apply(
        [FeatureView("weather", entities=[Entity("airport")], schema=schema, ttl=None, source=rows)]
    )
    with DAG("night") as dag:
        task(lambda: 42, task_id="answer")()
    run_dag(dag, logical_date="2013-01-01", clock=clock, home=home)
    tracker.close()
    registry.close()
    return {name: (home / name).read_bytes() for name in LOOKS}


def damaged(content, chance):
    found = bytearray(content)
    place = chance.randrange(len(found))
    kind = chance.choice(["flip", "zeros", "cut", "noise", "page"])
    if kind == "flip":
        found[place] ^= 1 << chance.randrange(8)
    elif kind == "zeros":
        found[place : place + 512] = bytes(len(found[place : place + 512]))
    elif kind == "cut":
        del found[place:]
    elif kind == "noise":
        for _ in range(200):
            found[chance.randrange(len(found))] = chance.randrange(256)
    else:
        start = place // 4096 * 4096
        found[start : start + 4096] = chance.randbytes(4096)
    return bytes(found)


@pytest.mark.parametrize("name", LOOKS)
def test_damage_is_said_in_one_line(tmp_path, files, name):
    chance = random.Random(7)  # noqa: S311  a test's dice
    told = set()
    for number in range(60):
        home = tmp_path / str(number)
        home.mkdir()
        (home / name).write_bytes(damaged(files[name], chance))

        try:
            LOOKS[name](home)
        except (IntegrityError, HomeError) as error:
            told.add(str(error))

    assert told
    assert not [each for each in told if "\n" in each]
