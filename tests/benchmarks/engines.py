"""What does a task cost on each engine? Run it: python tests/benchmarks/engines.py [sequence] [fan-out] [seconds].

The tasks do nothing, so the seconds are the engine's own: ours in memory and with its trace on disk, Airflow by
`dag.test()` (what `airflow dags test` does), Prefect by a flow with its own server. Their own start is not in it, nor
what Prefect's server has still to write down when the flow is over. Each engine first runs ten of the tasks, then as
many of them as should take half of the seconds it is given (600); of how many a figure is stands beside it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from engine_runs.planted import nothing, sequence
from engine_runs.running import Asked, run_all

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.pipeline.dag import DAG, Task, run_dag

DATE = "2013-10-01"
REPEATS = 7
PROBE = 10
ENOUGH = 100  # times less overhead than either engine


def fan_out(count: int) -> DAG:
    """One task, and so many that wait for nothing else."""
    dag = DAG(f"fan_out_{count}")
    for at in range(count + 1):
        dag.add(Task(f"t{at}", nothing.function, source=nothing.source), upstream=["t0"] if at else [])
    return dag


def our_milliseconds(dag: DAG, *, traced: bool) -> float:
    """The median of some runs, a task."""
    taken = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as home:
            began = time.perf_counter()
            run_dag(dag, logical_date=DATE, clock=SystemClock(), home=Path(home) if traced else None)
            taken.append(time.perf_counter() - began)
    return sorted(taken)[REPEATS // 2] * 1000 / len(dag.tasks)


def their_milliseconds(engine: str, shape: Callable[[int], DAG], count: int, limit: float) -> tuple[float, int]:
    """Milliseconds a task, and of how many tasks."""
    found = (0.0, 0)
    length = min(PROBE, count)
    while length > found[1]:
        dag = shape(length)
        (record,) = run_all(engine, [Asked(dag, DATE, brief=True)], timeout=limit).runs
        found = (record.seconds * 1000 / len(dag.tasks), length)
        length = min(count, int(limit / 2 / found[0] * 1000)) if length == PROBE else length
    return found


def main(lengths: tuple[int, int], limit: float) -> None:
    """Print milliseconds a task, and how many times ours the engines' are."""
    print(f"{'':<20}{'engine':<26}{'tasks':>6}{'ms a task':>11}{'x ours':>9}{'x ours, traced':>16}")
    for shape, count in ((sequence, lengths[0]), (fan_out, lengths[1])):
        name, dag = shape.__name__, shape(count)
        memory, traced = (our_milliseconds(dag, traced=each) for each in (False, True))
        print(f"{name:<20}{'ours, in memory':<26}{count:>6}{memory:>11.3f}", flush=True)
        print(f"{name:<20}{'ours, with its trace':<26}{count:>6}{traced:>11.3f}", flush=True)
        for engine in ("prefect", "airflow"):
            try:
                each, ran = their_milliseconds(engine, shape, count, limit)
            except MlopsLabError as error:
                print(f"{name:<20}{engine:<26}no figure ({' '.join(str(error).split())[-60:]})", flush=True)
                continue
            told = "" if min(each / memory, each / traced) >= ENOUGH else f"   less than {ENOUGH} times"
            ratios = f"{each / memory:>9.0f}{each / traced:>16.0f}"
            print(f"{name:<20}{engine:<26}{ran:>6}{each:>11.1f}{ratios}{told}", flush=True)


if __name__ == "__main__":
    given = [float(each) for each in sys.argv[1:]]
    wanted = [*given, *(100, 1000, 600)[len(given) :]]
    main((int(wanted[0]), int(wanted[1])), wanted[2])
