"""The executor runs the tasks of a DAG, in order or side by side, and keeps the state of the run."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from heapq import heapify, heappop, heappush
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from mlops_lab.base.clock import Clock, SystemClock, parse_utc, to_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, UnknownName, expect
from mlops_lab.pipeline.dag.arguments import arguments_of, json_value
from mlops_lab.pipeline.dag.attempt import Outcome, attempt_task, retry_wait, still_at_work
from mlops_lab.pipeline.dag.dag import DAG
from mlops_lab.pipeline.dag.params import resolve_params
from mlops_lab.pipeline.dag.resume import outdated, resumable, shape_of
from mlops_lab.pipeline.dag.rules import TRIGGER_RULES, decide
from mlops_lab.pipeline.dag.run import Attempt, DagRun, Event, TaskInstance, run_state
from mlops_lab.pipeline.dag.run_store import RUN_TYPES, EventWriter, RunStore, run_id_of
from mlops_lab.pipeline.dag.task import Task, enter, leave

Job = Callable[[], Outcome | None]
T = TypeVar("T")


class Inline:
    """One job at a time, in the thread that asks for its end."""

    def __init__(self) -> None:
        self._jobs: list[tuple[str, Job]] = []

    def submit(self, name: str, job: Job) -> None:
        """Hand in a job."""
        self._jobs.append((name, job))

    def next(self) -> tuple[str, Outcome | None]:
        """Do a job; its name and outcome."""
        name, job = self._jobs.pop()
        return name, job()

    def close(self) -> None:
        """Nothing to put away."""


class Threads:
    """Jobs in threads of their own.

    The threads are daemons and not those of `concurrent.futures`, which a Ctrl-C could not leave before its jobs end.
    """

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[tuple[str, Job] | None] = SimpleQueue()
        self._ended: SimpleQueue[tuple[str, Outcome | None, BaseException | None]] = SimpleQueue()
        self._count = count
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def submit(self, name: str, job: Job) -> None:
        """Hand in a job; a thread is started when all are busy."""
        self._busy += 1
        if self._busy > len(self._threads) < self._count:
            run = contextvars.copy_context().run
            thread = threading.Thread(target=run, args=(self._work,), name="dag worker", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put((name, job))

    def next(self) -> tuple[str, Outcome | None]:
        """Wait until some job is done; its name and outcome."""
        while True:
            try:
                # With a limit, because Windows does not let Ctrl-C through a wait without one.
                name, outcome, error = self._ended.get(timeout=0.5)
            except Empty:
                continue
            self._busy -= 1
            if error is not None:
                raise error
            return name, outcome

    def close(self) -> None:
        """Send the threads home; those with a job go when it is done."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            name, job = item
            try:
                self._ended.put((name, job(), None))
            except BaseException as error:  # carried over to the thread that asked
                self._ended.put((name, None, error))


