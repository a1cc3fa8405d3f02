"""A registry that is thrown away after every picture of a panel, and the versions in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlops_lab.base.clock import Clock
from mlops_lab.models.gates import GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import GateReport, Registry
from mlops_lab.models.tracking import Tracker

AUTHOR = "ada"
_MEMORY = Path("/dev/shm")  # noqa: S108  a disk in memory where there is one: what is thrown away need not be safe


class Scratch:
    """A home folder that is prepared once, and of which every picture gets a fresh copy."""

    def __init__(self, prepare: Callable[[Path], object]) -> None:
        with _folder() as home:
            prepare(home)
            self._files = {
                path.relative_to(home): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()
            }

    @contextmanager
    def home(self) -> Iterator[Path]:
        """A copy to work in, gone afterwards."""
        with _folder() as home:
            for name, data in self._files.items():
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                (home / name).write_bytes(data)
            yield home


@contextmanager
def _folder() -> Iterator[Path]:
    place = str(_MEMORY) if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="panel-") as folder:
        yield Path(folder)


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
