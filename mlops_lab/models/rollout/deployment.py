"""A deployment: the policy, the traffic and the days of one rollout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.display import facts, html_table, shown
from mlops_lab.base.errors import InvalidData, InvalidDefinition, NotAllowed, UnknownName, expect_fields
from mlops_lab.models.registry import Event, Promotion, Registry

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RolloutPolicy:
    """The steps of a rollout and what is demanded at each.

    Attributes:
        weights: percent of the traffic that the challenger answers, step by step; the last one is 100.
        min_labels: how many of its answers must have met their outcome before a step is judged.
        margin: how much worse its Brier score may be than the champion's on the same flights.
        max_error_rate: the largest share of requests it may fail to answer, 0 to 1.
        patience_days: how long a step may wait for outcomes; then the challenger is taken back, because nothing shows
            that it is good enough. Twice as long if what it sees may be chance; then it is taken back if an equal model
            would hardly look like this, and stays at its weight if one would.
        shared: what the answers of a day share: the standard deviation, over days, of the difference of two equal
            models; None where no scale is known, as for numbers. Give what `shared_by_day` measures on the exam, as the
            pipeline does; 0.02 stands for it where nothing was measured.
        error: what the squared error of an answer is called; the Brier score, where answers are probabilities.
        noun: what is asked about.
        max_seconds: how long 19 of 20 of its answers may take at most; None where nobody measures, as in a replay.

    >>> RolloutPolicy(weights=(10, 100)).weights
    (10, 100)
    >>> RolloutPolicy(weights=(50, 25, 100))
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidDefinition: weights must rise from above 0 to 100, not (50, 25, 100).
    """

    weights: Sequence[int] = (5, 25, 100)
    min_labels: int = 100
    margin: float = 0.005
    max_error_rate: float = 0.01
    patience_days: int = 7
    max_seconds: float | None = None
    shared: float | None = 0.02
    error: str = "Brier score"
    noun: str = "flights"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return shown(repr(self), facts("rollout policy", asdict(self)))

    def __post_init__(self) -> None:
        words = {"error": str, "noun": str, "min_labels": int, "patience_days": int, "weights": Sequence}
        figures = {"margin": int | float, "max_error_rate": int | float}
        some = {"shared": int | float | None, "max_seconds": int | float | None}
        expect_fields(self, InvalidDefinition, **words, **figures, **some)
        weights = tuple(self.weights)
        if not all(isinstance(each, int | float) for each in weights):
            raise InvalidDefinition(f"weights must rise from above 0 to 100, not {weights}.")
        object.__setattr__(self, "weights", weights)
        rising = all(early < late for early, late in pairwise(weights))
        if not weights or not rising or weights[0] <= 0 or weights[-1] != 100:
            raise InvalidDefinition(f"weights must rise from above 0 to 100, not {weights}.")
        for name in ("min_labels", "patience_days"):
            if getattr(self, name) < 1:
                raise InvalidDefinition(f"{name} must be at least 1, not {getattr(self, name)!r}.")
        for name in ("margin", "max_error_rate"):
            if not math.isfinite(getattr(self, name)) or not 0 <= getattr(self, name) <= 1:
                raise InvalidDefinition(f"{name} must be a number from 0 to 1, not {getattr(self, name)!r}.")
        if self.shared is not None and not (math.isfinite(self.shared) and self.shared > 0):
            raise InvalidDefinition(f"shared must be above 0, or None, not {self.shared!r}.")
        if self.max_seconds is not None and not (math.isfinite(self.max_seconds) and self.max_seconds > 0):
            raise InvalidDefinition(f"max_seconds must be above 0, not {self.max_seconds!r}.")


_COLUMNS = ("key", "at", "known_at", "truth", "challenger", "champion")


def days_of(traffic: pd.DataFrame) -> Iterable[tuple[datetime, pd.DataFrame]]:
    """The end of each day (midnight UTC), and all requests before it; an outcome still unknown then is null.

    Args:
        traffic: one row a request, as `rollout` takes it.

    Raises:
        UnknownName: a column is missing.
        InvalidData: there is no request.
    """
    for column in _COLUMNS:
        if column not in traffic.columns:
            raise UnknownName("column", column, traffic.columns, where="the traffic")
    if traffic.empty:
        raise InvalidData("there is no traffic; a rollout without requests shows nothing.")
    return _days(traffic)


def _days(traffic: pd.DataFrame) -> Iterable[tuple[datetime, pd.DataFrame]]:
    ordered = traffic.sort_values("at", kind="stable")
    first, last = ordered["at"].iloc[0].floor("D"), ordered["at"].iloc[-1].floor("D")
    end = first
    while end <= last:
        end = end + timedelta(days=1)
        seen = ordered[ordered["at"] < end]
        yield (
            to_utc(end.to_pydatetime()),
            seen.assign(truth=seen["truth"].astype("float64").where(seen["known_at"] <= end)),
        )


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
    `rolled_back` or `stopped`), `why` and `actor` (the reason of its end, and who gave it), `steps`.

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
    actor: str = ""

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
    >>> promotion = Promotion(name="late", version=2, artifact="sha256:0", archived_version=1, actor="ada",
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
        artifact=registry.get_model_version(name, number).artifact,
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
            found = replace(found, state=_STATES[event.action], why=event.why, weight=weight, actor=event.actor)
    return found
