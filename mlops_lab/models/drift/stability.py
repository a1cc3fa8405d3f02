"""The distance of a column from what it was: the population stability index, and Kolmogorov and Smirnov's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Column = Sequence[Any] | np.ndarray[Any, Any] | pd.Series[Any]

__all__ = ["kolmogorov_smirnov", "population_stability"]

_LEAST = 1e-4  # the share of an empty bin: without it one new value would be infinitely far
_OWN, _SHARED = 50, 10  # bins for the commonest texts, and for the rare ones together: few, so that shares stay above


def population_stability(reference: Column, current: Column, *, bins: int = 10) -> float:
    """The population stability index (PSI): 0 when both have the same shares, more the further apart they are.

    Numbers are counted in bins that each hold the same share of the reference, a value that alone fills one by itself;
    text and booleans by value (of more than 50 values the rare ones together, and the new ones together); and what is
    missing is a bin of its own: a sensor that falls silent is drift too. By custom 0.1 is worth a look, 0.25 a change.
    It is the Kullback-Leibler divergence both ways, so it does not matter which side is called the reference, but for
    the edges of the bins.

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
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    series = pd.Series(values)
    if is_bool_dtype(series) or not is_numeric_dtype(series):
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
