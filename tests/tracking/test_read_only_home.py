"""Can what is kept in a home folder be looked at by somebody who may not write there?"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import HomeError, MlopsLabError
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source
from mlops_lab.models.registry import Registry
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.dag import DAG, get_run, list_runs, run_dag, task

NOBODY = 65534
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows knows neither fork nor such permissions")


def weather():
    rows = pd.DataFrame({"origin": ["EWR"], "wind": [3.5], "event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"])})
    return FeatureView(
        "weather", entities=[Entity("airport", join_keys=["origin"])], schema=[Field("wind", "float64")], ttl=None,
        source=Source("rows", rows),
    )  # fmt: skip


def fill(home):
    """Something of everything; the last event of the registry is in its write-ahead log only, as after a crash."""
    clock = FakeClock()
    tracker, registry, store = Tracker(home, clock=clock), Registry(home, clock=clock), FeatureStore(home, clock=clock)
    run = tracker.log_run("train", artifact=tracker.artifacts.put_bytes(b"model"), author="ada")
    registry.register_model(run, "late")
    store.apply([weather()])
    store.materialize("2013-01-02")
    with DAG("night") as dag:
        task(lambda: 42, task_id="answer")()
    run_dag(dag, logical_date="2013-01-01", clock=clock, home=home)
    registry.close()
    tracker.close()


@pytest.fixture
def home(place_for_others):
    """A home folder below nothing that is private, so that another user can get to it."""
    folder = Path(tempfile.mkdtemp(dir=place_for_others() if os.geteuid() == 0 else None))
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    fill(home)
    yield home
    for path in [home, *home.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


def close_down(home):
    for path in [*home.rglob("*"), home]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def look(home, answers):
    os.umask(0)
    if os.geteuid() == 0:
        scratch = home.with_name("scratch")  # as every user has; root's own may be closed to this one
        scratch.mkdir(mode=0o777, exist_ok=True)
        tempfile.tempdir = str(scratch)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        registry, store = Registry(home), FeatureStore(home)
        told = [event.action for event in registry.history()], registry.verify(), registry.get_model_version("late", 1)
        runs = len(Tracker(home).search_runs()), [run.run_id for run in list_runs(home)]
        result = get_run(home, runs[1][0]).result("answer")
        store.apply([weather()])
        online = store.get_online_features([{"origin": "EWR"}], features=["weather:wind"]).to_dict()
        try:
            registry.set_tag("late", 1, "reviewed", "yes")
            refused = ""
        except HomeError as error:
            refused = str(error)
        answers.put((told[:2], runs[0], result, online["wind"], refused))
    except BaseException as error:
        answers.put(f"{type(error).__name__}: {error}")


def looked_at(home):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=look, args=(home, answers))
    process.start()
    found = answers.get(timeout=120)
    process.join(60)
    return found


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # pandas' threads sleep while this one forks
def test_a_home_that_can_only_be_read_is_read_and_refuses_a_change_in_one_line(home):
    close_down(home)

    found = looked_at(home)

    assert found[:4] == ((["register_model"], 1), 1, 42, [3.5])
    assert "registry.db: it can be read here, and not be written" in found[4]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_what_a_crash_left_in_the_log_is_read_too(home):
    registry = Registry(home, clock=FakeClock())
    registry.set_tag("late", 1, "reviewed", "yes")
    crashed = home.with_name("crashed")
    shutil.copytree(home, crashed, ignore=shutil.ignore_patterns("*-shm"))  # what a power cut would leave
    registry.close()
    close_down(crashed)

    found = looked_at(crashed)
    for path in [crashed, *crashed.rglob("*")]:
        path.chmod(0o755)

    assert found[0] == (["register_model", "set_tag"], 2)


def test_a_snapshot_is_not_kept_once_the_file_can_be_written(home, monkeypatch):
    def refused(self, connection):
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("mlops_lab.base.storage.Database._prepare", refused)
        registry = Registry(home, clock=FakeClock())
        before = registry.verify()

    registry.set_tag("late", 1, "reviewed", "yes")

    assert (before, registry.verify()) == (1, 2)
    registry.close()


def test_a_missing_file_is_still_the_error_it_was(tmp_path, monkeypatch):
    def refused(self, connection):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("mlops_lab.base.storage.Database._prepare", refused)

    with pytest.raises(HomeError, match="unable to open"):
        Registry(tmp_path)


@pytest.mark.parametrize("asked", [["ada"], {"a"}, 2**70, "\ud800"])
def test_a_value_that_cannot_be_stored_is_no_damage_to_the_file(home, asked):
    registry = Registry(home, clock=FakeClock())

    with pytest.raises(MlopsLabError) as refused:
        registry.search(author=asked)

    assert "damaged" not in str(refused.value)
    registry.close()
