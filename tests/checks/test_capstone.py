"""Does the capstone let every honest feature through, and no feature that knows the future?"""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.data import flights as datasets
from mlops_lab.pipeline.flights import FLIGHTS_POLICY, flight_services
from mlops_lab.teaching.checks import find_exercise
from mlops_lab.teaching.checks.capstone import (
    CHAMPION_VIEWS,
    POLICY,
    judge_report,
    judge_rows,
    judge_service,
    judge_view,
)
from mlops_lab.teaching.checks.capstone_flights import some_days, with_another_future
from mlops_lab.teaching.checks.exercise import NotYet

MOMENT = "2013-03-07T19:30Z"


def at_night(*values):
    """By day one case of each kind."""
    return pytest.param(*values, marks=pytest.mark.nightly)


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


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        late_share_by_destination,
        *(
            pytest.param(source, marks=pytest.mark.nightly)
            for source in (
                datasets.flight_schedule,
                datasets.aircraft_last_leg,
                datasets.airport_departures,
                datasets.carrier_departures,
                landed_routes,
            )
        ),
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


def landed_seconds_early(flights: pd.DataFrame) -> pd.DataFrame:
    landed = flights.dropna(subset=["arr_at"])
    at = landed["arr_at"] - pd.Timedelta(seconds=5)
    rows = {"dest": landed["dest"], "event_timestamp": at, "created_timestamp": at}
    return pd.DataFrame({**rows, "delay": landed["arr_delay"].astype("float64")})


def departures_of_the_whole_year(_: pd.DataFrame) -> pd.DataFrame:
    return datasets.airport_departures()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (day_known_at_midnight, "a whole day is in each row"),
        (own_delay_at_the_decision, "looks ahead"),
        (landed_seconds_early, "looks ahead"),
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


def known_a_day_after_its_midnight_in_utc(flights: pd.DataFrame) -> pd.DataFrame:
    """At 00:00 UTC the evening's flights of that day are still in the air."""
    rows = late_by_day(flights, flights["sched_dep"].dt.floor("D"))
    return rows.assign(created_timestamp=rows["event_timestamp"] + pd.Timedelta(hours=24))


def known_at_the_next_midnight_in_new_york(flights: pd.DataFrame) -> pd.DataFrame:
    rows = late_by_day(flights, flights["sched_dep"].dt.tz_convert("America/New_York").dt.floor("D"))
    at = (rows["event_timestamp"] + pd.Timedelta(hours=24)).dt.tz_convert("UTC")
    return rows.assign(event_timestamp=at, created_timestamp=at)


def late_by_day(flights: pd.DataFrame, day: pd.Series) -> pd.DataFrame:
    late = flights.groupby(["dest", day])["arr_delay"].mean().rename("dest_day_delay").reset_index()
    return late.rename(columns={"sched_dep": "event_timestamp"})


@pytest.mark.slow
@pytest.mark.parametrize("source", [known_a_day_after_its_midnight_in_utc, known_at_the_next_midnight_in_new_york])
def test_a_leak_of_the_hours_round_midnight_is_found(source) -> None:
    with pytest.raises(NotYet, match="a whole day is in each row"):
        judge_rows(source)


def last_arrival(flights: pd.DataFrame, **how: str) -> pd.DataFrame:
    landed = flights.dropna(subset=["arr_at"]).sort_values("arr_at", **how)
    known = landed["arr_at"] + pd.Timedelta(minutes=5)
    return pd.DataFrame(
        {
            "dest": landed["dest"],
            "event_timestamp": landed["arr_at"],
            "created_timestamp": known,
            "last": landed["arr_delay"].astype("float64"),
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, at_night({"kind": "stable"})], ids=["default sort", "stable sort"])
def test_the_order_of_arrivals_in_one_minute_is_no_leak(how) -> None:
    judge_rows(lambda flights: last_arrival(flights, **how))


def test_a_truth_hidden_in_the_order_of_tied_rows_is_refused() -> None:
    def hidden(flights: pd.DataFrame) -> pd.DataFrame:
        at = datasets.decisions(flights)["event_timestamp"]
        late = flights["arr_delay"] > 15
        one = pd.DataFrame({"flight_id": flights["flight_id"], "event_timestamp": at, "created_timestamp": at})
        return pd.concat([one.assign(late=~late), one.assign(late=late)])

    with pytest.raises(NotYet, match="100% of the rows share"):
        judge_rows(hidden)


def _names(**own: object) -> dict:
    """What a learner's kernel holds before 09.3, and what is put in afterwards."""
    exercise = find_exercise("09.3")
    names: dict = {}
    exec(exercise.setup, names)  # noqa: S102 - the course's own sources
    return names | own


