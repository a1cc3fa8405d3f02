"""A weight on any target, and what came of asking for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from mlops_lab.base.errors import InvalidData, MlopsLabError


class TargetUnreachable(MlopsLabError, OSError):
    """The target is not set up or cannot be reached from here, so nothing was changed. Attributes: `target`, `why`.

    >>> print(TargetUnreachable("kubernetes", "kubectl is not installed"))
    kubernetes cannot be reached from here: kubectl is not installed. Nothing was changed.
    """

    def __init__(self, target: str, why: str) -> None:
        self.target = target
        self.why = why
        super().__init__(f"{target} cannot be reached from here: {why}. Nothing was changed.")


class LostHalfWay(MlopsLabError):
    """A target is away after it was asked for a change: nobody knows here what it has done of it. Attributes: `why`.

    >>> print(LostHalfWay("sagemaker", "ReadTimeoutError"))
    sagemaker was lost half-way (ReadTimeoutError); ask for the same weight again.
    """

    def __init__(self, target: str, why: str) -> None:
        self.why = why
        super().__init__(f"{target} was lost half-way ({why}); ask for the same weight again.")


@dataclass(frozen=True, repr=False)
class TrafficSplit:
    """Who answers how much of the traffic on a target: percent, as the target will really do it.

    Attributes: `target`, `endpoint`, `champion`, `challenger` (percent), `asked` (percent for the challenger), `how`.

    >>> TrafficSplit("kubernetes", "late-flights", champion=80.0, challenger=20.0, asked=25, how="4 and 1 pods")
    TrafficSplit(kubernetes late-flights: champion 80 %, challenger 20 % of 25 % asked; 4 and 1 pods)
    """

    target: str
    endpoint: str
    champion: float
    challenger: float
    asked: float
    how: str = ""

    def __repr__(self) -> str:
        asked = "" if abs(self.challenger - self.asked) < 0.005 else f" of {self.asked:g} % asked"
        how = f"; {self.how}" if self.how else ""
        shares = f"champion {self.champion:.3g} %, challenger {self.challenger:.3g} %{asked}"
        return f"TrafficSplit({self.target} {self.endpoint}: {shares}{how})"

    def to_dict(self) -> dict[str, Any]:
        """The split as JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Release:
    """What of a promoted version a target needs: its number, the image, and for SageMaker data and role as well."""

    version: int
    image: str
    model_data: str = ""
    role: str = ""


class Target(Protocol):
    """A place where a champion and a challenger stand behind one address."""

    def set_weight(self, weight: int) -> TrafficSplit:
        """Give the challenger so many percent of the traffic and the champion the rest."""


def shift(target: Target, weight: int) -> TrafficSplit:
    """Give the challenger `weight` percent of the traffic, 0 to take it back; asked for twice, it is done once.

    Raises:
        InvalidData: a weight outside 0 to 100.
        TargetUnreachable: the target cannot be reached, and nothing was changed.
        MlopsLabError: the target refused.

    >>> class Paper:
    ...     def set_weight(self, weight):
    ...         return TrafficSplit("paper", "late", champion=100.0 - weight, challenger=weight, asked=weight)
    >>> shift(Paper(), 25)
    TrafficSplit(paper late: champion 75 %, challenger 25 %)
    """
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
        raise InvalidData(f"a weight is a whole number of percent from 0 to 100, not {weight!r}.")
    return target.set_weight(weight)
