"""How do the tasks become the flights pipeline? Assembled here, once; everything else uses this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc, to_utc
from mlops_lab.models.training import MODELS
from mlops_lab.pipeline.dag import DAG, DagRun, Event, Param, run_dag
from mlops_lab.pipeline.flights import delivery, steps
from mlops_lab.pipeline.flights.definitions import SERVICES

__all__ = ["OUTCOMES", "flights_pipeline", "outcome", "run_flights"]

#: What became of a run, and the exit code that says so.
OUTCOMES: Mapping[str, int] = {"promoted": 0, "rolled back": 5, "failed": 1, "refused": 2, "waiting": 3}


@lru_cache(maxsize=1)
def flights_pipeline() -> DAG:
    """The pipeline: check the data, make features, train, judge, promote and roll out.

    >>> dag = flights_pipeline()
    >>> dag.topological_order()
    ['check_data', 'build_training_set', 'train', 'register', 'evaluate', 'gate', 'approve', 'promote', 'materialize',
     'roll_out', 'report']
    """
    params = {
        "features": Param("as_known", enum=tuple(SERVICES), description="the feature service to learn from"),
        "model": Param("logistic", enum=tuple(MODELS), description="the kind of model"),
        "train_from": Param("2013-01-01", type="date", description="the first day to learn from"),
        "holdout_days": Param(122, minimum=7, maximum=300, description="days before the date kept for the exam"),
        "watch_days": Param(14, minimum=1, maximum=60, description="days on which the canary is watched"),
        "approval": Param(False, description="must somebody other than the author agree?"),
        "seed": Param(0, minimum=0, description="the seed of everything random in the fit"),
        "author": Param("pipeline", description="who is responsible for the version"),
    }
    with DAG(
        "flights",
        schedule="0 6 * * *",
        timezone="America/New_York",
        start_date="2013-09-01",
        params=params,
        description="Two hours before departure: will this flight arrive more than 15 minutes late?",
        tags=("flights", "course"),
    ) as dag:
        data = steps.check_data()
        training_set = steps.build_training_set(data)
        run = steps.train(training_set)
        version = steps.register(run)
        measured = delivery.evaluate(training_set, run)
        verdict = delivery.gate(version, measured)
        approved = verdict >> delivery.approve(version)
        promoted = approved >> delivery.promote(version)
        # What serves changes only once the version may: a run that fails or is refused leaves the online store alone.
        promoted >> steps.materialize() >> delivery.roll_out(version)
        verdict >> delivery.report(version)
    return dag


def run_flights(
    home: str | Path,
    *,
    date: datetime | str = "2014-01-01",
    params: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    max_workers: int = 1,
    resume: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> DagRun:
    """Run the flights pipeline as of a date, on what was known by then.

    Args:
        home: the folder for everything that is kept.
        date: the logical date; flights whose outcome was not known by then do not exist.
        params: values for the pipeline's params.
        clock: the clock that retries wait on and events are stamped by; the machine's when left out.
        max_workers: how many independent tasks may run side by side.
        resume: the id of a failed run to go on with.
        on_event: called with every change of a task's state.

    Raises:
        UnknownName: a param that does not exist, or a run to resume that does not.
        InvalidData: a value that is not allowed.

    >>> run_flights("home", params={"feature": "as_known"})
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no param 'feature'; there is: approval, author, features, holdout_days, model,
    seed,
    train_from, watch_days. Did you mean 'features'?
    """
    moment = parse_utc(date) if isinstance(date, str) else to_utc(date)
    return run_dag(
        flights_pipeline(),
        params=params,
        logical_date=moment,
        clock=clock if clock is not None else SystemClock(),
        home=Path(home),
        max_workers=max_workers,
        resume=resume,
        on_event=on_event,
    )


def outcome(run: DagRun) -> str:
    """What became of a run, in one of the words of `OUTCOMES`.

    A refusal is no failure of the pipeline: the gate did its work.

    >>> from mlops_lab.pipeline.dag import TaskInstance
    >>> refused = TaskInstance("gate", "failed", why="the gate refused late_flights v2: served.roc_auc is 0.640")
    >>> outcome(DagRun("manual__1", "flights", parse_utc("2014-01-01"), {}, "failed", (refused,)))
    'refused'
    """
    states = run.states
    if states["gate"] == "failed" and "the gate refused" in run.task("gate").why:
        return "refused"
    if states["approve"] == "failed" and "waits for an approval" in run.task("approve").why:
        return "waiting"
    if run.state != "success" or states["promote"] != "success":
        return "failed"
    return "rolled back" if (run.result("roll_out") or {}).get("state") == "rolled_back" else "promoted"
