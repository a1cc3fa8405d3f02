"""Drift: how far served data and answers lie from what a model has learnt from, and from where on somebody looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Column = Sequence[Any] | np.ndarray[Any, Any] | pd.Series[Any]


_LEAST = 1e-4  # the share of an empty bin: without it one new value would be infinitely far
_OWN, _SHARED = 50, 10  # bins for the commonest texts, and for the rare ones together: few, so that shares stay above


def population_stability(reference: Column, current: Column, *, bins: int = 10) -> float:
    """The population stability index (PSI): 0 when both have the same shares, more the further apart they are.

    Numbers are counted in bins that each hold the same share of the reference, a value that alone fills one by itself;
    text and booleans by value (of more than 50 values the rare ones together, and the new ones together); and what is
    missing is a bin of its own: a sensor that falls silent is drift too. Text that hardly ever repeats is new each
    time and always counts as moved: it is an identifier, for `DriftPolicy.expected`. By custom 0.1 is worth
    a look, 0.25 a change. It is the Kullback-Leibler divergence both ways, so it does not matter which side is called
    the reference, but for the edges of the bins.

    Args:
        reference: the values learnt from, shape (n,).
        current: the values served, shape (m,); numbers where the reference has numbers.
        bins: for numbers, how many at most.

    Raises:
        InvalidData: a side without values, or numbers on one side and text on the other.

    >>> population_stability([1, 2, 3, 4], [1, 2, 3, 4])
    0.0
    >>> round(population_stability(["EWR", "JFK"] * 50, ["EWR"] * 80 + ["JFK"] * 20), 3)
    0.416

    See Also:
        https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.entropy.html
    """
    import numpy as np
    from scipy.stats import entropy

    counts = np.stack(_counts(reference, current, bins)).astype("float64")
    shares = counts / counts.sum(axis=1, keepdims=True)
    before, now = np.maximum(shares, _LEAST)
    return float(entropy(before, now) + entropy(now, before)) if (before != now).any() else 0.0


def kolmogorov_smirnov(reference: Column, current: Column) -> float | None:
    """The largest distance between two distribution functions, 0 to 1; None for text, or where a side has no number.

    Missing values are left out. Only the distance is given: with many rows the p-value of any two months is 0.

    >>> kolmogorov_smirnov([1, 2, 3, 4], [3, 4, 5, 6])
    0.5

    See Also:
        https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.ks_2samp.html
    """
    before, now = _numbers(reference), _numbers(current)
    if before is None or now is None:
        return None
    import numpy as np

    before, now = np.sort(before[~np.isnan(before)]), np.sort(now[~np.isnan(now)])
    if not len(before) or not len(now):
        return None
    # SciPy's ks_2samp works out a p-value as well, which costs more and warns where a side has one row.
    at = np.concatenate([before, now])
    below = [np.searchsorted(side, at, side="right") / len(side) for side in (before, now)]
    return float(np.abs(below[0] - below[1]).max())


def _numbers(values: Column) -> np.ndarray[Any, Any] | None:
    """The values as float64 with NaN for what is missing, or None where they are no numbers."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    series = pd.Series(values)
    if is_bool_dtype(series) or is_complex_dtype(series) or not is_numeric_dtype(series):
        return None
    return series.to_numpy("float64", na_value=float("nan"))


def _counts(reference: Column, current: Column, bins: int) -> tuple[Any, Any]:
    import numpy as np
    import pandas as pd

    if not len(reference) or not len(current):
        raise InvalidData("a side without rows cannot be compared.")
    before, now = _numbers(reference), _numbers(current)
    if before is None or now is None:
        old, new = (pd.Series(each).astype("object") for each in (reference, current))
        if (before is None) != (now is None) and old.notna().any() and new.notna().any():
            raise InvalidData("numbers on one side and text on the other cannot be compared.")
        old, new = (
            each.where(each.notna(), None).map(lambda value: ("", value is None, str(value))) for each in (old, new)
        )
        return _counts_of_values(old.value_counts(), new.value_counts())
    known = before[np.isfinite(before)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)
    # A value that fills a bin by itself is one: else what moves from just below it, or away from it, is not seen.
    atoms = np.array([edge for edge in edges if (known == edge).sum() * bins >= len(known)])

    def counted(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        there = values[~np.isnan(values)]
        places = np.searchsorted(edges, there, side="left") + np.searchsorted(atoms, there, side="right")
        inside = np.bincount(places, minlength=len(edges) + len(atoms) + 1)
        return np.append(inside, len(values) - len(there))

    return counted(before), counted(now)


def _counts_of_values(old: pd.Series[int], new: pd.Series[int]) -> tuple[Any, Any]:
    """How often each value is there; where they are many, only the commonest of the reference have a bin of their own.

    Those that the reference has rarely share `_SHARED` bins, and all that it never had share one: their number must not
    drive every share below `_LEAST`, where nothing can be seen.
    """
    import numpy as np

    values = sorted(set(old.index) | set(new.index))
    counts = [side.reindex(values, fill_value=0).to_numpy() for side in (old, new)]
    if len(values) <= _OWN:
        return counts[0], counts[1]
    ranked = np.argsort(-counts[0], kind="stable")
    seen = ranked[counts[0][ranked] > 0]
    places = np.full(len(values), _OWN + _SHARED)
    places[seen[:_OWN]] = np.arange(min(_OWN, len(seen)))
    rare = np.cumsum(counts[0][seen[_OWN:]])
    places[seen[_OWN:]] = _OWN + (rare - 1) * _SHARED // (rare[-1] if len(rare) else 1)
    both = [np.bincount(places, weights=side, minlength=_OWN + _SHARED + 1) for side in counts]
    return both[0], both[1]


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
            if frame[column].ndim > 1:
                raise InvalidData(f"{name} have {frame[column].shape[1]} columns {column!r}; keep one.", column=column)
        if len(frame) < rules.min_rows:
            raise InvalidData(
                f"{name} are {counted(len(frame), 'row')}; a share needs {rules.min_rows} to mean anything."
            )
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
