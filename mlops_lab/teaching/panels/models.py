"""Which versions are in a panel's throw-away registry?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlops_lab.base.clock import Clock
from mlops_lab.models.gates import GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import GateReport, Registry
from mlops_lab.models.tracking import Tracker

AUTHOR = "ada"


def register_versions(home: Path, measured: Sequence[Measured], *, name: str, clock: Clock) -> None:
    """Register a version for each measurement, by one author and with bytes of its own; none of them predicts."""
    tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    for number, one in enumerate(measured, 1):
        artifact = tracker.artifacts.put_bytes(f"stands for version {number}".encode())
        run = tracker.log_run("train", artifact=artifact, author=AUTHOR, params={"number": number}, metrics=one.metrics)
        registry.register_model(run, name)
    tracker.close()
    registry.close()


def judged(registry: Registry, name: str, version: int, *, policy: GatePolicy, measured: Measured) -> GateReport:
    """The gate's report on a version, against whoever is in Production at this moment."""
    challenger, champion = registry.get_model_version(name, version), registry.get_production(name)
    return evaluate_gates(challenger, champion, policy, measured=measured, at=registry.clock.now())
