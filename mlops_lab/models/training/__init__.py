"""How is a model made, measured and remembered as a run?"""

from mlops_lab.models.training.fit import Refit, TimeSplit, refit, time_split, train
from mlops_lab.models.training.metrics import (
    METRICS,
    NUMBER_METRICS,
    Scores,
    calibration_error,
    measure,
    measure_numbers,
    score,
    score_interval,
)
from mlops_lab.models.training.model import (
    KINDS,
    MODELS,
    build_model,
    is_regressor,
    predict,
    predict_proba,
    return_memory,
)

__all__ = [
    "KINDS",
    "METRICS",
    "MODELS",
    "NUMBER_METRICS",
    "Refit",
    "Scores",
    "TimeSplit",
    "build_model",
    "calibration_error",
    "is_regressor",
    "measure",
    "measure_numbers",
    "predict",
    "predict_proba",
    "refit",
    "return_memory",
    "score",
    "score_interval",
    "time_split",
    "train",
]
