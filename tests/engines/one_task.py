"""Runs one task of the flights pipeline, as a worker on a machine of its own would: JSON in, JSON out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.pipeline.dag import SkipTask
from mlops_lab.pipeline.dag.arguments import arguments_of
from mlops_lab.pipeline.flights import flights_pipeline


def main() -> None:
    asked = json.load(sys.stdin)
    dag = flights_pipeline()
    task = dag.tasks[asked["task_id"]]
    context = {
        "logical_date": parse_utc(asked["logical_date"]),
        "params": asked["params"],
        "clock": SystemClock(),
        "home": Path(asked["home"]),
        "attempt": 1,
        "run_id": "many-machines",
    }
    results = asked["results"]
    arguments = arguments_of(task, dag.arguments(task.task_id), dag.upstream(task.task_id), context, results.get)
    try:
        json.dump({"state": "success", "result": task.function(**arguments)}, sys.stdout)
    except SkipTask:
        json.dump({"state": "skipped", "result": None}, sys.stdout)


if __name__ == "__main__":
    main()
