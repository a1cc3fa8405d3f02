"""Two processes promote at once: is there at most one champion, and is nothing lost that was acknowledged?

On a file of the home folder, through a server, and on PostgreSQL, where two machines would meet.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlops_lab.clock import SystemClock
from mlops_lab.errors import NotAllowed
from mlops_lab.registry import GateReport, RuleResult

PROCESSES, EACH = 2, 3


def _desk(home, uri):
    from mlops_lab.backends.mlflow_registry import MlflowRegistry
    from mlops_lab.backends.mlflow_tracker import MlflowTracker

    return MlflowTracker(home, uri=uri), MlflowRegistry(home, uri=uri)


def _version(tracker, registry, number):
    artefact = tracker.artefacts.put_bytes(b"model %d" % number)
    run = tracker.log_run("train", params={"n": number}, artefact=artefact, author="ada")
    return registry.register_model(run, "late")


def _report(registry, version):
    present = registry.get_production("late")
    return GateReport(
        name="late",
        version=version.version,
        artefact=version.artefact,
        results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
        champion=None if present is None else present.version,
        holdout="sha256:" + "0" * 64,
        evaluated_at=SystemClock().now(),
    )


def _promote_until_done(home, uri, number, start, answers):
    tracker, registry = _desk(home, uri)
    start.wait()
    for turn in range(EACH):
        version = _version(tracker, registry, 100 * number + turn)
        while True:
            try:
                promotion = registry.promote(_report(registry, version), actor=f"process {number}", why="race")
            except NotAllowed:
                continue  # somebody else was promoted meanwhile: measure again
            answers.put((promotion.version, promotion.event, promotion.actor))
            break


def _crowd(homes, uri, *, watch=None):
    """What every process was told, and how many Production versions MLflow itself showed at the most."""
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Event(), spawn.Queue()
    people = [
        spawn.Process(target=_promote_until_done, args=(home, uri, number, start, answers))
        for number, home in enumerate(homes)
    ]
    for each in people:
        each.start()
    start.set()
    most, done = [0], threading.Event()
    looking = threading.Thread(target=_look, args=(watch, most, done))
    if watch is not None:
        looking.start()
    told = [answers.get(timeout=500) for _ in range(PROCESSES * EACH)]
    for each in people:
        each.join(60)
    done.set()
    if watch is not None:
        looking.join()
    return told, most[0]


def _look(address, most, done):
    import psycopg2

    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        while not done.is_set():
            cursor.execute("SELECT count(*) FROM model_versions WHERE current_stage = 'Production'")
            most[0] = max(most[0], cursor.fetchone()[0])
            connection.commit()


def _agrees(home, uri, told):
    _, registry = _desk(home, uri)
    events = {event.seq: event for event in registry.history("late")}
    promoted = {(e.version, seq, e.actor) for seq, e in events.items() if e.target == "Production"}
    assert registry.verify() == len(events)
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


def test_two_machines_through_a_server_leave_one_champion_and_every_promise_kept(homes, server):
    told, _ = _crowd(homes, server)

    _agrees(homes[1], server, told)


def test_two_processes_on_one_home_leave_one_champion_and_every_promise_kept(homes):
    from mlops_lab.backends.promises import prepare_home

    prepare_home(homes[0])

    told, _ = _crowd([homes[0], homes[0]], None)

    _agrees(homes[0], None, told)


@pytest.mark.parametrize("after", [1, 4, 8])
def test_a_killed_process_loses_nothing_it_was_told(tmp_path, after):
    from mlops_lab.backends.promises import prepare_home

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
    version = _version(tracker, registry, 999)
    assert registry.promote(_report(registry, version), actor="ada", why="life goes on").version == version.version
    registry.verify()
