"""How good is a model on rows it has not seen, in all and for each airport?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.models.training.labels import outcomes_of, yes_or_no
from mlops_lab.models.training.regression import measure_numbers, numbers_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["METRICS", "Scores", "calibration_error", "measure", "score"]

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
