"""The demands that a policy can make of a model: each rule is one, judged from one figure.

A rule never guesses: a figure that is missing, NaN or infinite fails it. Bounds are inclusive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol

from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.models.gates.measured import Measured, are_names, finite, told_apart, told_with_gap
from mlops_lab.models.registry import RuleResult
from mlops_lab.models.training import METRICS, NUMBER_METRICS

# Two runs of the same arithmetic may differ in the last digits; that is no difference between two models.
_ROUNDING = 1e-9


class Rule(Protocol):
    """One demand: `judge` is a pure function of what was measured."""

    rule: ClassVar[str]

    def judge(self, measured: Measured) -> RuleResult:
        """Pass or fail, with the figure, the bound and one sentence."""


def _check(rule: Any, bound: float, what: str, *, low: float = 0.0, high: float = math.inf) -> None:
    if not isinstance(rule.metric, str) or not rule.metric.strip():
        raise InvalidDefinition(f"a metric is a name, not {rule.metric!r}.")
    if finite(bound) is None or not low <= bound <= high:
        raise InvalidDefinition(f"{what} must be a number from {low:g} to {high:g}, not {bound!r}.")
    told = getattr(rule, "higher_is_better", None)
    if not isinstance(told, bool | None):
        raise InvalidDefinition(f"higher_is_better is {told!r}; say True or False, or nothing for a known metric.")


#: Figures of which less is better, by the names that scikit-learn and its users give them.
_LOWER = {
    "brier", "brier_score", "brier_score_loss", "calibration_error", "ece", "error_rate", "false_positive_rate",
    "hamming_loss", "hinge_loss", "log_loss", "mae", "mape", "max_error", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_gamma_deviance", "mean_pinball_loss", "mean_poisson_deviance",
    "mean_squared_error", "mean_squared_log_error", "medae", "median_absolute_error", "mse", "msle", "rmse",
    "rmsle", "root_mean_squared_error", "root_mean_squared_log_error", "zero_one_loss",
}  # fmt: skip
_HIGHER = {"auc", "auroc", "cohen_kappa", "kappa", "mcc", "pr_auc", "r2_score", "sensitivity", "specificity"}


def higher_is_better(metric: str) -> bool | None:
    """Is more of a figure better? None where its name does not say, or says both.

    A name may have parts, such as `served.roc_auc.EWR`; the part that is a metric's name decides. Known are the figures
    that `measure` gives, scikit-learn's scorers (https://scikit-learn.org/stable/modules/model_evaluation.html, of all
    of which more is better) and its losses.

    >>> higher_is_better("served.roc_auc.EWR"), higher_is_better("served.EWR.rmse"), higher_is_better("latency_ms")
    (True, False, None)
    """
    known = {way for part in str(metric).split(".") if (way := _direction(part)) is not None}
    return known.pop() if len(known) == 1 else None


def _direction(name: str) -> bool | None:
    for known in (METRICS, NUMBER_METRICS):
        if name in known:
            return known[name]
    if name in _LOWER:
        return False
    return True if name in _HIGHER or name in _scorers() else None


@lru_cache(maxsize=1)
def _scorers() -> frozenset[str]:
    try:
        from sklearn.metrics import get_scorer_names
    except ModuleNotFoundError:  # the playground runs in a browser without it, on the metrics listed above
        return frozenset()
    return frozenset(get_scorer_names())


def _way(rule: str, metric: str, told: bool | None, bound: float) -> bool | RuleResult:
    """Is more of it better? Where neither its name nor the policy says, the rule does not guess: it fails."""
    found = told if told is not None else higher_is_better(metric)
    if found is not None:
        return found
    sentence = f"Nobody said whether more of {metric} is better; say higher_is_better in the policy."
    return RuleResult(rule, False, None, bound, sentence)


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
    higher_is_better: bool | None = None
    rule: ClassVar[str] = "floor"

    def __post_init__(self) -> None:
        _check(self, self.bound, "the bound of a floor", low=-math.inf)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when the figure is at the bound or on its better side."""
        figure = measured.figure(self.metric)
        if figure is None:
            return missing(self.rule, self.metric, self.bound, measured)
        higher = _way(self.rule, self.metric, self.higher_is_better, self.bound)
        if isinstance(higher, RuleResult):
            return higher
        return _against_bound(self.rule, self.metric, figure, self.bound, higher)


