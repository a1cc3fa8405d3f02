"""How are the tasks of a DAG run, in order or side by side?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc, to_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, UnknownName, expect
from mlops_lab.pipeline.dag.arguments import arguments_of
from mlops_lab.pipeline.dag.attempt import Outcome, attempt_task, retry_wait, still_at_work
from mlops_lab.pipeline.dag.building import enter, leave
from mlops_lab.pipeline.dag.dag import DAG
from mlops_lab.pipeline.dag.ledger import Ledger
from mlops_lab.pipeline.dag.params import resolve_params
from mlops_lab.pipeline.dag.pool import Inline, Threads
from mlops_lab.pipeline.dag.resume import outdated, resumable, shape_of
from mlops_lab.pipeline.dag.rules import TRIGGER_RULES, decide
from mlops_lab.pipeline.dag.run import DagRun, Event, run_state
from mlops_lab.pipeline.dag.task import Task
from mlops_lab.pipeline.dag.trace import RUN_TYPES, Trace, run_id_of
from mlops_lab.pipeline.dag.values import json_value

__all__ = ["run_dag"]


def run_dag(
    dag: DAG,
    *,
    params: Mapping[str, Any] | None = None,
    logical_date: datetime | str | None = None,
    clock: Clock | None = None,
    home: str | Path | None = None,
    max_workers: int = 1,
    resume: str | DagRun | None = None,
    on_event: Callable[[Event], object] | None = None,
    run_type: str = "manual",
) -> DagRun:
    """Run a DAG and return its record; a task that fails makes a failed run, not an exception (see `raise_for_state`).

    Args:
        dag: the DAG.
        params: values for its params; the others have their defaults.
        logical_date: the moment the run is for; timezone-aware or ISO text. Only a resume may leave it out.
        clock: the time, and how one waits for a retry; the machine's when None.
        home: a folder; with it every change of state is written to `dag_runs.db` there before it is told, so that a run
            that was killed can be looked at and resumed.
        max_workers: how many independent tasks may run side by side, in threads. A task that waits for its retry keeps
            its place. States and results are those of one worker; only the times differ.
        resume: the `run_id`, or the record, of a run of this DAG that did not finish. What succeeded or skipped itself
            is kept as long as everything upstream of it is kept; the rest runs again, with its retries anew.
        on_event: called with an `Event` at every change of state, from the thread that called `run_dag`.
        run_type: `manual`, `scheduled` or `backfill`: the first word of the `run_id`. A second manual run for one
            logical date gets `__2` appended; a second scheduled one is refused.

    Not done here, unlike Airflow: pools, priorities, `depends_on_past`, deferral, retries with jitter.

    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.pipeline.dag import DAG, task
    >>> @task(retries=2)
    ... def flaky(attempt):
    ...     if attempt < 2:
    ...         raise TimeoutError("no answer")
    ...     return attempt
    >>> with DAG("nightly") as dag:
    ...     _ = flaky()
    >>> clock = FakeClock("2013-09-01T06:00:00Z")
    >>> run = run_dag(dag, logical_date="2013-09-01", clock=clock, on_event=print)
    Event(flaky, running, attempt 1)
    Event(flaky, up_for_retry, attempt 1: TimeoutError: no answer)
    Event(flaky, running, attempt 2)
    Event(flaky, success, attempt 2)
    >>> clock
    FakeClock(2013-09-01T06:05:00Z)

    Raises:
        InvalidData: a param, date or number of workers that cannot be, or a run that cannot be resumed.
        InvalidDefinition: the DAG cannot run; CycleError when it is none.
        UnknownName: a param or run that does not exist.
        HomeError: the home folder cannot be used.
    """
    for task in expect(dag, DAG, "what is run").tasks.values():
        if task.function is None:
            raise InvalidDefinition(
                f"task {task.task_id!r} of DAG {dag.dag_id} has no function, so it can be drawn but not run; load it "
                f"with the modules that hold its functions (it names {task.source or 'none'})."
            )
    dag.check()
    if isinstance(max_workers, bool) or not isinstance(max_workers, int) or max_workers < 1:
        raise InvalidData(f"max_workers is {max_workers!r}; it must be a whole number, 1 or more.")
    if run_type not in RUN_TYPES:
        raise UnknownName("run type", run_type, RUN_TYPES)
    clock = clock or SystemClock()
    # What was asked is judged before anything is written, so that a typing error leaves no folder behind.
    fresh = _new_run(dag, params, logical_date, run_type, clock) if resume is None else None
    trace = None if home is None else Trace(home)
    token = enter(None)  # a task that calls another task's function must not add it to a DAG under construction
    try:
        if fresh is not None:
            run, journal = trace.open_run(fresh) if trace else (fresh, None)
        else:
            assert resume is not None  # noqa: S101  one of the two is there
            run = resumable(dag, resume, trace, params=params, logical_date=logical_date)
            journal = trace.claim(run) if trace else None
        return _Execution(dag, run, clock, home, journal, on_event, max_workers).run_all(resumed=resume is not None)
    finally:
        leave(token)
        if trace:
            trace.close()


def _new_run(
    dag: DAG, params: Mapping[str, Any] | None, logical_date: datetime | str | None, run_type: str, clock: Clock
) -> DagRun:
    if logical_date is None:
        raise InvalidData("a run needs a logical_date, the moment it is for: logical_date='2013-09-01', say.")
    date = parse_utc(logical_date) if isinstance(logical_date, str) else to_utc(logical_date)
    return DagRun(
        run_id=run_id_of(run_type, date),
        dag_id=dag.dag_id,
        logical_date=date,
        params=resolve_params(dag.params, params),
        state="running",
        task_instances=(),
        started=clock.now(),
        run_type=run_type,
        shape=shape_of(dag),
    )


class _Execution:
    """One run in progress: which tasks are ready, and what to do when one ends."""

    def __init__(
        self,
        dag: DAG,
        run: DagRun,
        clock: Clock,
        home: str | Path | None,
        journal: Any,
        on_event: Callable[[Event], object] | None,
        max_workers: int,
    ) -> None:
        self.dag = dag
        self.order = list(run.shape["order"])  # of a resumed run too, whose tasks may be defined in another order now
        self.upstream = {name: dag.upstream(name) for name in self.order}
        self.ledger = Ledger(run, self.order, clock=clock, journal=journal, on_event=on_event)
        self.clock = clock
        self.max_workers = max_workers
        self.context = {
            "logical_date": run.logical_date,
            "clock": clock,
            "home": None if home is None else Path(home),
            "run_id": run.run_id,
        }
        self.pool = Inline() if max_workers == 1 else Threads(max_workers)
        self.failures: dict[str, int] = {}

    def run_all(self, *, resumed: bool) -> DagRun:
        pending = set(self.order)
        try:
            if resumed:
                pending = outdated(self.dag, self.order, self.ledger.instances, self._holds)
                self.ledger.forget(pending)
            self._run(pending)
            leaves = set(self.order).difference(*self.upstream.values())
            states = self.ledger.states()
            return self.ledger.close(run_state(states, [name for name in self.order if name in leaves]))
        except BaseException as cause:
            with suppress(MlopsLabError):  # what interrupts may be the very disk that the trace is on
                self.ledger.interrupt(f"interrupted by {type(cause).__name__}")
            raise
        finally:
            self.pool.close()

    def _run(self, pending: set[str]) -> None:
        place = {name: at for at, name in enumerate(self.order)}
        waits = {name: sum(each in pending for each in self.upstream[name]) for name in pending}
        downstream: dict[str, list[str]] = {}
        for name in pending:
            for each in self.upstream[name]:
                downstream.setdefault(each, []).append(name)
        ready = [place[name] for name in pending if not waits[name]]
        heapify(ready)
        busy = 0
        while ready or busy:
            done = None
            if ready and busy < self.max_workers:
                name = self.order[heappop(ready)]
                if self._start(name):
                    busy += 1
                else:
                    done = name
            else:
                self.ledger.write()  # with several workers this may wait for long
                name, outcome = self.pool.next()
                if not self._went_on(name, outcome):
                    busy -= 1
                    done = name
            for each in downstream.get(done, ()) if done else ():
                waits[each] -= 1
                if not waits[each]:
                    heappush(ready, place[each])

    def _start(self, name: str) -> bool:
        """Start a task, or give it the state that its trigger rule gives it instead."""
        task = self.dag.tasks[name]
        states = [self.ledger.state(each) for each in self.upstream[name]]
        verdict = decide(task.trigger_rule, states)
        if verdict == "run":
            self._submit(task)
            return True
        told = ", ".join(f"{each} {state}" for each, state in zip(self.upstream[name], states, strict=True))
        self.ledger.decide(name, verdict, f"{task.trigger_rule} ({TRIGGER_RULES[task.trigger_rule]}), but: {told}")
        return False

    def _submit(self, task: Task) -> None:
        number = self.ledger.begin(task.task_id)
        # Copies: what one task does to a result or a param must not reach another, as it could not after a resume.
        context = {**self.context, "attempt": number, "params": dict(self.ledger.run.params)}
        bound, upstream = self.dag.arguments(task.task_id), self.upstream[task.task_id]
        arguments = arguments_of(task, bound, upstream, context, self._copied)
        # Side by side, other tasks' waiting moves a fake clock too, so it cannot say how long this one took.
        clock = self.clock if self.max_workers == 1 else None
        self.ledger.write()
        self.pool.submit(task.task_id, lambda: attempt_task(task, arguments, clock))

    def _went_on(self, name: str, outcome: Outcome | None) -> bool:
        """Record an end; True when the task keeps its worker, waiting for its next attempt or starting it."""
        task = self.dag.tasks[name]
        if outcome is None:  # the wait before a retry is over
            self._submit(task)
            return True
        failures = self.failures[name] = self.failures.get(name, 0) + (outcome.state == "failed")
        again = outcome.may_retry and failures <= task.retries
        self.ledger.end(name, outcome, again=again)
        if outcome.interrupt is not None:
            raise outcome.interrupt
        if again:
            self.ledger.write()
            self.pool.submit(name, lambda: self._wait(task, failures, outcome))
        return again

    def _wait(self, task: Task, failures: int, last: Outcome) -> Outcome | None:
        self.clock.sleep(retry_wait(task, failures))
        return still_at_work(task, last)

    def _holds(self, name: str) -> bool:
        """Does what a task returned before still hold, as far as it can tell?"""
        asked = self.dag.tasks[name].still_holds
        if asked is None:
            return True
        context = {**self.context, "params": dict(self.ledger.run.params), "result": self._copied(name)}
        question = Task(name, asked)
        return bool(asked(**arguments_of(question, {}, self.upstream[name], context, self._copied)))

    def _copied(self, task_id: str) -> Any:
        return json_value(self.ledger.result(task_id), "a result")
