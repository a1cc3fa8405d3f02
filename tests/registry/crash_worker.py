"""A process to be killed: registers and promotes for ever, and says on stdout what is done for good."""

from __future__ import annotations

import sys

from mlops_lab.base.clock import SystemClock
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker


def main(home: str) -> None:
    clock = SystemClock()
    tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    print("open", flush=True)
    while True:
        number = len(registry.search()) + 1
        artifact = tracker.artifacts.put_bytes(b"model %d" % number)
        run = tracker.log_run("train", metrics={"auc": 0.7}, params={"n": number}, artifact=artifact, author="ada")
        print("run", run.run_id, flush=True)
        version = registry.register_model(run, "late")
        print("registered", version.version, flush=True)
        present = registry.get_production("late")
        rule = RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65.")
        report = GateReport(
            name="late",
            version=version.version,
            artifact=artifact,
            results=(rule,),
            champion=None if present is None else present.version,
            holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7},
            evaluated_at=clock.now(),
        )
        registry.promote(report, actor="ada", why="better")
        print("promoted", version.version, flush=True)
        if number % 5 == 0:
            print("rolled", registry.rollback("late", actor="ada", why="worse").version, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
