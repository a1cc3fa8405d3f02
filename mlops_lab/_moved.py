"""The deep paths of version 0.1 lead to where their packages stand now, for one release, with a DeprecationWarning."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

__all__ = ["RENAMED", "install", "now_called"]

# Of the public list.
RENAMED = {"Refusal": "RequestError", "open_desk": "load_predictor", "ArtefactStore": "ArtifactStore"}

# Longest first: a module that left its package is found before the package.
MOVED = {
    "pipeline.definitions": "pipeline.flights.problem",
    "pipeline.flights.assembly": "pipeline.problem.assembly",
    "pipeline.flights.code": "pipeline.problem.steps",
    "pipeline.flights.delivery": "pipeline.problem.delivery",
    "pipeline.flights.frames": "pipeline.problem.frames",
    "pipeline.flights.one_task": "pipeline.problem.assembly",
    "pipeline.flights.policy": "pipeline.flights.problem",
    "pipeline.flights.report": "pipeline.problem.delivery",
    "pipeline.flights.seasons": "pipeline.problem.seasons",
    "pipeline.flights.steps": "pipeline.problem.steps",
    "drawing.plots": "teaching.drawing.plots",
    "actions": "ci",
    "backends": "adapters",
    "checks": "teaching.checks",
    "classroom": "teaching.classroom",
    "clock": "base.clock",
    "dag": "pipeline.dag",
    "datasets": "data.flights",
    "drawing": "teaching.drawing",
    "drift": "models.drift",
    "errors": "base.errors",
    "exports": "adapters.exports",
    "features": "data.features",
    "fingerprint": "base.fingerprint",
    "gates": "models.gates",
    "lineage": "models.lineage",
    "panels": "teaching.panels",
    "registry": "models.registry",
    "rollout": "models.rollout",
    "serving": "delivery.server",
    "tracking": "models.tracking",
    "training": "models.training",
}


def _new_name(name: str) -> str | None:
    for old, new in MOVED.items():
        if name == f"mlops_lab.{old}" or name.startswith(f"mlops_lab.{old}."):
            return f"mlops_lab.{new}{name.removeprefix(f'mlops_lab.{old}')}"
    return None


class _Alias:
    """Hands out the module of the new path, the very same object, so that its classes are the same classes."""

    def __init__(self, new: str) -> None:
        self.new = new

    def create_module(self, _spec: ModuleSpec) -> ModuleType | None:
        """None: the import system makes an empty module, which `exec_module` replaces."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of the new path in the place of the empty one."""
        sys.modules[module.__name__] = import_module(self.new)


class _MovedFinder:
    """Answers for old paths only, and for nothing else."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """The alias of an old path; None for every other name."""
        new = _new_name(fullname)
        if new is None or find_spec(new) is None:
            return None
        warnings.warn(
            f"{fullname} is {new} now, and the old path goes with the next release; "
            f"what a notebook needs comes from the package itself: from mlops_lab import ...",
            DeprecationWarning,
            stacklevel=2,
        )
        return ModuleSpec(fullname, _Alias(new), is_package=True)  # type: ignore[arg-type]  # importlib.abc costs 15 ms


def now_called(old: str) -> str:
    """The public name that a name of version 0.1 has become; warns."""
    warnings.warn(
        f"mlops_lab.{old} is {RENAMED[old]} now, and the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=3,
    )
    return RENAMED[old]


def install() -> None:
    """Let old paths be found, before the folders of old bytecode that an update of a clone leaves there."""
    sys.meta_path.insert(0, _MovedFinder())
