"""Is everything that was acknowledged still there after kill -9 at any instant, and nothing half done?

`MLOPS_LAB_KILLS=500 pytest tests/registry/test_registry_crash.py` is the long version.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlops_lab.models.registry import Registry
from mlops_lab.models.tracking import Tracker

KILLS = int(os.environ.get("MLOPS_LAB_KILLS", "10"))
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


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path):
    chance = random.Random(20130101)  # noqa: S311
    runs, registered, last = set(), set(), None

    for _ in range(KILLS):
        for word, *rest in _killed_after(tmp_path, chance.uniform(0, 0.12)):
            if word == "run":
                runs.add(rest[0])
            elif word == "registered":
                registered.add(int(rest[0]))
            elif word in {"promoted", "rolled"}:
                last = int(rest[0])
        tracker, registry = Tracker(tmp_path), Registry(tmp_path)

        versions = {each.version: each for each in registry.search()}
        reigning = [each.version for each in versions.values() if each.stage == "Production"]
        assert registry.verify() == len(registry.history())
        assert runs <= {run.run_id for run in tracker.search_runs()}
        assert registered <= set(versions)
        assert len(reigning) <= 1
        # What was acknowledged last reigns, or a step that was done and could not be acknowledged any more.
        if last is not None:
            since = [event for event in registry.history("late") if event.target == "Production"]
            assert last in {event.version for event in since[-2:]}
            assert reigning == [since[-1].version]
        for each in versions.values():
            registry.artefacts.get_bytes(each.artefact)
        registry.close()
        tracker.close()


def test_kill_9_while_the_home_is_made_leaves_a_home_that_opens(tmp_path):
    chance = random.Random(20131231)  # noqa: S311
    for number in range(max(3, KILLS // 3)):
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
