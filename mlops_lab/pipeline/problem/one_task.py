"""One task of a pipeline by itself, where another program keeps the order.

A pipeline of SageMaker or Vertex AI starts a container for each task and hands the home folder on. What the tasks
before it returned lies in that folder, so a task needs nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc, to_utc
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, TaskFailed, UnknownName
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.pipeline.dag import DAG, TaskInstance, resolve_params
from mlops_lab.pipeline.dag.arguments import arguments_of
from mlops_lab.pipeline.dag.attempt import attempt_task
from mlops_lab.pipeline.dag.rules import decide
from mlops_lab.pipeline.problem.assembly import pipeline_of
from mlops_lab.pipeline.problem.home import problem_of

_FOLDER = "tasks"


def said_no(instance: TaskInstance) -> str:
    """`refused` or `waiting` when a task did its work and the answer was no; "" otherwise.

    >>> said_no(TaskInstance("gate", "failed", why="the gate refused late_flights v2: served.roc_auc is 0.640"))
    'refused'
    >>> said_no(TaskInstance("gate", "failed", why="disk full"))
    ''
    """
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

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     run_one_task("train", home=home)
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: task 'train' comes after 'build_training_set', which has not run in this home
    folder
    with this date and these params.
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
    path = folder / f"{instance.task_id}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = path.with_suffix(".json.new")
        written.write_text(text, "utf-8")
        os.replace(written, path)  # at once, so that a crash leaves the old result or the new one
    except OSError as error:
        raise HomeError(folder, error.strerror or str(error)) from None
    return instance
