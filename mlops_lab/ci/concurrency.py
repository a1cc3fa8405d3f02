"""Who of a concurrency group may run, who waits, and who has to go?

As https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency: one
runs, one waits; a newer one takes the waiting one's place, or with `queue: max` waits behind up to a hundred; with
`cancel-in-progress` it takes the running one's place. Group names do not know upper and lower case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["MAX_QUEUE", "ConcurrencyGroups"]

MAX_QUEUE = 100


@dataclass
class _Group:
    running: str | None = None
    waiting: list[str] = field(default_factory=list)


class ConcurrencyGroups:
    """The groups of a repository and who is in them.

    >>> groups = ConcurrencyGroups()
    >>> groups.enter("deploy", "run 1"), groups.enter("Deploy", "run 2"), groups.enter("deploy", "run 3")
    (True, False, False)
    >>> groups.cancelled
    [('run 2', "Canceling since a higher priority waiting request for 'deploy' exists")]
    >>> groups.leave("deploy", "run 1")
    'run 3'
    """

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self.cancelled: list[tuple[str, str]] = []
        self.on_cancel: Callable[[str, str], None] = lambda who, why: self.cancelled.append((who, why))

    def enter(self, group: str, who: str, *, cancel_in_progress: bool = False, queue: str = "single") -> bool:
        """Ask to run in a group; True when it may at once, False when it has to wait (see `leave`)."""
        state = self._groups.setdefault(group.lower(), _Group())
        if state.running is None:
            state.running = who
            return True
        if cancel_in_progress:
            gone, state.running = [*state.waiting, state.running], who
            state.waiting = []
            for one in gone:
                self.on_cancel(one, f"Canceling since a higher priority waiting request for '{group}' exists")
            return True
        if queue == "max" and len(state.waiting) >= MAX_QUEUE:
            self.on_cancel(who, f"Canceling since the queue of '{group}' already holds {MAX_QUEUE}")
            return False
        if queue != "max":
            gone, state.waiting = state.waiting, []
            for one in gone:
                self.on_cancel(one, f"Canceling since a higher priority waiting request for '{group}' exists")
        state.waiting.append(who)
        return False

    def leave(self, group: str, who: str) -> str | None:
        """Leave a group, running or waiting; the name of the one that may run now, if that changes."""
        state = self._groups.get(group.lower(), _Group())
        if who in state.waiting:
            state.waiting.remove(who)
            return None
        if state.running != who:
            return None
        state.running = state.waiting.pop(0) if state.waiting else None
        return state.running

    def running(self, group: str) -> str | None:
        """Who runs in a group."""
        return self._groups.get(group.lower(), _Group()).running

    def waiting(self, group: str) -> tuple[str, ...]:
        """Who waits in a group, the next one first."""
        return tuple(self._groups.get(group.lower(), _Group()).waiting)
