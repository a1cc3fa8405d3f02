"""What is known about a run while it goes on?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from mlops_lab.base.clock import Clock
from mlops_lab.pipeline.dag.attempt import Outcome
from mlops_lab.pipeline.dag.journal import Journal
from mlops_lab.pipeline.dag.run import Attempt, DagRun, Event, TaskInstance

__all__ = ["Ledger"]


class Ledger:
    """The growing record of one run: in memory, in the journal, and told to `on_event` once it is written."""

    def __init__(
        self,
        run: DagRun,
        order: list[str],
        *,
        clock: Clock,
        journal: Journal | None,
        on_event: Callable[[Event], object] | None,
    ) -> None:
        self.run = run
        self.clock = clock
        self.journal = journal
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
        if self.journal:
            self.journal.close_orphans(now, "interrupted: its process ended before it did")

    def begin(self, task_id: str) -> int:
        """An attempt starts; its number, which counts on over retries and resumes."""
        before = self.instances[task_id]
        number = len(before.attempts) + 1
        now = self.clock.now()
        if self.journal:
            self._open[task_id] = self.journal.began(task_id, number, now)
        attempts = (*before.attempts, Attempt(number, "running", now))
        self.instances[task_id] = TaskInstance(task_id, "running", attempts, started=before.started or now)
        self._tell(task_id, "running", number, now, "")
        return number

    def end(self, task_id: str, outcome: Outcome, *, again: bool) -> None:
        """The attempt ended; `again` when it will be retried."""
        before = self.instances[task_id]
        state = "up_for_retry" if again else outcome.state
        now = self.clock.now()
        if self.journal:
            self.journal.ended(self._open[task_id], state, now, outcome.why, outcome.result)
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
        if self.journal:
            self.journal.decided(task_id, state, now, why)
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
        if self.journal:
            self.journal.closed(state, now)
        self.run = replace(self.run, state=state, ended=now, task_instances=tuple(self.instances.values()))
        return self.run

    def states(self) -> Mapping[str, str]:
        """Every task's state now."""
        return {name: each.state for name, each in self.instances.items()}

    def write(self) -> None:
        """What happened so far is in the journal's file when this returns; before a task works it has to be."""
        if self.journal:
            self.journal.flush()

    def _tell(self, task_id: str, state: str, attempt: int, at: datetime, why: str) -> None:
        if self.on_event is not None:
            self.write()
            self.on_event(Event(task_id, state, attempt, at, why))
