"""A process among others: registers versions and promotes each, measuring again when somebody else was faster.

python mlflow_crowd_worker.py HOME URI NUMBER EACH     waits for a line on standard input, then says what it was told
"""

from __future__ import annotations

import sys

from mlops_lab.adapters.mlflow.registry import MlflowRegistry
from mlops_lab.adapters.mlflow.tracker import MlflowTracker
from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import NotAllowed
from mlops_lab.models.registry import GateReport, RuleResult


def new_version(tracker, registry, number):
    """A version of the model `late` whose run is told from others by a number."""
    artifact = tracker.artifacts.put_bytes(b"model %d" % number)
    run = tracker.log_run("train", metrics={"auc": 0.7}, params={"n": number}, artifact=artifact, author="ada")
    return registry.register_model(run, "late")


def good_report(registry, version):
    """A passed gate report against the champion of this moment."""
    present = registry.get_production("late")
    return GateReport(
        name="late",
        version=version.version,
        artifact=version.artifact,
        results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
        champion=None if present is None else present.version,
        holdout="sha256:" + "0" * 64,
        metrics={"auc": 0.7},
        evaluated_at=SystemClock().now(),
    )


def main(home, uri, number, each):
    tracker, registry = MlflowTracker(home, uri=uri or None), MlflowRegistry(home, uri=uri or None)
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(int(each)):
        version = new_version(tracker, registry, 100 * int(number) + turn)
        while True:
            try:
                promotion = registry.promote(good_report(registry, version), actor=f"process {number}", why="race")
            except NotAllowed:
                continue  # somebody else was promoted meanwhile: measure again
            print(promotion.version, promotion.event, promotion.actor.replace(" ", "_"), flush=True)
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
