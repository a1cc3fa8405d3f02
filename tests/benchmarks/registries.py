"""How long do the registry's calls take, here and in MLflow, in one run and with equal results?

Run it in an environment that has MLflow: .venv-feast-mlflow/bin/python tests/benchmarks/registries.py [REPEATS]

Four rows: register a model, promote it, look it up by its alias, load it. `ours` is the embedded registry, with its
gate, its history and every write on disk; `MLflow` is its own client on SQLite and a folder, which does less;
`ours on MLflow` is the course's registry kept in MLflow. Medians in milliseconds; the first round is not counted.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops_lab.adapters import Engines, open_registry, open_tracker
from mlops_lab.base.clock import SystemClock
from mlops_lab.models.registry import GateReport, RuleResult

ROWS = ("register", "promote", "look up by alias", "load")


def frame() -> tuple[pd.DataFrame, Any]:
    """2,000 rows of 30 features, and what is to be learnt from them."""
    chance = np.random.default_rng(0)
    rows = pd.DataFrame(chance.normal(size=(2000, 30)), columns=[f"f{n}" for n in range(30)])
    return rows, rows["f0"] > 0


def fitted(number: int) -> Any:
    """The model of one round; every round has another."""
    rows, late = frame()
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 + number)).fit(rows, late)


class Times:
    """Milliseconds of each row."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {row: [] for row in ROWS}

    def of(self, row: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        self.found[row].append(1000 * (time.perf_counter() - start))
        return result

    def medians(self) -> dict[str, float]:
        return {row: statistics.median(times[1:]) for row, times in self.found.items()}


def ours(home: Path, repeats: int, engines: Engines) -> tuple[dict[str, float], list[Any]]:
    """The course's registry on an engine: its medians, and what the loaded models answered."""
    clock, times, answers = SystemClock(), Times(), []
    tracker = open_tracker(home, clock=clock, engines=engines)
    registry = open_registry(home, clock=clock, engines=engines)
    rows, champion = frame()[0], None
    for number in range(repeats + 1):
        model = fitted(number)
        run = tracker.log_run(
            "train",
            metrics={"auc": 0.7},
            params={"n": number},
            artifact=tracker.artifacts.save_model(model),
            author="ada",
        )
        version = times.of("register", lambda run=run: registry.register_model(run, "late"))
        report = GateReport(
            name="late", version=version.version, artifact=version.artifact, champion=champion,
            results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
            holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7}, evaluated_at=clock.now(),
        )  # fmt: skip
        times.of("promote", lambda report=report: registry.promote(report, actor="ada", why="better"))
        found = times.of("look up by alias", lambda: registry.get_by_alias("late", "champion"))
        loaded = times.of("load", lambda found=found: tracker.artifacts.load_model(found.artifact))
        answers.append(loaded.predict_proba(rows)[:5, 1].round(9).tolist())
        champion = version.version
    return times.medians(), answers


def theirs(home: Path, repeats: int) -> tuple[dict[str, float], list[Any]]:
    """MLflow's own client: register, then stage and alias, look up, load; no gate, no history."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.sklearn import load_model, log_model

    uri, times, answers = f"sqlite:///{home / 'mlflow.db'}", Times(), []
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("late", (home / "artifacts").as_uri()))
    client, rows = MlflowClient(), frame()[0]
    client.create_registered_model("late")

    def promote(version: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            client.transition_model_version_stage("late", version, "Staging")
            client.transition_model_version_stage("late", version, "Production", archive_existing_versions=True)
        client.set_registered_model_alias("late", "champion", version)

    for number in range(repeats + 1):
        model = fitted(number)
        with mlflow.start_run(run_name="train") as run:
            mlflow.log_param("n", number)
            made = log_model(model, name="model", serialization_format="skops", pip_requirements=["scikit-learn"])
        version = times.of(
            "register",
            lambda made=made, run=run: client.create_model_version("late", made.model_uri, run.info.run_id),
        )
        times.of("promote", lambda version=version: promote(version.version))
        found = times.of("look up by alias", lambda: client.get_model_version_by_alias("late", "champion"))
        loaded = times.of("load", lambda found=found: load_model(f"models:/late/{found.version}"))
        answers.append(loaded.predict_proba(rows)[:5, 1].round(9).tolist())
    return times.medians(), answers


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        homes = {name: Path(folder, name) for name in ("ours", "MLflow", "ours on MLflow")}
        for home in homes.values():
            home.mkdir()
        found["ours"], one = ours(homes["ours"], repeats, Engines())
        found["MLflow"], two = theirs(homes["MLflow"], repeats)
        found["ours on MLflow"], three = ours(homes["ours on MLflow"], repeats, Engines(registry="mlflow"))
    if not one == two == three:
        print("the loaded models do not answer alike", file=sys.stderr)
        return 1
    for row in ROWS:
        ratio = found["MLflow"][row] / found["ours"][row]
        figures = "  ".join(f"{name} {each[row]:8.2f} ms" for name, each in found.items())
        print(f"{row:<17} {figures}  MLflow / ours {ratio:6.1f}")
    print(json.dumps({"repeats": repeats, **found}))
    return 0 if all(found["MLflow"][row] > found["ours"][row] for row in ROWS) else 2


if __name__ == "__main__":
    sys.exit(main())
