"""What was tried, kept in MLflow: its runs, params, metrics, datasets and models, with our ids and our proofs."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.adapters.mlflow.connection import Connection, connect
from mlops_lab.adapters.mlflow.models import ARTIFACT_TAG, RUN_TAG, MlflowArtifacts, find_run, log_bytes
from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.models.tracking import ArtifactStore, Run, Tracker
from mlops_lab.models.tracking.runs import write_run

if TYPE_CHECKING:
    import pandas as pd

_BODY = "mlops_lab.run."  # tags with the run as it was written, in parts
_PART = 7_500  # characters of a tag; MLflow takes 8,000
_SHOWN = 6_000  # characters of a param that MLflow shows
_LONGEST_KEY = 250


class MlflowTracker(Tracker):
    """The runs of an MLflow experiment, with the methods of `Tracker`.

    Params, metrics, tags, the fingerprints of what went in (as MLflow datasets) and the model (skops, with signature
    and example) are where MLflow's own pages look for them (https://mlflow.org/docs/latest/ml/tracking). The run as it
    was written is kept beside them in tags, and verified against its id whenever it is read.


    Raises:
        MissingExtra: MLflow is not installed.
        HomeError: the home folder, the database or the server refuses.
    """

    def __init__(self, home: str | Path, *, clock: Clock | None = None, uri: str | None = None) -> None:
        self.home = Path(home)
        self.clock = SystemClock() if clock is None else clock
        self._mlflow = connect(home, uri)
        self.artifacts = MlflowArtifacts(home, self._mlflow)

    def __repr__(self) -> str:
        return "MlflowTracker()"

    def close(self) -> None:
        """MLflow keeps no file open for us."""

    def _keep(self, run: Run, example: pd.DataFrame | None) -> None:
        with self._mlflow.in_our_words(), self._mlflow.exclusive():
            if find_run(self._mlflow, run.run_id) is None:
                _write(self._mlflow, run, self.artifacts, _rows_of(run, self.artifacts) if example is None else example)

    def _found(self, run_id: str) -> tuple[str | None, list[str]]:
        with self._mlflow.in_our_words():
            run = find_run(self._mlflow, run_id)
            if run is not None:
                return _body(run), []
        return None, [each for each, _ in self._each(None)]

    def _each(self, name: str | None) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        token: str | None = None
        with self._mlflow.in_our_words():
            while True:
                runs = self._mlflow.client.search_runs(
                    [self._mlflow.experiment], f"tags.`{RUN_TAG}` LIKE '%'", max_results=1000, page_token=token,
                    order_by=["attributes.start_time ASC"],
                )  # fmt: skip
                for run in runs:
                    found.setdefault(run.data.tags[RUN_TAG], _body(run))
                token = runs.token
                if not token:
                    break
        named = ((run_id, text) for run_id, text in found.items() if name is None or _name(text) == name)
        return sorted(named)


def _write(connection: Connection, run: Run, artifacts: ArtifactStore, example: pd.DataFrame | None) -> None:
    from mlflow.entities import Metric, Param, RunTag

    client, text = connection.client, write_run(run)
    began, ended = _milliseconds(run.started), _milliseconds(run.ended)
    made = client.create_run(connection.experiment, start_time=began, run_name=run.name[:_LONGEST_KEY])
    run_id = made.info.run_id
    params = [Param(key, str(value)[:_SHOWN]) for key, value in _shown(run.params).items()]
    metrics = [Metric(key, value, ended, 0) for key, value in _shown(run.metrics).items()]
    tags = {key: value[:_PART] for key, value in _shown(run.tags).items() if not key.startswith("mlops_lab.")}
    tags |= {"mlflow.user": run.author[:_PART]} if run.author else {}
    if run.artifact is not None:
        tags |= log_bytes(connection, run_id, artifacts.get_bytes(run.artifact), example)
        tags[ARTIFACT_TAG] = run.artifact
    tags |= {f"{_BODY}{n:03d}": text[at : at + _PART] for n, at in enumerate(range(0, len(text), _PART))}
    marks = [RunTag(key, value) for key, value in tags.items()]
    for start in range(0, max(len(params), len(marks)), 50):
        client.log_batch(run_id, params=params[start : start + 50], tags=marks[start : start + 50])
    if metrics:
        client.log_batch(run_id, metrics=metrics)
    client.log_inputs(run_id, _datasets(run, example))
    # Only now is it a run of ours: one that a crash left half written is never found.
    client.set_tag(run_id, RUN_TAG, run.run_id)
    client.set_terminated(run_id, "FINISHED", ended)


def _rows_of(run: Run, artifacts: ArtifactStore) -> pd.DataFrame | None:
    """A few rows as the model reads them, of a run that kept the rows it learnt from."""
    kept, features = run.inputs.get("training_rows", ""), str(run.params.get("features", "")).split(",")
    try:
        data = artifacts.get_bytes(kept)
    except (InvalidData, UnknownName):
        return None
    from pyarrow import ArrowInvalid, BufferReader, feather

    from mlops_lab.models.training.model import prepare

    try:
        return prepare(feather.read_feather(BufferReader(data), columns=features).head(5))
    except ArrowInvalid:
        return None


def _datasets(run: Run, example: pd.DataFrame | None) -> list[Any]:
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.types.utils import _infer_schema

    found = []
    for role, fingerprint in run.inputs.items():
        trained = role == "training_set"
        schema = None
        if trained and example is not None:
            schema = json.dumps({"mlflow_colspec": _infer_schema(example).to_dict()})
        dataset = Dataset(
            name=role[:500],
            digest=fingerprint.removeprefix("sha256:")[:36],  # as long as MLflow's digests may be
            source_type="mlops_lab",
            source=json.dumps({"fingerprint": fingerprint}),
            schema=schema,
            profile=json.dumps({"num_rows": run.params.get("train_rows")}) if trained else None,
        )
        tags = [InputTag("mlflow.data.context", "training")] if trained else []
        found.append(DatasetInput(dataset, tags))
    return found


def _body(run: Any) -> str:
    parts = sorted(key for key in run.data.tags if key.startswith(_BODY))
    return "".join(run.data.tags[key] for key in parts)


def _name(text: str) -> str | None:
    try:
        return str(json.loads(text)["name"])
    except (ValueError, KeyError, TypeError):
        return None


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by names that MLflow takes.

    A sign that it does not know, or that would make a strange path, is a line below; a taken name gets a number.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        plain = re.sub(r"[^\w.\- :/]", "_", key)[:_LONGEST_KEY] or "_"
        strange = posixpath.normpath(plain) != plain or plain.startswith((".", "/"))
        plain = re.sub(r"[./]", "_", plain) if strange else plain
        others = (f"{plain[: _LONGEST_KEY - 8]} {n}" for n in count(2))
        found[plain if plain not in found else next(name for name in others if name not in found)] = value
    return found


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
