"""The feature sources against slow, obvious loops over nothing but the past."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import FunctionType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.data import flights as datasets
from mlops_lab.data.flights import (
    aircraft_last_leg,
    airport_departures,
    airport_weather,
    carrier_departures,
    daily_airport,
    daily_carrier,
    daily_route,
    daily_weather,
    flight_schedule,
    load_flights,
    load_weather,
    outcomes,
)

FROM_FLIGHTS = [
    flight_schedule,
    airport_departures,
    carrier_departures,
    aircraft_last_leg,
    daily_airport,
    daily_carrier,
    daily_route,
]
FROM_WEATHER = [airport_weather, daily_weather]
SOURCES = [*FROM_FLIGHTS, *FROM_WEATHER]
KEYS = {
    "flight_schedule": ["flight_id"],
    "airport_departures": ["origin"],
    "carrier_departures": ["carrier", "origin"],
    "aircraft_last_leg": ["tailnum"],
    "airport_weather": ["origin"],
    "daily_airport": ["origin"],
    "daily_carrier": ["carrier", "origin"],
    "daily_route": ["origin", "dest"],
    "daily_weather": ["origin"],
}
HOUR = pd.Timedelta(hours=1)
MIDNIGHT = pd.Timestamp("2013-07-01", tz="UTC")


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return load_flights(month=7)


@pytest.fixture(scope="module")
def rows() -> dict[str, pd.DataFrame]:
    return {source.__name__: source() for source in SOURCES}


def recomputed(flights: pd.DataFrame, moment: pd.Timestamp, hours: tuple[int, ...]) -> dict[str, float]:
    """The rolling features of some flights at a moment, from what had happened by then and nothing else."""
    found: dict[str, float] = {}
    left = [f for f in flights.itertuples() if not pd.isna(f.dep_at) and f.dep_at <= moment]
    for h in hours:
        recent = [f.dep_delay for f in left if f.dep_at > moment - h * HOUR]
        found[f"departures_{h}h"] = len(recent)
        found[f"dep_delay_{h}h"] = sum(recent) / len(recent) if recent else np.nan
        found[f"late_share_{h}h"] = sum(delay > 15 for delay in recent) / len(recent) if recent else np.nan
    due = [f.Index for f in flights.itertuples() if moment - 3 * HOUR < f.sched_dep <= moment]
    found["waiting"] = len(set(due) - {f.Index for f in left})
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "prefix", "hours", "every"),
    [
        pytest.param(airport_departures, "airport", (1, 3), 30, marks=pytest.mark.nightly, id="airport"),
        pytest.param(carrier_departures, "carrier", (3,), 60, id="carrier"),
    ],
)
def test_rolling_features_are_those_of_a_loop_over_the_past(
    source: Callable[..., pd.DataFrame], prefix: str, hours: tuple[int, ...], every: int, flights: pd.DataFrame
) -> None:
    frame, keys = source(flights), KEYS[source.__name__]
    sample = frame.sample(60, random_state=3)

    for _, row in sample.iterrows():
        group = flights[(flights[keys] == row[keys]).all(axis=1)]
        near = group[(group["sched_dep"] - row["event_timestamp"]).abs() < pd.Timedelta(days=2)]
        expected = recomputed(near, row["event_timestamp"], hours)
        assert row[[f"{prefix}_{name}" for name in expected]].tolist() == pytest.approx(
            list(expected.values()), nan_ok=True
        )
    assert (frame["event_timestamp"].dt.minute % every == 0).all()


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["EWR", "JFK"]),
            st.integers(0, 600),
            st.one_of(st.none(), st.integers(-40, 400)),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_any_handful_of_flights_rolls_like_the_loop(drawn: list[tuple[str, int, int | None]]) -> None:
    frame = pd.DataFrame(drawn, columns=["origin", "due", "dep_delay"]).astype({"dep_delay": "float64"})
    frame["sched_dep"] = (MIDNIGHT + pd.to_timedelta(frame["due"], unit="min")).dt.as_unit("us")
    frame["dep_at"] = (frame["sched_dep"] + pd.to_timedelta(frame["dep_delay"], unit="min")).dt.as_unit("us")

    rolled = airport_departures(frame)

    for _, row in rolled.iterrows():
        expected = recomputed(frame[frame["origin"] == row["origin"]], row["event_timestamp"], (1, 3))
        assert row[[f"airport_{name}" for name in expected]].tolist() == pytest.approx(
            list(expected.values()), nan_ok=True
        )


@pytest.mark.parametrize("source", [airport_departures, carrier_departures, aircraft_last_leg])
@pytest.mark.parametrize("moment", ["2013-07-10T15:00Z", "2013-07-23T03:00Z"])
def test_changing_the_future_changes_nothing_that_was_known(
    source: Callable[..., pd.DataFrame], moment: str, flights: pd.DataFrame
) -> None:
    now = pd.Timestamp(moment)
    other = flights.copy()
    departs, arrives = other["dep_at"] > now, other["arr_at"] > now
    other.loc[departs, ["dep_at", "dep_delay"]] = [None, np.nan]  # after now everything is cancelled, nothing lands
    other.loc[arrives, ["arr_at", "arr_delay"]] = [None, np.nan]
    known = source(flights).query("created_timestamp <= @now").reset_index(drop=True)

    same = source(other).query("created_timestamp <= @now").reset_index(drop=True)

    assert len(known) > 1000
    pd.testing.assert_frame_equal(same, known)


def test_an_aircraft_in_the_air_has_no_arrival_delay_yet(flights: pd.DataFrame) -> None:
    frame = aircraft_last_leg(flights)
    legs = flights[flights["tailnum"] == "N14228"].dropna(subset=["dep_at"]).sort_values("dep_at")
    expected = []
    for leg in legs.itertuples():
        expected.append((leg.dep_at, leg.dep_delay, None, leg.dep_delay, True, leg.distance))
        if not pd.isna(leg.arr_at):
            expected.append((leg.arr_at, leg.dep_delay, leg.arr_delay, leg.arr_delay, False, leg.distance))

    found = frame[frame["tailnum"] == "N14228"]

    columns = ["event_timestamp", "leg_dep_delay", "leg_arr_delay", "leg_delay", "leg_in_air", "leg_distance"]
    assert [tuple(None if pd.isna(x) else x for x in row) for row in found[columns].itertuples(index=False)] == expected
    assert frame["leg_arr_delay"].isna()[frame["leg_in_air"]].all()


@pytest.mark.slow
def test_the_schedule_speaks_new_york_time_and_says_it_thirty_days_before(
    rows: dict[str, pd.DataFrame],
) -> None:
    flights, frame = load_flights(), rows["flight_schedule"]
    sample = np.random.default_rng(0).choice(len(flights), 300, replace=False)

    for at in sample:
        flight, row = flights.iloc[at], frame.iloc[at]
        local = flight["sched_dep"].tz_convert("America/New_York")
        assert (row["month"], row["hour"], row["weekday"]) == (local.month, local.hour, local.weekday())
        assert row["minute_of_day"] == local.hour * 60 + local.minute
        assert row["scheduled_minutes"] == (flight["sched_arr"] - flight["sched_dep"]).total_seconds() / 60
        assert (row["airline"], row["airport"], row["destination"]) == tuple(flight[["carrier", "origin", "dest"]])
        assert row["event_timestamp"] == row["created_timestamp"] == flight["sched_dep"] - pd.Timedelta(days=30)


def test_flights_in_the_same_hour_are_counted(flights: pd.DataFrame) -> None:
    frame = flight_schedule(flights)
    hour = flights["sched_dep"].dt.tz_convert("America/New_York").dt.strftime("%d %H")

    sizes = [
        ((flights["origin"] == flights["origin"][at]) & (hour == hour[at])).sum() for at in range(0, len(flights), 500)
    ]

    assert frame["scheduled_in_hour"].iloc[::500].tolist() == sizes


def test_the_weather_of_an_hour_is_known_when_the_hour_is_over(rows: dict[str, pd.DataFrame]) -> None:
    frame, weather = rows["airport_weather"], load_weather()

    assert (frame["created_timestamp"] - frame["event_timestamp"] == HOUR).all()
    assert (frame["event_timestamp"] == weather["time_hour"]).all()
    pd.testing.assert_frame_equal(frame[["temp", "precip", "visib"]], weather[["temp", "precip", "visib"]])


def test_only_the_impossible_wind_is_nulled_and_only_absent_gusts_become_zero(
    rows: dict[str, pd.DataFrame],
) -> None:
    frame, weather = rows["airport_weather"], load_weather()

    lost = frame["wind_speed"].isna() & weather["wind_speed"].notna()

    assert weather["wind_speed"][lost].round().tolist() == [1048.0]
    assert frame["wind_gust"].isna().sum() == frame["wind_speed"].isna().sum()
    assert (frame["wind_gust"] == weather["wind_gust"].fillna(0.0))[frame["wind_gust"].notna()].all()


@pytest.mark.parametrize(
    ("source", "prefix"), [(daily_airport, "airport"), (daily_carrier, "carrier"), (daily_route, "route")]
)
def test_daily_averages_are_those_of_a_loop_over_the_date(
    source: Callable[..., pd.DataFrame], prefix: str, flights: pd.DataFrame
) -> None:
    frame, keys = source(flights), KEYS[source.__name__]
    answers = flights.assign(late=outcomes(flights)["late"], known=outcomes(flights)["event_timestamp"])
    names = ("flights", "dep_delay", "arr_delay", "late_share", "cancelled_share")

    for _, row in frame.sample(25, random_state=1).iterrows():
        begins, ends = row["event_timestamp"], row["event_timestamp"] + pd.Timedelta(hours=24)
        day = answers[answers["sched_dep"].between(begins, ends, inclusive="left")]
        day = day[(day[keys] == row[keys]).all(axis=1)]
        expected = [len(day), *(day[name].mean() for name in ("dep_delay", "arr_delay", "late", "cancelled"))]
        assert row[[f"{prefix}_day_{name}" for name in names]].tolist() == pytest.approx(expected, nan_ok=True)
        assert begins.tz_convert("America/New_York").hour == 0
        assert row["landed_timestamp"] >= max(day["known"].max(), ends)
        assert row["landed_timestamp"] == max(day["known"].max().ceil("h"), ends)


def test_daily_weather_is_that_of_the_new_york_date() -> None:
    weather = load_weather()
    local = weather["time_hour"].dt.tz_convert("America/New_York")

    row = daily_weather().set_index(["origin", "event_timestamp"]).loc[("JFK", pd.Timestamp("2013-03-10T05:00Z"))]

    day = weather[(local.dt.strftime("%m-%d") == "03-10") & (weather["origin"] == "JFK")]
    assert len(day) == 23  # the clocks went forward
    assert row["landed_timestamp"] == pd.Timestamp("2013-03-11T04:00Z")
    assert (row["day_temp"], row["day_visib"], row["day_precip"]) == pytest.approx(
        (day["temp"].mean(), day["visib"].min(), day["precip"].sum())
    )


@pytest.mark.parametrize("name", sorted(KEYS))
def test_keys_and_moment_are_unique_and_never_null(name: str, rows: dict[str, pd.DataFrame]) -> None:
    frame, columns = rows[name], [*KEYS[name], "event_timestamp"]

    assert not frame.duplicated(columns).any()
    assert frame[columns].notna().all().all()
    assert list(frame.columns[: len(KEYS[name])]) == KEYS[name]


@pytest.mark.parametrize("name", sorted(KEYS))
def test_nothing_is_known_before_it_happens_and_moments_are_utc(name: str, rows: dict[str, pd.DataFrame]) -> None:
    frame = rows[name]
    known = "landed_timestamp" if name.startswith("daily") else "created_timestamp"

    assert (frame[known] >= frame["event_timestamp"]).all()
    assert {str(frame[column].dtype) for column in (known, "event_timestamp")} == {"datetime64[us, UTC]"}


def test_no_feature_has_the_name_of_another_or_of_a_key(rows: dict[str, pd.DataFrame]) -> None:
    moments = {"event_timestamp", "created_timestamp", "landed_timestamp"}
    keys = {key for names in KEYS.values() for key in names}

    features = list(itertools.chain(*(set(frame) - set(KEYS[name]) - moments for name, frame in rows.items())))

    assert len(features) == len(set(features))
    assert not keys & set(features)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_no_input_gives_no_rows_of_the_same_types(
    source: Callable[..., pd.DataFrame], rows: dict[str, pd.DataFrame]
) -> None:
    nothing = load_weather().iloc[:0] if source in FROM_WEATHER else load_flights(month=[])

    empty = source(nothing)

    assert len(empty) == 0
    assert empty.dtypes.astype(str).to_dict() == rows[source.__name__].dtypes.astype(str).to_dict()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_the_index_and_the_order_given_do_not_matter_and_the_input_stays_as_it_was(
    source: Callable[..., pd.DataFrame], flights: pd.DataFrame
) -> None:
    given = load_weather().iloc[:3000] if source in FROM_WEATHER else flights.iloc[:3000]
    mixed = given.sample(frac=1, random_state=2)
    before = mixed.copy(deep=True)
    columns = [*KEYS[source.__name__], "event_timestamp"]

    plain, found = source(given), source(mixed)

    pd.testing.assert_frame_equal(mixed, before)
    assert found.index.tolist() == list(range(len(found)))
    if source not in (flight_schedule, airport_weather):  # these keep the order given
        pd.testing.assert_frame_equal(found, plain)
    else:
        pd.testing.assert_frame_equal(
            found.sort_values(columns, ignore_index=True), plain.sort_values(columns, ignore_index=True)
        )


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_a_frame_of_something_else_is_refused(source: Callable[..., pd.DataFrame]) -> None:
    with pytest.raises(UnknownName, match="no column"):
        source(pd.DataFrame({"trains": [1]}))
    with pytest.raises(InvalidData, match="must be a DataFrame"):
        source("flights")


@pytest.mark.parametrize(
    "source", [airport_departures, carrier_departures, flight_schedule, daily_airport, daily_route]
)
def test_a_flight_without_a_schedule_is_refused(source: Callable[..., pd.DataFrame], flights: pd.DataFrame) -> None:
    broken = flights.head(3).copy()
    broken.loc[1, "sched_dep"] = None

    with pytest.raises(InvalidData, match="scheduled departure"):
        source(broken)


def test_every_source_of_the_package_is_tried_here() -> None:
    functions = {name for name, value in vars(datasets).items() if isinstance(value, FunctionType)}
    frames = {name for name in functions if not name.startswith(("load", "describe", "verify"))}

    assert frames - {"decisions", "outcomes"} == set(KEYS)
