"""The flights as a problem: whether one will be over 15 minutes late, asked two hours before departure.

Four things are known two hours before a flight is due: what the schedule says, the weather, how the airport and the
carrier are doing, and what the aircraft last did. `as_known` serves them as they were known. `daily_averages` is what
people build first: averages by date, joined on the date. It looks wonderful, because the date's average knows the
evening in the morning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import Clock
from mlops_lab.data import flights as datasets
from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView
from mlops_lab.models.drift import DriftPolicy
from mlops_lab.models.gates import (
    Calibration,
    FirstModel,
    Floor,
    Freshness,
    GatePolicy,
    NoWorseThanChampion,
    NullRate,
    RowCount,
    Schema,
    ServedSkew,
    SliceFloor,
)
from mlops_lab.models.training import MODELS
from mlops_lab.pipeline.dag import DAG, DagRun, Event
from mlops_lab.pipeline.problem import Problem, feature_view, pipeline_of, problem_store, run_problem

if TYPE_CHECKING:
    import pandas as pd


#: The feature services of the flights pipeline, and what each is there for.
SERVICES: Mapping[str, str] = {
    "as_known": "everything as it was known two hours before departure",
    "daily_averages": "averages of the whole date, joined on the date: the everyday leak",
    "schedule_only": "the calendar and the distance: the floor that any feature has to beat",
}


def flight_services() -> Mapping[str, FeatureService]:
    """The three feature services by name.

    >>> [view.name for view in flight_services()["daily_averages"].features]
    ['flight_schedule', 'daily_airport', 'daily_carrier', 'daily_route', 'daily_weather']
    """
    return {one.name: one for one in flight_objects() if isinstance(one, FeatureService)}


@lru_cache(maxsize=1)
def flight_objects() -> tuple[Entity | FeatureView | FeatureService, ...]:
    """Everything that `FeatureStore.apply` has to know of the flights: entities, views with their sources, services.

    Built once a process: the sources are computed from the shipped flights when first read, and then kept.

    >>> kinds = [type(one).__name__ for one in flight_objects()]
    >>> kinds.count("Entity"), kinds.count("FeatureView"), kinds.count("FeatureService")
    (5, 9, 3)
    """
    flight, airport = Entity("flight", join_keys=["flight_id"]), Entity("airport", join_keys=["origin"])
    carrier = Entity("carrier_at_airport", join_keys=["carrier", "origin"])
    route = Entity("route", join_keys=["origin", "dest"])
    aircraft = Entity("aircraft", join_keys=["tailnum"])
    flights_table, weather_table = {"table": "flights"}, {"table": "weather"}
    created: Any = {"created_timestamp_column": "created_timestamp"}

    schedule = feature_view(
        "flight_schedule",
        datasets.flight_schedule,
        entities=flight,
        features={
            "string": "airline airport destination",
            "int64": "month hour weekday minute_of_day distance scheduled_minutes scheduled_in_hour",
        },
        description="what the schedule says, thirty days before",
        tags=flights_table,
        **created,
    )
    weather = feature_view(
        "airport_weather",
        datasets.airport_weather,
        entities=airport,
        features={"float64": "temp dewp humid wind_dir wind_speed wind_gust precip pressure visib"},
        ttl=timedelta(hours=6),
        description="the hourly weather, known when the hour is over",
        tags=weather_table,
        **created,
    )
    departures = feature_view(
        "airport_departures",
        datasets.airport_departures,
        entities=airport,
        features={
            "int64": "airport_departures_1h airport_departures_3h airport_waiting",
            "float64": "airport_dep_delay_1h airport_late_share_1h airport_dep_delay_3h airport_late_share_3h",
        },
        ttl=timedelta(hours=2),
        description="the last hours of departures at the airport",
        tags=flights_table,
        **created,
    )
    carriers = feature_view(
        "carrier_departures",
        datasets.carrier_departures,
        entities=carrier,
        features={
            "int64": "carrier_departures_3h carrier_waiting",
            "float64": "carrier_dep_delay_3h carrier_late_share_3h",
        },
        ttl=timedelta(hours=2),
        description="the carrier's last three hours at the airport",
        tags=flights_table,
        **created,
    )
    last_leg = feature_view(
        "aircraft_last_leg",
        datasets.aircraft_last_leg,
        entities=aircraft,
        features={"float64": "leg_dep_delay leg_arr_delay leg_delay", "bool": "leg_in_air", "int64": "leg_distance"},
        ttl=timedelta(days=1),
        description="what the aircraft last did from New York",
        tags=flights_table,
        **created,
    )
    # The leak is in what is left out: no created_timestamp_column, so a day's average counts from its first minute.
    days = [
        _of_the_day(name, data, whose)
        for name, data, whose in (
            ("airport", datasets.daily_airport, airport),
            ("carrier", datasets.daily_carrier, carrier),
            ("route", datasets.daily_route, route),
        )
    ]
    day_weather = feature_view(
        "daily_weather",
        datasets.daily_weather,
        entities=airport,
        features={"float64": "day_temp day_wind_speed day_visib day_precip day_pressure"},
        ttl=timedelta(days=4),
        description="the weather of the date",
        tags=weather_table,
        landed_column="landed_timestamp",
    )
    calendar = schedule[
        ["airline", "airport", "destination", "hour", "weekday", "minute_of_day", "distance", "scheduled_minutes"]
    ]
    known = schedule[[*calendar.features, "scheduled_in_hour"]]
    parts = {
        "as_known": [known, weather, departures, carriers, last_leg],
        "daily_averages": [calendar, *days, day_weather],
        "schedule_only": [calendar],
    }
    views = (schedule, weather, departures, carriers, last_leg, *days, day_weather)
    services = (FeatureService(name, parts[name], description=what) for name, what in SERVICES.items())
    return (flight, airport, carrier, route, aircraft, *views, *services)


def _of_the_day(name: str, data: Callable[[], pd.DataFrame], whose: Entity) -> FeatureView:
    """The averages of an airport's, a carrier's or a route's date."""
    means = " ".join(f"{name}_day_{each}" for each in ("dep_delay", "arr_delay", "late_share", "cancelled_share"))
    return feature_view(
        f"daily_{name}",
        data,
        entities=whose,
        features={"int64": f"{name}_day_flights", "float64": means},
        ttl=timedelta(days=4),
        description=f"the {name}'s averages of the date",
        tags={"table": "flights"},
        landed_column="landed_timestamp",
    )


