"""What does Airflow make of a file? Runs in a process of its own, in Airflow's environment: JSON in, JSON out."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise, takewhile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from engine_runs.airflow_service import run_and_answer
from engine_runs.asking import end_with_parent

__all__ = ["main"]


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Run the DAG of a file once with `dag.test()`, and tell what became of it."""
    from airflow.sdk.execution_time import supervisor

    bag = _bag(_file(asked))
    if bag.import_errors:
        return {"import_errors": list(bag.import_errors.values())}
    dag: Any = bag.dags[asked["dag_id"]]
    told = {"dags": sorted(bag.dags), "schedule": getattr(dag.timetable, "expression", "")}
    server = None if asked.get("brief") else _server()
    kept = nullcontext() if server is None else patch.object(supervisor, "in_process_api_server", lambda: server)
    began = time.monotonic()
    os.environ["MLOPS_LAB_HOME"] = asked["home"]
    try:
        with kept:
            ended = dag.test(logical_date=datetime.fromisoformat(asked["logical_date"]), run_conf=asked["params"])
    except ValueError as error:  # how Airflow refuses a param
        return {"refused": f"{type(error).__name__}: {error}"}
    seconds = time.monotonic() - began
    return {
        **told,
        "state": str(ended.state),
        "seconds": seconds,
        **({} if asked.get("brief") else _record(ended) | _shape(dag)),
    }


@cache
def _bag(place: Path) -> Any:
    """What Airflow reads in a file or a folder, each of them once."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(place), load_op_links=False)


@cache
def _server() -> Any:
    """One API server for all tasks; `dag.test()` builds one for each, which takes seconds on a small machine.

    What a task may do, and when, is the same with one. How long it takes is not, so a run that is timed has none.
    """
    from airflow.sdk.execution_time.supervisor import in_process_api_server

    return in_process_api_server()


def _file(asked: dict[str, Any]) -> Path:
    folder = "people" if asked.get("answers") else "dags"  # a scheduler reads the whole folder, again and again
    return Path(os.environ["AIRFLOW_HOME"], folder, f"{asked['dag_id'].strip('_')}.py")  # none for Python itself


def _shape(dag: Any) -> dict[str, Any]:
    edges = [[up, each.task_id] for each in dag.tasks for up in each.upstream_task_ids]
    return {"tasks": [each.task_id for each in dag.topological_sort()], "edges": sorted(edges)}


def read(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What Airflow reads in each of the files, and whether its scheduler could keep it."""
    from airflow.serialization.serialized_objects import DagSerialization

    bag = _bag(_file(asked[0]).parent) if asked else None
    found = []
    for each in asked:
        dag: Any = bag and bag.dags.get(each["dag_id"])
        if dag is None:
            found.append({"import_errors": bag and list(bag.import_errors.values())})
            continue
        DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        settings = {"schedule": getattr(dag.timetable, "expression", None), "catchup": dag.catchup}
        settings |= {"start_date": dag.start_date and dag.start_date.isoformat(), "tags": sorted(dag.tags)}
        settings |= {"description": dag.description or ""}
        params = {name: dag.params.get_param(name).value for name in dag.params}
        told = {task.task_id: [task.retries, task.trigger_rule.value] for task in dag.tasks}
        found.append({**_shape(dag), "settings": settings, "params": params, "told": told})
    return found


def _record(ended: Any) -> dict[str, Any]:
    from airflow import settings
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from sqlalchemy import select

    session: Any = settings.Session()
    instances = sorted(ended.get_task_instances(session=session), key=lambda each: (str(each.start_date), each.task_id))
    here = (TaskInstanceHistory.dag_id == ended.dag_id, TaskInstanceHistory.run_id == ended.run_id)
    former = session.scalars(select(TaskInstanceHistory).where(*here).order_by(TaskInstanceHistory.try_number)).all()
    tries = {each.task_id: [old for old in former if old.task_id == each.task_id] + [each] for each in instances}
    ran = {name: [each for each in found if each.start_date and each.try_number] for name, found in tries.items()}
    return {
        "state": str(ended.state),
        "run_id": ended.run_id,
        "params": dict(ended.conf or {}),
        "order": [each.task_id for each in instances if ran[each.task_id]],
        "states": {each.task_id: str(each.state) for each in instances},
        "attempts": {each.task_id: each.try_number for each in instances},
        "waits": {name: _waits(found) for name, found in ran.items() if len(found) > 1},
    }


def _waits(tries: list[Any]) -> list[float]:
    return [round((after.start_date - before.end_date).total_seconds(), 1) for before, after in pairwise(tries)]


def _runs(cron: str, zone: str, start: str, *, catchup: bool) -> Iterator[Any]:
    """The runs of Airflow's cron timetable, one after the other, from a moment on."""
    import pendulum
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.trigger import CronTriggerTimetable

    timetable, last = CronTriggerTimetable(cron, timezone=zone), None
    while True:
        window = TimeRestriction(pendulum.instance(datetime.fromisoformat(start)), None, catchup=catchup)
        following = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=window)
        if following is None or following.logical_date is None:
            return
        yield following
        last = following.data_interval


def dates(asked: list[Any]) -> list[list[str]]:
    """The logical dates of each schedule: cron, zone, from, how many."""
    return [
        [
            datetime.fromisoformat(each.logical_date.isoformat()).astimezone(UTC).isoformat()
            for each in islice(_runs(cron, zone, start, catchup=True), count)
        ]
        for cron, zone, start, count in asked
    ]


def missed(cron: str, start: str) -> dict[str, int]:
    """How many runs a scheduler that comes up now would make for the time since `start`, with and without catch-up."""
    now = datetime.now(UTC)
    return {
        str(catchup): sum(
            1 for _ in takewhile(lambda each: each.run_after <= now, _runs(cron, "UTC", start, catchup=catchup))
        )
        for catchup in (True, False)
    }


def main(job: str, answer: str) -> None:
    """Do what the file `job` asks for and write the file `answer`."""
    import airflow

    end_with_parent()
    asked = json.loads(Path(job).read_text("utf-8"))
    for each in [*asked.get("runs", []), *asked.get("read", [])]:  # all of them first: Airflow reads the folder once
        _file(each).parent.mkdir(parents=True, exist_ok=True)
        _file(each).write_text(each["text"], "utf-8")
        for name, text in each.get("files", {}).items():
            _file(each).with_name(name).write_text(text, "utf-8")
    found: dict[str, Any] = {"version": airflow.__version__, "dates": dates(asked.get("dates", []))}
    if "missed" in asked:
        found["missed"] = missed(*asked["missed"])
    found["read"] = read(asked.get("read", []))
    found["runs"] = [
        run_and_answer(each, _file(each).parent) if each.get("answers") else run(each) for each in asked.get("runs", [])
    ]
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
