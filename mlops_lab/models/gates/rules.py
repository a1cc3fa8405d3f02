"""What can a policy demand of a model? Each rule here is one demand, judged from one figure.

A rule never guesses: a figure that is missing, NaN or infinite fails it. Bounds are inclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.models.gates.measured import Measured, finite, told_apart
from mlops_lab.models.registry import RuleResult
from mlops_lab.models.training import METRICS

__all__ = ["Calibration", "FirstModel", "Floor", "NoWorseThanChampion", "Rule", "ServedSkew", "SliceFloor"]

# Two runs of the same arithmetic may differ in the last digits; that is no difference between two models.
_ROUNDING = 1e-9


class Rule(Protocol):
    """One demand: `judge` is a pure function of what was measured."""

    rule: ClassVar[str]

    def judge(self, measured: Measured) -> RuleResult:
        """Pass or fail, with the figure, the bound and one sentence."""


def _bounded(name: str, value: float, *, low: float = 0.0, high: float = float("inf")) -> None:
    if finite(value) is None or not low <= value <= high:
        raise InvalidDefinition(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")


def _higher_is_better(metric: str) -> bool:
    return METRICS.get(metric.split(".")[1] if "." in metric else metric, True)


def missing(rule: str, metric: str, bound: float | None, measured: Measured) -> RuleResult:
    """The verdict on a figure that is not there: a failure that says so."""
    found = measured.metrics.get(metric)
    what = "was not measured" if found is None else f"is {found}, which is not a measurement"
    return RuleResult(rule, False, None, bound, f"{metric} {what}; what was not measured cannot pass.")


@dataclass(frozen=True)
class Floor:
    """A figure must reach a floor (or stay under a ceiling, for figures where less is better).

    >>> Floor("served.roc_auc", 0.65).judge(Measured({"served.roc_auc": 0.64})).sentence
    'served.roc_auc is 0.640, below the floor of 0.650.'
    >>> Floor("served.roc_auc", 0.65).judge(Measured({"served.roc_auc": float("nan")})).passed
    False
    """

    metric: str
    bound: float
    rule: ClassVar[str] = "floor"

    def __post_init__(self) -> None:
        _bounded("the bound of a floor", self.bound)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when the figure is at the bound or on its better side."""
        figure = measured.figure(self.metric)
        if figure is None:
            return missing(self.rule, self.metric, self.bound, measured)
        return _against_bound(self.rule, self.metric, figure, self.bound)


def _against_bound(rule: str, metric: str, figure: float, bound: float) -> RuleResult:
    better, name = (figure >= bound, "floor") if _higher_is_better(metric) else (figure <= bound, "ceiling")
    side = (
        ("at or above" if name == "floor" else "at or below") if better else ("below" if name == "floor" else "above")
    )
    told, held = told_apart(figure, bound)
    return RuleResult(rule, better, figure, bound, f"{metric} is {told}, {side} the {name} of {held}.")


@dataclass(frozen=True)
class FirstModel:
    """The floor for a model that has no champion to be compared with; once there is one, this rule is content.

    >>> FirstModel("served.roc_auc", 0.6).judge(Measured({"served.roc_auc": 0.7})).sentence
    'This is the first model: served.roc_auc is 0.700, at or above the floor of 0.600.'
    """

    metric: str
    bound: float
    rule: ClassVar[str] = "first_model"

    def __post_init__(self) -> None:
        _bounded("the bound for a first model", self.bound)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when there is a champion, or when the figure reaches the floor."""
        if measured.champion is not None:
            return RuleResult(self.rule, True, None, self.bound, "There is a champion to be compared with.")
        found = Floor(self.metric, self.bound).judge(measured)
        sentence = f"This is the first model: {found.sentence}"
        return RuleResult(self.rule, found.passed, found.figure, self.bound, sentence)


@dataclass(frozen=True)
class NoWorseThanChampion:
    """The challenger may be worse than the champion by no more than a margin, both scored on the same holdout.

    A margin of zero lets the same model, trained again, pass.

    >>> rule = NoWorseThanChampion("served.roc_auc", 0.01)
    >>> rule.judge(Measured({"served.roc_auc": 0.69}, champion={"served.roc_auc": 0.71})).sentence
    'served.roc_auc is 0.690 against 0.710 of the champion: 0.020 worse, more than the margin of 0.010.'
    """

    metric: str
    margin: float
    rule: ClassVar[str] = "no_worse_than_champion"

    def __post_init__(self) -> None:
        _bounded("the margin to the champion", self.margin)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when there is no champion (other rules judge a first model), or when the margin is kept."""
        if measured.champion is None:
            return RuleResult(self.rule, True, None, self.margin, "There is no champion to be compared with yet.")
        figure, champion = measured.figure(self.metric), finite(measured.champion.get(self.metric))
        if figure is None:
            return missing(self.rule, self.metric, self.margin, measured)
        if champion is None:
            return RuleResult(
                self.rule, False, None, self.margin, f"{self.metric} of the champion was not measured on this holdout."
            )
        worse = champion - figure if _higher_is_better(self.metric) else figure - champion
        passed = worse <= self.margin + _ROUNDING
        how = f"{abs(worse):.3f} {'worse' if worse > _ROUNDING else 'better' if worse < -_ROUNDING else 'apart'}"
        verdict, margin = "within" if passed else "more than", f"{self.margin:.3f}"
        if not passed and f"{worse:.3f}" == margin:
            gap, margin = told_apart(worse, self.margin)
            how = f"{gap} worse"
        both = f"{self.metric} is {figure:.3f} against {champion:.3f} of the champion"
        return RuleResult(self.rule, passed, worse, self.margin, f"{both}: {how}, {verdict} the margin of {margin}.")


