"""What is the pipeline doing right now? Told on standard error while it works."""

from __future__ import annotations

import sys
from datetime import datetime
from types import TracebackType
from typing import Any

from mlops_lab.pipeline.dag import Event
from mlops_lab.teaching.drawing.words import plain

_WIDE = 100  # columns; a pipe or a CI log has none of its own


class Progress:
    """One line for every end of an attempt; on a terminal also what is running now, as it turns.

    In a pipe or a CI log there are no movements and no colours, and lines stay lines.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console: Any = None
        self.status: Any = None
        self.since: dict[str, datetime | None] = {}

    def __enter__(self) -> Progress:
        if not self.quiet:
            from rich.console import Console

            self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
            if not self.console.is_terminal:
                self.console.width = _WIDE
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Nothing turns any more."""
        if self.status is not None:
            self.status.stop()
            self.status = None

    def tell(self, event: Event) -> None:
        """Show one change of a task's state."""
        if self.console is None:
            return
        from rich.text import Text

        from mlops_lab.teaching.drawing.style import state_look

        if event.state == "running":
            self.since[event.task_id] = event.at
            self._turn()
            return
        began = self.since.pop(event.task_id, None)
        seconds = f"{(event.at - began).total_seconds():6.1f} s" if began and event.at else ""
        look = state_look(event.state)
        attempt = f"  attempt {event.attempt}" if event.attempt > 1 or event.state == "up_for_retry" else ""
        why = plain(" ".join(event.why.split())) if event.state in ("failed", "up_for_retry", "skipped") else ""
        line = Text(f"{look.mark} ", style=look.border)
        line.append(f"{event.task_id:<20}", style="default")
        rest = f"{seconds:>9}{attempt}  {look.word if look.word != 'success' else ''}{': ' if why else ''}{why}"
        line.append(_fitting(rest.rstrip(), self.console.width - 24), style="default")
        self.console.print(line)
        self._turn()

    def _turn(self) -> None:
        """On a terminal, name what is running."""
        names = ", ".join(self.since)
        if not self.console.is_terminal or not names:
            self.stop()
        elif self.status is None:
            self.status = self.console.status(names)
            self.status.start()
        else:
            self.status.update(names)


def _fitting(text: str, width: int) -> str:
    room = max(width, 40)
    return text if len(text) <= room else text[: room - 1] + "…"
