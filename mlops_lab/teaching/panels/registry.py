"""The registry panel: promote, approve and roll back on a real registry, move by move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.models.gates import Floor, GatePolicy, Measured
from mlops_lab.models.registry import Event, GateReport, ModelVersion, Registry
from mlops_lab.teaching.drawing.style import TEXT, kind_look, state_look
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import Memory, choice, switch
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.scratch import AUTHOR, Scratch, judged, register_versions
from mlops_lab.teaching.panels.view import View

_NAME, _METRIC = "late_flights", "served.roc_auc"
_START = "2013-10-01T06:00Z"
_STAGES = ("None", "Staging", "Production", "Archived")
_PEOPLE = (f"{AUTHOR} (the author)", "grace (a colleague)")
_VERBS = {"promote": "promotes", "ask": "asks for an approval of", "approve": "approves", "rollback": "rolls back"}
_ASKED = {True: "passengers are rebooked", False: "nobody had time to read the figures"}
_WIDE, _HIGH = 200, 40


@dataclass(frozen=True)
class _Told:
    """What the registry holds after the moves, and what it said to each: accepted, in words, and events written."""

    versions: tuple[ModelVersion, ...]
    history: tuple[Event, ...]
    answers: tuple[tuple[bool, str, int], ...]


class RegistryPanel(Panel):
    """Promote, approve and roll back on a registry that is thrown away, and read its history.

    The moves are the state; every picture plays them again on a fresh copy of a real `Registry`, which accepts or
    refuses. A move keeps the rule under which it was made: a tick that comes or goes holds for what comes after it.
    Version 1 is in Production at first; the author of all is ada.

    Args:
        served: the served AUC of each version, as it was measured: version 1 first.
        floor: what the gate demands of it.

    Raises:
        InvalidData: fewer than two versions, or the first does not pass the floor.

    >>> panel = RegistryPanel([0.77, 0.78, 0.63], floor=0.66)
    >>> panel
    The model registry: … v1 is in Production; nobody has moved anything yet
    >>> panel.press("promote")
    >>> print(panel.view.line[:92])
    ada promotes v2: refused. late_flights v2 needs an approval by somebody else than its author
    >>> for move in ("ask", "approve"):
    ...     panel.press(move)
    >>> print(panel.view.line[:74])
    ada approves v2: refused. ada cannot approve late_flights v2: an approval
    >>> panel.set(who="grace (a colleague)")
    >>> for move in ("approve", "promote"):
    ...     panel.press(move)
    >>> panel.view
    ✓ grace promotes v2: v2 is in Production
    >>> panel.press("rollback")
    >>> panel.production
    1
    """

    title: ClassVar[str] = "The model registry"

    def __init__(self, served: Mapping[int, float] | list[float], *, floor: float = 0.66) -> None:
        figures = served.values() if isinstance(served, Mapping) else served
        self._measured = [Measured({_METRIC: figure}) for figure in figures]
        self._policy = GatePolicy([Floor(_METRIC, floor)])
        if len(self._measured) < 2:
            raise InvalidData("a promotion needs somebody to replace: give the served AUC of at least two versions.")
        self._scratch = Scratch(self._prepare)
        versions = [f"v{number}" for number in range(2, len(self._measured) + 1)]
        self._moves = Memory()
        super().__init__(
            {
                "who": choice("who", list(_PEOPLE), _PEOPLE[0]),
                "version": choice("version", versions, versions[0]),
                "approval": switch("an approval is asked for", value=True),
                "moves": self._moves,
            },
            buttons={
                "ask": ("Ask for approval", lambda: self._move("ask")),
                "approve": ("Approve", lambda: self._move("approve")),
                "promote": ("Promote", lambda: self._move("promote")),
                "rollback": ("Roll back", lambda: self._move("rollback")),
            },
        )

    def _prepare(self, home: Path) -> None:
        clock = FakeClock(_START)
        register_versions(home, self._measured, name=_NAME, clock=clock)
        registry = Registry(home, clock=clock)
        try:
            report = judged(registry, _NAME, 1, policy=self._policy, measured=self._measured[0])
            if not report.passed:
                raise InvalidData(f"version 1 cannot be in Production: {report.failures[0].sentence}")
            registry.record_gate_report(report)
            registry.request_approval(_NAME, 1, requested_by=AUTHOR, why="the first model")
            registry.approve(_NAME, 1, by="grace", comment="agreed")  # or nobody could go back to it
            registry.promote(report, actor=AUTHOR, why="the first model")
        finally:
            registry.close()

    def _move(self, verb: str) -> None:
        who, version = self.state["who"].split()[0], int(self.state["version"][1:])
        self._moves.value = (*self._moves.value, (verb, who, version, bool(self.state["approval"])))

    @property
    def production(self) -> int | None:
        """The number of the version in Production."""
        there = [one.version for one in self._told(self.state).versions if one.stage == "Production"]
        return there[0] if there else None

    def _told(self, state: State) -> _Told:
        clock = FakeClock(_START)
        answers: list[tuple[bool, str, int]] = []
        with self._scratch.home() as home:
            registry = Registry(home, clock=clock)
            try:
                asked = _set_rule(registry, asks=True)
                for verb, who, version, asks in state["moves"]:
                    clock.advance(timedelta(hours=1))
                    asked = asked if asks == asked else _set_rule(registry, asks=asks)
                    before = len(registry.history(_NAME))
                    good, said = self._play(registry, verb, who, version)
                    answers.append((good, said, len(registry.history(_NAME)) - before))
                if bool(state["approval"]) != asked:
                    clock.advance(timedelta(hours=1))
                    _set_rule(registry, asks=not asked)
                    rule = "no approval is asked for" if asked else "an approval is asked for"
                    answers.append((True, f"from now on {rule}; what was decided before stands", 1))
                versions = sorted(registry.search(name=_NAME), key=lambda one: one.version)
                return _Told(tuple(versions), registry.history(_NAME), tuple(answers))
            finally:
                registry.close()

    def _play(self, registry: Registry, verb: str, who: str, version: int) -> tuple[bool, str]:
        """One move on the registry: was it accepted, and in which words?"""
        said = f"{who} {_VERBS[verb]}" + (f" v{version}" if verb != "rollback" else "")
        try:
            if verb == "promote":
                registry.promote(self._report(registry, version), actor=who, why="better than before")
            elif verb == "ask":
                registry.record_gate_report(self._report(registry, version))
                registry.request_approval(_NAME, version, requested_by=who, why="the gate passed")
            elif verb == "approve":
                registry.approve(_NAME, version, by=who, comment="agreed")
            else:
                registry.rollback(_NAME, actor=who, why="it went wrong")
        except MlopsLabError as refusal:  # the lesson, not a fault
            return False, f"{said}: refused. {refusal}"
        now = registry.get_production(_NAME)
        done = {"promote": f"v{now.version} is in Production" if now else "", "ask": "it waits for an answer"}
        back = f"v{now.version} is in Production again" if now else ""
        return True, f"{said}: {done.get(verb, back if verb == 'rollback' else 'agreed')}"

    def _report(self, registry: Registry, version: int) -> GateReport:
        """The report that stands, because an approval is bound to it; a new one where the champion is another now."""
        standing, champion = registry.get_gate_report(_NAME, version), registry.get_production(_NAME)
        if standing is not None and standing.champion == (champion.version if champion else None):
            return standing
        return judged(registry, _NAME, version, policy=self._policy, measured=self._measured[version - 1])

    def render(self, state: State) -> View:
        """The stages with their versions, the answer to the last move, and the history."""
        told = self._told(state)
        first = (True, "v1 is in Production; nobody has moved anything yet", 0)
        good, line, _ = told.answers[-1] if told.answers else first
        mark = "queued" if not told.answers else "success" if good else "failed"
        words = ["moves:"] if told.answers else []
        for fine, said, written in told.answers:
            left = f" ({written} {'line' if written == 1 else 'lines'} in the history)" if written and not fine else ""
            words.append(f"  {'✓' if fine else '✗'} {said}{left}")
        words += ["history of the registry:", *(f"  {event}" for event in told.history)]
        return View(line, mark, _picture(told.versions, name=line), "\n".join(words))


def _set_rule(registry: Registry, *, asks: bool) -> bool:
    registry.set_policy(_NAME, requires_approval=asks, actor="grace", why=_ASKED[asks])
    return asks


def _picture(versions: tuple[ModelVersion, ...], *, name: str) -> str:
    parts = []
    rows = max((sum(one.stage == stage for one in versions) for stage in _STAGES), default=1) or 1
    for column, stage in enumerate(_STAGES):
        x = 12 + column * (_WIDE + 10)
        high = 34 + rows * (_HIGH + 8)
        parts.append(svg.box(x, 8, width=_WIDE, height=high, look=state_look("no_status")))
        parts.append(svg.text(x + 12, 28, stage, colour=TEXT, bold=True))
        for row, one in enumerate(each for each in versions if each.stage == stage):
            look = kind_look("version") if stage == "Production" else state_look("skipped")
            words = f"{look.mark} v{one.version}" + "".join(f", {alias}" for alias in one.aliases)
            y = 38 + row * (_HIGH + 8)
            parts.append(svg.box(x + 10, y, width=_WIDE - 20, height=_HIGH, look=look, name=words, kind="version"))
    return svg.card("".join(parts), width=24 + 4 * _WIDE + 30, height=50 + rows * (_HIGH + 8), name=name)
