"""How does a linear pipeline answer in a tenth of a millisecond?

scikit-learn needs 15 ms for one flight: it builds frames and checks them, column by column, at each step of the
pipeline. The arithmetic itself is small. It is taken out of the fitted steps once, when the model is loaded, and it
must then give what `predict_proba` gives, on rows made to be awkward; otherwise the estimator itself is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Columns", "Scorer", "compiled_scorer", "estimator_scorer", "kinds_of"]

#: The rows of a request by column: numbers as floats (NaN where nothing is known), all else as text ("").
Columns = Mapping[str, Sequence[float] | Sequence[str]]
#: From the columns to the probability of yes, one a row.
Scorer = Callable[[Columns], "np.ndarray[Any, Any]"]

_TOLERANCE = 1e-9  # the same sums in another order differ in the sixteenth digit
_PROBES = 200
_AT_ONCE = 256  # rows; more at once are no faster and need more memory


def kinds_of(estimator: Any) -> dict[str, str]:
    """For each column the estimator was fitted on, in its order: `text` or `number`.

    >>> import pandas as pd
    >>> from mlops_lab.models.training import build_model
    >>> frame = pd.DataFrame({"carrier": ["UA", "AA"], "wind_speed": [3.0, 11.0]})
    >>> kinds_of(build_model("logistic", frame).fit(frame, [0, 1]))
    {'carrier': 'text', 'wind_speed': 'number'}
    """
    steps = getattr(estimator, "named_steps", {})
    parts = getattr(steps.get("columns"), "transformers_", ())
    texts = {str(name) for part, _, names in parts if part == "text" for name in names}
    return {str(name): "text" if str(name) in texts else "number" for name in estimator.feature_names_in_}


def estimator_scorer(estimator: Any) -> Scorer:
    """The scorer that asks the estimator itself; it works for every model, and is slow.

    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> model = DummyClassifier().fit(pd.DataFrame({"hour": [6, 7, 18, 19]}), [0, 0, 0, 1])
    >>> estimator_scorer(model)({"hour": [6.0]}).tolist()
    [0.25]
    """
    names = [str(name) for name in estimator.feature_names_in_]

    def score(columns: Columns) -> np.ndarray[Any, Any]:
        import numpy as np
        import pandas as pd

        kept = {
            name: np.asarray(columns[name], dtype="object" if _is_text(columns[name]) else "float64") for name in names
        }
        found: np.ndarray[Any, Any] = estimator.predict_proba(pd.DataFrame(kept))[:, 1]
        return found

    return score


def compiled_scorer(estimator: Any) -> Scorer | None:
    """The same answers without scikit-learn's overhead, or None for an estimator that cannot be taken apart.

    The `logistic` pipeline of `mlops_lab.models.training.build_model` can be. Only public attributes of the fitted
    steps
    are read, and nothing is believed: the result is compared with `predict_proba` before it is returned.

    >>> import pandas as pd
    >>> from mlops_lab.models.training import build_model
    >>> frame = pd.DataFrame({"carrier": ["UA", "AA"] * 50, "wind_speed": [float(i) for i in range(100)]})
    >>> model = build_model("logistic", frame).fit(frame, [0, 0, 1, 1] * 25)
    >>> score, slow = compiled_scorer(model), estimator_scorer(model)
    >>> rows = {"carrier": ["UA", "", "ZZ"], "wind_speed": [50.0, float("nan"), 1e6]}
    >>> bool(abs(score(rows) - slow(rows)).max() < 1e-9)
    True
    """
    try:
        score = _taken_apart(estimator)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return None  # another kind of model; its own predict_proba answers
    if score is None:
        return None
    import numpy as np

    probes = _probes(estimator)
    gap = np.abs(score(probes) - estimator_scorer(estimator)(probes))
    return score if bool((gap < _TOLERANCE).all()) else None


def _is_text(values: Sequence[Any]) -> bool:
    return bool(len(values)) and isinstance(values[0], str)


def _taken_apart(estimator: Any) -> Scorer | None:
    import numpy as np

    if [name for name, _ in estimator.steps] != ["columns", "model"] or len(estimator.classes_) != 2:
        return None
    parts = {
        name: (step, [str(one) for one in names])
        for name, step, names in estimator.named_steps["columns"].transformers_
    }
    (number, numbers), (text, texts) = parts["number"], parts["text"]
    weights = np.asarray(estimator.named_steps["model"].coef_, dtype="float64")[0]
    constant = float(estimator.named_steps["model"].intercept_[0])
    linear = _numbers(number, weights[: _width(number, numbers)]) if numbers else None
    if linear is not None:
        constant += linear[1]
    tables = _texts(text, weights[_width(number, numbers) if numbers else 0 :]) if texts else ([], 0.0)
    constant += tables[1]

    def score(columns: Columns) -> np.ndarray[Any, Any]:
        rows = len(next(iter(columns.values())))
        total = np.full(rows, constant)
        if linear is not None:
            values = np.array([columns[name] for name in numbers], dtype="float64").T
            for start in range(0, rows, _AT_ONCE):
                total[start : start + _AT_ONCE] += linear[0](values[start : start + _AT_ONCE])
        for name, table in zip(texts, tables[0], strict=True):
            total += np.array([table.get(str(value), 0.0) for value in columns[name]])
        found: np.ndarray[Any, Any] = 1.0 / (1.0 + np.exp(-total))
        return found

    return score


def _width(number: Any, numbers: list[str]) -> int:
    return len(numbers) + len(number.named_steps["impute"].indicator_.features_)


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
        # How many knots are at or below a value, and how many below: between the two lie those equal to it, of which
        # the rank is the middle. This is QuantileTransformer's pair of interpolations, from the left and the right.
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

    categories = [[str(one) for one in found] for found in text.categories_]
    unknown = next(word for word in map(chr, range(0xE000, 0xF8FF)) if all(word not in found for found in categories))
    rows = [[unknown] * len(categories)]
    rows += [
        [value if place == at else unknown for place in range(len(categories))]
        for at, found in enumerate(categories)
        for value in found
    ]
    added = np.asarray(text.transform(_frame(text, rows)) @ weights).ravel()
    found = iter((added[1:] - added[0]).tolist())
    return [{value: next(found) for value in values} for values in categories], float(added[0])


def _frame(text: Any, rows: list[list[str]]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(text.feature_names_in_), dtype="object")


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