LABEL, SLICE, MODEL_NAME = "late", "origin", "late_flights"

#: The three airports: every one of them must be served well.
AIRPORTS = ("EWR", "JFK", "LGA")

#: The bounds were set before any model was trained, from what a rebooking desk needs: a model that ranks two flights
#: right in two cases of three, no airport left behind, and figures that hold in service.
FLIGHTS_POLICY = GatePolicy(
    [
        Floor("served.roc_auc", 0.66),
        FirstModel("served.roc_auc", 0.66),
        NoWorseThanChampion("served.roc_auc", 0.005),
        NoWorseThanChampion("served.brier", 0.002),
        SliceFloor("served.roc_auc", 0.62, slices=AIRPORTS),
        Calibration(0.05),
        ServedSkew("roc_auc", 0.02),
        Schema({"flight_id": "text", "origin": "text", "event_timestamp": "time", "late": "bool"}),
        RowCount(10_000),
        NullRate(0.0, columns=("flight_id", "origin", "event_timestamp", "late")),
        Freshness(timedelta(days=7)),
    ]
)


def _decisions() -> pd.DataFrame:
    flights = datasets.load_flights()
    known = datasets.outcomes(flights)
    return datasets.decisions(flights).assign(**{LABEL: known[LABEL], "label_timestamp": known["event_timestamp"]})


FLIGHTS = Problem(
    name=MODEL_NAME,
    question="Two hours before departure: will this flight arrive more than 15 minutes late?",
    definitions=flight_objects(),
    decisions=_decisions,
    label=LABEL,
    key="flight_id",
    slice_by=SLICE,
    metric="roc_auc",
    policy=FLIGHTS_POLICY,
    models=MODELS,
    holdout_days=122,
    watch_days=14,
    train_from="2013-01-01",
    as_of="2014-01-01",
    # A fifth of the features may move: with the custom quarter, no month of 2013 would ask a model that learnt in
    # winter anything. Nothing is expected to move: `month` is no feature, because a year has each only once.
    drift=DriftPolicy(share=0.2),
    schedule="0 6 * * *",
    timezone="America/New_York",
    start_date="2013-09-01",
    dag_id="flights",
    tags=("flights", "course"),
    noun="flight",
    verify=datasets.verify_data,
)


def flights_pipeline() -> DAG:
    """The pipeline of the flights: check the data, make features, train, judge, promote and roll out.

    >>> dag = flights_pipeline()
    >>> dag.topological_order()
    ['check_data', 'build_training_set', 'train', 'register', 'evaluate', 'gate', 'approve', 'promote', 'materialize',
     'roll_out', 'report']
    """
    return pipeline_of(FLIGHTS)


def run_flights(
    home: str | Path,
    *,
    date: datetime | str | None = None,
    params: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    max_workers: int = 1,
    resume: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> DagRun:
    """Run the flights pipeline as of a date, on what was known by then; see `run_problem`.

    >>> run_flights("home", params={"feature": "as_known"})
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no param 'feature'; there is: approval, author, features, holdout_days, model,
    seed,
    train_from, watch_days. Did you mean 'features'?
    """
    return run_problem(
        FLIGHTS,
        home,
        date=date,
        params=params,
        clock=clock,
        max_workers=max_workers,
        resume=resume,
        on_event=on_event,
    )


def flight_store(home: str | Path, *, clock: Clock) -> FeatureStore:
    """The feature store of a home folder with everything about flights applied.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as home:
    ...     len(flight_store(home, clock=FakeClock()).list_feature_views())
    9
    """
    return problem_store(home, clock=clock, problem=FLIGHTS)


def labelled_flights(start: datetime, until: datetime) -> pd.DataFrame:
    """The decisions from `start` on whose outcome was known by `until`: one row a flight, in order.

    Labels arrive late: a flight that is still in the air at `until` is not in it.

    >>> from mlops_lab.base.clock import parse_utc
    >>> rows = labelled_flights(parse_utc("2013-01-01"), parse_utc("2013-01-02"))
    >>> len(rows), bool((rows["label_timestamp"] <= parse_utc("2013-01-02")).all())
    (502, True)
    """
    return FLIGHTS.labelled(start, until)
