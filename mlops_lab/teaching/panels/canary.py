"""The canary panel: what a rollout catches, how soon, and at which price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData
from mlops_lab.models.gates import Floor, GatePolicy, Measured
from mlops_lab.models.registry import Registry
from mlops_lab.models.rollout import Deployment, RolloutPolicy, Step, promotion_of, rollout
from mlops_lab.teaching.drawing.style import state_look
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import RangeInput, choice
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.scratch import AUTHOR, Scratch, judged, register_versions
from mlops_lab.teaching.panels.view import View

if TYPE_CHECKING:
    import pandas as pd


_NAME = "late_flights"
_PLANS = {"5, 25, 100 %": (5, 25, 100), "25, 100 %": (25, 100), "50, 100 %": (50, 100), "100 % at once": (100,)}
_LABELS = (50, 100, 200, 500)
_DECISIONS = {"advance": "success", "hold": "up_for_retry", "roll_back": "failed"}
_LEFT, _PLOT, _RIGHT, _TOP, _HIGH = 60, 520, 150, 30, 170
_CHALLENGER, _CHAMPION = "#c04f00", "#0072b2"


class CanaryPanel(Panel):
    """Choose who comes as challenger, how fast it takes over and how much worse it may be; see when it is caught.

    Every picture is a real `rollout` on a registry that is thrown away, over traffic that was prepared before. A frame
    of some thousand rows answers while a slider moves.

    Args:
        traffic: the traffic to watch on, as `rollout` takes it, by the name of the challenger.
        shared: what a day's answers share, by challenger, as `shared_by_day` measures it on the exam.

    Raises:
        InvalidData: there is no traffic.

    >>> import pandas as pd
    >>> at = pd.date_range("2013-12-01", periods=1200, freq="15min", tz="UTC")
    >>> quiet = pd.DataFrame({"key": [f"flight {i}" for i in range(1200)], "at": at, "known_at": at, "truth": 0,
    ...                       "challenger": 0.1, "champion": 0.1})
    >>> panel = CanaryPanel({"good": quiet, "leaking": quiet.assign(challenger=0.9)})
    >>> panel.set(weights="50, 100 %")
    >>> panel
    The canary: ✓ finished after 5 days: the challenger answers everything
    >>> panel.set(challenger="leaking")
    >>> panel.view
    ✗ rolled back after 3 days, at 50 % of the traffic: 132 of its answers had been used
    >>> panel.deployment.state
    'rolled_back'
    """

    title: ClassVar[str] = "The canary"

    def __init__(self, traffic: Mapping[str, pd.DataFrame], *, shared: Mapping[str, float] | None = None) -> None:
        if not traffic:
            raise InvalidData("there is no traffic to watch a canary on: give at least one frame, by its challenger.")
        # Sorted once, with keys that Python walks through quickly: every change is a rollout over all of it.
        self._traffic = {
            name: frame.assign(key=frame["key"].astype(object)).sort_values("at", kind="stable")
            for name, frame in traffic.items()
        }
        self._shared = shared or {}
        self._scratch = Scratch(_prepare)
        self._deployed = lru_cache(maxsize=256)(self._roll_out)
        first = next(iter(self._traffic))
        super().__init__(
            {
                "challenger": choice("challenger", list(self._traffic), first),
                "weights": choice("weights", list(_PLANS), next(iter(_PLANS))),
                "margin": RangeInput(label="margin (Brier)", high=0.1, step=0.001, value=0.005),
                "min_labels": RangeInput(label="outcomes needed", value=1, names=[str(each) for each in _LABELS]),
            }
        )

    @property
    def deployment(self) -> Deployment:
        """The rollout for the controls as they are."""
        return self._of(self.state)

    def _of(self, state: State) -> Deployment:
        return self._deployed(state["challenger"], state["weights"], state["margin"], int(state["min_labels"]))

    def _roll_out(self, challenger: str, weights: str, margin: float, min_labels: int) -> Deployment:
        policy = RolloutPolicy(weights=_PLANS[weights], margin=margin, min_labels=_LABELS[min_labels])
        policy = replace(policy, shared=self._shared.get(challenger, policy.shared))
        with self._scratch.home() as home:
            registry = Registry(home, clock=FakeClock())
            try:
                promotion = promotion_of(registry, _NAME, 2)
                return rollout(promotion, registry, traffic=self._traffic[challenger], policy=policy)
            finally:
                registry.close()

    def render(self, state: State) -> View:
        """Both models' Brier scores day by day, the weight, and what the watch decided."""
        found = self._of(state)
        last = found.steps[-1] if found.steps else None
        days = f"{len(found.steps)} {'day' if len(found.steps) == 1 else 'days'}"
        answers = sum(step.answers for step in _ends(found.steps))
        mark, line = "running", f"still at {found.weight} % after {days}"
        if found.state == "finished":
            mark, line = "success", f"finished after {days}: the challenger answers everything"
        elif found.state == "rolled_back" and last is not None:
            told = f"{answers:,} of its answers had been used"
            mark, line = "failed", f"rolled back after {days}, at {last.weight} % of the traffic: {told}"
        return View(line, mark, _picture(found, name=line), found.trace())


