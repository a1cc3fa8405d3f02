"""The watch: the challenger judged by its own answers on flights whose outcome is known by now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_lab.models.rollout.deployment import RolloutPolicy

if TYPE_CHECKING:
    import pandas as pd


_FEW = 20  # answers; the slowest of fewer is chance
_ERROR = 0.05  # how often, at most, an equal model may be called worse in a whole rollout
_DAY = 0.02  # what a day's flights share: the standard deviation, over days, of the difference of two equal models
_FEW_DAYS = 3  # of fewer the spread is not estimated
_SMALLEST = 1e-9  # a variance below this is two constants, not knowledge


@dataclass(frozen=True, repr=False)
class Judgement:
    """What the watch decided, and on what.

    Attributes: `decision` (`advance`, `hold` or `roll_back`), `why` (one sentence), `answers` (requests the challenger
    got), `errors` (those it failed to answer), `labels` (answers whose outcome is known), `brier` of both models on
    those (None before there are any, or without a champion).

    >>> Judgement("hold", "38 of 100 outcomes are known", answers=45, errors=0, labels=38)
    Judgement(hold: 38 of 100 outcomes are known)
    """

    decision: str
    why: str
    answers: int
    errors: int
    labels: int
    challenger_brier: float | None = None
    champion_brier: float | None = None

    def __repr__(self) -> str:
        return f"Judgement({self.decision}: {self.why})"


def judge(answers: pd.DataFrame, policy: RolloutPolicy, *, is_late: bool = False) -> Judgement:
    """Judge the challenger by the flights it answered.

    Both models are asked about the same flights (the champion in the shadow), so that a stormy day counts for both:
    only the difference of their squared errors matters. Flights of one day share their storm, so it is days that are
    counted, and because the watch looks every day, the bound is one that holds at all looks together, see `least`.

    Args:
        answers: one row a request that the challenger got: `challenger` and `champion` (probabilities; NaN where no
            answer came, all NaN without a champion), `truth` (0 or 1, null while nobody knows), `at` (UTC, when it
            asked; without it every answer counts as a day of its own), and where it was measured `seconds`, how long
            the challenger took.
        policy: the bounds.
        is_late: patience is over: a challenger that is no longer compatible with being as good is taken back, too.

    >>> import pandas as pd
    >>> answers = pd.DataFrame({"challenger": [0.9] * 200, "champion": [0.2] * 200, "truth": [0, 0, 0, 1] * 50})
    >>> print(judge(answers, RolloutPolicy()).why)
    on 200 flights its Brier score is 0.610 against 0.190: worse by 0.420, no longer compatible with 0.005
    """
    total, errors = len(answers), int(answers["challenger"].isna().sum())
    known = answers[answers["truth"].notna() & answers["challenger"].notna()]
    labels = len(known)

    def found(decision: str, why: str, *figures: float | None) -> Judgement:
        return Judgement(decision, why, total, errors, labels, *figures)

    if total and errors / total > policy.max_error_rate and errors > 1:  # one hiccup is no rate
        bound = f"{policy.max_error_rate:.1%}"
        return found("roll_back", f"it failed to answer {errors} of {total} requests, more than {bound}")
    if policy.max_seconds is not None and "seconds" in answers.columns and total - errors >= _FEW:
        slow = float(answers["seconds"].quantile(0.95))
        if slow > policy.max_seconds:
            return found(
                "roll_back", f"one answer in twenty takes {slow:.2f} s or longer, more than {policy.max_seconds:g} s"
            )
    if labels < policy.min_labels:
        return found("hold", f"{labels} of {policy.min_labels} outcomes are known")
    truth = known["truth"].astype("float64")
    challenger = (known["challenger"] - truth) ** 2
    brier = float(challenger.mean())
    compared = known["champion"].notna()
    if not compared.any():
        return found(
            "advance", f"its {policy.error} is {brier:.3f} on {labels} {policy.noun}; there is no champion", brier, None
        )
    champion = (known["champion"] - truth)[compared] ** 2
    worse = challenger[compared] - champion
    mean, pairs = float(worse.mean()), len(worse)
    days = known["at"][compared].dt.floor("D") if "at" in known.columns else None
    least_mean = least(worse, days, error=_ERROR / len(policy.weights))  # each weight begins to count anew
    figures = (float(challenger[compared].mean()), float(champion.mean()))
    side = f"{'worse' if mean > 0 else 'better'} by {abs(mean):.3f}"
    said = f"on {pairs} {policy.noun} its {policy.error} is {figures[0]:.3f} against {figures[1]:.3f}: {side}"
    if least_mean > policy.margin:
        return found("roll_back", f"{said}, no longer compatible with {policy.margin:.3f}", *figures)
    if is_late and least_mean > 0 and mean > policy.margin:
        return found("roll_back", f"{said}, no longer compatible with being as good", *figures)
    if mean <= 0:
        return found("advance", f"{said}, and {policy.margin:.3f} worse would be allowed", *figures)
    if mean <= policy.margin:
        return found("advance", f"{said}, within the margin of {policy.margin:.3f}", *figures)
    return found("hold", f"{said}, which may be chance", *figures)


def least(worse: pd.Series[float], days: pd.Series[Any] | None, *, error: float = _ERROR) -> float:
    """The least mean that is still compatible with these differences, however often one looks.

    One-sided confidence sequence of the normal mixture (Robbins 1970, https://doi.org/10.1214/aoms/1177696786; Howard,
    Ramdas, McAuliffe and Sekhon 2021, https://doi.org/10.1214/20-AOS1991) over the means of days, each weighed by its
    variance: that of its requests, and beside it what the requests of a day share. The latter is taken to be `_DAY`
    squared, and more where the days seen differ more. Variances are estimated, so the promise is tried by simulation:
    `tests/rollout/test_watch_error.py`.

    Args:
        worse: how much worse the challenger was at each request.
        days: which day each belongs to; None where requests share nothing.
        error: how often, at most, the bound is above the true mean at any of all looks.

    >>> import pandas as pd
    >>> least(pd.Series([0.1, 0.3] * 50), None) > 0.15, least(pd.Series([0.1]), None)
    (True, -inf)
    """
    import numpy as np

    codes = np.zeros(len(worse), dtype="int64") if days is None else days.factorize()[0]
    values, counts = worse.to_numpy("float64"), np.bincount(codes)
    if len(values) < 2 or len(values) == len(counts):
        return -math.inf
    means = np.bincount(codes, values) / counts
    of_requests = ((values - means[codes]) ** 2).sum() / (len(values) - len(counts)) / counts
    of_days = 0.0 if days is None else _DAY**2
    if len(counts) >= _FEW_DAYS:
        of_days = max(of_days, float(means.var(ddof=1) - of_requests.mean()))
    weights = 1 / np.maximum(of_requests + of_days, _SMALLEST)
    known = float(weights.sum())
    mean = float((means * weights).sum()) / known
    mixed = 1 + known * _DAY**2  # the bound is tightest when about one day's worth is known, and holds everywhere
    return mean - math.sqrt(2 * (known + _DAY**-2) * math.log(1 + math.sqrt(mixed) / (2 * error))) / known
