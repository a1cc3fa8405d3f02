"""Metrics: labels as outcomes, and the figures of a model on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, UnknownName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


_SHOWN = 3


def outcomes_of(frame: pd.DataFrame, label: str, *, rows: str) -> np.ndarray[Any, Any]:
    """The column `label` as True and False, shape (rows,); `rows` says in an error which rows these are.

    Python would take the text "no" for a yes, and a 2 as well; here only True and False, 1 and 0 are outcomes.

    Raises:
        UnknownName: there is no such column.
        InvalidData: an outcome is missing, or is neither yes nor no.
    """
    if label not in frame.columns:
        raise UnknownName("column", label, frame.columns, where=f"the {rows}")
    column = frame[label]
    if column.ndim > 1:
        raise InvalidData(f"there are {column.shape[1]} columns {label!r} in the {rows}; keep one.", column=label)
    if (missing := int(column.isna().sum())) > 0:
        raise InvalidData(
            f"{missing:,} of {len(column):,} {rows} have no {label!r}; leave rows out whose outcome is not known yet.",
            column=label,
        )
    return yes_or_no(column.to_numpy("object"), what=repr(label), column=label)


def yes_or_no(values: Any, *, what: str, column: str | None = None) -> np.ndarray[Any, Any]:
    """The values as True and False, if that is what they are; 1 and 0 mean the same.

    Raises:
        InvalidData: a value is something else.
    """
    import numpy as np

    found = np.asarray(values)
    if found.dtype.kind == "O":
        kinds = set(map(type, found.flat))
        distinct = set(found.tolist()) if all(issubclass(kind, str | int | float) for kind in kinds) else None
    else:
        distinct = set(np.unique(found).tolist())
    if distinct is not None and distinct <= {0, 1}:
        return found.astype("bool")
    shown = sorted(map(repr, distinct)) if distinct is not None else sorted(kind.__name__ for kind in kinds)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    name = f"frame[{column!r}]" if column else "values"
    hint = f"{name} == {shown[-1]}" if distinct and len(shown) == 2 else f"{name} > 0, for example"
    raise InvalidData(
        f"{what} holds {', '.join(shown[:_SHOWN])}{more}; an outcome is True or False. Say which is the yes: {hint}.",
        column=column,
    )


#: Every figure that `measure_numbers` gives, and whether more of it is better. `mean_poisson_deviance` is for counts,
#: `spearman` for ranks; `calibration_error` is in standard deviations of the truth, so that one bound fits any unit.
NUMBER_METRICS: Mapping[str, bool] = {
    "mae": False,
    "rmse": False,
    "mean_pinball_loss": False,
    "mean_poisson_deviance": False,
    "r2": True,
    "spearman": True,
    "calibration_error": False,
}


def numbers_of(frame: pd.DataFrame, label: str, *, rows: str) -> np.ndarray[Any, Any]:
    """The column `label` as finite floats, shape (rows,); `rows` says in an error which rows these are.

    Raises:
        UnknownName: there is no such column.
        InvalidData: it holds what is no number, or one is missing or infinite.
    """
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if label not in frame.columns:
        raise UnknownName("column", label, frame.columns, where=f"the {rows}")
    column = frame[label]
    if is_bool_dtype(column) or not is_numeric_dtype(column):
        raise InvalidData(f"{label!r} holds {column.dtype}, and a number is to be predicted.", column=label)
    found: np.ndarray[Any, Any] = column.to_numpy("float64", na_value=np.nan)
    if (bad := int((~np.isfinite(found)).sum())) > 0:
        raise InvalidData(
            f"{bad:,} of {len(found):,} {rows} have no finite {label!r}; leave rows out whose outcome is not known.",
            column=label,
        )
    return found


def measure_numbers(
    truth: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any], *, quantile: float = 0.5, bins: int = 10
) -> dict[str, float]:
    """Every figure of `NUMBER_METRICS`; NaN where one cannot be: a deviance of negative counts, a rank of constants.

    Args:
        truth: shape (rows,), what happened.
        prediction: shape (rows,), what was said.
        quantile: which quantile the pinball loss is of.
        bins: over how many bins of equally many rows, by prediction, calibration is looked at.

    Raises:
        InvalidData: lengths differ, or a prediction is no finite number.
    """
    import numpy as np
    from sklearn import metrics

    truth, prediction = np.asarray(truth, dtype="float64"), np.asarray(prediction, dtype="float64")
    if truth.shape != prediction.shape or truth.ndim != 1:
        raise InvalidData(f"{truth.shape} outcomes cannot be compared with {prediction.shape} predictions.")
    if not np.isfinite(prediction).all():
        raise InvalidData("a prediction is missing or infinite; the model that gave it cannot be measured.")
    found = dict.fromkeys(NUMBER_METRICS, float("nan"))
    if not len(truth):
        return found
    found["mae"] = float(np.abs(truth - prediction).mean())
    found["rmse"] = float(np.sqrt(((truth - prediction) ** 2).mean()))
    found["mean_pinball_loss"] = float(metrics.mean_pinball_loss(truth, prediction, alpha=quantile))
    if (truth >= 0).all() and (prediction > 0).all():
        found["mean_poisson_deviance"] = float(metrics.mean_poisson_deviance(truth, prediction))
    spread = float(truth.std())
    if spread > 0:
        found["r2"] = float(metrics.r2_score(truth, prediction))
        parts = [part for part in np.array_split(np.argsort(prediction, kind="stable"), bins) if len(part)]
        gaps = [abs(float(truth[part].mean() - prediction[part].mean())) * len(part) for part in parts]
        found["calibration_error"] = sum(gaps) / len(truth) / spread
        if np.ptp(prediction) > 0:
            from scipy.stats import spearmanr

            found["spearman"] = float(spearmanr(truth, prediction).statistic)
    return found


#: Every figure that `measure` gives, and whether more of it is better.
METRICS: Mapping[str, bool] = {
    "roc_auc": True,
    "average_precision": True,
    "accuracy": True,
    "brier": False,
    "log_loss": False,
    "calibration_error": False,
}


@dataclass(frozen=True, repr=False)
class Scores:
    """What was measured on one set of rows.

    Attributes: `rows`, `positives` (counts), `metrics` (name → figure), `slices` (value of the slicing column → the
    same figures on its rows). A figure that cannot be computed (one class only) is NaN: a gate must see that, not a
    guess.

    >>> Scores(4, 1, {"roc_auc": 0.75, "brier": 0.2}).flat("served")["served.roc_auc"]
    0.75
    """

    rows: int
    positives: int
    metrics: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def flat(self, prefix: str) -> dict[str, float]:
        """One figure a name, as a tracker keeps them: `offline.roc_auc`, `offline.roc_auc.EWR`."""
        out = {f"{prefix}.{name}": value for name, value in self.metrics.items()}
        out |= {f"{prefix}.{name}.{part}": v for part, found in self.slices.items() for name, v in found.items()}
        return out | {f"{prefix}.rows": float(self.rows), f"{prefix}.positives": float(self.positives)}

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={self.metrics[name]:.3f}" for name in ("roc_auc", "brier", "mae", "r2") if name in self.metrics
        )
        return f"Scores(rows={self.rows:,}, {shown})"


def calibration_error(truth: np.ndarray[Any, Any], probability: np.ndarray[Any, Any], *, bins: int = 10) -> float:
    """The mean gap between what was promised and what happened, over bins with equally many rows (0 to 1).

    The expected calibration error with quantile bins; scikit-learn's `calibration_curve(strategy="quantile")` draws
    the same bins. Rows that were promised the same share one outcome between them, so that the order in which they
    stand does not matter.

    >>> import numpy as np
    >>> calibration_error(np.array([0, 0, 1, 1]), np.array([0.5, 0.5, 0.5, 0.5]), bins=1)
    0.0
    >>> calibration_error(np.array([0, 0, 0, 1]), np.array([0.5, 0.5, 0.5, 0.5]), bins=1)
    0.25

    Raises:
        InvalidData: lengths differ, or there are no bins.
    """
    import numpy as np

    truth, probability = np.asarray(truth, dtype="float64"), np.asarray(probability, dtype="float64")
    if truth.shape != probability.shape or bins < 1:
        raise InvalidData(f"{truth.shape} outcomes, {probability.shape} probabilities and {bins} bins: no such figure.")
    _, which, counts = np.unique(probability, return_inverse=True, return_counts=True)
    truth = (np.bincount(which, weights=truth) / counts)[which]
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(float(truth[part].mean()) - float(probability[part].mean())) * len(part) for part in parts]
    return sum(gaps) / len(order) if len(order) else float("nan")


def measure(
    truth: np.ndarray[Any, Any], probability: np.ndarray[Any, Any], *, threshold: float = 0.5
) -> dict[str, float]:
    """Every figure of `METRICS` for predictions of one yes-or-no question.

    Args:
        truth: shape (rows,), True or 1 where it happened.
        probability: shape (rows,), between 0 and 1.
        threshold: from which probability `accuracy` counts a row as predicted yes.

    Raises:
        InvalidData: lengths differ, an outcome is neither yes nor no, or a probability is none from 0 to 1.

    >>> import numpy as np
    >>> found = measure(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    >>> round(found["roc_auc"], 3), found["accuracy"]
    (0.75, 0.75)
    """
    import numpy as np
    from sklearn import metrics

    truth = yes_or_no(truth, what="the truth").astype("int8")
    try:
        probability = np.asarray(probability, dtype="float64")
    except (TypeError, ValueError):
        raise InvalidData("the probabilities are no numbers.") from None
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise InvalidData(f"the threshold is {threshold!r}; it is a probability, from 0 to 1.")
    if truth.shape != probability.shape or truth.ndim != 1:
        raise InvalidData(f"{truth.shape} outcomes cannot be compared with {probability.shape} probabilities.")
    if len(truth) and not ((probability >= 0) & (probability <= 1)).all():
        raise InvalidData("a probability is missing or outside 0 to 1; the model that gave it cannot be measured.")
    if not len(truth) or truth.min() == truth.max():  # no rows, or one class: ranking is not defined
        found = dict.fromkeys(METRICS, float("nan"))
        if len(truth):
            found["accuracy"] = float(((probability >= threshold) == truth).mean())
            found["brier"] = float(((probability - truth) ** 2).mean())
            found["calibration_error"] = calibration_error(truth, probability)
        return found
    return {
        "roc_auc": float(metrics.roc_auc_score(truth, probability)),
        "average_precision": float(metrics.average_precision_score(truth, probability)),
        "accuracy": float(((probability >= threshold) == truth).mean()),
        "brier": float(((probability - truth) ** 2).mean()),
        "log_loss": float(metrics.log_loss(truth, probability)),
        "calibration_error": calibration_error(truth, probability),
    }


def score(
    estimator: Any,
    frame: pd.DataFrame,
    *,
    label: str,
    slice_by: str | None = None,
    threshold: float = 0.5,
    kind: str = "classification",
    metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
) -> Scores:
    """Let a fitted model predict the rows of a frame and measure it, in all and for each value of a column.

    Args:
        estimator: a fitted scikit-learn classifier or regressor that remembers its columns (`feature_names_in_`).
        frame: the columns the model was fitted on, and `label` (True or False; a number for a regressor).
        label: the column with what really happened.
        slice_by: a column whose every value is measured on its own, such as the airport.
        threshold: see `measure`.
        kind: `classification`, or `regression` where the label is a number.
        metrics: further figures by name, each a function of the truth and of what the model said.

    Raises:
        UnknownName: a column the model needs, the label or `slice_by` is missing.
        InvalidData: an outcome is missing or neither yes nor no, or the model cannot predict these rows.

    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> rows = pd.DataFrame({"hour": [6, 7, 18, 19], "origin": ["EWR", "JFK"] * 2, "late": [False, False, True, True]})
    >>> model = DummyClassifier().fit(rows[["hour"]], rows["late"])
    >>> sorted(score(model, rows, label="late", slice_by="origin").slices)
    ['EWR', 'JFK']
    """
    from mlops_lab.models.training.model import predict

    for column in (label, *([slice_by] if slice_by else [])):
        if column not in frame.columns:
            raise UnknownName("column", column, frame.columns, where="the rows to score")
    number = kind == "regression"
    truth = (
        numbers_of(frame, label, rows="rows to score")
        if number
        else outcomes_of(frame, label, rows="rows to score").astype("int8")
    )
    said = predict(estimator, frame, kind=kind)

    def figures(rows: Any) -> dict[str, float]:
        found = (
            measure_numbers(truth[rows], said[rows])
            if number
            else measure(truth[rows], said[rows], threshold=threshold)
        )
        return found | {name: float(function(truth[rows], said[rows])) for name, function in (metrics or {}).items()}

    slices = {}
    if slice_by:
        groups = frame.reset_index(drop=True).groupby(slice_by, sort=True, observed=True).indices
        slices = {str(key): figures(rows) for key, rows in groups.items()}
    return Scores(len(truth), int((truth > 0).sum()), figures(slice(None)), slices)


def score_interval(
    estimator: Any,
    frame: pd.DataFrame,
    *,
    label: str,
    group: Any,
    metric: str = "roc_auc",
    against: Any = None,
) -> tuple[float, float, float]:
    """A figure on the rows of a frame, and two standard errors to either side of it: what other days might have shown.

    Rows of one group share their storm, so it is groups that are counted: each is left out once, and the spread of the
    figures without it tells the standard error (the jackknife, https://doi.org/10.1214/aos/1176345462).

    Args:
        estimator: a fitted classifier, as `score` takes it.
        frame: as `score` takes it.
        label: the column with what really happened.
        group: one value a row; rows of equal values belong together, such as those of one day.
        metric: the name of the figure.
        against: another fitted classifier: the figure is how much more the first one has on the same rows. Both met
            the same storms, so their difference is surer than either figure.

    Raises:
        InvalidData: fewer than three groups, or without one of them there is no figure.

    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> rows = pd.DataFrame({"hour": [6, 7] * 4, "late": [False, True] * 4})
    >>> model = DummyClassifier().fit(rows[["hour"]], rows["late"])
    >>> score_interval(model, rows, label="late", group=[1, 1, 2, 2, 3, 3, 4, 4])
    (0.5, 0.5, 0.5)
    """
    import numpy as np
    import pandas as pd

    from mlops_lab.models.training.model import predict

    codes, _ = pd.factorize(pd.Series(group).to_numpy())
    count = int(codes.max(initial=-1)) + 1
    if len(codes) != len(frame) or count < 3 or (codes < 0).any():
        raise InvalidData(f"an interval takes a group for each of {len(frame):,} rows, and three groups or more.")
    truth = outcomes_of(frame, label, rows="rows to score").astype("int8")
    sides = [(1, predict(estimator, frame, kind="classification"))]
    sides += [] if against is None else [(-1, predict(against, frame, kind="classification"))]
    parts = [slice(None), *(codes != each for each in range(count))]
    whole, *without = (
        sum(sign * measure(truth[rows], said[rows]).get(metric, float("nan")) for sign, said in sides) for rows in parts
    )
    error = float(np.sqrt((count - 1) / count * np.square(np.array(without) - np.mean(without)).sum()))
    if np.isnan(whole) or np.isnan(error):
        raise InvalidData(f"there is no {metric} on these rows without each of their groups.")
    return whole, whole - 2 * error, whole + 2 * error
