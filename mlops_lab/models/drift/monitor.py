"""Which served columns have moved away from what the model learnt, and does that ask for retraining?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.models.drift.policy import DriftPolicy
from mlops_lab.models.drift.stability import kolmogorov_smirnov, population_stability

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnDrift", "DriftReport", "watch_drift"]


@dataclass(frozen=True, repr=False)
class ColumnDrift:
    """How far one column has moved: its PSI, its Kolmogorov-Smirnov distance (None for text), and a word.

    The word is `stable`, `notice`, `drifted`, or `expected` where the policy expects the column to move.

    >>> ColumnDrift("temp", psi=1.2345, ks=0.61, state="drifted")
    ColumnDrift(temp: drifted, PSI 1.23, KS 0.61)
    """

    column: str
    psi: float
    ks: float | None
    state: str

    def __repr__(self) -> str:
        distance = "" if self.ks is None else f", KS {self.ks:.2f}"
        return f"ColumnDrift({self.column}: {self.state}, PSI {self.psi:.2f}{distance})"


@dataclass(frozen=True, repr=False)
class DriftReport:
    """What the watch saw in one period.

    Attributes: `period` (a name for it), `rows`, `score` (the drift of the model's answers, None where there are
    none), `columns` (the furthest first), `retrain` (does this ask for retraining?), `why` (one sentence).

    >>> DriftReport("2013-07", 1000, None, (), retrain=False, why="no feature has drifted.")
    DriftReport(2013-07: steady, no feature has drifted.)
    """

    period: str
    rows: int
    score: ColumnDrift | None
    columns: tuple[ColumnDrift, ...]
    retrain: bool
    why: str

    def __repr__(self) -> str:
        return f"DriftReport({self.period}: {'retrain' if self.retrain else 'steady'}, {self.why})"

    @property
    def drifted(self) -> tuple[str, ...]:
        """The features that have drifted, the furthest first."""
        return tuple(each.column for each in self.columns if each.state == "drifted")

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)


def watch_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    features: Sequence[str],
    score: str | None = None,
    policy: DriftPolicy | None = None,
    period: str = "now",
) -> DriftReport:
    """Compare what is served with what the model learnt from, column by column.

    It asks for retraining when the model's answers have drifted, or more of the features than the policy allows. Drift
    is a question and no verdict: whether the model got worse is only known when outcomes are, and those come late. The
    frames are not changed.

    Args:
        reference: the rows the model learnt from, with the columns `features` and, where given, `score`.
        current: rows served since, with the same columns.
        features: the columns to watch.
        score: the column with the model's answers.
        policy: the bounds; the defaults of `DriftPolicy` when left out.
        period: a name for what is compared.

    Raises:
        UnknownName: a column is missing on one side.
        InvalidData: there is nothing to watch, or fewer rows than the policy asks for.

    >>> import pandas as pd
    >>> winter = pd.DataFrame({"temp": [30.0, 35.0, 40.0, 45.0] * 100, "origin": ["EWR", "JFK"] * 200})
    >>> summer = winter.assign(temp=winter["temp"] + 40)
    >>> report = watch_drift(winter, summer, features=["temp", "origin"], period="July")
    >>> report
    DriftReport(July: retrain, 1 of 2 features have drifted, temp the furthest (PSI 17.02).)
    >>> report.columns[1]
    ColumnDrift(origin: stable, PSI 0.00)
    """
    rules = policy if policy is not None else DriftPolicy()
    watched = list(dict.fromkeys(features))
    if not watched and score is None:
        raise InvalidData("there is nothing to watch; give at least one feature, or the score.")
    for name, frame in (("the reference", reference), ("the current rows", current)):
        for column in [*watched, *([score] if score else [])]:
            if column not in frame.columns:
                raise UnknownName("column", column, frame.columns, where=name)
        if len(frame) < rules.min_rows:
            raise InvalidData(f"{name} are {len(frame)} rows; a share needs {rules.min_rows} to mean anything.")
    found = sorted(
        (_moved(reference, current, each, rules) for each in watched), key=lambda one: (-one.psi, one.column)
    )
    answers = _moved(reference, current, score, rules) if score else None
    retrain, why = _judged(found, answers, rules)
    return DriftReport(period, len(current), answers, tuple(found), retrain=retrain, why=why)


def _moved(reference: pd.DataFrame, current: pd.DataFrame, column: str, policy: DriftPolicy) -> ColumnDrift:
    try:
        psi = population_stability(reference[column], current[column])
    except InvalidData as error:
        raise InvalidData(f"column {column!r}: {error}", column=column) from None
    ks = kolmogorov_smirnov(reference[column], current[column])
    moved = psi >= policy.drifted or (ks is not None and ks >= policy.ks)
    state = "drifted" if moved else "notice" if psi >= policy.notice else "stable"
    return ColumnDrift(column, psi, ks, "expected" if column in policy.expected else state)


def _judged(found: Sequence[ColumnDrift], score: ColumnDrift | None, policy: DriftPolicy) -> tuple[bool, str]:
    counted = [each for each in found if each.state != "expected"]
    drifted = [each for each in counted if each.state == "drifted"]
    told = f"{len(drifted)} of {len(counted)} features have drifted" if drifted else "no feature has drifted"
    told += f", {drifted[0].column} the furthest (PSI {drifted[0].psi:.2f})" if drifted else ""
    if score is not None and score.state == "drifted":
        return True, f"the model's answers have drifted (PSI {score.psi:.2f}), and {told}."
    return len(drifted) > policy.share * len(counted), f"{told}."
