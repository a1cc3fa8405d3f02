"""When does a canary get more of the traffic, and when is it taken back?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["RolloutPolicy"]


@dataclass(frozen=True)
class RolloutPolicy:
    """The steps of a rollout and what is demanded at each.

    Attributes:
        weights: percent of the traffic that the challenger answers, step by step; the last one is 100.
        min_labels: how many of its answers must have met their outcome before a step is judged.
        margin: how much worse its Brier score may be than the champion's on the same flights.
        max_error_rate: the largest share of requests it may fail to answer, 0 to 1.
        patience_days: how long a step may wait for outcomes, and twice as long if what it sees may be chance; then the
            challenger is taken back, because nothing shows that it is good enough.
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
    error: str = "Brier score"
    noun: str = "flights"

    def __post_init__(self) -> None:
        weights = tuple(self.weights)
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
        if self.max_seconds is not None and not (math.isfinite(self.max_seconds) and self.max_seconds > 0):
            raise InvalidDefinition(f"max_seconds must be above 0, not {self.max_seconds!r}.")
