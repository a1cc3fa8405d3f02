"""How far may the served data move before somebody should look, and before the model should learn again?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["DriftPolicy"]


@dataclass(frozen=True)
class DriftPolicy:
    """The bounds of the watch.

    Attributes:
        notice: the PSI from which a column is worth a look.
        drifted: the PSI from which a column counts as drifted.
        ks: the Kolmogorov-Smirnov distance from which a column of numbers counts as drifted, whatever its PSI. Where
            0.25 of the rows moved past one point, a PSI that cuts there is 0.25 or more: this is for what bins hide.
        share: which share of the features may be drifted before the model is asked to learn again, 0 to 1.
        min_rows: with fewer rows on either side nothing is judged.
        expected: columns that move by themselves, such as the month: they are shown and never counted.

    >>> DriftPolicy(expected=("month",)).drifted
    0.25
    >>> DriftPolicy(notice=0.3)
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidDefinition: notice must be above 0 and at most drifted (0.25), not 0.3.
    """

    notice: float = 0.1
    drifted: float = 0.25
    ks: float = 0.25
    share: float = 0.25
    min_rows: int = 200
    expected: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "expected", tuple(self.expected))
        if not math.isfinite(self.drifted) or self.drifted <= 0:
            raise InvalidDefinition(f"drifted must be a number above 0, not {self.drifted!r}.")
        if not 0 < self.notice <= self.drifted:
            raise InvalidDefinition(
                f"notice must be above 0 and at most drifted ({self.drifted}), not {self.notice!r}."
            )
        if not 0 < self.ks <= 1:
            raise InvalidDefinition(f"ks must be above 0 and at most 1, not {self.ks!r}.")
        if not 0 <= self.share < 1:
            raise InvalidDefinition(f"share must be from 0 to below 1, not {self.share!r}.")
        if self.min_rows < 1:
            raise InvalidDefinition(f"min_rows must be at least 1, not {self.min_rows!r}.")
