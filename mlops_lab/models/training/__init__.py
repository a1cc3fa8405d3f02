"""How is a model made, measured and remembered as a run?"""

from mlops_lab.models.training.fit import refit as refit
from mlops_lab.models.training.fit import time_split as time_split
from mlops_lab.models.training.fit import train as train
from mlops_lab.models.training.metrics import METRICS as METRICS
from mlops_lab.models.training.metrics import NUMBER_METRICS as NUMBER_METRICS
from mlops_lab.models.training.metrics import calibration_error as calibration_error
from mlops_lab.models.training.metrics import measure as measure
from mlops_lab.models.training.metrics import measure_numbers as measure_numbers
from mlops_lab.models.training.metrics import score as score
from mlops_lab.models.training.metrics import score_interval as score_interval
from mlops_lab.models.training.model import KINDS as KINDS
from mlops_lab.models.training.model import MODELS as MODELS
from mlops_lab.models.training.model import build_model as build_model
from mlops_lab.models.training.model import is_regressor as is_regressor
from mlops_lab.models.training.model import predict as predict
from mlops_lab.models.training.model import predict_proba as predict_proba
from mlops_lab.models.training.model import return_memory as return_memory
