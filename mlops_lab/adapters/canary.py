"""A promoted version on its way to all of the traffic on a target, judged at each weight by its metrics."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mlops_lab.adapters.metrics import Metrics, Seen
from mlops_lab.adapters.split import Release, Target, TargetUnreachable, shift
from mlops_lab.base.clock import Clock
from mlops_lab.base.errors import InvalidDefinition, MissingExtra, MlopsLabError, NotAllowed
from mlops_lab.models.registry import Promotion, Registry
from mlops_lab.models.rollout import Judgement, RolloutPolicy, judge


class ReleaseTarget(Target, Protocol):
    """A target that also takes a new challenger, and makes it the champion."""

    def put_challenger(self, release: Release) -> None:
        """Deploy the release beside the champion, without traffic; asked for twice, it is done once."""

    def make_champion(self, release: Release) -> None:
        """Put the release in the champion's place, which then has all of the traffic."""


# What is said before a target is changed: it was never reached, or what was asked for cannot be.
_NOTHING_CHANGED = (TargetUnreachable, MissingExtra, InvalidDefinition, NotAllowed)


@dataclass(frozen=True, repr=False)
class Delivery:
    """How a version got on: `state` (`delivered` or `taken_back`), `weight` of the last step, and why.

    >>> Delivery("late", 2, "sagemaker late", "taken_back", 5, "it failed to answer 40 of 900 requests")
    Delivery(late v2 on sagemaker late: taken back at 5 %: it failed to answer 40 of 900 requests)
    """

    name: str
    version: int
    place: str
    state: str
    weight: int
    why: str

    def __repr__(self) -> str:
        state = self.state.replace("_", " ")
        return f"Delivery({self.name} v{self.version} on {self.place}: {state} at {self.weight} %: {self.why})"

    def to_dict(self) -> dict[str, Any]:
        """The delivery as JSON values."""
        return dict(vars(self))


def judge_seen(seen: Seen, policy: RolloutPolicy) -> Judgement:
    """Judge a challenger by counts, with the rules of `judge` for errors and latency.

    A cloud's metrics know no outcomes, so what `judge` says of Brier scores is left to `rollout`; here enough answers
    without a complaint advance. `min_labels` is how many answers are enough.

    >>> judge_seen(Seen(answers=900, errors=40), RolloutPolicy())
    Judgement(roll_back: it failed to answer 40 of 900 requests, more than 1.0%)
    >>> judge_seen(Seen(answers=30, errors=0), RolloutPolicy())
    Judgement(hold: 30 of 100 requests were answered)
    """
    import pandas as pd

    good = max(0, seen.answers - seen.errors)
    most = 100_000  # the shares of more are the same
    shrink = max(1.0, seen.answers / most)
    rows = [0.5] * round(good / shrink) + [math.nan] * math.ceil(min(seen.errors, seen.answers) / shrink)
    answers = pd.DataFrame({"challenger": rows, "champion": math.nan, "truth": math.nan}, dtype="float64")
    if seen.seconds is not None:
        answers["seconds"] = seen.seconds
    found = replace(judge(answers, policy), answers=seen.answers, errors=seen.errors)
    if found.decision == "roll_back":
        return found
    if good < policy.min_labels:
        return replace(found, decision="hold", why=f"{good:,} of {policy.min_labels:,} requests were answered")
    return replace(found, decision="advance", why=f"{good:,} of {seen.answers:,} requests were answered well")


