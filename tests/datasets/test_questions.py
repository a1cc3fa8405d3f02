"""The question and its answer: who is decided on, when, what came of it, and when that was known."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.data.flights import decisions, load_flights, outcomes


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return load_flights()


@pytest.fixture(scope="module")
def shuffled(flights: pd.DataFrame) -> pd.DataFrame:
    return flights.sample(500, random_state=7)


def test_every_flight_is_decided_on_two_hours_before_schedule_in_the_order_given(shuffled: pd.DataFrame) -> None:
    frame = decisions(shuffled)

    assert list(frame.columns) == ["flight_id", "origin", "dest", "carrier", "tailnum", "event_timestamp"]
    assert frame["flight_id"].tolist() == shuffled["flight_id"].tolist()
    assert frame.index.tolist() == list(range(500))
    assert (shuffled["sched_dep"].to_numpy() - frame["event_timestamp"].to_numpy() == pd.Timedelta(hours=2)).all()
    assert str(frame["event_timestamp"].dtype) == "datetime64[us, UTC]"


def test_the_label_is_that_of_a_plain_loop(shuffled: pd.DataFrame) -> None:
    expected, known = [], []
    for flight in shuffled.itertuples():
        arrived = not (flight.cancelled or flight.diverted)
        expected.append(not arrived or flight.arr_delay > 15)
        known.append(flight.arr_at if arrived else flight.sched_arr + pd.Timedelta(minutes=16))

    frame = outcomes(shuffled)

    assert frame["late"].tolist() == expected
    assert frame["event_timestamp"].tolist() == known
    assert (str(frame["late"].dtype), str(frame["event_timestamp"].dtype)) == ("bool", "datetime64[us, UTC]")


def test_fifteen_minutes_is_on_time_and_sixteen_is_late(flights: pd.DataFrame) -> None:
    late = outcomes(flights)["late"]

    assert not late[flights["arr_delay"] == 15].any()
    assert late[flights["arr_delay"] == 16].all()


def test_no_label_is_known_before_it_is_certain(flights: pd.DataFrame) -> None:
    frame = outcomes(flights)

    # A flight that never came is surely late once the sixteenth minute after schedule has come without it.
    never = flights["arr_at"].isna()

    assert (frame["event_timestamp"][~never] == flights["arr_at"][~never]).all()
    assert (frame["event_timestamp"][never] > flights["sched_arr"][never] + pd.Timedelta(minutes=15)).all()
    assert (frame["event_timestamp"] > decisions(flights)["event_timestamp"]).all()


def test_a_quarter_of_the_year_is_late(flights: pd.DataFrame) -> None:
    share = outcomes(flights)["late"].mean()

    assert round(share, 4) == 0.2585


@pytest.mark.parametrize("function", [decisions, outcomes])
def test_the_frame_given_is_not_changed(function: object, shuffled: pd.DataFrame) -> None:
    before = shuffled.copy(deep=True)

    frame = function(shuffled)  # type: ignore[operator]
    frame["flight_id"] = "changed"

    pd.testing.assert_frame_equal(shuffled, before)


@pytest.mark.parametrize("function", [decisions, outcomes])
def test_no_flights_give_no_rows_of_the_same_types(function: object, flights: pd.DataFrame) -> None:
    full, empty = function(flights), function(load_flights(month=[]))  # type: ignore[operator]

    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


@pytest.mark.parametrize("function", [decisions, outcomes])
def test_moments_of_another_zone_and_resolution_are_the_same_moments(function: object, shuffled: pd.DataFrame) -> None:
    moments = ["sched_dep", "sched_arr", "dep_at", "arr_at"]
    moved = shuffled.assign(**{m: shuffled[m].dt.tz_convert("Asia/Kathmandu").dt.as_unit("ns") for m in moments})

    pd.testing.assert_frame_equal(function(moved), function(shuffled))  # type: ignore[operator]


def test_a_missing_column_is_named(shuffled: pd.DataFrame) -> None:
    with pytest.raises(UnknownName) as refused:
        outcomes(shuffled.rename(columns={"arr_delay": "arrdelay"}))

    assert (refused.value.name, refused.value.meant) == ("arr_delay", "arrdelay")


def test_a_moment_without_a_zone_is_refused(shuffled: pd.DataFrame) -> None:
    naive = shuffled.assign(sched_dep=shuffled["sched_dep"].dt.tz_localize(None))

    with pytest.raises(InvalidData, match="time zone") as refused:
        decisions(naive)

    assert refused.value.column == "sched_dep"


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(InvalidData, match="not list"):
        decisions([1, 2])  # type: ignore[arg-type]
