"""Fitting again where a GPU is: the same model on either, told where it was computed, and another model noticed."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest

from mlops_lab.base.errors import InvalidData
from mlops_lab.models.training import build_model, refit
from mlops_lab.models.training.fit import array_library
from mlops_lab.models.training.model import free_threads, prepare


@pytest.fixture(scope="module")
def flights():
    chance = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "hour": chance.integers(5, 23, 3000).astype(float),
            "delay": np.where(chance.random(3000) < 0.1, np.nan, chance.exponential(12, 3000)),
            "carrier": chance.choice(["UA", "AA", "DL"], 3000),
        }
    )
    late = chance.random(3000) < 1 / (1 + np.exp(2.5 - 0.08 * rows["hour"] - 0.02 * rows["delay"].fillna(0)))
    return rows, late, build_model("logistic", rows).fit(prepare(rows), late)


def test_the_cpu_comes_to_scikit_learns_model_and_says_that_it_is_the_cpu(flights, monkeypatch):
    rows, late, model = flights
    monkeypatch.setitem(sys.modules, "cupy", None)

    found = refit(model, rows, late)

    assert found.is_same
    assert (found.device, found.rows) == ("CPU", 3000)
    assert "not installed" in found.why
    assert found.difference < 1e-9


# An array library that is no NumPy, on a device that is no CPU, under CuPy's name: computing elsewhere is an error.
GPU = """
import sys, types
import array_api_strict as strict, numpy as np, pandas as pd
runtime = types.SimpleNamespace(getDeviceProperties=lambda _: {"name": b"Test T4"})
class Cupy(types.ModuleType):
    ndarray = type("ndarray", (), {})
    def __getattr__(self, name):
        return getattr(strict, name)
    def asarray(self, values):
        return strict.asarray(np.asarray(values), device=strict.Device("device1"))
sys.modules["cupy"] = cupy = Cupy("cupy")
cupy.cuda, cupy.__version__ = types.SimpleNamespace(runtime=runtime), "14.0"
from mlops_lab.models.training import build_model, refit
from mlops_lab.models.training.model import prepare
chance = np.random.default_rng(0)
rows = pd.DataFrame({"hour": chance.integers(5, 23, 3000).astype(float), "carrier": chance.choice(["UA", "AA"], 3000)})
late = chance.random(3000) < rows["hour"] / 30
model = build_model("logistic", rows).fit(prepare(rows), late)
on_gpu, other = refit(model, rows, late), refit(model, rows, ~late)
sys.modules["cupy"] = None
on_cpu = refit(model, rows, late)
print(on_gpu.device, on_gpu.difference < 1e-6, abs(on_gpu.log_loss - on_cpu.log_loss) < 1e-9, other.is_same)
print(on_gpu.why if on_gpu.device == "CPU" else on_cpu.device)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scipy", "told"),
    [
        ("1", "GPU Test T4 True True False\nCPU"),
        pytest.param("0", "CPU True True False\nno GPU that works: RuntimeError", marks=pytest.mark.nightly),
    ],
)
def test_scikit_learn_fits_on_the_gpu_and_comes_to_the_same(scipy, told):
    pytest.importorskip("array_api_strict")
    environ = {**os.environ, "SCIPY_ARRAY_API": scipy}

    done = subprocess.run([sys.executable, "-c", GPU], env=environ, capture_output=True, text=True, timeout=120)

    assert done.stdout.startswith(told), done.stdout + done.stderr


def test_a_gpu_that_does_not_work_is_told_and_the_cpu_computes(monkeypatch):
    def broken(_):
        raise RuntimeError("cudaErrorInsufficientDriver")

    fake = types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceProperties=broken)))
    monkeypatch.setitem(sys.modules, "cupy", fake)

    library, device, why = array_library()

    assert (library, device, why) == (np, "CPU", "no GPU that works: RuntimeError: cudaErrorInsufficientDriver")


def test_another_model_is_noticed(flights):
    rows, late, model = flights

    assert not refit(model, rows, ~late).is_same


@pytest.mark.slow
def test_any_other_model_is_fitted_again_on_the_cpu(flights):
    rows, late, _ = flights
    delay = rows["delay"].fillna(0).to_numpy()
    with free_threads():
        trees = build_model("gradient_boosting", rows).fit(prepare(rows), late)
        line = build_model("ridge", rows, kind="regression").fit(prepare(rows), delay)

    found, numbers = refit(trees, rows, late), refit(line, rows, delay, kind="regression")

    assert (found.is_same, found.device, found.why) == (True, "CPU", "a HistGradientBoostingClassifier computes there")
    assert (numbers.is_same, numbers.log_loss) == (True, None)
    assert not refit(trees, rows, ~late).is_same
    assert not refit(line, rows, -delay, kind="regression").is_same


def test_what_cannot_be_fitted_again_is_told(flights):
    rows, _, model = flights

    with pytest.raises(InvalidData, match="one answer only"):
        refit(model, rows, np.zeros(3000))
