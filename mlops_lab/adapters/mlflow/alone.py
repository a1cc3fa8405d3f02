"""What does MLflow's own client do with the same questions, when nothing of ours stands before it?

Not to find fault: a registry for everybody cannot know a team's rules. This says which of them the team has to bring.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.adapters.mlflow.connection import EXPERIMENT, connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NAME = "late"


def _client(home: Path) -> MlflowClient:
    return connect(home).client


def _run(client: MlflowClient, n: int = 1) -> Any:
    # Not in the experiment Default, which would keep its files wherever this process happens to work.
    run = client.create_run(client.get_experiment_by_name(EXPERIMENT).experiment_id, run_name="train")
    client.log_param(run.info.run_id, "n", n)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.bin")
        path.write_bytes(b"model")
        client.log_artifact(run.info.run_id, str(path))
    return run


def _version(client: MlflowClient, run: Any = None) -> str:
    if not client.search_registered_models(f"name='{_NAME}'"):
        client.create_registered_model(_NAME)
    run = _run(client) if run is None else run
    return str(client.create_model_version(_NAME, run.info.artifact_uri, run.info.run_id).version)


def _move(client: MlflowClient, version: str, stage: str, **more: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, which is what the course says of stages too
        client.transition_model_version_stage(_NAME, version, stage, **more)


def _stages(client: MlflowClient) -> str:
    found = sorted(client.search_model_versions(f"name='{_NAME}'"), key=lambda each: int(each.version))
    return ", ".join(f"v{each.version} {each.current_stage}" for each in found)


def _same_run(home: Path) -> str:
    client = _client(home)
    return f"{len({_run(client).info.run_id for _ in range(2)})} runs"


def _same_version(home: Path) -> str:
    client = _client(home)
    run = _run(client)
    return f"{len({_version(client, run) for _ in range(2)})} versions"


def _begins(home: Path) -> str:
    client = _client(home)
    return f"stage {client.get_model_version(_NAME, _version(client)).current_stage}"


def _no_shortcut(home: Path) -> str:
    client = _client(home)
    _move(client, _version(client), "Production")
    return "done"


def _two_productions(home: Path) -> str:
    client = _client(home)
    for _ in range(2):
        _move(client, _version(client), "Production")
    return _stages(client)


def _by_hand(home: Path) -> str:
    client = _client(home)
    client.set_registered_model_alias(_NAME, "champion", _version(client))
    return "done"


def _deleted(home: Path) -> str:
    client = _client(home)
    version = _version(client)
    _move(client, version, "Production")
    client.delete_model_version(_NAME, version)
    return f"{len(client.search_model_versions(f'name={_NAME!r}'))} versions are left after a deletion, and no trace"


def _none(_home: Path) -> str:
    return "no such thing"


#: What MLflow answers by itself, by the words of the promise; where a promise is missing, there is nothing to ask.
ALONE: Mapping[str, Callable[[Path], str]] = {
    "the same run, logged twice": _same_run,
    "the same run, registered twice": _same_version,
    "a new version begins in": _begins,
    "from None straight to Production": _no_shortcut,
    "to Production without a gate report": _no_shortcut,
    "after a second promotion": _two_productions,
    "the alias champion, set by hand": _by_hand,
    "an approval": _none,
    "a rollback": _none,
    "in Production at a moment": _none,
    "the history": _deleted,
}
