"""Fitting again where a GPU is: the same model on either, told where it was computed, and another model noticed."""

from __future__ import annotations

import sys
import types

import numpy as np
import pandas as pd
import pytest

from mlops_lab.base.errors import InvalidData
from mlops_lab.models.training import build_model, refit
from mlops_lab.models.training.fit import array_library
from mlops_lab.models.training.model import prepare


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


def with_cupy(monkeypatch, **more) -> None:
    """NumPy under CuPy's name, with what only CuPy has: the same programming interface is the point."""
    runtime = types.SimpleNamespace(getDeviceProperties=lambda _: {"name": b"Test T4"})
    fake = types.SimpleNamespace(**{name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    fake.cuda, fake.__version__ = types.SimpleNamespace(runtime=runtime), "14.0"
    fake.__dict__.update(more)
    monkeypatch.setitem(sys.modules, "cupy", fake)


def test_the_cpu_comes_to_scikit_learns_model_and_says_that_it_is_the_cpu(flights, monkeypatch):
    rows, late, model = flights
    monkeypatch.setitem(sys.modules, "cupy", None)

    found = refit(model, rows, late)

    assert found.is_same
    assert (found.device, found.rows) == ("CPU", 3000)
    assert "not installed" in found.why


def test_a_gpu_is_used_where_cupy_finds_one_and_comes_to_the_same(flights, monkeypatch):
    rows, late, model = flights
    monkeypatch.setitem(sys.modules, "cupy", None)
    on_cpu = refit(model, rows, late)
    with_cupy(monkeypatch)

    found = refit(model, rows, late)

    assert found.device == "GPU Test T4"
    assert found.difference == pytest.approx(on_cpu.difference)


def test_a_gpu_that_does_not_work_is_told_and_the_cpu_computes(monkeypatch):
    def broken(_):
        raise RuntimeError("cudaErrorInsufficientDriver")

    with_cupy(monkeypatch, asarray=broken)

    library, device, why = array_library()

    assert (library, device, why) == (np, "CPU", "CuPy finds no GPU that works: RuntimeError")


def test_another_model_is_noticed(flights):
    rows, late, model = flights

    assert not refit(model, rows, ~late).is_same


@pytest.mark.slow
def test_what_cannot_be_fitted_again_is_told(flights):
    rows, late, model = flights

    with pytest.raises(InvalidData, match="it is a HistGradientBoostingClassifier"):
        refit(build_model("gradient_boosting", rows).fit(prepare(rows), late), rows, late)
    with pytest.raises(InvalidData, match="one answer only"):
        refit(model, rows, np.zeros(3000))