class RunState:
    """The growing record of one run: in memory, in the run store, and told to `on_event` once it is written."""

    def __init__(
        self,
        run: DagRun,
        order: list[str],
        *,
        clock: Clock,
        writer: EventWriter | None,
        on_event: Callable[[Event], object] | None,
    ) -> None:
        self.run = run
        self.clock = clock
        self.writer = writer
        self.on_event = on_event
        earlier = {each.task_id: each for each in run.task_instances}
        self.instances = {name: earlier.get(name) or TaskInstance(name, "no_status") for name in order}
        self._open: dict[str, Any] = {}

    def result(self, task_id: str) -> Any:
        """What a task returned, None when it did not succeed."""
        return self.instances[task_id].result

    def state(self, task_id: str) -> str:
        """The state of a task now."""
        return self.instances[task_id].state

    def forget(self, task_ids: set[str]) -> None:
        """Before a resume: these tasks run again. Their attempts stay; one without an end gets one."""
        now = self.clock.now()
        for name in task_ids:
            before = self.instances[name]
            attempts = tuple(
                replace(each, state="failed", ended=now, why="interrupted: its process ended before it did")
                if each.state == "running"
                else each
                for each in before.attempts
            )
            self.instances[name] = TaskInstance(name, "no_status", attempts)
        if self.writer:
            self.writer.close_orphans(now, "interrupted: its process ended before it did")

    def begin(self, task_id: str) -> int:
        """An attempt starts; its number, which counts on over retries and resumes."""
        before = self.instances[task_id]
        number = len(before.attempts) + 1
        now = self.clock.now()
        if self.writer:
            self._open[task_id] = self.writer.began(task_id, number, now)
        attempts = (*before.attempts, Attempt(number, "running", now))
        self.instances[task_id] = TaskInstance(task_id, "running", attempts, started=before.started or now)
        self._tell(task_id, "running", number, now, "")
        return number

    def end(self, task_id: str, outcome: Outcome, *, again: bool) -> None:
        """The attempt ended; `again` when it will be retried."""
        before = self.instances[task_id]
        state = "up_for_retry" if again else outcome.state
        now = self.clock.now()
        if self.writer:
            self.writer.ended(self._open[task_id], state, now, outcome.why, outcome.result)
        last = replace(before.attempts[-1], state=state, ended=now, why=outcome.why)
        self.instances[task_id] = TaskInstance(
            task_id,
            state,
            (*before.attempts[:-1], last),
            before.started,
            now,
            outcome.why,
            outcome.result,
            outcome.error,
        )
        self._tell(task_id, state, last.number, now, outcome.why)

    def decide(self, task_id: str, state: str, why: str) -> None:
        """A task gets its state without running."""
        now = self.clock.now()
        if self.writer:
            self.writer.decided(task_id, state, now, why)
        attempts = self.instances[task_id].attempts
        self.instances[task_id] = TaskInstance(task_id, state, attempts, started=now, ended=now, why=why)
        self._tell(task_id, state, 0, now, why)

    def interrupt(self, why: str) -> None:
        """The run ends in the middle: attempts that are open are closed, so that a later resume knows where it was."""
        self.on_event = None
        for name in [name for name, each in self.instances.items() if each.state in ("running", "up_for_retry")]:
            if self.instances[name].state == "running":
                self.end(name, Outcome("failed", why), again=False)
        self.close("failed")

    def close(self, state: str) -> DagRun:
        """The run is over; its record."""
        now = self.clock.now()
        if self.writer:
            self.writer.closed(state, now)
        self.run = replace(self.run, state=state, ended=now, task_instances=tuple(self.instances.values()))
        return self.run

    def states(self) -> Mapping[str, str]:
        """Every task's state now."""
        return {name: each.state for name, each in self.instances.items()}

    def write(self) -> None:
        """What happened so far is in the run store's file when this returns; before a task works it has to be."""
        if self.writer:
            self.writer.flush()

    def _tell(self, task_id: str, state: str, attempt: int, at: datetime, why: str) -> None:
        if self.on_event is not None:
            self.write()
            self.on_event(Event(task_id, state, attempt, at, why))


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
    store = None if home is None else RunStore(home)
    token = enter(None)  # a task that calls another task's function must not add it to a DAG under construction
    try:
        if fresh is not None:
            run, writer = store.open_run(fresh) if store else (fresh, None)
        else:
            assert resume is not None  # noqa: S101  one of the two is there
            run = resumable(dag, resume, store, params=params, logical_date=logical_date)
            writer = store.claim(run) if store else None
        return _Execution(dag, run, clock, home, writer, on_event, max_workers).run_all(resumed=resume is not None)
    finally:
        leave(token)
        if store:
            store.close()


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
        writer: Any,
        on_event: Callable[[Event], object] | None,
        max_workers: int,
    ) -> None:
        self.dag = dag
        self.order = list(run.shape["order"])  # of a resumed run too, whose tasks may be defined in another order now
        self.upstream = {name: dag.upstream(name) for name in self.order}
        self.state = RunState(run, self.order, clock=clock, writer=writer, on_event=on_event)
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
                pending = outdated(self.dag, self.order, self.state.instances, self._holds)
                self.state.forget(pending)
            self._run(pending)
            leaves = set(self.order).difference(*self.upstream.values())
            states = self.state.states()
            return self.state.close(run_state(states, [name for name in self.order if name in leaves]))
        except BaseException as cause:
            with suppress(MlopsLabError):  # what interrupts may be the very disk that the trace is on
                self.state.interrupt(f"interrupted by {type(cause).__name__}")
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
                self.state.write()  # with several workers this may wait for long
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
        states = [self.state.state(each) for each in self.upstream[name]]
        verdict = decide(task.trigger_rule, states)
        if verdict == "run":
            self._submit(task)
            return True
        told = ", ".join(f"{each} {state}" for each, state in zip(self.upstream[name], states, strict=True))
        self.state.decide(name, verdict, f"{task.trigger_rule} ({TRIGGER_RULES[task.trigger_rule]}), but: {told}")
        return False

    def _submit(self, task: Task) -> None:
        number = self.state.begin(task.task_id)
        # Copies: what one task does to a result or a param must not reach another, as it could not after a resume.
        context = {**self.context, "attempt": number, "params": dict(self.state.run.params)}
        bound, upstream = self.dag.arguments(task.task_id), self.upstream[task.task_id]
        arguments = arguments_of(task, bound, upstream, context, self._copied)
        # Side by side, other tasks' waiting moves a fake clock too, so it cannot say how long this one took.
        clock = self.clock if self.max_workers == 1 else None
        self.state.write()
        self.pool.submit(task.task_id, lambda: attempt_task(task, arguments, clock))

    def _went_on(self, name: str, outcome: Outcome | None) -> bool:
        """Record an end; True when the task keeps its worker, waiting for its next attempt or starting it."""
        task = self.dag.tasks[name]
        if outcome is None:  # the wait before a retry is over
            self._submit(task)
            return True
        failures = self.failures[name] = self.failures.get(name, 0) + (outcome.state == "failed")
        again = outcome.may_retry and failures <= task.retries
        self.state.end(name, outcome, again=again)
        if outcome.interrupt is not None:
            raise outcome.interrupt
        if again:
            self.state.write()
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
        context = {**self.context, "params": dict(self.state.run.params), "result": self._copied(name)}
        question = Task(name, asked)
        return bool(asked(**arguments_of(question, {}, self.upstream[name], context, self._copied)))

    def _copied(self, task_id: str) -> Any:
        return json_value(self.state.result(task_id), "a result")
