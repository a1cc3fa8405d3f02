"""How long do the registry's and the tracker's calls take? Medians, on a home folder of its own.

Run it: python tests/benchmarks/registry.py [REPEATS]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops_lab.base.clock import SystemClock
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker


def medians(home: Path, repeats: int) -> dict[str, float]:
    """Median milliseconds of each call; every write is on disk when its call returns."""
    clock = SystemClock()
    tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    chance = np.random.default_rng(0)
    features = chance.normal(size=(2000, 30))
    late = features[:, 0] > 0
    times: dict[str, list[float]] = {}

    def timed(what: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        times.setdefault(what, []).append(1000 * (time.perf_counter() - start))
        return result

    champion = None
    model = make_pipeline(StandardScaler(), LogisticRegression())
    tracker.artifacts.load_model(tracker.artifacts.save_model(model.fit(features, late)))  # imports are not counted
    for number in range(repeats):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1 + number)).fit(features, late)
        artifact = timed("save_model", lambda model=model: tracker.artifacts.save_model(model))
        run = timed(
            "log_run",
            lambda number=number, artifact=artifact: tracker.log_run(
                "train", params={"n": number}, metrics={"auc": 0.7}, artifact=artifact, author="ada"
            ),
        )
        version = timed("register_model", lambda run=run: registry.register_model(run, "late"))
        report = GateReport(
            name="late",
            version=version.version,
            artifact=artifact,
            results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
            champion=champion,
            holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7},
            evaluated_at=clock.now(),
        )
        timed("promote", lambda report=report: registry.promote(report, actor="ada", why="better"))
        champion = version.version
        found = timed("get_by_alias", lambda: registry.get_by_alias("late", "champion"))
        timed("load_model", lambda found=found: tracker.artifacts.load_model(found.artifact))
    while len(registry.history()) < 1000:
        registry.record_event("late", champion or 1, action="canary", actor="bot", why="a step")
    for _ in range(5):
        timed("verify 1,000 events", registry.verify)
        timed("production_at, 1,000 events", lambda: registry.production_at("late", clock.now()))
    registry.close()
    tracker.close()
    return {what: round(statistics.median(each), 2) for what, each in times.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asked = int(sys.argv[1]) if len(sys.argv) > 1 else 100
        print(json.dumps({"repeats": asked, "median_ms": medians(Path(folder), asked)}, indent=1))