_EARLY = """
def early(flights):
    day = flights["sched_dep"].dt.floor("D")
    rows = flights.groupby(["dest", day])["arr_delay"].mean().rename("day_delay").reset_index()
    rows = rows.rename(columns={"sched_dep": "event_timestamp"})
    return rows.assign(created_timestamp=rows["event_timestamp"] + timedelta(hours=24))

def early_view(source):
    return FeatureView("early_day", entities=[destination], schema=[Field("day_delay", "float64")],
                       ttl=timedelta(days=2), source=Source("early_day", source,
                       created_timestamp_column="created_timestamp"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("lambda: early(flights)", "a whole day is in each row"),
        ("early(flights)", "a finished table"),
        ("lambda rows=flights: early(rows)", "a whole day is in each row"),
        ("(lambda rows: lambda: early(rows))(flights)", "a whole day is in each row"),
        ("__import__('functools').partial(early, flights)", "a whole day is in each row"),
        ("lambda table=early(flights): table", "compute them from flights"),
        ("lambda: early(type(flights)(flights))", "a whole day is in each row"),
    ],
)
def test_the_view_that_is_used_is_probed_however_its_source_is_written(source: str, says: str) -> None:
    names = _names()
    exec(_EARLY + f"my_view = early_view({source})", names)  # noqa: S102
    before = names["flights"]

    with pytest.raises(NotYet, match=says):
        judge_view(names["my_view"])

    assert names["flights"] is before, "the learner's own table is there again"


_MAPPED = """
from dataclasses import replace
from mlops_lab import OnDemandFeatureView, RequestSource
whole = early(flights).rename(columns={"day_delay": "x", "created_timestamp": "seen"})
renamed = replace(early_view(lambda: early(flights).rename(columns={"day_delay": "x"})), name="renamed")
renamed = replace(renamed, source=replace(renamed.source, field_mapping={"x": "day_delay"}))
times = replace(early_view(lambda: early(flights).rename(columns={"created_timestamp": "seen"})), name="times")
times = replace(times, source=replace(times.source, field_mapping={"seen": "created_timestamp"}))
for_ever = replace(early_view(lambda: early(flights)), name="for_ever", ttl=None)
role = early_view(lambda: early(flights)).with_name("there").with_join_key_map({"dest": "origin"})
to_outcome = replace(my_view).with_name("by_outcome").with_join_key_map({"dest": "late"})
delays = flights.set_index("flight_id")["arr_delay"].fillna(99.0)
asked = RequestSource("asked", schema=[Field("flight_id", "string")])
def looked_up(frame):
    delays = flights.drop_duplicates("flight_id").set_index("flight_id")["arr_delay"].fillna(99.0)
    return frame["flight_id"].map(delays).to_frame("own")
def own(udf, source=asked):
    return OnDemandFeatureView("own_delay", sources=[source], schema=[Field("own", "float64")], udf=udf)
beside = own(looked_up)
told = own(lambda frame: frame["late"].astype("float64").to_frame("own"),
           RequestSource("told", schema=[Field("late", "int64")]))
by_value = own(lambda frame: frame["flight_id"].map(delays).to_frame("own"))
behind = OnDemandFeatureView("behind", sources=[role], schema=[Field("own", "float64")],
                             udf=lambda frame: frame.iloc[:, 0].to_frame("own"))
second = replace(champion_views[0], source=replace(champion_views[0].source, data=lambda: early(flights)))
second = second.with_name("once_more")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "says"),
    [
        ("renamed", "a whole day is in each row"),
        at_night("times", "a whole day is in each row"),
        at_night("for_ever", "a whole day is in each row"),
        at_night("role", "a whole day is in each row"),
        at_night("behind", "a whole day is in each row"),
        ("to_outcome", "no column .'late'. to join on"),
        ("beside", "looks into the table flights"),
        ("told", "asks for .'late'. with the request"),
        at_night("by_value", "something in it knows the outcome"),
        at_night("second", "once_more is not the champion's view of that name"),
    ],
)
def test_a_leak_by_another_way_is_found_and_said(view: str, says: str) -> None:
    names = _names()
    exec(_EARLY + _MAPPED + f"my_service = FeatureService('mine', [*champion_views, my_view, {view}])", names)  # noqa: S102

    with pytest.raises(NotYet, match=says):
        judge_service(names["my_service"])


_HONEST = """
from dataclasses import replace
from mlops_lab import OnDemandFeatureView
mapped = replace(my_view, name="mapped", source=replace(
    my_view.source, data=lambda: my_rows(flights).rename(columns={FEATURE: "x"}), field_mapping={"x": FEATURE}))
in_a_role = replace(my_view, name="in_a_role").with_name("there")
halved = OnDemandFeatureView("halved", sources=[my_view], schema=[Field("half", "float64")],
                             udf=lambda frame: (frame[FEATURE] / 2).to_frame("half"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("view", [at_night("mapped"), at_night("in_a_role"), "halved"])
def test_what_an_honest_view_is_made_into_passes(view: str) -> None:
    names = _names()
    names["FEATURE"] = names["my_view"].features[0]
    exec(_HONEST + f"my_service = FeatureService('mine', [*champion_views, {view}])", names)  # noqa: S102

    judge_service(names["my_service"])
    if view != "halved":
        judge_view(names[view])


@pytest.mark.slow
def test_a_leak_beside_the_honest_view_is_found() -> None:
    names = _names()
    exec(  # noqa: S102
        _EARLY + "my_service = FeatureService('mine', [*champion_views, my_view, early_view(lambda: early(flights))])",
        names,
    )

    with pytest.raises(NotYet, match="a whole day is in each row"):
        judge_service(names["my_service"])


def test_a_leak_under_the_name_of_a_champions_view_is_found() -> None:
    names = _names()
    exec(  # noqa: S102
        "from dataclasses import replace\n"
        "first, *others = champion_views\n"
        "other = replace(first, source=replace(first.source, data=lambda: first.source.data()))\n"
        "my_service = FeatureService('mine', [other, *others, my_view])",
        names,
    )

    with pytest.raises(NotYet, match="is not the champion's view of that name"):
        judge_service(names["my_service"])


def test_figures_too_good_to_be_honest_are_refused_at_the_gate() -> None:
    exercise = find_exercise("09.4")
    names: dict = {}
    exec(exercise.setup, names)  # noqa: S102
    exec(  # noqa: S102
        "far = Measured(figures | {'offline.roc_auc': 0.8, 'served.roc_auc': 0.8}, measured.champion, data)\n"
        "report = evaluate_gates(candidate, champion, FLIGHTS_POLICY, measured=far, at=clock.now())",
        names,
    )

    assert names["report"].passed
    with pytest.raises(NotYet, match=r"gains 0\.088 AUC"):
        judge_report(names["report"])
