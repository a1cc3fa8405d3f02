"""The panel that breaks things: a failure is chosen, predicted, done and undone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from mlops_lab.base.errors import InvalidData
from mlops_lab.teaching.classroom import FAULTS, Sight, break_it, find_fault
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import Memory, choice
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

_WIDE, _SLOW = 100, ("leak", "bad-canary")  # those two train models: some seconds, so only when asked for by name


class BreakPanel(Panel):
    """Choose a failure, break it, read what the real code says, and reset.

    Every scene is set up in a folder of its own that is thrown away, by `break_it`: the command `mlops-lab break` does
    the same in a home folder.

    Args:
        faults: the names to choose from; the quick ones when left out.

    Raises:
        UnknownName: there is no such failure.
        InvalidData: there is none to choose.

    >>> panel = BreakPanel(["cycle", "self-approval"])
    >>> panel
    Break it live: ✓ 5 tasks, each after what it needs
    >>> panel.press("break_it")
    >>> "train → gate → train" in panel.view.line
    True
    >>> panel.reset()
    >>> panel.view.state
    'success'
    >>> panel.set(failure="self-approval")
    >>> panel.press("break_it")
    >>> panel.reset()
    >>> panel.state["failure"], "damage" in panel.view.words
    ('self-approval', False)
    """

    title: ClassVar[str] = "Break it live"

    def __init__(self, faults: Sequence[str] | None = None) -> None:
        quick = [fault.name for fault in FAULTS if fault.name not in _SLOW]
        names = [find_fault(name).name for name in (quick if faults is None else faults)]
        if not names:
            raise InvalidData("there is nothing to break: give the name of at least one failure.")
        self._broken = Memory()
        self._seen = lru_cache(maxsize=len(names))(_both)
        super().__init__(
            {"failure": choice("failure", names, names[0]), "broken": self._broken},
            buttons={"break_it": ("Break it", self._break)},
        )

    def _break(self) -> None:
        self._broken.value = (self.state["failure"],)

    def _restore(self) -> None:
        self._broken.value = ()  # the failure that was chosen stays: it is the one to try again

    def render(self, state: State) -> View:
        """The scene before the damage, or after it."""
        fault = find_fault(state["failure"])
        before, after = self._seen(fault.name)
        broken = state["broken"] == (fault.name,)
        sight = after if broken else before
        words = [fault.title, "Predict what the real code will say, then break it."]
        if broken:
            words[1:] = [f"damage: {fault.damage}", f"lesson: {fault.lesson}"]
        told = f"{sight.words}\n\n" if sight.words else ""
        return View(
            sight.line, sight.state, sight.svg or _card(words), told + "\n".join([*words, f"notebook {fault.notebook}"])
        )


def _both(name: str) -> tuple[Sight, Sight]:
    """What there is to see before and after, on a scene that is set up and broken once."""
    with tempfile.TemporaryDirectory(prefix="mlops-lab-break-", ignore_cleanup_errors=True) as home:
        shown = break_it(find_fault(name), home)
    return shown.before, shown.after


def _card(words: Sequence[str]) -> str:
    body, bottom = svg.caption(words, width=_WIDE)
    return svg.card(body, width=760, height=bottom + 12, name=". ".join(words))
