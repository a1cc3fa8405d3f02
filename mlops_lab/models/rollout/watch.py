"""Is the challenger good enough to go on? Judged from its own answers, on flights whose outcome is known by now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_lab.models.rollout.policy import RolloutPolicy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Judgement", "judge"]

_FEW = 20  # answers; the slowest of fewer is chance
_SURE = 2.0  # standard errors: about 19 cases of 20


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
    only the difference of their squared errors matters. Days are not independent of each other, so the band of two
    standard errors is a rule of thumb, not a test.

    Args:
        answers: one row a request that the challenger got: `challenger` and `champion` (probabilities; NaN where no
            answer came, all NaN without a champion), `truth` (0 or 1, null while nobody knows), and where it was
            measured `seconds`, how long the challenger took.
        policy: the bounds.

    >>> import pandas as pd
    >>> answers = pd.DataFrame({"challenger": [0.9] * 200, "champion": [0.2] * 200, "truth": [0, 0, 0, 1] * 50})
    >>> judge(answers, RolloutPolicy())
    Judgement(roll_back: on 200 flights its Brier score is 0.610 against 0.190: worse by 0.420, surely more than 0.005)
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
    error = float(worse.std(ddof=1)) / math.sqrt(pairs) if pairs > 1 else math.inf
    figures = (float(challenger[compared].mean()), float(champion.mean()))
    side = f"{'worse' if mean > 0 else 'better'} by {abs(mean):.3f}"
    said = f"on {pairs} flights its Brier score is {figures[0]:.3f} against {figures[1]:.3f}: {side}"
    if mean - _SURE * error > policy.margin:
        return found("roll_back", f"{said}, surely more than {policy.margin:.3f}", *figures)
    if mean <= policy.margin:
        return found("advance", f"{said}, within the margin of {policy.margin:.3f}", *figures)
    return found("hold", f"{said}, which may be chance", *figures)
