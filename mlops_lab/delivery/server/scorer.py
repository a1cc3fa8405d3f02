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

#: From the columns to the probability of yes, one a row.
Scorer = Callable[[Columns], "np.ndarray[Any, Any]"]

_TOLERANCE = 1e-9  # the same sums in another order differ in the sixteenth digit
_PROBES = 200


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
    of_numbers = _numbers(number, weights[:width]) if numbers else None
    of_texts, unknown = _texts(text, weights[width:]) if texts else ([], 0.0)

    def score(columns: Columns) -> np.ndarray[Any, Any]:
        total = np.full(len(next(iter(columns.values()))), constant + unknown)
        if of_numbers is not None:
            total += of_numbers(np.array([columns[name] for name in numbers], dtype="float64"))
        for name, table in zip(texts, of_texts, strict=True):
            total += np.array([table.get(value, 0.0) for value in columns[name]])
        found: np.ndarray[Any, Any] = 1.0 / (1.0 + np.exp(-total))
        return found

    return score


def _numbers(number: Any, weights: np.ndarray[Any, Any]) -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """From the numbers, shape (columns, rows), to their part of each row's sum.

    A rank is a straight line between two knots. So a value is searched once among the knots of all columns, and a table
    says how many of its own column's lie at or below it, which is the number of its line.
    """
    import numpy as np

    impute, rank, scale = (number.named_steps[name] for name in ("impute", "rank", "scale"))
    if rank.output_distribution != "uniform":
        raise ValueError(rank.output_distribution)
    medians, slopes = np.asarray(impute.statistics_, dtype="float64"), weights / scale.scale_
    knots, shares = rank.quantiles_.T[: len(medians)], np.asarray(rank.references_)
    every = np.unique(knots)
    numbers_of_lines = np.zeros((len(knots), len(every) + 1), dtype="int64")
    low, base, rise, equal = np.zeros((4, len(knots), len(shares) + 1))
    for at, own in enumerate(knots):
        numbers_of_lines[at, 1:] = np.searchsorted(own, every, "right")
        low[at, 1:], base[at, 1:], base[at, -1] = own, shares, 1.0
        np.divide(np.diff(shares), np.diff(own), out=rise[at, 1:-1], where=np.diff(own) > 0)
        # The rank of a value that several knots equal is their middle.
        equal[at, 1:] = (shares[np.searchsorted(own, own)] + shares[np.searchsorted(own, own, "right") - 1]) / 2
        equal[at, 1:][own == own[-1]] = 1.0
        equal[at, 1:][own == own[0]] = 0.0
    for table in (base, rise, equal):
        table *= slopes[: len(knots), None]
    row_of_numbers, row_of_lines = (np.arange(len(knots))[:, None] * one.shape[1] for one in (numbers_of_lines, low))

    def added(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        line = numbers_of_lines.take(np.searchsorted(every, values, "right") + row_of_numbers) + row_of_lines
        above = values - low.take(line)
        found: np.ndarray[Any, Any] = np.where(above == 0, equal.take(line), base.take(line) + rise.take(line) * above)
        return found

    # Some columns have a second one behind the last, which says whether the value is missing.
    constants = np.repeat(-(slopes * scale.mean_)[None, : len(knots)], 2, axis=0)
    said = scale.transform(rank.transform(np.repeat([[0.0], [1.0]], len(weights), axis=1))) * weights
    constants[:, impute.indicator_.features_] += said[:, len(knots) :]
    known, missing = constants[0][:, None], added(medians[:, None]) + constants[1][:, None]

    def part(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found = np.where(np.isnan(values), missing, added(values) + known)
        # Row by row in memory, so that a row alone and among others is added up in the same order.
        total: np.ndarray[Any, Any] = np.ascontiguousarray(found.T).sum(axis=1)
        return total

    return part


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
