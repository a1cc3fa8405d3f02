"""In which order do things happen that take time and wait for each other?

Each job is a generator that yields what it waits for: a number of seconds, or being woken by somebody. The scheduler
resumes them in the order of time, so a run of hours takes no time, and two runs of the same file are the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

__all__ = ["Process", "Scheduler", "Sleep", "Wait"]


@dataclass(frozen=True)
class Sleep:
    """Resume me after so many seconds; of those due at the same moment, the urgent ones first."""

    seconds: float
    urgent: bool = False


@dataclass(frozen=True)
class Wait:
    """Resume me when somebody wakes me."""


Process: TypeAlias = Generator[Sleep | Wait, None, None]


class Task:
    """A process that was started."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.done = False
        self.turn = 0  # a wake-up meant for an earlier turn is void


class Scheduler:
    """Time, and who is due when."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._due: list[tuple[datetime, int, int, Task, int]] = []
        self._count = 0

    def start(self, process: Process) -> Task:
        """Start a process, at this moment, behind those already due."""
        task = Task(process)
        self._push(task, self.now, 1)
        return task

    def wake(self, task: Task) -> None:
        """Resume a waiting or sleeping process at this moment."""
        if not task.done:
            task.turn += 1
            self._push(task, self.now, 1)

    def run(self) -> None:
        """Let everything happen until nobody is due any more; some may wait for ever."""
        while self._due:
            at, _, _, task, turn = heapq.heappop(self._due)
            if task.done or turn != task.turn:
                continue
            self.now = max(self.now, at)
            task.turn += 1
            try:
                request = next(task.process)
            except StopIteration:
                task.done = True
                continue
            if isinstance(request, Sleep):
                self._push(task, self.now + timedelta(seconds=request.seconds), 0 if request.urgent else 1)

    def _push(self, task: Task, at: datetime, order: int) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, order, self._count, task, task.turn))
