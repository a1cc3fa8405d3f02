"""A registry with a tracker beside it, and short words for what most tests do first."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.models.registry import GateReport, ModelVersion, Registry, RuleResult
from mlops_lab.models.tracking import Tracker

METRICS = {"served.roc_auc": 0.70, "served.log_loss.EWR": float("nan")}
HOLDOUT = "sha256:" + "0" * 64


@dataclass
class Lab:
    """One home folder, with the steps before a promotion in one call each."""

    home: object
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.tracker = Tracker(self.home, clock=self.clock)
        self.registry = Registry(self.home, clock=self.clock)
        self.made = 0

    def run(self, *, author="ada", data=None):
        self.made += 1
        content = f"model {self.made}".encode() if data is None else data
        return self.tracker.log_run(
            "train",
            params={"n": self.made},
            metrics=METRICS,
            artifact=self.tracker.artifacts.put_bytes(content),
            author=author,
        )

    def version(self, name="late", **options) -> ModelVersion:
        return self.registry.register_model(self.run(**options), name)

    def report(self, version: ModelVersion, *, passed=True, champion="present", rule="floor", **other) -> GateReport:
        if champion == "present":
            present = self.registry.get_production(version.name)
            champion = None if present is None else present.version
        result = RuleResult(rule, passed, 0.70 if passed else 0.60, 0.65, "AUC against 0.65.")
        values = {"artifact": version.artifact, "results": (result,), "holdout": HOLDOUT, "metrics": METRICS, **other}
        return GateReport(
            name=version.name,
            version=version.version,
            champion=champion,
            evaluated_at=values.pop("evaluated_at", self.clock.now()),
            **values,
        )

    def promoted(self, name="late", **options) -> ModelVersion:
        version = self.version(name, **options)
        self.registry.promote(self.report(version), actor="ada", why="better")
        return self.registry.get_model_version(name, version.version)

    def close(self) -> None:
        self.registry.close()
        self.tracker.close()


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path / "home")
    yield lab
    lab.close()


@pytest.fixture
def new_lab(tmp_path_factory):
    """More labs of the caller's own, each in a fresh home."""
    made = []

    def make(clock=None):
        made.append(Lab(tmp_path_factory.mktemp("home"), clock or FakeClock()))
        return made[-1]

    yield make
    for each in made:
        each.close()
