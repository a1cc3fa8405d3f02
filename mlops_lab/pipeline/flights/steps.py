"""How do the flights become features, a model and a version?

Tasks take and return references (fingerprints, run ids, version numbers), never frames: each could run on another
machine that shares the home folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import Clock, parse_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.data import flights as datasets
from mlops_lab.data.features import FeatureStore
from mlops_lab.models.gates import profile
from mlops_lab.pipeline.dag import task
from mlops_lab.pipeline.engines import open_feature_store, open_registry, open_tracker
from mlops_lab.pipeline.flights.code import code_version
from mlops_lab.pipeline.flights.definitions import flight_objects
from mlops_lab.pipeline.flights.frames import get_training_set, put_json, put_training_set

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LABEL", "MODEL_NAME", "SLICE", "flight_store", "labelled_flights", "last_decision", "latest_mark"]

LABEL, SLICE, MODEL_NAME = "late", "origin", "late_flights"

Result = dict[str, Any]
Params = Mapping[str, Any]


def flight_store(home: str | Path, *, clock: Clock) -> FeatureStore:
    """The feature store of a home folder with everything about flights applied.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as home:
    ...     len(flight_store(home, clock=FakeClock()).list_feature_views())
    9
    """
    store = open_feature_store(home, clock=clock)
    store.apply(flight_objects())
    return store


@lru_cache(maxsize=1)
def _all_flights() -> pd.DataFrame:
    flights = datasets.load_flights()
    known = datasets.outcomes(flights)
    frame = datasets.decisions(flights)
    return frame.assign(**{LABEL: known[LABEL], "label_timestamp": known["event_timestamp"]})


def labelled_flights(start: datetime, until: datetime) -> pd.DataFrame:
    """The decisions from `start` on whose outcome was known by `until`: one row a flight, in order.

    Labels arrive late: a flight that is still in the air at `until` is not in it.

    >>> from mlops_lab.base.clock import parse_utc
    >>> rows = labelled_flights(parse_utc("2013-01-01"), parse_utc("2013-01-02"))
    >>> len(rows), bool((rows["label_timestamp"] <= parse_utc("2013-01-02")).all())
    (502, True)

    Raises:
        InvalidData: no flight was over by then.
    """
    frame = _all_flights()
    chosen = frame[(frame["event_timestamp"] >= start) & (frame["label_timestamp"] <= until)].reset_index(drop=True)
    if chosen.empty:
        first, last = frame["event_timestamp"].min(), frame["label_timestamp"].max()
        raise InvalidData(
            f"no flight decided from {start:%Y-%m-%d} on was over by {until:%Y-%m-%d}; "
            f"the data reaches from {first:%Y-%m-%d} to {last:%Y-%m-%d}."
        )
    return chosen


def last_decision() -> datetime:
    """When the last decision of the data is made.

    >>> last_decision().date().isoformat()
    '2014-01-01'
    """
    moment: datetime = _all_flights()["event_timestamp"].max().to_pydatetime()
    return moment


def latest_mark(wanted: datetime, *, clock: Clock) -> datetime:
    """Until when the online store may be brought: the moment wanted, but not past now, nor past the last decision.

    A mark beyond the data makes every row there is older than its `ttl`: all of them would be served as missing.

    >>> from mlops_lab.base.clock import FakeClock
    >>> latest_mark(parse_utc("2099-01-01"), clock=FakeClock("2013-06-01T00:00:00Z")).date().isoformat()
    '2013-06-01'
    >>> latest_mark(parse_utc("2099-01-01"), clock=FakeClock("2026-01-01T00:00:00Z")) == last_decision()
    True
    """
    return min(wanted, clock.now(), last_decision())


def _split_at(params: Params, logical_date: datetime) -> datetime:
    return logical_date - timedelta(days=params["holdout_days"])


@task
def check_data() -> Result:
    """Are the shipped tables the ones that were shipped?"""
    return dict(datasets.verify_data())


@task
def build_training_set(check_data: Result, params: Params, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Join the features to every decision whose outcome is known, and replay what serving would have seen."""
    flights = labelled_flights(parse_utc(params["train_from"]), logical_date)
    store, artefacts = flight_store(home, clock=clock), open_tracker(home, clock=clock).artefacts
    known = store.get_historical_features(flights, features=params["features"])
    holdout = flights[flights["event_timestamp"] >= _split_at(params, logical_date)]
    if holdout.empty:
        raise InvalidData(f"no flight was decided and over in the last {params['holdout_days']} days.")
    served = store.replay(holdout, features=params["features"])
    tables = {name: str((store.get_feature_view(name).tags or {})["table"]) for name in known.views}
    looked = profile(known.frame, logical_date).to_dict()
    return {
        "known": put_training_set(artefacts, known),
        "served": put_training_set(artefacts, served),
        "profile": put_json(artefacts, looked),
        "sources": {f"source.{table}": check_data[table] for table in sorted(set(tables.values()))},
        "views": [f"{view}={table}" for view, table in tables.items()],
    }


@task
def train(build_training_set: Result, params: Params, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Fit the model on what was over before the holdout, and keep the run."""
    from mlops_lab.models.training import train

    tracker = open_tracker(home, clock=clock)
    run = train(
        get_training_set(tracker.artefacts, build_training_set["known"]),
        tracker,
        label=LABEL,
        split_at=_split_at(params, logical_date),
        name=MODEL_NAME,
        model=params["model"],
        served=get_training_set(tracker.artefacts, build_training_set["served"]),
        slice_by=SLICE,
        seed=params["seed"],
        author=params["author"],
        inputs={
            "training_rows": build_training_set["known"]["artefact"],
            **build_training_set["sources"],
        },
        tags={
            "code": code_version(),
            "logical_date": logical_date.isoformat(),
            "sources": ",".join(build_training_set["views"]),
        },
    )
    return {"run_id": run.run_id, "artefact": run.artefact}


@task
def register(train: Result, clock: Clock, home: Path) -> Result:
    """Give the run's model a version number."""
    run = open_tracker(home, clock=clock).get_run(train["run_id"])
    version = open_registry(home, clock=clock).register_model(run, MODEL_NAME)
    return {"name": version.name, "version": version.version}


@task(retries=2, retry_delay=timedelta(seconds=5), retry_exponential_backoff=True)
def materialize(params: Params, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Bring the online store up to the logical date, for whoever asks the model next; never past now or the data."""
    store = flight_store(home, clock=clock)
    views = [view.name for view in store.get_feature_service(params["features"]).features]
    marks = {view: store.describe(view)["materialised_until"] for view in views}
    until = latest_mark(logical_date, clock=clock)
    behind = [view for view, mark in marks.items() if mark is None or mark <= until]
    if behind:  # a run for a day in the past must not turn back what is served today
        store.materialize_incremental(until, views=behind)
    return {"views": behind, "until": until.isoformat()}
