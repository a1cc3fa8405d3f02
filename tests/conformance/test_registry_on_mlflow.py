"""Do the tests of the embedded registry and tracker pass on MLflow, body for body?

The very functions of `tests/registry` and `tests/tracking` are collected here again, with a lab on MLflow. Those in
`LEFT_OUT` are about the embedded engine's own file, or name a difference.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

HERE = "feast-mlflow" in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",")
pytestmark = pytest.mark.skipif(not HERE, reason="python start.py test-engines feast-mlflow runs it")
TESTS = Path(__file__).resolve().parents[1]
SHARED = (
    "registry/test_catalogue.py",
    "registry/test_moves.py",
    "registry/test_approvals.py",
    "tracking/test_runs.py",
)
LEFT_OUT = {
    "test_a_model_of_another_home_cannot_be_registered": "refused as well, because the run is not in this MLflow",
    "test_a_changed_run_is_noticed": "changes the embedded file; on MLflow the test below does",
    "test_the_file_refuses_to_change_or_delete_a_run": "MLflow's runs can be changed by hand, which is then noticed",
    "test_rollback_to_a_damaged_artifact_is_refused_and_changes_nothing": "a file that is gone is fetched from MLflow",
}


def load(path):
    """The module at a path of the tests, under a name of its own."""
    name = "on_mlflow_" + path.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, TESTS / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def on_mlflow(kind):
    """Makes a tracker or registry on a fresh MLflow database of the home folder."""

    def make(home, *, clock=None):
        from mlops_lab.adapters.mlflow.registry import MlflowRegistry
        from mlops_lab.adapters.mlflow.tracker import MlflowTracker
        from mlops_lab.adapters.promises import prepare_home

        home = Path(home)
        if not (home / "mlflow.db").exists():
            with suppress(OSError):  # that a folder cannot be made is the engine's to say
                home.mkdir(parents=True, exist_ok=True)
                prepare_home(home)
        return {"Tracker": MlflowTracker, "Registry": MlflowRegistry}[kind](home, clock=clock)

    return make


LABS = load("registry/conftest.py")
LABS.Tracker, LABS.Registry = on_mlflow("Tracker"), on_mlflow("Registry")
lab, new_lab = LABS.lab, LABS.new_lab
for _path in SHARED if HERE else ():
    _module = load(_path)
    for _kind in ("Registry", "Tracker"):
        if hasattr(_module, _kind):
            setattr(_module, _kind, on_mlflow(_kind))
    for _name, _value in vars(_module).items():
        if _name.startswith("test_") and _name not in LEFT_OUT:
            assert _name not in globals(), f"two shared tests are called {_name}"
            globals()[_name] = _value
        elif type(_value).__name__ == "FixtureFunctionDefinition":
            globals()[_name] = _value


def test_every_test_that_is_left_out_exists():
    texts = "".join((TESTS / path).read_text("utf-8") for path in SHARED)

    assert [name for name in LEFT_OUT if f"def {name}(" not in texts] == []


def test_a_run_changed_by_hand_is_noticed_here_too(lab):
    from mlops_lab.adapters.mlflow.models import find_run
    from mlops_lab.base.errors import IntegrityError

    run = lab.tracker.log_run("late", metrics={"auc": 0.6})
    there = find_run(lab.tracker._mlflow, run.run_id)
    text = there.data.tags["mlops_lab.run.000"].replace("0.6", "0.9")
    lab.tracker._mlflow.client.set_tag(there.info.run_id, "mlops_lab.run.000", text)

    with pytest.raises(IntegrityError):
        lab.tracker.get_run(run.run_id)


def test_a_model_file_that_is_gone_is_fetched_from_mlflow_again(lab):
    first = lab.promoted()
    lab.promoted()
    lab.tracker.artifacts.path(first.artifact).unlink()

    back = lab.registry.rollback("late", actor="grace", why="worse")

    assert back.version == 1
    assert first.artifact in lab.tracker.artifacts


def test_a_model_of_another_home_is_refused_here_too(lab, new_lab):
    from mlops_lab.base.errors import InvalidData

    with pytest.raises(InvalidData, match="not in this MLflow"):
        lab.registry.register_model(new_lab().run(), "late")
