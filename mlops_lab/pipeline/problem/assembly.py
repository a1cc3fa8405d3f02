"""The pipeline of a problem: assembled here, once; a run, a schedule and every export use this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc, to_utc
from mlops_lab.pipeline.dag import DAG, DagRun, Event, Param, resolve_params, run_dag
from mlops_lab.pipeline.problem import delivery, steps
from mlops_lab.pipeline.problem.home import remember_problem
from mlops_lab.pipeline.problem.problem import Problem

#: What became of a run, and the exit code that says so.
OUTCOMES: Mapping[str, int] = {"promoted": 0, "rolled back": 5, "failed": 1, "refused": 2, "waiting": 3}


@lru_cache(maxsize=16)
def pipeline_of(problem: Problem) -> DAG:
    """The pipeline of a problem: check the data, make features, train, judge, promote and roll out."""
    services, models = tuple(problem.services), tuple(problem.models)
    told = {"train_from": problem.train_from, "holdout": problem.holdout_days, "watch": problem.watch_days}
    params = {
        "features": Param(services[0], enum=services, description="the feature service to learn from"),
        "model": Param(models[0], enum=models, description="the kind of model"),
        "train_from": Param(told["train_from"], type="date", description="the first day to learn from"),
        "holdout_days": Param(
            told["holdout"],
            minimum=min(7, problem.holdout_days),
            maximum=max(300, problem.holdout_days),
            description="days before the date kept for the exam",
        ),
        "watch_days": Param(told["watch"], minimum=1, maximum=60, description="days on which the canary is watched"),
        "approval": Param(False, description="must somebody other than the author agree?"),
        "seed": Param(0, minimum=0, description="the seed of everything random in the fit"),
        "author": Param("pipeline", description="who is responsible for the version"),
    }
    with DAG(
        problem.dag_id,
        schedule=problem.schedule,
        timezone=problem.timezone,
        start_date=problem.start_date,
        params=params,
        description=problem.question,
        tags=tuple(problem.tags),
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


def run_problem(
    problem: Problem,
    home: str | Path,
    *,
    file: str | Path | None = None,
    date: datetime | str | None = None,
    params: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    max_workers: int = 1,
    resume: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> DagRun:
    """Run the pipeline of a problem as of a date, on what was known by then.

    The home folder remembers the problem, and every command that is used on it takes it from there. What a run would
    trip over is looked at first: then nothing is written.

    Args:
        problem: what is asked.
        home: the folder for everything that is kept.
        file: the Python file that describes the problem, for the home to remember.
        date: the logical date; what was not known by then does not exist. The problem's usual one when left out.
        params: values for the pipeline's params.
        clock: the clock that retries wait on and events are stamped by; the machine's when left out.
        max_workers: how many independent tasks may run side by side.
        resume: the id of a failed run to go on with.
        on_event: called with every change of a task's state.

    Raises:
        UnknownName: a param or column that does not exist, or a run to resume that does not.
        InvalidData: a value that is not allowed, the data cannot be learnt from, or the home is another problem's.
    """
    dag = pipeline_of(problem)
    given: Mapping[str, Any] = resolve_params(dag.params, params)
    wanted = date if date is not None else problem.usual_date
    moment = parse_utc(wanted) if isinstance(wanted, str) else to_utc(wanted)
    if problem.verify is None and resume is None:
        split = moment - timedelta(days=given["holdout_days"])
        start = parse_utc(given["train_from"])
        problem.check(features=given["features"], start=start, holdout_from=split, until=moment)
    remember_problem(home, problem, file=file)
    return run_dag(
        dag,
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