@dataclass(frozen=True)
class SliceFloor:
    """Every slice must reach the floor, so that a good average cannot hide a bad airport.

    `slices` names those that must be there; a slice that nobody measured fails.

    >>> measured = Measured({"served.roc_auc.EWR": 0.7, "served.roc_auc.JFK": 0.6})
    >>> SliceFloor("served.roc_auc", 0.65, slices=("EWR", "JFK")).judge(measured).sentence
    'The worst of 2 slices is JFK: served.roc_auc is 0.600, below the floor of 0.650.'
    """

    metric: str
    bound: float
    slices: Sequence[str]
    rule: ClassVar[str] = "slice_floor"

    def __post_init__(self) -> None:
        _bounded("the bound of a slice floor", self.bound)
        if isinstance(self.slices, str) or not isinstance(self.slices, Sequence) or not list(self.slices):
            raise InvalidDefinition(
                "a slice floor names the slices that must be measured, for example [EWR, JFK, LGA]."
            )
        object.__setattr__(self, "slices", tuple(self.slices))

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when every named slice was measured and the worst of them reaches the floor."""
        figures = {part: measured.figure(f"{self.metric}.{part}") for part in self.slices}
        for part, figure in figures.items():
            if figure is None:
                return missing(self.rule, f"{self.metric}.{part}", self.bound, measured)
        known = {part: figure for part, figure in figures.items() if figure is not None}
        worst = (min if _higher_is_better(self.metric) else max)(known, key=lambda part: known[part])
        found = _against_bound(self.rule, self.metric, known[worst], self.bound)
        sentence = f"The worst of {len(known)} slices is {worst}: {found.sentence}"
        return RuleResult(self.rule, found.passed, found.figure, self.bound, sentence)


@dataclass(frozen=True)
class Calibration:
    """What the model promises must happen about as often: the calibration error stays under a ceiling.

    >>> Calibration(0.05).judge(Measured({"served.calibration_error": 0.12})).passed
    False
    """

    bound: float
    metric: str = "served.calibration_error"
    rule: ClassVar[str] = "calibration"

    def __post_init__(self) -> None:
        _bounded("the bound of the calibration error", self.bound, high=1.0)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when the mean gap between promised and observed shares is at most the bound."""
        found = Floor(self.metric, self.bound).judge(measured)
        return RuleResult(self.rule, found.passed, found.figure, self.bound, found.sentence)


@dataclass(frozen=True)
class ServedSkew:
    """The figure on the chart must be the figure in service: the gap between the two stays under a ceiling.

    This is the rule that catches a leak. It looks at one side only: a model may do better in service than on paper.

    >>> measured = Measured({"offline.roc_auc": 0.89, "served.roc_auc": 0.64})
    >>> ServedSkew("roc_auc", 0.02).judge(measured).sentence
    'roc_auc falls from 0.890 offline to 0.640 as served: 0.250 lost, more than the 0.020 allowed.'
    """

    metric: str
    bound: float
    rule: ClassVar[str] = "served_skew"

    def __post_init__(self) -> None:
        _bounded("the bound of the skew", self.bound)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when serving costs no more than the bound."""
        offline, served = measured.figure(f"offline.{self.metric}"), measured.figure(f"served.{self.metric}")
        for name, figure in (("offline", offline), ("served", served)):
            if figure is None:
                return missing(self.rule, f"{name}.{self.metric}", self.bound, measured)
        assert offline is not None  # noqa: S101  both were just checked; this tells the type checker
        assert served is not None  # noqa: S101
        higher = _higher_is_better(self.metric)
        lost = offline - served if higher else served - offline
        passed = lost <= self.bound + _ROUNDING
        change = "falls" if higher == (lost > 0) else "rises"
        cost, allowed = f"{max(lost, 0):.3f}", f"{self.bound:.3f}"
        if not passed and cost == allowed:
            cost, allowed = told_apart(lost, self.bound)
        verdict = f"{cost} lost, {'within' if passed else 'more than'} the {allowed} allowed."
        both = f"{change} from {offline:.3f} offline to {served:.3f}"
        if f"{offline:.3f}" == f"{served:.3f}":
            both = f"is {offline:.3f} offline and {served:.3f}"
        sentence = f"{self.metric} {both} as served: {verdict}"
        return RuleResult(self.rule, passed, lost, self.bound, sentence)
