"""A GPU, where there is one, comes to the same model."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData
from mlops_lab.models.training.metrics import yes_or_no
from mlops_lab.models.training.model import predict, prepare

if TYPE_CHECKING:
    import pandas as pd


TOLERANCE = 0.02  # of a probability: neither goes to the very minimum, and the largest of all rows counts
_MOST_STEPS = 100
_CLOSE = 1e-8


@dataclass(frozen=True)
class Refit:
    """What was computed, where, and how far from scikit-learn's model it is.

    >>> Refit("CPU", "there is no CuPy here", rows=28_504, columns=91, steps=6, difference=0.0004)
    Refit(CPU: 28504 rows, 91 columns, 6 steps; 0.0004 off at most)
    """

    device: str
    why: str
    rows: int
    columns: int
    steps: int
    difference: float  # the largest, of a probability

    @property
    def is_same(self) -> bool:
        """Is it the same model, within the tolerance?"""
        return self.difference <= TOLERANCE

    def __repr__(self) -> str:
        shape = f"{self.rows} rows, {self.columns} columns, {self.steps} steps"
        return f"Refit({self.device}: {shape}; {self.difference:.4f} off at most)"


def array_library() -> tuple[Any, str, str]:
    """CuPy and the GPU's name where both are there, else NumPy; and why that one.

    >>> library, device, why = array_library()
    >>> float(library.asarray([1.0]).sum()), bool(device), bool(why)
    (1.0, True, True)
    """
    import numpy as np

    try:
        cupy = importlib.import_module("cupy")
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        cupy.asarray([1.0]).sum()
    except ImportError:
        return np, "CPU", "CuPy is not installed (pip install cupy-cuda12x)"
    except Exception as error:
        return np, "CPU", f"CuPy finds no GPU that works: {type(error).__name__}"
    return cupy, f"GPU {name}", f"CuPy {cupy.__version__} found it"


def refit(estimator: Any, rows: pd.DataFrame, label: Any) -> Refit:
    """Fit a model's last step once more by Newton's method, on the GPU where one is, and compare the answers.

    The same few lines run on NumPy and on CuPy, so what is proved on a CPU is what a GPU computes. The objective is
    scikit-learn's `LogisticRegression` with its default penalty.

    Args:
        estimator: a fitted pipeline of ours, of kind `logistic`.
        rows: the rows it was fitted on.
        label: True or False for every row.

    Raises:
        InvalidData: it is another kind of model, or a single answer is all there is to learn.

    >>> import pandas as pd
    >>> from mlops_lab.models.training import build_model
    >>> rows = pd.DataFrame({"hour": [float(hour % 24) for hour in range(200)]})
    >>> label = rows["hour"] > 15
    >>> model = build_model("logistic", rows).fit(rows, label)
    >>> refit(model, rows, label).is_same
    True
    """
    import numpy as np

    last = getattr(estimator, "steps", [("", estimator)])[-1][1]
    if type(last).__name__ != "LogisticRegression":
        raise InvalidData(f"only a logistic model is fitted again, by Newton's method; it is a {type(last).__name__}.")
    found = yes_or_no(label, what="the label").astype("float64")
    if len(found) != len(rows):
        raise InvalidData(f"{len(found):,} labels cannot belong to {len(rows):,} rows.")
    if not 0 < found.sum() < len(found):
        raise InvalidData("the rows hold one answer only; there is nothing to learn.")
    expected = predict(estimator, rows)
    numbers = estimator[:-1].transform(prepare(rows[list(estimator.feature_names_in_)]))
    dense = numbers.toarray() if hasattr(numbers, "toarray") else numbers
    library, device, why = array_library()
    matrix = library.asarray(np.column_stack([dense, np.ones(len(dense))]), dtype="float64")
    weights, steps = _newton(library, matrix, library.asarray(found), penalty=1.0 / last.C)
    answers = 1 / (1 + library.exp(-(matrix @ weights)))
    answers = answers.get() if hasattr(answers, "get") else answers
    difference = float(np.abs(answers - expected).max())
    return Refit(device, why, rows=len(dense), columns=dense.shape[1], steps=steps, difference=difference)


def _newton(library: Any, matrix: Any, label: Any, *, penalty: float) -> tuple[Any, int]:
    """The weights that minimise log loss and penalty, the intercept last, and the number of steps to them."""
    penalties = library.full(matrix.shape[1], penalty)
    penalties[-1] = 0.0
    weights = library.zeros(matrix.shape[1])
    for step in range(1, _MOST_STEPS + 1):
        chance = 1 / (1 + library.exp(-(matrix @ weights)))
        gradient = matrix.T @ (chance - label) + penalties * weights
        curvature = (matrix.T * (chance * (1 - chance))) @ matrix + library.diag(penalties + 1e-10)
        change = library.linalg.solve(curvature, gradient)
        weights = weights - change
        if float(library.abs(change).max()) < _CLOSE:
            return weights, step
    return weights, _MOST_STEPS
