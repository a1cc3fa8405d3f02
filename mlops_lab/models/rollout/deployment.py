"""Where does a rollout stand? Every step is an event of the registry, so it can be told again from the history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.display import html_table, shown
from mlops_lab.base.errors import NotAllowed
from mlops_lab.models.registry import Event, Promotion, Registry

__all__ = ["Deployment", "Step", "deployment_of", "promotion_of"]

#: The actions a rollout writes into the history.
ACTIONS = ("rollout_started", "rollout_step", "rollout_finished", "rollout_rolled_back", "rollout_stopped")
_STATES = {"rollout_finished": "finished", "rollout_rolled_back": "rolled_back", "rollout_stopped": "stopped"}


@dataclass(frozen=True, repr=False)
class Step:
    """One look of the watch: until when (UTC), at which weight, what it saw and what it decided.

    >>> Step(parse_utc("2013-12-02"), 5, "hold", "38 of 100 outcomes are known", 45, 0, 38, None, None)
    Step(2013-12-02, 5 %, hold: 38 of 100 outcomes are known)
    """

    until: datetime
    weight: int
    decision: str
    why: str
    answers: int
    errors: int
    labels: int
    challenger_brier: float | None
    champion_brier: float | None

    def __repr__(self) -> str:
        return f"Step({self.until:%Y-%m-%d}, {self.weight} %, {self.decision}: {self.why})"


@dataclass(frozen=True, repr=False)
class Deployment:
    """One version on its way to all of the traffic.

    Attributes: `name`, `version`, `champion` (the version it replaces, or None), `promotion` (the history's number of
    the event that put it into Production), `weight` (percent it answers now), `state` (`running`, `finished`,
    `rolled_back` or `stopped`), `steps`.

    >>> Deployment("late", 2, champion=1, promotion=9)
    Deployment(late v2 over v1: running at 0 %)
    """

    name: str
    version: int
    champion: int | None
    promotion: int
    weight: int = 0
    state: str = "running"
    why: str = ""
    steps: tuple[Step, ...] = ()

    def __repr__(self) -> str:
        over = f" over v{self.champion}" if self.champion is not None else ""
        return f"Deployment({self.name} v{self.version}{over}: {self.state} at {self.weight} %)"

    def trace(self) -> str:
        """What happened, one line a step."""
        lines = [repr(self).removeprefix("Deployment(").removesuffix(")")]
        lines += [f"  {s.until:%Y-%m-%d}  {s.weight:>3} %  {s.decision:<9}  {s.why}" for s in self.steps]
        return "\n".join([*lines, f"  {self.state.replace('_', ' ')}: {self.why}"] if self.why else lines)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [(f"{s.until:%Y-%m-%d}", f"{s.weight} %", s.decision, s.why) for s in self.steps]
        over = f" over v{self.champion}" if self.champion is not None else ""
        title, columns = f"{self.name} v{self.version}{over}", ("until", "weight", "decision", "why")
        return shown(self.trace(), html_table(title, columns, rows, state=self.state))

    def to_dict(self) -> dict[str, Any]:
        """The deployment as JSON values."""
        steps = [{**asdict(step), "until": step.until.isoformat()} for step in self.steps]
        return {**{key: value for key, value in vars(self).items() if key != "steps"}, "steps": steps}


def deployment_of(registry: Registry, promotion: Promotion) -> Deployment | None:
    """The rollout of a promotion as the history tells it, or None when it has not begun.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> promotion = Promotion(name="late", version=2, artefact="sha256:0", archived_version=1, actor="ada",
    ...                       why="better", at=parse_utc("2014-01-01"), event=9)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     deployment_of(Registry(home, clock=FakeClock()), promotion)
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no registered model 'late'; there is: none.
    """
    return _told(registry.history(promotion.name, version=promotion.version), promotion)


def promotion_of(registry: Registry, name: str, version: int | None = None) -> Promotion:
    """The latest promotion of a version, or of the model, as the history tells it.

    Raises:
        UnknownName: there is no such model or version.
        NotAllowed: it never was in Production.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.tracking import Tracker
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, registry = Tracker(home, clock=FakeClock()), Registry(home, clock=FakeClock())
    ...     run = tracker.log_run("train", artefact=tracker.artefacts.put_bytes(b"model"), author="ada")
    ...     _ = registry.register_model(run, "late")
    ...     promotion_of(registry, "late")
    Traceback (most recent call last):
    mlops_lab.base.errors.NotAllowed: late was never promoted to Production, so there is nothing to roll out.
    """
    # A rollback brings a version back at once and whole: nobody rolls it out.
    moves = [
        event
        for event in registry.history(name, version=version)
        if event.target == "Production" and event.action != "rollback"
    ]
    if not moves:
        what = name if version is None else f"{name} v{version}"
        raise NotAllowed(f"{what} was never promoted to Production, so there is nothing to roll out.")
    last = moves[-1]
    number = int(last.version or 0)
    return Promotion(
        name=name,
        version=number,
        artefact=registry.get_model_version(name, number).artefact,
        archived_version=last.details["archived_version"],
        actor=last.actor,
        why=last.why,
        at=last.at,
        event=last.seq,
    )


def _told(events: Iterable[Event], promotion: Promotion) -> Deployment | None:
    found: Deployment | None = None
    for event in events:
        if event.action not in ACTIONS or event.details.get("promotion") != promotion.event:
            continue
        if event.action == "rollout_started":
            first = int((event.details.get("weights") or [0])[0])
            found = Deployment(promotion.name, promotion.version, promotion.archived_version, promotion.event, first)
        elif found is not None and event.action == "rollout_step":
            seen = {key: value for key, value in event.details.items() if key not in ("promotion", "next_weight")}
            step = Step(**{**seen, "until": parse_utc(seen["until"])})
            if found.steps and step.until <= found.steps[-1].until:
                continue  # two were watching, and both looked at this day: the first look counts
            found = replace(found, weight=int(event.details["next_weight"]), steps=(*found.steps, step))
        elif found is not None and found.state in ("running", "finished"):  # taken back is taken back, also at the end
            weight = 100 if _STATES[event.action] == "finished" else 0  # taken back or stopped: it answers nobody
            found = replace(found, state=_STATES[event.action], why=event.why, weight=weight)
    return found
