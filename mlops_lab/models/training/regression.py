"""The figures of a model that predicts a number: amounts, counts, ranks, money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, UnknownName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["NUMBER_METRICS", "measure_numbers", "numbers_of"]

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

    >>> import pandas as pd
    >>> numbers_of(pd.DataFrame({"sold": [3, 5]}), "sold", rows="training rows").tolist()
    [3.0, 5.0]

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

    >>> import numpy as np
    >>> found = measure_numbers(np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 2.0, 4.0, 5.0]))
    >>> found["mae"], round(found["rmse"], 3), found["spearman"]
    (0.5, 0.707, 1.0)
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