def _against_bound(rule: str, metric: str, figure: float, bound: float, higher: bool) -> RuleResult:
    better, name = (figure >= bound, "floor") if higher else (figure <= bound, "ceiling")
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
    higher_is_better: bool | None = None
    rule: ClassVar[str] = "first_model"

    def __post_init__(self) -> None:
        _check(self, self.bound, "the bound for a first model", low=-math.inf)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when there is a champion, or when the figure reaches the floor."""
        if measured.champion is not None:
            return RuleResult(self.rule, True, None, self.bound, "There is a champion to be compared with.")
        found = Floor(self.metric, self.bound, self.higher_is_better).judge(measured)
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
    higher_is_better: bool | None = None
    rule: ClassVar[str] = "no_worse_than_champion"

    def __post_init__(self) -> None:
        _check(self, self.margin, "the margin to the champion")

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
        higher = _way(self.rule, self.metric, self.higher_is_better, self.margin)
        if isinstance(higher, RuleResult):
            return higher
        worse = champion - figure if higher else figure - champion
        passed = worse <= self.margin + _ROUNDING
        told, its, gap, margin = told_with_gap(figure, champion, self.margin, apart=not passed)
        if worse < -_ROUNDING:
            how = f"{gap} better, and {margin} worse would be allowed"  # better is within no margin
        elif worse > _ROUNDING:
            how = f"{gap} worse, {'within' if passed else 'more than'} the margin of {margin}"
        else:
            how = f"no difference, within the margin of {margin}"
        both = f"{self.metric} is {told} against {its} of the champion"
        return RuleResult(self.rule, passed, worse, self.margin, f"{both}: {how}.")


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
    higher_is_better: bool | None = None
    rule: ClassVar[str] = "slice_floor"

    def __post_init__(self) -> None:
        _check(self, self.bound, "the bound of a slice floor", low=-math.inf)
        if not are_names(self.slices):
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
        higher = _way(self.rule, self.metric, self.higher_is_better, self.bound)
        if isinstance(higher, RuleResult):
            return higher
        worst = (min if higher else max)(known, key=lambda part: known[part])
        found = _against_bound(self.rule, self.metric, known[worst], self.bound, higher)
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
        _check(self, self.bound, "the bound of the calibration error", high=1.0)

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when the mean gap between promised and observed shares is at most the bound."""
        found = Floor(self.metric, self.bound, higher_is_better=False).judge(measured)
        return RuleResult(self.rule, found.passed, found.figure, self.bound, found.sentence)


@dataclass(frozen=True)
class ServedSkew:
    """The offline figure must hold as served: the gap between the two stays under a ceiling.

    This is the rule that catches a leak. It looks at one side only: a model may do better as served than offline.

    >>> measured = Measured({"offline.roc_auc": 0.89, "served.roc_auc": 0.64})
    >>> ServedSkew("roc_auc", 0.02).judge(measured).sentence
    'roc_auc falls from 0.890 offline to 0.640 as served: 0.250 lost, more than the 0.020 allowed.'
    """

    metric: str
    bound: float
    higher_is_better: bool | None = None
    rule: ClassVar[str] = "served_skew"

    def __post_init__(self) -> None:
        _check(self, self.bound, "the bound of the skew")

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when serving costs no more than the bound."""
        offline, served = measured.figure(f"offline.{self.metric}"), measured.figure(f"served.{self.metric}")
        for name, figure in (("offline", offline), ("served", served)):
            if figure is None:
                return missing(self.rule, f"{name}.{self.metric}", self.bound, measured)
        assert offline is not None  # noqa: S101  both were just checked; this tells the type checker
        assert served is not None  # noqa: S101
        higher = _way(self.rule, self.metric, self.higher_is_better, self.bound)
        if isinstance(higher, RuleResult):
            return higher
        lost = offline - served if higher else served - offline
        passed = lost <= self.bound + _ROUNDING
        change = "falls" if higher == (lost > 0) else "rises"
        told, kept, cost, allowed = told_with_gap(offline, served, self.bound, apart=not passed)
        cost = cost if lost > 0 else f"{0:.3f}"
        verdict = f"{cost} lost, {'within' if passed else 'more than'} the {allowed} allowed."
        both = f"{change} from {told} offline to {kept}" if told != kept else f"is {told} offline and {kept}"
        sentence = f"{self.metric} {both} as served: {verdict}"
        return RuleResult(self.rule, passed, lost, self.bound, sentence)
