"""How do the bytes of a model get into MLflow, and back out as they were?

A skops file becomes an MLflow model (flavours sklearn and pyfunc, signature, input example) whose `model.skops` is our
very bytes, so that the fingerprint still proves them. Other bytes become a plain artifact of the run.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.adapters.mlflow.connection import Connection
from mlops_lab.base.errors import InvalidData, NotAllowed, UnknownName
from mlops_lab.models.tracking import TRUSTED_TYPES, ArtifactStore

if TYPE_CHECKING:
    import pandas as pd

RUN_TAG = "mlops_lab.run_id"
ARTIFACT_TAG = "mlops_lab.artefact"  # as servers keep it since version 0.1
MODEL_TAG = "mlops_lab.model_id"
_PLAIN = "artefact"  # the name of bytes that are no model, as servers keep it


class MlflowArtifacts(ArtifactStore):
    """The artifacts of a home folder; a model that is not here yet is fetched from MLflow, and verified."""

    def __init__(self, home: str | Path, connection: Connection) -> None:
        super().__init__(home)
        self._mlflow = connection

    def get_bytes(self, fingerprint: str) -> bytes:
        """The bytes of a fingerprint, verified; see `ArtifactStore.get_bytes`."""
        try:
            return super().get_bytes(fingerprint)
        except UnknownName:
            with self._mlflow.in_our_words():
                run = _first(self._mlflow, ARTIFACT_TAG, fingerprint)
                if run is None:
                    raise
                with tempfile.TemporaryDirectory() as folder:
                    self.put_bytes(_fetched(self._mlflow, run, folder))
            return super().get_bytes(fingerprint)


def find_run(connection: Connection, run_id: str) -> Any:
    """MLflow's run that keeps the run of this id, or None; MLflow makes ids of its own."""
    return _first(connection, RUN_TAG, run_id)


def source_of(run: Any) -> tuple[str, str | None]:
    """Where the model of an MLflow run lies, as `create_model_version` asks for it, and its id if it is a model."""
    model_id = run.data.tags.get(MODEL_TAG)
    where = run.data.tags.get("mlops_lab.model_uri") or f"{run.info.artifact_uri}/{_PLAIN}"
    return str(where), model_id


def log_bytes(connection: Connection, run_id: str, data: bytes, example: pd.DataFrame | None) -> dict[str, str]:
    """Put the bytes where MLflow keeps such things; the tags that say where."""
    with tempfile.TemporaryDirectory() as folder:
        estimator = _estimator(data, folder)
        if estimator is None:
            path = Path(folder, _PLAIN)
            path.write_bytes(data)
            connection.client.log_artifact(run_id, str(path))
            return {}
        where = Path(folder, "model")
        model = connection.client.create_logged_model(connection.experiment, name="model", source_run_id=run_id)
        _save(estimator, where, example=example, model_id=model.model_id, run_id=run_id)
        (where / "model.skops").write_bytes(data)
        connection.client.log_model_artifacts(model.model_id, str(where))
        connection.client.finalize_logged_model(model.model_id, "READY")
    return {MODEL_TAG: model.model_id, "mlops_lab.model_uri": model.artifact_location}


def _save(estimator: Any, where: Path, *, example: pd.DataFrame | None, model_id: str, run_id: str) -> None:
    from mlflow.models import Model, infer_signature
    from mlflow.sklearn import save_model

    asks = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    signature = None
    if example is not None and len(example):
        signature = infer_signature(example, getattr(estimator, asks)(example))
    save_model(
        estimator,
        str(where),
        mlflow_model=Model(run_id=run_id, model_id=model_id),
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        signature=signature,
        input_example=example if signature is not None else None,
        pyfunc_predict_fn=asks,
        conda_env=_environment(),
    )


def _environment() -> dict[str, Any]:
    # Said here: MLflow would find it out by loading the model in another process, which takes seconds.
    needed = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")]
    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": needed}],
    }


def _estimator(data: bytes, folder: str) -> Any:
    """The estimator that the bytes are, or None where they are something else or not to be trusted."""
    store = ArtifactStore(folder)
    try:
        return store.load_model(store.put_bytes(data))
    except (InvalidData, NotAllowed):
        return None


def _first(connection: Connection, tag: str, value: str) -> Any:
    if "'" in value:
        return None
    runs = connection.client.search_runs(
        [connection.experiment], f"tags.`{tag}` = '{value}'", max_results=1, order_by=["attributes.start_time ASC"]
    )
    return runs[0] if runs else None


def _fetched(connection: Connection, run: Any, folder: str) -> bytes:
    from mlflow.artifacts import download_artifacts

    where, model_id = source_of(run)
    name = _PLAIN if model_id is None else "model.skops"
    uri = where if model_id is None else f"{where}/{name}"
    found = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=connection.uri)
    return Path(found).read_bytes()
