"""What do the scenes have in common: a moment, people, versions that stand for models, a copy to try things on?"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock
from mlops_lab.models.gates import Floor, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import ModelVersion, Registry
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.flights import MODEL_NAME

AUTHOR, COLLEAGUE = "ada", "grace"


def write(home: Path, name: str, values: Mapping[str, Any]) -> None:
    """Write a setting of the scene.

    >>> with tempfile.TemporaryDirectory() as home:
    ...     write(Path(home), "outage", {"failures": 2})
    ...     read(Path(home), "outage")
    {'failures': 2}
    """
    (home / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def read(home: Path, name: str) -> Any:
    """Read a setting of the scene."""
    return json.loads((home / f"{name}.json").read_text(encoding="utf-8"))


def register(home: Path, *, clock: Clock) -> ModelVersion:
    """Register one more version by the author: bytes of its own, not a model that predicts.

    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as home:
    ...     [register(Path(home), clock=FakeClock()).version for _ in range(2)]
    [1, 2]
    """
    tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    try:
        number = len(registry.search(name=MODEL_NAME)) + 1 if MODEL_NAME in registry.list_models() else 1
        artefact = tracker.artefacts.put_bytes(f"stands for version {number}\n".encode() * 40)
        run = tracker.log_run(
            "train", artefact=artefact, author=AUTHOR, params={"number": number}, metrics={"served.roc_auc": 0.74}
        )
        return registry.register_model(run, MODEL_NAME)
    finally:
        tracker.close()
        registry.close()


def reign(registry: Registry, version: ModelVersion) -> None:
    """Take a version through a lenient gate into Production.

    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as home:
    ...     version = register(Path(home), clock=FakeClock())
    ...     with_registry = Registry(home, clock=FakeClock())
    ...     reign(with_registry, version)
    ...     with_registry.get_production(MODEL_NAME).version
    1
    """
    policy, measured = GatePolicy([Floor("served.roc_auc", 0.5)]), Measured({"served.roc_auc": 0.74})
    champion = registry.get_production(MODEL_NAME)
    report = evaluate_gates(version, champion, policy, measured=measured, at=registry.clock.now())
    registry.promote(report, actor=AUTHOR, why="the gate passed")


@contextmanager
def copied(home: Path) -> Iterator[Path]:
    """A copy of the scene to try something on, gone afterwards: the scene itself stays as it is.

    >>> with tempfile.TemporaryDirectory() as home, copied(Path(home)) as other:
    ...     write(other, "tried", {})
    ...     list(Path(home).iterdir())
    []
    """
    with tempfile.TemporaryDirectory(prefix="mlops-lab-scene-", ignore_cleanup_errors=True) as folder:
        shutil.copytree(home, folder, dirs_exist_ok=True)
        yield Path(folder)
