"""Does the capstone let every honest feature through, and no feature that knows the future?"""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.data import flights as datasets
from mlops_lab.pipeline.flights import FLIGHTS_POLICY, flight_services
from mlops_lab.teaching.checks.capstone import CHAMPION_VIEWS, POLICY, judge_rows
from mlops_lab.teaching.checks.capstone_flights import some_days, with_another_future
from mlops_lab.teaching.checks.exercise import NotYet

MOMENT = "2013-03-07T19:30Z"


def test_the_champion_and_the_policy_are_those_of_the_pipeline() -> None:
    views = tuple(view.name for view in flight_services()["as_known"].features)

    assert views == CHAMPION_VIEWS
    assert fingerprint_json(FLIGHTS_POLICY.to_dict()) == POLICY


def landed_routes(flights: pd.DataFrame) -> pd.DataFrame:
    return datasets.daily_route(flights).rename(columns={"landed_timestamp": "created_timestamp"})


def late_share_by_destination(flights: pd.DataFrame) -> pd.DataFrame:
    known = datasets.outcomes(flights).assign(dest=flights["dest"].to_numpy()).sort_values("event_timestamp")
    share = known.set_index("event_timestamp").groupby("dest")["late"].rolling("6h").mean().rename("share")
    return share.reset_index().assign(created_timestamp=lambda rows: rows["event_timestamp"])


@pytest.mark.parametrize(
    "source",
    [
        datasets.flight_schedule,
        datasets.aircraft_last_leg,
        datasets.airport_departures,
        datasets.carrier_departures,
        landed_routes,
        late_share_by_destination,
    ],
    ids=lambda source: source.__name__,
)
def test_an_honest_source_passes(source) -> None:
    judge_rows(source)


def day_known_at_midnight(flights: pd.DataFrame) -> pd.DataFrame:
    rows = datasets.daily_route(flights).drop(columns="landed_timestamp")
    return rows.assign(created_timestamp=rows["event_timestamp"])


def own_delay_at_the_decision(flights: pd.DataFrame) -> pd.DataFrame:
    at = datasets.decisions(flights)["event_timestamp"]
    return pd.DataFrame(
        {"flight_id": flights["flight_id"], "event_timestamp": at, "created_timestamp": at, "own": flights["dep_delay"]}
    )


def own_delay_when_it_left(flights: pd.DataFrame) -> pd.DataFrame:
    left = flights[flights["dep_at"].notna()]
    at = left["dep_at"]
    return pd.DataFrame(
        {"flight_id": left["flight_id"], "event_timestamp": at, "created_timestamp": at, "own": left["dep_delay"]}
    )


def departures_of_the_whole_year(_: pd.DataFrame) -> pd.DataFrame:
    return datasets.airport_departures()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (day_known_at_midnight, "a whole day is in each row"),
        (own_delay_at_the_decision, "looks ahead"),
        (own_delay_when_it_left, "0% of the decisions find a row"),
        (departures_of_the_whole_year, "other days than the flights"),
        (datasets.daily_route, "created_timestamp is missing"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_dishonest_or_useless_source_is_told_why(source, says: str) -> None:
    with pytest.raises(NotYet, match=says):
        judge_rows(source)


def test_another_future_changes_nothing_that_was_over() -> None:
    flights = some_days()

    other = with_another_future(flights, MOMENT)

    moment = pd.Timestamp(MOMENT)
    for happened, delay in (("dep_at", "dep_delay"), ("arr_at", "arr_delay")):
        before, after = (frame[happened] <= moment for frame in (flights, other))
        pd.testing.assert_series_equal(before, after)
        pd.testing.assert_frame_equal(flights.loc[before, [happened, delay]], other.loc[before, [happened, delay]])


def test_another_future_changes_everything_that_was_not_over() -> None:
    flights = some_days()

    other = with_another_future(flights, MOMENT)

    still_open = flights["arr_at"] > pd.Timestamp(MOMENT)
    assert (flights.loc[still_open, "arr_at"] != other.loc[still_open, "arr_at"]).mean() > 0.95
    columns = ["flight_id", "origin", "dest", "carrier", "tailnum", "sched_dep", "sched_arr"]
    pd.testing.assert_frame_equal(flights[columns], other[columns])
    assert not other.loc[other["arr_at"].notna(), ["cancelled", "diverted"]].any(axis=None)


def test_another_future_is_consistent_with_itself() -> None:
    other = with_another_future(some_days(), MOMENT)

    for moved, planned, delay in (("dep_at", "sched_dep", "dep_delay"), ("arr_at", "sched_arr", "arr_delay")):
        minutes = (other[moved] - other[planned]).dt.total_seconds() / 60
        flown = other[moved].notna()
        pd.testing.assert_series_equal(minutes[flown], other.loc[flown, delay], check_names=False)
