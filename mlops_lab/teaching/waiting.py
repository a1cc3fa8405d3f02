"""What happens during a wait: one line for each task that ends, the same lines at every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_lab.base.display import MARKS

if TYPE_CHECKING:
    from mlops_lab.pipeline.dag import Event


def print_tasks(event: Event) -> None:
    """Print a task's name when it has ended: `run_flights(..., on_event=print_tasks)`.

    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.pipeline.dag import DAG, Task, run_dag
    >>> dag = DAG("answers")
    >>> _ = dag.add(Task("answer", lambda: 42))
    >>> run = run_dag(dag, logical_date="2013-09-01", clock=FakeClock(), on_event=print_tasks)
    ✓ answer
    """
    if event.state in ("success", "failed", "skipped", "upstream_failed"):
        print(f"{MARKS[event.state]} {event.task_id}", flush=True)
