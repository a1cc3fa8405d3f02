"""Two processes promote at once: is there at most one champion, and is nothing lost that was acknowledged?

On a file of the home folder, through a server, and on PostgreSQL, where two machines would meet.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from mlflow_crowd_worker import good_report, new_version

PROCESSES, EACH = 2, 2


def _desk(home, uri):
    from mlops_lab.adapters.mlflow.registry import MlflowRegistry
    from mlops_lab.adapters.mlflow.tracker import MlflowTracker

    return MlflowTracker(home, uri=uri), MlflowRegistry(home, uri=uri)


def _crowd(homes, uri, *, watch=None):
    """What every process was told, and how many Production versions MLflow itself showed at the most."""
    worker = Path(__file__).with_name("mlflow_crowd_worker.py")
    people = [
        subprocess.Popen(
            [sys.executable, worker, home, uri or "", str(number), str(EACH)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number, home in enumerate(homes)
    ]  # fmt: skip
    most, done = [0], threading.Event()
    looking = threading.Thread(target=_look, args=(watch, most, done))
    try:
        for each in people:
            assert each.stdout.readline() == "ready\n"
        if watch is not None:
            looking.start()
        for each in people:
            each.stdin.write("go\n")
            each.stdin.flush()
        lines = [line for each in people for line in each.stdout.read().splitlines()]
    finally:
        done.set()
        for each in people:
            each.kill()
            each.communicate()
    if watch is not None:
        looking.join()
    told = [tuple(line.replace("_", " ").split(maxsplit=2)) for line in lines]
    return [(int(version), int(event), actor) for version, event, actor in told], most[0]


def _look(address, most, done):
    import psycopg2

    with psycopg2.connect(address.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM information_schema.tables WHERE table_name = 'model_versions'")
        assert cursor.fetchone()[0] == 1
        while not done.is_set():
            cursor.execute("SELECT count(*) FROM model_versions WHERE current_stage = 'Production'")
            most[0] = max(most[0], cursor.fetchone()[0])
            connection.commit()


def _agrees(home, uri, told):
    _, registry = _desk(home, uri)
    events = {event.seq: event for event in registry.history("late")}
    promoted = {(e.version, seq, e.actor) for seq, e in events.items() if e.target == "Production"}
    assert registry.verify() == len(events)
    assert len(told) == PROCESSES * EACH
    assert set(told) <= promoted
    assert len(registry.search(name="late", stage="Production")) == 1
    assert len(registry.search(name="late")) == PROCESSES * EACH


@pytest.fixture
def homes(tmp_path):
    """Two machines that share nothing but MLflow."""
    made = [tmp_path / name for name in ("one", "other")]
    for each in made:
        each.mkdir()
    return made


def test_two_machines_on_postgresql_leave_one_champion_and_every_promise_kept(homes, postgres):
    told, most = _crowd(homes, postgres, watch=postgres)

    assert most == 1
    _agrees(homes[0], postgres, told)


@pytest.mark.nightly  # PostgreSQL has the same crowd each time
def test_two_machines_through_a_server_leave_one_champion_and_every_promise_kept(homes, server):
    told, _ = _crowd(homes, server)

    _agrees(homes[1], server, told)


@pytest.mark.nightly
def test_two_processes_on_one_home_leave_one_champion_and_every_promise_kept(homes):
    from mlops_lab.adapters.promises import prepare_home

    prepare_home(homes[0])

    told, _ = _crowd([homes[0], homes[0]], None)

    _agrees(homes[0], None, told)


@pytest.mark.parametrize("after", [1, *(pytest.param(each, marks=pytest.mark.nightly) for each in (4, 8))])
def test_a_killed_process_loses_nothing_it_was_told(tmp_path, after):
    from mlops_lab.adapters.promises import prepare_home

    prepare_home(tmp_path)
    worker = Path(__file__).with_name("mlflow_crash_worker.py")
    with subprocess.Popen([sys.executable, worker, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline().split() for _ in range(after)]
        process.kill()
        lines += [line.split() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]

    tracker, registry = _desk(tmp_path, None)
    events = registry.history()
    kept = {("promoted", str(e.version)) for e in events if e.target == "Production"}
    kept |= {("registered", str(e.version)) for e in events if e.action == "register_model"}
    told = {tuple(line) for line in lines if line[0] in ("promoted", "registered")}
    assert told <= kept
    assert all(tracker.get_run(line[1]) for line in lines if line[0] == "run")
    assert registry.verify() == len(events)
    assert len(registry.search(stage="Production")) <= 1
    version = new_version(tracker, registry, 999)
    assert registry.promote(good_report(registry, version), actor="ada", why="life goes on").version == version.version
    registry.verify()
