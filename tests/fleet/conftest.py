"""The home folder of the server's tests, with a rollout that has not begun."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mlops_lab.models.registry import Promotion, Registry
from mlops_lab.models.rollout import promotion_of

_spec = importlib.util.spec_from_file_location("serving_homes", Path(__file__).parents[1] / "serving" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
homes = importlib.util.module_from_spec(_spec)
import sys  # noqa: E402

sys.modules["serving_homes"] = homes  # dataclasses look their module up
_spec.loader.exec_module(homes)

app = homes.app


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory) -> Path:
    return homes.build_home(tmp_path_factory.mktemp("fleet"))


@pytest.fixture
def home(filled_home, tmp_path) -> Path:
    shutil.copytree(filled_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def promotion(home) -> Promotion:
    return promotion_of(Registry(home), "late")


@pytest.fixture(scope="session")
def traffic() -> pd.DataFrame:
    """The six days of flights, each with every feature of both versions."""
    frame = homes.flights()
    names = ["flight_id", "airline", "hour", "delay", "waiting", "in_air"]
    rows = frame[names].astype("object").where(frame[names].notna(), None).to_dict("records")
    asked = frame[["flight_id", "event_timestamp", "label_timestamp", "late"]]
    return asked.set_axis(["key", "at", "known_at", "truth"], axis=1).assign(truth=frame["late"].astype(int), row=rows)