def _prepare(home: Path) -> None:
    """A champion in Production, and a challenger that has just been promoted: the rollout is what is looked at."""
    clock = FakeClock()
    policy, measured = GatePolicy([Floor("served.roc_auc", 0.0)]), Measured({"served.roc_auc": 0.5})
    register_versions(home, [measured, measured], name=_NAME, clock=clock)
    registry = Registry(home, clock=clock)
    for number in (1, 2):
        report = judged(registry, _NAME, number, policy=policy, measured=measured)
        registry.promote(report, actor=AUTHOR, why="to be watched")
    registry.close()


def _ends(steps: tuple[Step, ...]) -> list[Step]:
    """The last step at each weight: a step counts all answers since its weight began."""
    return list({step.weight: step for step in steps}.values())


def _picture(found: Deployment, *, name: str) -> str:
    steps = found.steps
    known = [each for step in steps for each in (step.challenger_brier, step.champion_brier) if each is not None]
    top = max(known, default=0.3) * 1.1 or 1.0
    bottom = _TOP + _HIGH

    def at(place: int) -> float:
        return _LEFT + _PLOT * (place + 0.5) / max(len(steps), 1)

    def high(value: float) -> float:
        return bottom - _HIGH * value / top

    parts = [svg.text(12, 16, "Brier score of both on the challenger's flights (less is better)")]
    for share in (0.0, 0.5, 1.0):
        y = high(top * share)
        parts += [
            svg.line([(_LEFT, y), (_LEFT + _PLOT, y)], width=0.5),
            svg.text(_LEFT - 6, y + 4, f"{top * share:.2f}", anchor="end"),
        ]
    ends = []
    for who, colour, dashes in (("challenger", _CHALLENGER, ""), ("champion", _CHAMPION, "6 4")):
        points = [
            (at(place), high(value))
            for place, step in enumerate(steps)
            if (value := getattr(step, f"{who}_brier")) is not None
        ]
        if points:
            parts += [svg.line(points, colour=colour, width=2.5, dashes=dashes)]
            parts += [svg.dot(x, y, colour=colour, radius=3.5, full=not dashes) for x, y in points]
            ends.append((points[-1][1], who, colour, dashes))
    previous = -99.0
    for y, who, colour, dashes in sorted(ends):
        previous = max(y, previous + 16)
        parts.append(svg.dot(_LEFT + _PLOT + 14, previous, colour=colour, radius=4, full=not dashes))
        parts.append(svg.text(_LEFT + _PLOT + 24, previous + 4, who, bold=True))
    for place, step in enumerate(steps):
        look = state_look(_DECISIONS.get(step.decision))
        wide = min(_PLOT / len(steps) - 4, 60)
        parts.append(
            svg.box(at(place) - wide / 2, bottom + 10, width=wide, height=24, look=look, name=look.mark, kind="step")
        )
        parts.append(svg.text(at(place), bottom + 50, f"{step.weight} %", anchor="middle"))
        parts.append(svg.text(at(place), bottom + 66, f"{step.until:%m-%d}", anchor="middle"))
    marks = ", ".join(f"{state_look(state).mark} {word.replace('_', ' ')}" for word, state in _DECISIONS.items())
    parts.append(svg.text(_LEFT, bottom + 88, f"each day: {marks}; below it the challenger's share of the traffic"))
    return svg.card("".join(parts), width=_LEFT + _PLOT + _RIGHT, height=bottom + 98, name=name)
