"""Which engine keeps which promise?

The questions are asked of every engine that is installed; what was answered when all of them were is kept beside this
module by `scripts/keep_promises.py`, so that the table is whole without them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlops_lab.adapters.desk import Desk
from mlops_lab.adapters.registry_promises import REGISTRY_PROMISES
from mlops_lab.pipeline.engines import Engines

KEPT = Path(__file__).with_name("promises.json")
#: The params of a short run of the flights pipeline, as of 2013-06-01, that every engine is compared on.
KEPT_RUN = {"train_from": "2013-05-01", "holdout_days": 10, "watch_days": 3, "author": "ada"}


@dataclass(frozen=True)
class Answer:
    """What every engine answered to one question. Ours is the promise; MLflow alone may have nothing to ask.

    >>> Answer("an alias with a dot", ours="done", mlflow="refused (InvalidData)", alone=None).kept
    False
    """

    promise: str
    ours: str
    mlflow: str
    alone: str | None

    @property
    def kept(self) -> bool:
        """Does MLflow, with the course's rules before it, answer as the embedded registry does?"""
        return self.ours == self.mlflow


@cache
def ask_registries() -> tuple[Answer, ...]:
    """Ask the embedded registry, and MLflow where it is installed; what is not installed answers as it once did.

    MLOPS_LAB_ENGINES=stored, which a notebook's tests set, has MLflow answer as it once did wherever it is.

    >>> ask_registries()[3]
    Answer(promise='a new version begins in', ours='stage None', mlflow='stage None', alone='stage None')
    """
    before = kept_answers()
    there = os.environ.get("MLOPS_LAB_ENGINES") != "stored" and find_spec("mlflow") is not None
    found = []
    for promise in REGISTRY_PROMISES:
        kept = before.get(promise)
        ours = answer_of(promise, Engines())
        if there:
            mlflow, alone = answer_of(promise, Engines(registry="mlflow")), alone_of(promise)
        else:
            mlflow, alone = (kept.mlflow, kept.alone) if kept is not None else ("not asked", None)
        found.append(Answer(promise, ours, mlflow, alone))
    return tuple(found)


def answer_of(promise: str, engines: Engines) -> str:
    """What one engine answers to one question, in a home folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if engines.registry == "mlflow":
            prepare_home(Path(folder))
        with closing(Desk(Path(folder), engines)) as desk:
            return REGISTRY_PROMISES[promise](desk)


def alone_of(promise: str) -> str | None:
    """What MLflow's own client answers to one question; None where there is nothing to ask."""
    from mlops_lab.adapters.mlflow import alone as mlflow_alone

    if promise not in mlflow_alone.ALONE:
        return None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        prepare_home(Path(folder))
        return mlflow_alone.ALONE[promise](Path(folder))


def prepare_home(home: Path) -> None:
    """Put a new MLflow database into a home folder: the first one of a process takes seconds, a copy does not."""
    (home / "mlflow.db").write_bytes(_new_database())


@cache
def _new_database() -> bytes:
    from mlops_lab.adapters.mlflow.connection import make_database

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "mlflow.db")
        make_database(path)
        return path.read_bytes()


def kept_answers() -> Mapping[str, Answer]:
    """The answers as they were when every engine was installed, by the words of the promise.

    >>> sorted(kept_answers()) == sorted(REGISTRY_PROMISES)
    True
    """
    if not KEPT.is_file():
        return {}
    return {each["promise"]: Answer(**each) for each in json.loads(KEPT.read_text("utf-8"))["registry"]}


def kept_runs() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """What the flights pipeline measured and decided with `KEPT_RUN`: by feature service, then by engines.

    >>> sorted(kept_runs()["as_known"])
    ['embedded', 'feast and mlflow']
    """
    found: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(KEPT.read_text("utf-8"))["runs"]
    return found