def deliver(
    target: ReleaseTarget,
    promotion: Promotion,
    registry: Registry,
    release: Release,
    *,
    place: str,
    metrics: Metrics,
    policy: RolloutPolicy | None = None,
    seconds: float = 60.0,
    looks: int = 10,
    clock: Clock,
    actor: str = "rollout",
    on_event: Callable[[str], None] | None = None,
) -> Delivery:
    """Deploy a promoted version as the challenger, give it the traffic step by step, and make it the champion.

    At each weight its metrics are looked at until they are enough to judge; `judge` says advance or roll back. When it
    says roll back, when a step never gets enough requests, and when anything fails on the way, the champion gets all of
    the traffic again and the registry's former version is in Production again: both, also when one of them fails.

    Args:
        target: where it goes.
        promotion: what is delivered; the version must be in Production.
        registry: where that is known, and where each step is written down.
        release: its image and data.
        place: the target's name in the history.
        metrics: what the challenger's clients got.
        policy: weights and bounds; `min_labels` is how many answers are enough to judge a step.
        seconds: between two looks.
        looks: at one weight at most.
        clock: what waits.
        actor: who is written into the history.
        on_event: told of each step in one line.

    Raises:
        NotAllowed: the version is not in Production.
        MlopsLabError: the target failed; everything was taken back before.
    """
    rules = policy if policy is not None else RolloutPolicy()
    production = registry.get_production(promotion.name)
    if production is None or production.version != promotion.version or release.version != promotion.version:
        stands = "nothing" if production is None else f"v{production.version}"
        raise NotAllowed(f"{promotion.name} v{promotion.version} cannot be delivered: {stands} is in Production.")
    tell, weight, begun = on_event or (lambda _line: None), 0, False

    def note(action: str, why: str, **details: Any) -> None:
        tell(f"{action.replace('_', ' ')}: {why}")
        told = {"promotion": promotion.event, "place": place, **details}
        registry.record_event(promotion.name, promotion.version, action=action, actor=actor, why=why, details=told)

    try:
        target.put_challenger(release)
        begun = True
        note("delivery_started", f"v{promotion.version} is the challenger on {place}", image=release.image)
        for weight in rules.weights if promotion.archived_version is not None else ():
            split = shift(target, weight)
            found = _watched(metrics, rules, clock, seconds, looks)
            note("delivery_step", f"{split!r}: {found.decision}: {found.why}", weight=weight, decision=found.decision)
            if found.decision == "roll_back":
                why = f"at {weight} % on {place} {found.why}"
                take_back(target, promotion, registry, place=place, actor=actor, why=why)
                return Delivery(promotion.name, promotion.version, place, "taken_back", weight, found.why)
        target.make_champion(release)
        note("delivery_finished", f"v{promotion.version} is the champion on {place}")
    except BaseException as error:
        if begun or not isinstance(error, _NOTHING_CHANGED):
            why = f"the delivery to {place} failed: {type(error).__name__}"
            take_back(target, promotion, registry, place=place, actor=actor, why=why)
        raise
    return Delivery(promotion.name, promotion.version, place, "delivered", 100, "every step was judged well")


def _watched(metrics: Metrics, rules: RolloutPolicy, clock: Clock, seconds: float, looks: int) -> Judgement:
    begun, found = clock.now(), Judgement("hold", "nobody has looked", 0, 0, 0)
    for _ in range(looks):
        clock.sleep(seconds)
        found = judge_seen(metrics(begun, clock.now()), rules)
        if found.decision != "hold":
            return found
    why = f"after {looks} looks nothing shows that it is good enough: {found.why}"
    return replace(found, decision="roll_back", why=why)


def take_back(target: Target, promotion: Promotion, registry: Registry, *, place: str, actor: str, why: str) -> None:
    """Give the champion all of the traffic, and bring the former version back to Production; asked for twice, once.

    Raises:
        MlopsLabError: the target did not take it back; the registry did all the same.
    """
    failed: MlopsLabError | None = None
    try:
        shift(target, 0)
    except MlopsLabError as error:
        failed = error
    present = registry.get_production(promotion.name)
    if present is not None and present.version == promotion.version:
        if promotion.archived_version is not None:
            with suppress(NotAllowed):  # somebody else took it back in this very moment
                registry.rollback(promotion.name, actor=actor, why=why, present=promotion.version)
        else:  # a first model has no former version: nothing serves rather than something bad
            registry.transition_stage(promotion.name, promotion.version, "Archived", actor=actor, why=why)
        details = {"promotion": promotion.event, "place": place}
        registry.record_event(
            promotion.name, promotion.version, action="rollout_rolled_back", actor=actor, why=why, details=details
        )
    if failed is not None:
        raise MlopsLabError(f"the registry was rolled back, but {place} was not: {failed}") from failed
