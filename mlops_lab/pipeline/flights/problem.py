"""The flights as a problem: two hours before departure, will this flight arrive more than 15 minutes late?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import Clock
from mlops_lab.data import flights as datasets
from mlops_lab.data.features import FeatureStore
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
from mlops_lab.pipeline.flights.definitions import flight_objects
from mlops_lab.pipeline.problem import Problem, pipeline_of, problem_store, run_problem

if TYPE_CHECKING:
    import pandas as pd


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
