"""The watch: is the challenger good enough to go on, by its own answers on flights whose outcome is known by now?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_lab.models.rollout.policy import RolloutPolicy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Judgement", "judge", "least"]

_FEW = 20  # answers; the slowest of fewer is chance
_ERROR = 0.05  # how often, at most, an equal model may be called worse in a whole rollout
_HORIZON = 4.0  # blocks; the bound is tightest around there, and holds everywhere


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


def judge(answers: pd.DataFrame, policy: RolloutPolicy) -> Judgement:
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
            "advance", f"its Brier score is {brier:.3f} on {labels} flights; there is no champion", brier, None
        )
    champion = (known["champion"] - truth)[compared] ** 2
    worse = challenger[compared] - champion
    mean, pairs = float(worse.mean()), len(worse)
    days = known["at"][compared].dt.floor("D") if "at" in known.columns else None
    least_mean = least(worse, days, error=_ERROR / len(policy.weights))  # each weight begins to count anew
    figures = (float(challenger[compared].mean()), float(champion.mean()))
    side = f"{'worse' if mean > 0 else 'better'} by {abs(mean):.3f}"
    said = f"on {pairs} flights its Brier score is {figures[0]:.3f} against {figures[1]:.3f}: {side}"
    if least_mean > policy.margin:
        return found("roll_back", f"{said}, no longer compatible with {policy.margin:.3f}", *figures)
    if mean <= 0:
        return found("advance", f"{said}, and {policy.margin:.3f} worse would be allowed", *figures)
    if mean <= policy.margin:
        return found("advance", f"{said}, within the margin of {policy.margin:.3f}", *figures)
    return found("hold", f"{said}, which may be chance", *figures)


def least(worse: pd.Series[float], days: pd.Series[Any] | None, *, error: float = _ERROR) -> float:
    """The least mean that is still compatible with these differences, however often one looks.

    One-sided confidence sequence of the normal mixture (Robbins 1970, https://doi.org/10.1214/aoms/1177696786; Howard,
    Ramdas, McAuliffe and Sekhon 2021, https://doi.org/10.1214/20-AOS1991) over the sums of whole days. Its variance is
    estimated, so the promise is kept for large samples (Waudby-Smith and others 2024); for few days it was simulated:
    in 250 rollouts of 14 days an equal model was called worse in at most 0.4 %, one at the very margin in 3.2 %.

    Args:
        worse: how much worse the challenger was at each request.
        days: which day each belongs to; each request is a block of its own when None.
        error: how often, at most, the bound is above the true mean at any of all looks.

    >>> import pandas as pd
    >>> round(least(pd.Series([0.1, 0.3] * 50), None), 3), least(pd.Series([0.1]), None)
    (0.171, -inf)
    """
    import numpy as np

    sums: np.ndarray[Any, Any]
    counts: np.ndarray[Any, Any]
    if days is None:
        sums, counts = worse.to_numpy("float64"), np.ones(len(worse))
    else:
        groups = worse.groupby(days)
        sums, counts = groups.sum().to_numpy("float64"), groups.size().to_numpy("float64")
    blocks, total = len(sums), counts.sum()
    if blocks < 2:
        return -math.inf
    mean = float(sums.sum() / total)
    between = float(((sums - mean * counts) ** 2).sum()) * blocks / (blocks - 1)
    within = float(((worse - mean) ** 2).sum())  # days cannot be more alike than the requests in them
    spread = math.sqrt(max(between, within))
    mixed = 1 + blocks / _HORIZON
    return float(
        mean - spread / total * math.sqrt((1 + _HORIZON / blocks) * 2 * math.log(1 + math.sqrt(mixed) / (2 * error)))
    )
