"""The pipeline of a problem: assembled here, once; a run, a schedule and every export use this one.

A pipeline of SageMaker or Vertex AI starts a container for each task and hands the home folder on; `run_one_task` runs
one by itself. What the tasks before it returned lies in that folder, so a task needs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc, to_utc
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, TaskFailed, UnknownName
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.base.storage import write_atomically
from mlops_lab.pipeline.dag import DAG, DagRun, Event, Param, TaskInstance, resolve_params, run_dag
from mlops_lab.pipeline.dag.arguments import arguments_of
from mlops_lab.pipeline.dag.attempt import attempt_task
from mlops_lab.pipeline.dag.rules import decide
from mlops_lab.pipeline.problem import delivery, steps
from mlops_lab.pipeline.problem.home import problem_of, remember_problem
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
    # skops looks for each of SciPy's functions in all modules that were imported earlier: let those be few.
    import scipy.special  # noqa: F401

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
    if answer := said_no(run.task("gate")) or said_no(run.task("approve")):
        return answer
    if run.state != "success" or run.states["promote"] != "success":
        return "failed"
    return "rolled back" if (run.result("roll_out") or {}).get("state") == "rolled_back" else "promoted"


_FOLDER = "tasks"


def said_no(instance: TaskInstance) -> str:
    """`refused` or `waiting` when a task did its work and the answer was no; "" otherwise."""
    if instance.state == "failed" and instance.task_id == "gate" and "the gate refused" in instance.why:
        return "refused"
    waits = instance.task_id == "approve" and "waits for an approval" in instance.why
    return "waiting" if instance.state == "failed" and waits else ""


def run_one_task(
    task_id: str,
    *,
    home: str | Path,
    date: datetime | str | None = None,
    params: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    dag: DAG | None = None,
) -> TaskInstance:
    """Run one task of the home's pipeline once, after those before it.

    Its trigger rule is heeded: a task whose upstream tasks ended otherwise does not run, and says so in its state. Run
    again, it replaces its own result. Retries are the business of whoever calls.

    Args:
        task_id: which task.
        home: the home folder; the results of earlier tasks are in it.
        date: the logical date of the run; the problem's usual one when left out.
        params: values for the pipeline's params; the same for every task of a run.
        clock: the machine's when left out.
        dag: another DAG than that of the home's problem.

    Returns:
        The task as it ended: success, skipped, upstream_failed, or failed where `said_no` knows why.

    Raises:
        UnknownName: there is no such task or param.
        InvalidData: a task before it has not run in this home folder with this date and these params.
        TaskFailed: it failed, and not because the gate refused or an approval is missing.
        IntegrityError: a result in the home folder is damaged.
    """
    pipeline = dag if dag is not None else pipeline_of(problem_of(home))
    if task_id not in pipeline.tasks:
        raise UnknownName("task", task_id, pipeline.tasks, where=f"DAG {pipeline.dag_id}")
    given_date = date if date is not None else problem_of(home).usual_date
    moment = parse_utc(given_date) if isinstance(given_date, str) else to_utc(given_date)
    given = resolve_params(pipeline.params, params)
    folder = Path(home, _FOLDER, fingerprint_json([moment.isoformat(), given]).removeprefix("sha256:")[:16])
    before = {name: _read(folder, name, task_id) for name in pipeline.upstream(task_id)}
    task = pipeline.tasks[task_id]
    told = decide(task.trigger_rule, [each["state"] for each in before.values()])
    if told != "run":
        return _kept(folder, TaskInstance(task_id, told, why="because of the tasks before it"))
    keeper = clock if clock is not None else SystemClock()
    context = {
        "params": given,
        "logical_date": moment,
        "clock": keeper,
        "home": Path(home),
        "attempt": 1,
        "run_id": f"{pipeline.dag_id}__{moment:%Y-%m-%dT%H:%M:%S}",
    }
    bound = pipeline.arguments(task_id)
    arguments = arguments_of(task, bound, list(before), context, lambda name: before[name]["result"])
    outcome = attempt_task(task, arguments, keeper)
    if outcome.interrupt is not None:
        raise outcome.interrupt
    instance = TaskInstance(task_id, outcome.state, why=outcome.why, result=outcome.result)
    if instance.state == "failed" and not said_no(instance):
        raise TaskFailed(task_id, attempts=1, why=outcome.why) from outcome.error
    return _kept(folder, instance)


def _read(folder: Path, name: str, wanted_by: str) -> dict[str, Any]:
    path = folder / f"{name}.json"
    try:
        found = json.loads(path.read_bytes())
        return {"state": str(found["state"]), "result": found["result"]}
    except FileNotFoundError:
        raise InvalidData(
            f"task {wanted_by!r} comes after {name!r}, which has not run in this home folder with this date and these "
            "params."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"the result of task {name!r}", expected="what it returned", found="no JSON") from None
    except OSError as error:
        raise HomeError(folder, error.strerror or str(error)) from None


def _kept(folder: Path, instance: TaskInstance) -> TaskInstance:
    text = json.dumps({"state": instance.state, "why": instance.why, "result": instance.result}, sort_keys=True)
    try:
        write_atomically(folder / f"{instance.task_id}.json", text)
    except OSError as error:
        raise HomeError(folder, error.strerror or str(error)) from None
    return instance
