"""What do expressions, reading and simulating cost? Run it: python tests/benchmarks/actions.py [repeats]."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

from mlops_lab.ci import evaluate, parse_workflow, simulate

EXPRESSION = "contains(github.ref, 'MAIN') && needs.*.result"
CONTEXTS = {"github": {"ref": "refs/heads/main"}, "needs": {"test": {"result": "success"}}}


def matrix(legs: int, steps: int) -> str:
    values = ", ".join(map(str, range(legs)))
    lines = ", ".join("{run: 'echo ${{ matrix.x }}'}" for _ in range(steps))
    return f"on: push\njobs:\n  a: {{runs-on: x, strategy: {{matrix: {{x: [{values}]}}}}, steps: [{lines}]}}\n"


def chain(jobs: int) -> str:
    text = "on: push\njobs:\n"
    for number in range(jobs):
        needs = ", ".join(f"j{other}" for other in range(max(0, number - 3), number))
        text += f"  j{number}: {{runs-on: x, needs: [{needs}], steps: [{{run: x}}]}}\n"
    return text


def timed(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds, the median of so many."""
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begun))
    return median(taken)


def main(repeats: int) -> None:
    legs, jobs = matrix(256, 10), chain(1000)
    many, long = parse_workflow(legs), parse_workflow(jobs)
    rows: list[tuple[str, Callable[[], object]]] = [
        ("1,000 expressions", lambda: [evaluate(EXPRESSION, CONTEXTS) for _ in range(1000)]),
        ("read a matrix of 256", lambda: parse_workflow(legs)),
        ("simulate 256 legs of 10 steps", lambda: simulate(many)),
        ("read 1,000 jobs in a chain", lambda: parse_workflow(jobs)),
        ("simulate 1,000 jobs in a chain", lambda: simulate(long)),
    ]  # fmt: skip
    for name, work in rows:
        print(f"{name:34} {timed(work, repeats):9.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
