"""A failure that a teacher can show, what there is to see of it, and the stage on which it plays."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.models.gates import Floor, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import ModelVersion, Registry
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.flights import MODEL_NAME
from mlops_lab.teaching.drawing import Drawing
from mlops_lab.teaching.drawing.style import state_look


@dataclass(frozen=True, repr=False)
class Sight:
    """What the real code says of a scene: is all well, the verdict in one line, the details, perhaps a picture.

    >>> Sight(False, "the gate refused", "served.roc_auc is 0.60, below the floor of 0.66.")
    ✗ the gate refused
      served.roc_auc is 0.60, below the floor of 0.66.
    """

    good: bool
    line: str
    words: str = ""
    drawing: Drawing | None = None

    @property
    def state(self) -> str:
        """The state in Airflow's words, which chooses mark and colours."""
        return "success" if self.good else "failed"

    @property
    def svg(self) -> str | None:
        """The picture as SVG; None where there is none, or nothing to draw with."""
        try:
            return None if self.drawing is None else self.drawing.svg
        except MlopsLabError:
            return None

    def __repr__(self) -> str:
        lines = [f"{state_look(self.state).mark} {self.line}", *(f"  {each}" for each in self.words.splitlines())]
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return words_and_picture(repr(self), self.svg)


def words_and_picture(words: str, svg: str | None) -> dict[str, str]:
    """The forms in which a notebook shows words above a picture; `picture_bundle` says why there are three."""
    if svg is None:
        return {"text/plain": words}
    page = f'<pre style="white-space:pre-wrap">{escape(words)}</pre><figure style="margin:0">{svg}</figure>'
    return {"text/plain": words, "text/html": page, "image/svg+xml": svg}


@dataclass(frozen=True, repr=False)
class Fault:
    """One failure to show: how its scene is set up, what damages it, and how one looks.

    Attributes:
        name: what a teacher types; small letters and hyphens.
        title: what happens, in a few words.
        notebook: the number of the notebook that teaches it.
        damage: what is done to the scene, in one sentence.
        lesson: what to take home, in one sentence.
        prepare: fills an empty folder with a scene in which all is well.
        harm: does the damage in that folder, and nowhere else.
        look: asks the real code; changes nothing that a second look would notice.
        closer: words after `mlops-lab` that show more of it, with HOME for the scene's folder, and their exit code.

    >>> Fault("late-data", "Weather arrives late", "01", "it lands late", "arrival counts", print, print, Sight)
    Fault(late-data, notebook 01)
    """

    name: str
    title: str
    notebook: str
    damage: str
    lesson: str
    prepare: Callable[[Path], Any]
    harm: Callable[[Path], Any]
    look: Callable[[Path], Sight]
    closer: tuple[str, int] | None = None

    def __repr__(self) -> str:
        return f"Fault({self.name}, notebook {self.notebook})"


AUTHOR, COLLEAGUE = "ada", "grace"


def write(home: Path, name: str, values: Mapping[str, Any]) -> None:
    """Write a setting of the scene."""
    (home / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def read(home: Path, name: str) -> Any:
    """Read a setting of the scene."""
    return json.loads((home / f"{name}.json").read_text(encoding="utf-8"))


def register(home: Path, *, clock: Clock) -> ModelVersion:
    """Register one more version by the author: bytes of its own, not a model that predicts."""
    tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    try:
        number = len(registry.search(name=MODEL_NAME)) + 1 if MODEL_NAME in registry.list_models() else 1
        artifact = tracker.artifacts.put_bytes(f"stands for version {number}\n".encode() * 40)
        run = tracker.log_run(
            "train", artifact=artifact, author=AUTHOR, params={"number": number}, metrics={"served.roc_auc": 0.74}
        )
        return registry.register_model(run, MODEL_NAME)
    finally:
        tracker.close()
        registry.close()


def reign(registry: Registry, version: ModelVersion) -> None:
    """Take a version through a lenient gate into Production."""
    policy, measured = GatePolicy([Floor("served.roc_auc", 0.5)]), Measured({"served.roc_auc": 0.74})
    champion = registry.get_production(MODEL_NAME)
    report = evaluate_gates(version, champion, policy, measured=measured, at=registry.clock.now())
    registry.promote(report, actor=AUTHOR, why="the gate passed")


@contextmanager
def copied(home: Path) -> Iterator[Path]:
    """A copy of the scene to try something on, gone afterwards: the scene itself stays as it is."""
    with tempfile.TemporaryDirectory(prefix="mlops-lab-scene-", ignore_cleanup_errors=True) as folder:
        shutil.copytree(home, folder, dirs_exist_ok=True)
        yield Path(folder)
