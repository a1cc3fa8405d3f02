"""The exported repository in Tecton's own SDK: built, validated and run, as far as that goes without an account."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.skipif(
    "tecton" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines tecton runs it",
)

SETTINGS = {
    "TECTON_SKIP_OBJECT_VALIDATION": "True",
    "TECTON_BATCH_COMPUTE_MODE": "rift",
    "TECTON_OFFLINE_RETRIEVAL_COMPUTE_MODE": "rift",
    "DO_NOT_TRACK": "1",
}
# The SDK starts a Ray cluster before each plan and gives it 30 seconds, but only plans of several partitions use it.
WITHOUT_RAY = "import ray\n\nray.init = lambda *_, **__: None\n"
HOURS = pd.to_datetime(["2013-01-01T05:30Z", "2013-01-01T06:30Z", "2013-01-01T07:30Z"])


def small_rows():
    """A view's rows for some hours of one day, with every type and with nulls."""
    return pd.DataFrame(
        {
            "origin": ["EWR", "EWR", "JFK"],
            "carrier": ["UA", "UA", "B6"],
            "event_timestamp": HOURS,
            "wind": [3.5, None, 9.0],
            "count": pd.array([1, None, 3], dtype="Int64"),
            "stormy": pd.array([True, None, False], dtype="boolean"),
            "sky": ["clear", None, "Schnee"],
        }
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The definitions of two views and a service, exported, with their rows, and imported as Tecton would."""
    from datetime import timedelta

    from mlops_lab.adapters.exports import to_tecton_repository
    from mlops_lab.adapters.feast.export import write_feature_rows
    from mlops_lab.data.features import Entity, FeatureService, FeatureView, Field, Source

    folder = tmp_path_factory.mktemp("repository")
    airport, carrier = (
        Entity("airport", join_keys=["origin"]),
        Entity("carrier_at_airport", join_keys=["carrier", "origin"]),
    )
    fields = [Field("wind", "float64"), Field("count", "int64"), Field("stormy", "bool"), Field("sky", "string")]
    source = Source("rows", small_rows())
    weather = FeatureView("weather", entities=[airport], schema=fields, ttl=timedelta(hours=3), source=source)
    crowd = FeatureView("crowd", entities=[carrier], schema=fields[1:2], ttl=None, source=source)
    service = FeatureService("delays", [weather[["wind", "sky"]], crowd])
    for name, text in to_tecton_repository([weather, crowd, service]).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    write_feature_rows(folder, [weather, crowd])
    return folder


@pytest.fixture(scope="module")
def features(repository):
    """The module features.py, imported with the settings that need no account."""
    patch = pytest.MonkeyPatch()
    for name, value in {**SETTINGS, "MLOPS_LAB_ROWS": str(repository / "data")}.items():
        patch.setenv(name, value)
    exec(WITHOUT_RAY)  # noqa: S102  the same lines as the other process gets
    spec = importlib.util.spec_from_file_location("features", repository / "features.py")
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, "features", module)
    spec.loader.exec_module(module)
    yield module
    patch.undo()


def test_the_sdk_builds_and_validates_every_object(features):
    objects = [
        features.airport_entity,
        features.carrier_at_airport_entity,
        features.weather_source,
        features.crowd_source,
        features.weather_view,
        features.crowd_view,
        features.delays_service,
    ]

    for each in objects:
        each.validate()

    assert [each.name for each in objects[4:]] == ["weather", "crowd", "delays"]


def test_the_declared_schema_is_that_of_the_view(features):
    keys = features.crowd_view.join_keys
    columns = features.weather_view.get_feature_columns()

    assert sorted(keys) == ["carrier", "origin"]
    assert sorted(columns) == ["count", "sky", "stormy", "wind"]


def test_the_transformation_gives_the_rows_with_their_values(features):
    start, end = pd.Timestamp("2013-01-01").to_pydatetime(), pd.Timestamp("2013-01-02").to_pydatetime()

    found = features.weather_view.run_transformation(start, end).to_pandas().sort_values("event_timestamp")

    assert found["wind"].fillna(-1).tolist() == [3.5, -1, 9.0]
    assert found["count"].fillna(-1).tolist() == [1, -1, 3]
    assert [None if pd.isna(value) else bool(value) for value in found["stormy"]] == [True, None, False]
    assert [None if pd.isna(value) else value for value in found["sky"]] == ["clear", None, "Schnee"]


def test_features_of_events_are_what_had_been_computed_by_then(features):
    """A row counts from the end of its hourly batch: Tecton's own answer to "what had not arrived was not known"."""
    moments = pd.to_datetime(["2013-01-01T05:45Z", "2013-01-01T06:00Z", "2013-01-01T06:45Z", "2013-01-01T07:15Z"])
    asked = pd.DataFrame({"origin": "EWR", "timestamp": moments, "label": range(4)})

    found = features.weather_view.get_features_for_events(asked).to_pandas().sort_values("label")

    assert found["weather__wind"].fillna(-1).tolist() == [-1, 3.5, 3.5, -1]


def test_a_service_gives_the_features_of_its_parts(features):
    asked = pd.DataFrame({"origin": ["JFK"], "carrier": ["B6"], "timestamp": pd.to_datetime(["2013-01-01T09:00Z"])})

    found = features.delays_service.get_features_for_events(asked).to_pandas()

    assert found["weather__wind"].tolist() == [9.0]
    assert found["weather__sky"].tolist() == ["Schnee"]
    assert found["crowd__count"].tolist() == [3]
    assert "weather__stormy" not in found.columns


def test_tecton_test_runs_the_test_of_the_repository(repository, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_RAY, "utf-8")  # Python runs it first
    program = Path(sys.executable).with_name("tecton")
    variables = {
        **os.environ,
        **SETTINGS,
        "MLOPS_LAB_ROWS": str(repository / "data"),
        "HOME": str(repository.parent),
        "PYTHONPATH": str(tmp_path),
    }

    done = subprocess.run(
        [str(program), "test", "--default-compute-mode", "rift"],
        cwd=repository,
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout + done.stderr
