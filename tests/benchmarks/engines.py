"""What does a task cost on each engine? Run it: python tests/benchmarks/engines.py [sequence] [fan-out].

The tasks do nothing, so the seconds are the engine's own: ours in memory and with its trace on disk, Airflow by
`dag.test()` (what `airflow dags test` does), Prefect by a flow with its own server. Their own start is not in it. An
engine that is not installed, or not done within the time it is given, is told and left out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from mlops_lab.clock import SystemClock
from mlops_lab.dag import DAG, run_dag
from mlops_lab.engines import Asked, run_all
from mlops_lab.engines.planted import fan_out, sequence
from mlops_lab.errors import MlopsLabError

DATE = "2013-10-01"
LIMIT = 580  # seconds that an engine may take for one shape
REPEATS = 5


def our_seconds(dag: DAG, home: Path | None) -> float:
    began = time.perf_counter()
    run_dag(dag, logical_date=DATE, clock=SystemClock(), home=home)
    return time.perf_counter() - began


def best_of_ours(dag: DAG, *, traced: bool) -> float:
    taken = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as home:
            taken.append(our_seconds(dag, Path(home) if traced else None))
    return sorted(taken)[REPEATS // 2]


def main(lengths: tuple[int, int]) -> None:
    """Print milliseconds a task, and how many times ours the engines' are."""
    for dag in (sequence(lengths[0]), fan_out(lengths[1])):
        count = len(dag.tasks)
        memory, traced = (best_of_ours(dag, traced=each) * 1000 / count for each in (False, True))
        told = f"ours {memory:.3f} ms a task in memory, {traced:.3f} ms with its trace on disk"
        print(f"{dag.dag_id}: {told}", flush=True)
        for engine in ("prefect", "airflow"):
            try:
                (record,) = run_all(engine, [Asked(dag, DATE)], timeout=LIMIT).runs
            except MlopsLabError as error:
                print(f"{dag.dag_id}: {engine}: no figure ({str(error)[:150]})", flush=True)
                continue
            each = record.seconds * 1000 / count
            print(
                f"{dag.dag_id}: {engine} {each:.0f} ms a task, {each / memory:.0f} times ours in memory, "
                f"{each / traced:.0f} times ours with its trace",
                flush=True,
            )


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main((given[0] if given else 100, given[1] if len(given) > 1 else 1000))
