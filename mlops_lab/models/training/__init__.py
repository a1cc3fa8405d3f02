"""How is a model made, measured and remembered as a run?"""

from mlops_lab.models.training.fit import train
from mlops_lab.models.training.metrics import METRICS, Scores, calibration_error, measure, score
from mlops_lab.models.training.model import MODELS, build_model, predict
from mlops_lab.models.training.refit import Refit, refit
from mlops_lab.models.training.split import TimeSplit, time_split

__all__ = [
    "METRICS",
    "MODELS",
    "Refit",
    "Scores",
    "TimeSplit",
    "build_model",
    "calibration_error",
    "measure",
    "predict",
    "refit",
    "score",
    "time_split",
    "train",
]
