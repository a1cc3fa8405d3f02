"""Who does the work: this thread, or several?"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from mlops_lab.pipeline.dag.attempt import Outcome

__all__ = ["Inline", "Threads"]

Job = Callable[[], Outcome | None]
T = TypeVar("T")


class Inline:
    """One job at a time, in the thread that asks for its end.

    >>> pool = Inline()
    >>> pool.submit("wait", lambda: None)
    >>> pool.next()
    ('wait', None)
    """

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

    >>> pool = Threads(2)
    >>> pool.submit("wait", lambda: None)
    >>> pool.next()
    ('wait', None)
    >>> pool.close()
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
