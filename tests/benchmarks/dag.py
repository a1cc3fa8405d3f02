"""What does the executor cost? Run it: python tests/benchmarks/dag.py [repeats]."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

from mlops_lab.base.clock import FakeClock
from mlops_lab.pipeline.dag import DAG, Task, run_dag, topological_order


def sequence(count: int) -> DAG:
    dag = DAG("sequence")
    for at in range(count):
        dag.add(Task(f"t{at}", lambda: 1), upstream=[f"t{at - 1}"] if at else [])
    return dag


def fan_out(count: int) -> DAG:
    dag = DAG("fan_out")
    dag.add(Task("start", lambda: 1))
    for at in range(count):
        dag.add(Task(f"t{at}", lambda: 1), upstream=["start"])
    dag.add(Task("end", lambda: 1), upstream=[f"t{at}" for at in range(count)])
    return dag


def tangle(count: int, *, seed: int) -> dict[str, list[str]]:
    """A random graph whose definition order is no running order, three edges a task."""
    chance = random.Random(seed)  # noqa: S311  a seeded example, not a secret
    names = [f"t{at}" for at in range(count)]
    chance.shuffle(names)
    graph = {name: [names[chance.randrange(at)] for _ in range(3)] if at else [] for at, name in enumerate(names)}
    return dict(sorted(graph.items()))


def seconds(action: Callable[[], object], repeats: int) -> float:
    """The median time of an action."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return median(taken)


def main(repeats: int = 5) -> None:
    """Print medians and ratios."""
    for name, dag in (("sequence of 100", sequence(100)), ("fan-out of 1,000", fan_out(1000))):
        for workers in (1, 4):
            clock = FakeClock()
            in_memory = seconds(
                lambda dag=dag, workers=workers, clock=clock: run_dag(
                    dag, logical_date="2013-09-01", clock=clock, max_workers=workers
                ),
                repeats,
            )
            with tempfile.TemporaryDirectory() as home:
                traced = seconds(
                    lambda dag=dag, workers=workers, clock=clock, home=home: run_dag(
                        dag, logical_date="2013-09-01", clock=clock, max_workers=workers, home=Path(home)
                    ),
                    repeats,
                )
            each = 1e6 / len(dag.tasks)
            print(
                f"{name}, {workers} worker(s): in memory {in_memory * each:.0f} µs a task, "
                f"with trace {traced * each:.0f} µs a task ({traced * 1e3:.0f} ms in all)"
            )
    graph = tangle(100_000, seed=1)
    taken: list[tuple[float, float]] = []
    for _ in range(repeats):  # in turns, and in time of this process: a busy machine must not favour one of them
        start = time.process_time()
        list(TopologicalSorter(graph).static_order())
        middle = time.process_time()
        topological_order(graph)
        taken.append((middle - start, time.process_time() - middle))
    library, ours = (median(column) for column in zip(*taken, strict=True))
    print(f"order of 100,000 tasks: {ours:.2f} s, graphlib {library:.2f} s, ratio {ours / library:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
