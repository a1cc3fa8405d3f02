"""What is needed to ask a registry something? One home on one engine, and short words for the first steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import FakeClock
from mlops_lab.models.registry import GateReport, ModelVersion, RuleResult
from mlops_lab.models.tracking import Run
from mlops_lab.pipeline.engines import Engines, open_registry, open_tracker

_METRICS = {"served.roc_auc": 0.70}
_HOLDOUT = "sha256:" + "0" * 64


@dataclass
class Desk:
    """One home folder on one engine, and a clock that stands still until it is told.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     desk = Desk(Path(home))
    ...     print(desk.promoted(), desk.close())
    ModelVersion(late v1, Production, aliases: champion) None
    """

    home: Path
    engines: Engines = field(default_factory=Engines)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.tracker = open_tracker(self.home, clock=self.clock, engines=self.engines)
        self.registry = open_registry(self.home, clock=self.clock, engines=self.engines)
        self._made = 0

    def close(self) -> None:
        """Close both."""
        self.registry.close()
        self.tracker.close()

    def run(self, *, author: str = "ada", **more: Any) -> Run:
        """A run with a model of its own."""
        self._made += 1
        model = self.tracker.artifacts.put_bytes(f"model {self._made}".encode())
        return self.tracker.log_run(
            "train", **{"params": {"n": self._made}, "artifact": model, "author": author, "metrics": _METRICS, **more}
        )

    def version(self, **more: Any) -> ModelVersion:
        """The next version of the model `late`."""
        return self.registry.register_model(self.run(**more), "late")

    def report(
        self, version: ModelVersion, *, passed: bool = True, champion: int | str | None = "present"
    ) -> GateReport:
        """A gate report of a version, against the present champion unless told otherwise."""
        if champion == "present":
            present = self.registry.get_production(version.name)
            champion = None if present is None else present.version
        rule = RuleResult("floor", passed, 0.70 if passed else 0.60, 0.65, "AUC against 0.65.")
        return GateReport(
            name=version.name, version=version.version, artifact=version.artifact, results=(rule,),
            champion=champion if isinstance(champion, int) else None, holdout=_HOLDOUT, evaluated_at=self.clock.now(),
            metrics=_METRICS,
        )  # fmt: skip

    def promoted(self, **more: Any) -> ModelVersion:
        """A version that has been through the gate into Production."""
        version = self.version(**more)
        self.registry.promote(self.report(version), actor="ada", why="better")
        return self.registry.get_model_version(version.name, version.version)

    def rolled_out(self, version: ModelVersion) -> ModelVersion:
        """The version after a rollout that reached all traffic: the alias champion is its own."""
        details = {"serving": "champion"}
        self.registry.record_event(
            version.name, version.version, action="rollout_finished", actor="rollout", why="good", details=details
        )
        return self.registry.get_model_version(version.name, version.version)
