"""Everything that was acknowledged is still there after kill -9 at any instant, and nothing is half done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlops_lab.models.registry import Registry
from mlops_lab.models.tracking import Tracker

KILLS = pytest.mark.parametrize("kills", [10, pytest.param(300, marks=pytest.mark.nightly)])
WORKER = Path(__file__).with_name("crash_worker.py")
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")


def _killed_after(home, delay):
    """Run the worker, kill it `delay` seconds after it opened the home (or before), and return what it said."""
    worker = subprocess.Popen([sys.executable, str(WORKER), str(home)], stdout=subprocess.PIPE, text=True)
    with worker:
        assert worker.stdout is not None
        first = worker.stdout.readline()
        timer = threading.Timer(delay, worker.kill)
        timer.start()
        said = [first, *worker.stdout]
        timer.join()
    assert worker.returncode == -signal.SIGKILL
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.slow
@KILLS
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, kills):
    chance = random.Random(20130101)  # noqa: S311
    runs, registered, reigns = set(), set(), []

    for _ in range(kills):
        said = _killed_after(tmp_path, chance.uniform(0, 0.12))
        runs |= {rest[0] for word, *rest in said if word == "run"}
        registered |= {int(rest[0]) for word, *rest in said if word == "registered"}
        acknowledged = [int(rest[0]) for word, *rest in said if word in {"promoted", "rolled"}]
        tracker, registry = Tracker(tmp_path), Registry(tmp_path)

        versions = {each.version: each for each in registry.search()}
        reigning = [each.version for each in versions.values() if each.stage == "Production"]
        told = [event.version for event in registry.history("late") if event.target == "Production"] if versions else []
        assert registry.verify() == len(registry.history())
        assert runs <= {run.run_id for run in tracker.search_runs()}
        assert registered <= set(versions)
        # Since the last look: what was acknowledged, in this order, and at most one step that nobody could hear of.
        assert told[: len(reigns) + len(acknowledged)] == reigns + acknowledged
        assert len(told) <= len(reigns) + len(acknowledged) + 1
        assert reigning == told[-1:]
        for each in versions.values():
            registry.artifacts.get_bytes(each.artifact)
        registry.close()
        tracker.close()
        reigns = told


@KILLS
def test_kill_9_while_the_home_is_made_leaves_a_home_that_opens(tmp_path, kills):
    chance = random.Random(20131231)  # noqa: S311
    for number in range(kills // 3):
        home = tmp_path / str(number)
        worker = subprocess.Popen([sys.executable, str(WORKER), str(home)], stdout=subprocess.PIPE)
        with worker:
            # From the moment the folder appears the files are being made.
            while not home.exists() and worker.poll() is None:
                pass
            threading.Event().wait(chance.uniform(0, 0.02))
            worker.kill()

        registry = Registry(home)

        assert registry.verify() == len(registry.history())
        registry.close()
