"""A linear pipeline taken apart once, so that it answers in a tenth of a millisecond.

`tests/benchmarks/scorer.py` compares it with scikit-learn's `predict_proba`, which takes 190 times as long for a row,
and with ONNX Runtime, which has no imputer for this pipeline's numbers. The arithmetic is small: it is taken out of the
fitted steps, and must then give what `predict_proba` gives on rows made to be awkward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlops_lab.delivery.server.bodies import Columns

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Scorer", "compiled_scorer"]

#: From the columns to the probability of yes, one a row.
Scorer = Callable[[Columns], "np.ndarray[Any, Any]"]

_TOLERANCE = 1e-9  # the same sums in another order differ in the sixteenth digit
_PROBES = 200
_AT_ONCE = 256  # rows; more at once are no faster and need more memory


def compiled_scorer(estimator: Any, slow: Scorer) -> Scorer | None:
    """The same answers without scikit-learn's overhead, or None for an estimator that cannot be taken apart.

    The `logistic` pipeline of `mlops_lab.models.training.build_model` can be. Only public attributes of its steps are
    read, and nothing is believed: the result is compared with `slow`, which asks `predict_proba`.

    >>> import pandas as pd
    >>> from mlops_lab.delivery.server import estimator_scorer
    >>> from mlops_lab.models.training import build_model
    >>> frame = pd.DataFrame({"carrier": ["UA", "AA"] * 50, "wind_speed": [float(i) for i in range(100)]})
    >>> model = build_model("logistic", frame).fit(frame, [0, 0, 1, 1] * 25)
    >>> slow = estimator_scorer(model)
    >>> score = compiled_scorer(model, slow)
    >>> rows = {"carrier": ["UA", "", "ZZ"], "wind_speed": [50.0, float("nan"), 1e6]}
    >>> bool(abs(score(rows) - slow(rows)).max() < 1e-9)
    True
    """
    try:
        score = _taken_apart(estimator)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return None  # another kind of model; its own predict_proba answers
    probes = _probes(estimator)
    return score if bool((abs(score(probes) - slow(probes)) < _TOLERANCE).all()) else None


def _taken_apart(estimator: Any) -> Scorer:
    import numpy as np

    columns, model = (estimator.named_steps[name] for name in ("columns", "model"))
    if len(estimator.steps) != 2 or len(estimator.classes_) != 2:
        raise ValueError("another pipeline")
    parts = {name: (step, [str(one) for one in names]) for name, step, names in columns.transformers_}
    (number, numbers), (text, texts) = parts["number"], parts["text"]
    weights, constant = np.asarray(model.coef_, dtype="float64")[0], float(model.intercept_[0])
    width = len(numbers) + len(number.named_steps["impute"].indicator_.features_) if numbers else 0
    linear = _numbers(number, weights[:width]) if numbers else None
    if linear is not None:
        constant += linear[1]
    tables = _texts(text, weights[width:]) if texts else ([], 0.0)
    constant += tables[1]

    def score(columns: Columns) -> np.ndarray[Any, Any]:
        total = np.full(rows := len(next(iter(columns.values()))), constant)
        if linear is not None:
            values = np.array([columns[name] for name in numbers], dtype="float64").T
            for start in range(0, rows, _AT_ONCE):
                total[start : start + _AT_ONCE] += linear[0](values[start : start + _AT_ONCE])
        for name, table in zip(texts, tables[0], strict=True):
            total += np.array([table.get(str(value), 0.0) for value in columns[name]])
        found: np.ndarray[Any, Any] = 1.0 / (1.0 + np.exp(-total))
        return found

    return score


def _numbers(
    number: Any, weights: np.ndarray[Any, Any]
) -> tuple[Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]], float]:
    """From the numbers, shape (rows, columns), to their part of the sum; and what belongs to the constant."""
    import numpy as np

    impute, rank, scale = (number.named_steps[name] for name in ("impute", "rank", "scale"))
    if rank.output_distribution != "uniform":
        raise ValueError(rank.output_distribution)
    middle, missing_too = np.asarray(impute.statistics_, dtype="float64"), np.asarray(impute.indicator_.features_)
    knots, shares = np.ascontiguousarray(rank.quantiles_.T), np.asarray(rank.references_)
    slopes = weights / scale.scale_
    last, which = len(shares) - 1, np.arange(knots.shape[0])

    def part(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        missing = np.isnan(values)
        filled = np.concatenate([np.where(missing, middle, values), missing[:, missing_too]], axis=1)
        # Between the knots at or below a value and those below it lie those equal to it; the rank is their middle.
        here = filled[:, :, None]
        upto, below = (knots <= here).sum(axis=2), (knots < here).sum(axis=2)
        left = np.clip(upto - 1, 0, last - 1) if last else np.zeros_like(upto)
        right = np.minimum(left + 1, last)
        low, high = knots[which, left], knots[which, right]
        wide = np.where(high > low, high - low, 1.0)
        between = shares[left] + (filled - low) * ((shares[right] - shares[left]) / wide)
        equal = (shares[np.clip(upto - 1, 0, last)] + shares[np.clip(below, 0, last)]) / 2
        ranks = np.where(upto > below, equal, between)
        ranks = np.where(filled >= knots[:, -1], 1.0, ranks)
        ranks = np.where(filled <= knots[:, 0], 0.0, ranks)
        return np.asarray(ranks @ slopes)

    return part, -float(slopes @ scale.mean_)


def _texts(text: Any, weights: np.ndarray[Any, Any]) -> tuple[list[dict[str, float]], float]:
    """For each text column what each value adds to the sum, beyond what an unknown value does; and what those do."""
    import numpy as np
    import pandas as pd

    categories = [[str(one) for one in found] for found in text.categories_]
    unknown = next(word for word in map(chr, range(0xE000, 0xF8FF)) if all(word not in found for found in categories))
    rows = [[unknown] * len(categories)]
    rows += [
        [value if place == at else unknown for place in range(len(categories))]
        for at, found in enumerate(categories)
        for value in found
    ]
    frame = pd.DataFrame(rows, columns=list(text.feature_names_in_), dtype="object")
    added = np.asarray(text.transform(frame) @ weights).ravel()
    found = iter((added[1:] - added[0]).tolist())
    return [{value: next(found) for value in values} for values in categories], float(added[0])


def _probes(estimator: Any) -> Columns:
    """Rows made to be awkward: knots and what lies between and beyond them, nothing known, unknown words."""
    import numpy as np

    chance = np.random.default_rng(0)
    parts = {name: (step, names) for name, step, names in estimator.named_steps["columns"].transformers_}
    columns: dict[str, Any] = {name: [0.0] * _PROBES for name in map(str, estimator.feature_names_in_)}
    number, numbers = parts["number"]
    for place, name in enumerate(numbers):
        knots = number.named_steps["rank"].quantiles_[:, place]
        wide = float(knots[-1] - knots[0]) or 1.0
        around = np.concatenate([knots, (knots[1:] + knots[:-1]) / 2, [knots[0] - wide, knots[-1] + wide, np.nan]])
        columns[str(name)] = chance.choice(around, _PROBES).tolist()
    text, texts = parts["text"]
    for name, found in zip(texts, text.categories_ if len(texts) else [], strict=True):
        columns[str(name)] = [str(one) for one in chance.choice([*map(str, found), "", "unheard of"], _PROBES)]
    return columns
