"""A whole year of flights: Feast's stores give the same rows as ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from mlops_lab.data import flights as datasets
from mlops_lab.data.features import FeatureStore
from mlops_lab.pipeline.flights import flight_objects

pytestmark = pytest.mark.skipif(
    "feast-mlflow" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines feast-mlflow runs it",
)
#: A row for each pair of entity row and feature row of one key: of these views there are few enough for any engine.
SMALL = ("flight_schedule", "aircraft_last_leg", "daily_airport", "daily_carrier", "daily_route", "daily_weather")


@pytest.fixture(scope="module")
def asked():
    """Every decision of the year."""
    return datasets.decisions(datasets.load_flights())


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("ours"))
    store.apply(flight_objects())
    return store


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory):
    from mlops_lab.adapters.feast.store import FeastStore

    store = FeastStore(tmp_path_factory.mktemp("feast"))
    store.apply(flight_objects())
    return store


@pytest.mark.nightly  # half a minute each; a whole run of the pipeline on Feast is in the suite of every change
@pytest.mark.parametrize("service", ["as_known", "daily_averages"])
def test_the_features_of_the_year_are_the_same_rows_on_duckdb(ours, duckdb, asked, service):
    known = ours.get_historical_features(asked, features=service)

    found = duckdb.get_historical_features(asked, features=service)

    assert len(found) == 336_776
    assert found.fingerprint == known.fingerprint


def test_what_serving_would_have_seen_is_the_same_on_duckdb(ours, duckdb, asked):
    """The leaking service, whose rows count long before they land."""
    holdout = asked[asked["event_timestamp"] >= pd.Timestamp("2013-09-01", tz="UTC")]
    served = ours.replay(holdout, features="daily_averages")

    found = duckdb.replay(holdout, features="daily_averages")

    assert found.fingerprint == served.fingerprint
    assert found.fingerprint != ours.get_historical_features(holdout, features="daily_averages").fingerprint


def test_what_is_served_at_a_moment_is_the_same_on_feast(ours, duckdb):
    until, views = "2013-07-01T12:00Z", ["airport_weather", "airport_departures", "carrier_departures"]
    rows = [
        {"origin": origin, "carrier": carrier} for origin in ("EWR", "JFK", "LGA") for carrier in ("UA", "B6", "XX")
    ]
    features = [f"{name}:{feature}" for name in views for feature in ours.get_feature_view(name).features]

    written = [store.materialize(until, views=views) for store in (ours, duckdb)]

    assert written[0] == written[1]
    assert (
        duckdb.get_online_features(rows, features=features).to_dict()
        == ours.get_online_features(rows, features=features).to_dict()
    )


SPARK = """
import sys
from mlops_lab.data import flights as datasets
from mlops_lab.adapters.feast.store import FeastStore
from mlops_lab.pipeline.flights import flight_objects

home, every, views = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
wanted = [one for one in flight_objects() if getattr(one, "name", "") in views and hasattr(one, "schema")]
store = FeastStore(home, offline="spark")
store.apply(wanted)
features = [f"{view.name}:{name}" for view in wanted for name in view.features]
asked = datasets.decisions(datasets.load_flights()).iloc[::every]
found = store.get_historical_features(asked, features=features)
from pyspark.sql import SparkSession
session = SparkSession.getActiveSession()
print("ANSWER", session.sparkContext.master, len(found), found.fingerprint, flush=True)
session.stop()
"""


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java: apt-get install openjdk-17-jre-headless")
@pytest.mark.parametrize("every", [1, 24])
def test_the_features_of_the_year_are_the_same_rows_on_spark(ours, asked, tmp_path, every):
    """Two cores of local Spark, in a process of its own, so that Java ends with it."""
    features = [f"{view.name}:{name}" for view in map(ours.get_feature_view, ours_in_order()) for name in view.features]
    known = ours.get_historical_features(asked.iloc[::every], features=features)

    done = subprocess.run(
        [sys.executable, "-c", SPARK, str(tmp_path), str(every), *SMALL],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    answer = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER"))
    assert answer.split()[1:] == ["local[2]", str(len(asked.iloc[::every])), known.fingerprint]


def ours_in_order():
    """The small views in the order in which they are defined."""
    return [one.name for one in flight_objects() if one.name in SMALL and hasattr(one, "schema")]
