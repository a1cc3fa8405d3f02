"""What happened in a run: what ran, in which order, how often, how long, in which state, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from mlops_lab.base.display import html_table, one_line, shown, text_table
from mlops_lab.base.errors import TaskFailed, UnknownName

FAILED = ("failed", "upstream_failed")


@dataclass(frozen=True)
class Event:
    """One change of a task's state, as `on_event` is told of it: `running`, then how the attempt ended.

    >>> Event("gate", "up_for_retry", attempt=1, at=None, why="TimeoutError: no answer")
    Event(gate, up_for_retry, attempt 1: TimeoutError: no answer)
    """

    task_id: str
    state: str
    attempt: int
    at: datetime | None
    why: str = ""

    def __repr__(self) -> str:
        return one_line(f"Event({self.task_id}, {self.state}, attempt {self.attempt}{self.why and ': '}{self.why})")


@dataclass(frozen=True)
class Attempt:
    """One try of a task.

    Its state is `success failed skipped up_for_retry`, or `running` when nobody wrote its end: it still runs, or its
    process died.

    >>> Attempt(1, "running", None)
    Attempt(1, running)
    """

    number: int
    state: str
    started: datetime | None
    ended: datetime | None = None
    why: str = ""

    def __repr__(self) -> str:
        return one_line(f"Attempt({self.number}, {self.state}{self.why and ': '}{self.why})")


@dataclass(frozen=True)
class TaskInstance:
    """One task in one run; the state is one of Airflow's, `no_status` when its turn never came.

    `attempts` are all tries, those before a resume too. `why` is the reason of a failure or a skip. `error` is the
    exception itself, in the process that saw it.

    >>> TaskInstance("train", "success", (Attempt(1, "success", None),), result={"auc": 0.7})
    TaskInstance(train, success, 1 attempt)
    """

    task_id: str
    state: str
    attempts: tuple[Attempt, ...] = ()
    started: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    result: Any = None
    error: BaseException | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        tries = len(self.attempts)
        return f"TaskInstance({self.task_id}, {self.state}, {tries} attempt{'s' * (tries != 1)})"


@dataclass(frozen=True)
class DagRun:
    """One run of a DAG, as it stands or as it was.

    The state is Airflow's: `failed` when a task that nothing waits for ended `failed` or `upstream_failed`, or when the
    run was interrupted; `success` otherwise, even when a task in the middle failed and a later one coped with it;
    `running` when nobody wrote its end. `task_instances` stand in topological order.

    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.pipeline.dag import DAG, run_dag, task
    >>> with DAG("answers") as dag:
    ...     _ = task(lambda: 42, task_id="answer")()
    >>> run = run_dag(dag, logical_date="2013-09-01", clock=FakeClock())
    >>> run
    DagRun(answers, manual__2013-09-01T00:00:00+00:00, success: 1 success)
    >>> run.states["answer"], run.result("answer")
    ('success', 42)
    >>> print(run.trace())
    answers  manual__2013-09-01T00:00:00+00:00  success
    #  task    state    attempts  why
    1  answer  success         1
    """

    run_id: str
    dag_id: str
    logical_date: datetime
    params: Mapping[str, Any]
    state: str
    task_instances: tuple[TaskInstance, ...]
    started: datetime | None = None
    ended: datetime | None = None
    run_type: str = "manual"
    shape: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def states(self) -> Mapping[str, str]:
        """Task name to state, in topological order."""
        return MappingProxyType({each.task_id: each.state for each in self.task_instances})

    def task(self, task_id: str) -> TaskInstance:
        """One task's record; UnknownName when there is none."""
        for each in self.task_instances:
            if each.task_id == task_id:
                return each
        raise UnknownName("task", task_id, self.states, where=f"run {self.run_id}")

    def result(self, task_id: str) -> Any:
        """What one task returned; None when it did not succeed."""
        return self.task(task_id).result

    def raise_for_state(self) -> DagRun:
        """The run itself when it succeeded; else `TaskFailed` for the first task that failed, with its reason."""
        if self.state == "success":
            return self
        for each in self.task_instances:
            if each.state in ("failed", "running"):
                why = each.why or "nobody wrote its end"
                raise TaskFailed(each.task_id, attempts=len(each.attempts), why=why) from each.error
        first = next((each for each in self.task_instances if each.state != "success"), None)
        raise TaskFailed(first.task_id if first else self.dag_id, attempts=0, why=f"the run's state is {self.state}")

    def trace(self, *, durations: bool = False) -> str:
        """A table of what happened; the same text from run to run unless durations (seconds) are asked for."""
        columns = ["#", "task", "state", "attempts", *["seconds"] * durations, "why"]
        rows = []
        for number, each in enumerate(self.task_instances, start=1):
            seconds = "" if each.started is None or each.ended is None else f"{_seconds(each):.3f}"
            why = " ".join(each.why.split())
            rows.append([number, each.task_id, each.state, len(each.attempts), *[seconds] * durations, why])
        table = text_table(columns, rows, right=("#", "attempts", "seconds"))
        return f"{one_line(f'{self.dag_id}  {self.run_id}  {self.state}')}\n{table}"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [(each.task_id, each.state, len(each.attempts), each.why) for each in self.task_instances]
        title, columns = f"{self.dag_id}, {self.run_id}", ("task", "state", "attempts", "why")
        return shown(self.trace(), html_table(title, columns, rows, state=self.state))

    def __repr__(self) -> str:
        counts = Counter(each.state for each in self.task_instances)
        told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no tasks"
        return f"DagRun({self.dag_id}, {self.run_id}, {self.state}: {told})"


def _seconds(instance: TaskInstance) -> float:
    spans = [each.ended - each.started for each in instance.attempts if each.ended and each.started]
    return sum(span.total_seconds() for span in spans)


def run_state(states: Mapping[str, str], leaves: list[str]) -> str:
    """The state of a run whose tasks are done, from the tasks that nothing waits for (Airflow's rule)."""
    return "failed" if any(states[each] in FAILED for each in leaves) else "success"
