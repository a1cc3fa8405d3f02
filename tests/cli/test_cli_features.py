"""What serves stays as it is when a run fails or somebody looks; and a command fills the online store anew."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView, Field, Source
from mlops_lab.pipeline.flights import FLIGHTS, flight_store, flights_pipeline
from mlops_lab.pipeline.problem import latest_mark

ASK = ("features", "online", "--features", "airport_weather:temp", "--key", "origin=JFK", "--json")


def test_the_online_store_moves_only_after_promotion():
    dag = flights_pipeline()

    assert set(dag.upstream("materialize")) == {"promote"}
    assert "materialize" in dag.upstream("roll_out")


def test_the_statistics_of_a_view_are_told_where_a_run_has_stored_it_without_its_rows(filled):
    shown = filled("features", "describe", "airport_weather", "--statistics", "--json").json["definition"]

    assert {each["feature"]: each["rows"] for each in shown["statistics"]}["temp"] == 26115
    assert shown["materialised_until"] is not None


@pytest.mark.parametrize(
    ("wanted", "now", "mark"),
    [
        ("2013-06-01", "2026-01-01", "2013-06-01"),
        ("2013-09-01", "2013-06-01", "2013-06-01"),  # never past now
        ("2014-01-01", "2026-01-01", "2014-01-01"),
    ],
)
def test_a_mark_is_bound_by_now(wanted, now, mark):
    assert latest_mark(parse_utc(wanted), clock=FakeClock(f"{now}T00:00:00Z"), problem=FLIGHTS) == parse_utc(mark)


def test_a_mark_is_bound_by_the_data():
    assert latest_mark(parse_utc("2099-01-01"), clock=FakeClock("2100-01-01T00:00:00Z"), problem=FLIGHTS) < parse_utc(
        "2014-01-02"
    )


@pytest.mark.slow
def test_a_run_that_fails_changes_nothing_that_serves(terminal):
    before = terminal(*ASK).json

    failed = terminal("run", "--date", "2099-01-01", "-q")

    assert failed.code == 1
    assert before["features"]["temp"] is not None
    assert terminal(*ASK).json == before


@pytest.mark.slow
def test_rebuild_mends_a_store_that_was_filled_for_the_wrong_moment(terminal):
    before = terminal(*ASK).json
    flight_store(terminal.home, clock=FakeClock()).materialize("2099-01-01", views=["airport_weather"])
    assert terminal(*ASK).json["features"]["temp"] is None

    mended = terminal("features", "rebuild", "--view", "airport_weather", "--json")

    assert mended.json["until"] == "2013-06-01T00:00:00+00:00"
    assert terminal(*ASK).json == before


@pytest.fixture
def foreign(empty):
    """Another project's home, which has a service of the name that the flights use."""
    home = empty.home
    home.mkdir()
    known = pd.Timestamp("2024-01-01", tz="UTC")
    rows = home / "rows.parquet"
    pd.DataFrame({"customer": ["c1"], "event_timestamp": [known], "spent": [1.0]}).to_parquet(rows)
    store = FeatureStore(home)
    view = FeatureView(
        "purchases",
        entities=[Entity("customer")],
        schema=[Field("spent", "float64")],
        ttl=None,
        source=Source("rows", str(rows)),
    )
    store.apply([view, FeatureService("as_known", [view])])
    store.materialize(known)
    return empty


@pytest.mark.parametrize(
    "words",
    [
        ("features", "list"),
        ("features", "describe", "as_known"),
        ("features", "online", "--features", "as_known", "--key", "customer=c1"),
        ("drift",),
        ("lineage", "--view", "purchases"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_commands_that_look_write_nothing_into_another_projects_home(words, foreign):
    before = foreign.state()

    foreign(*words)

    assert foreign.state() == before
    store = FeatureStore(foreign.home)
    assert [view.name for view in store.list_feature_views()] == ["purchases"]
    assert store.get_online_features({"customer": "c1"}, features="as_known").to_dict()["spent"] == [1.0]


def test_rebuild_fills_another_projects_store_up_to_now_and_leaves_its_definitions(foreign):
    told = foreign("features", "rebuild", "--until", "2024-06-01", "--json")

    assert told.json == {"until": "2024-06-01T00:00:00+00:00", "rows": told.json["rows"]}
    assert set(told.json["rows"]) == {"purchases"}
    assert [view.name for view in FeatureStore(foreign.home).list_feature_views()] == ["purchases"]


def test_rebuild_asks_until_when_where_nothing_was_promoted(foreign):
    refused = foreign("features", "rebuild")

    assert refused.code == 1
    assert "--until" in refused.line
