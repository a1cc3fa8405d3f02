"""Whether a run may be resumed, and which of its tasks run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.pipeline.dag.arguments import encode
from mlops_lab.pipeline.dag.dag import DAG
from mlops_lab.pipeline.dag.params import resolve_params
from mlops_lab.pipeline.dag.run import DagRun, TaskInstance
from mlops_lab.pipeline.dag.run_store import RunStore, read_run


def shape_of(dag: DAG) -> dict[str, Any]:
    """What must not change between a run and its resume: the tasks in order, their wiring and rules.

    Functions, retries, delays, timeouts and descriptions may change: mending those is why one resumes.
    """
    return {
        "order": dag.topological_order(),
        "tasks": {
            name: {
                "upstream": list(dag.upstream(name)),
                "arguments": {word: encode(value) for word, value in dag.arguments(name).items()},
                "trigger_rule": task.trigger_rule,
            }
            for name, task in dag.tasks.items()
        },
    }


def resumable(
    dag: DAG,
    resume: str | DagRun,
    store: RunStore | None,
    *,
    params: Mapping[str, Any] | None,
    logical_date: datetime | str | None,
) -> DagRun:
    """The record of the run to resume.

    Raises:
        InvalidData: it belongs to another DAG, the DAG has changed since, or other params or another date are asked.
        UnknownName: there is no such run.
    """
    if not isinstance(resume, (str, DagRun)):
        raise InvalidData(f"a run is resumed by its run_id or its record, not by {type(resume).__name__}.")
    if store is not None:
        run = read_run(store, resume if isinstance(resume, str) else resume.run_id, dag_id=dag.dag_id)
    elif isinstance(resume, DagRun):
        run = resume
    else:
        raise InvalidData(f"run {resume!r} can only be found in a home folder; give home=, or the DagRun itself.")
    if run.dag_id != dag.dag_id:
        raise InvalidData(f"run {run.run_id} belongs to DAG {run.dag_id}, not to {dag.dag_id}.")
    changes = _changes(run.shape.get("tasks", {}), shape_of(dag)["tasks"])
    if changes:
        asked = [f"--param {name}={value}" for name, value in run.params.items() if _was_asked(dag, name, value)]
        raise InvalidData(
            f"DAG {dag.dag_id} has changed since run {run.run_id} ({'; '.join(changes)}), so its results no longer fit "
            f"together; start a new run: {' '.join([f'--date {run.logical_date:%Y-%m-%dT%H:%M:%SZ}', *asked])} "
            "instead of --resume."
        )
    for name, value in (params or {}).items():
        if name not in run.params or run.params[name] != value:
            raise InvalidData(
                f"a resumed run keeps its params; {run.run_id} has {name}={run.params.get(name)!r}, not {value!r}. "
                "Start a new run for other params."
            )
    run = replace(run, params=_params_now(dag, run))
    if logical_date is not None:
        date = parse_utc(logical_date) if isinstance(logical_date, str) else to_utc(logical_date)
        if date != run.logical_date:
            raise InvalidData(f"run {run.run_id} is for {run.logical_date.isoformat()}, not for {date.isoformat()}.")
    return run


def _was_asked(dag: DAG, name: str, value: object) -> bool:
    return name in dag.params and dag.params[name].default != value


def _params_now(dag: DAG, run: DagRun) -> dict[str, Any]:
    """The run's params, and the default of each that the DAG has declared since; a value must still be allowed."""
    try:
        known = {name: value for name, value in run.params.items() if name in dag.params}
        return {**run.params, **resolve_params(dag.params, known)}
    except InvalidData as error:
        raise InvalidData(f"the params of run {run.run_id} no longer fit DAG {dag.dag_id}: {error}") from None


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    kinds = (
        ("new", [name for name in now if name not in before]),
        ("gone", [name for name in before if name not in now]),
        ("wired differently", [name for name in now if name in before and now[name] != before[name]]),
    )
    return [f"{word}: {', '.join(names[:5])}{' …' * (len(names) > 5)}" for word, names in kinds if names]


def outdated(
    dag: DAG, order: list[str], instances: Mapping[str, TaskInstance], holds: Callable[[str], bool]
) -> set[str]:
    """The tasks that have to run again: what did not end well or does not hold, and everything downstream of it.

    Args:
        dag: the DAG as it is now.
        order: its tasks, in the order of the run.
        instances: how each of them ended.
        holds: does the result of this task still hold? A run whose tasks all ended well is over; nobody asks.
    """
    well = ("success", "skipped")
    if all(instances[name].state in well for name in order):
        return set()
    again: set[str] = set()
    for name in order:
        stands = instances[name].state in well and not any(each in again for each in dag.upstream(name))
        if not stands or (instances[name].state == "success" and not holds(name)):
            again.add(name)
    return again
