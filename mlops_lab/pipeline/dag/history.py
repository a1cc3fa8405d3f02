"""Which runs were there, and how did they go?"""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.pipeline.dag.journal import steps_of
from mlops_lab.pipeline.dag.run import Attempt, DagRun, TaskInstance
from mlops_lab.pipeline.dag.trace import Trace

__all__ = ["get_run", "list_runs", "read_run"]

_SELECT = "SELECT key, dag_id, run_id, run_type, logical_date, params, shape, state, started, ended FROM runs"


def get_run(home: str | Path, run_id: str, *, dag_id: str | None = None) -> DagRun:
    """One run from the trace in a home folder; a run whose process died says `running` for what it was at.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     get_run(home, "manual__2013-09-01")
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no run 'manual__2013-09-01' in this home; there is: none.

    Raises:
        UnknownName: there is no such run.
        InvalidData: several DAGs have a run of that name; `dag_id` says which.
        HomeError, IntegrityError: the file cannot be read, or is no trace.
    """
    try:
        trace = Trace(home, create=False)
    except FileNotFoundError:
        raise UnknownName("run", run_id, where=f"DAG {dag_id}" if dag_id else "this home") from None
    with closing(trace):
        return read_run(trace, run_id, dag_id=dag_id)


def list_runs(home: str | Path, *, dag_id: str | None = None, limit: int = 1000) -> list[DagRun]:
    """The newest runs of a home folder (of one DAG), in the order in which they were started.

    >>> list_runs("nowhere")
    []

    Raises:
        HomeError, IntegrityError: the file cannot be read, or is no trace.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise InvalidData(f"limit is {limit!r}; give a whole number from 0 up.")
    try:
        trace = Trace(home, create=False)
    except FileNotFoundError:
        return []
    with closing(trace), trace.guarded():
        rows = trace.connection.execute(
            _SELECT + " WHERE dag_id = COALESCE(?, dag_id) ORDER BY key DESC LIMIT ?", (dag_id, limit)
        ).fetchall()
        return [_run(trace, row) for row in reversed(rows)]


def read_run(trace: Trace, run_id: str, *, dag_id: str | None = None) -> DagRun:
    """One run as it stands."""
    with trace.guarded():
        found = trace.connection.execute(
            _SELECT + " WHERE run_id = ? AND dag_id = COALESCE(?, dag_id)", (run_id, dag_id)
        ).fetchall()
        if not found:
            names = trace.connection.execute(
                "SELECT run_id FROM runs WHERE dag_id = COALESCE(?, dag_id) ORDER BY key DESC LIMIT 1000", (dag_id,)
            )
            where = f"DAG {dag_id}" if dag_id else "this home"
            raise UnknownName("run", run_id, [name for (name,) in names], where=where)
        if len(found) > 1:
            dags = ", ".join(sorted(row[1] for row in found))
            raise InvalidData(f"several DAGs have a run {run_id} ({dags}); say which with dag_id=.")
        return _run(trace, found[0])


def _run(trace: Trace, row: tuple[Any, ...]) -> DagRun:
    key, dag_id, run_id, run_type, logical_date, params, shape, state, started, ended = row
    steps: dict[str, list[tuple[Any, ...]]] = {}
    for task_id, *step in trace.connection.execute(
        "SELECT task_id, attempt, state, started, ended, why, result FROM steps "
        "WHERE step BETWEEN ? AND ? ORDER BY step",
        steps_of(key),
    ):
        steps.setdefault(task_id, []).append(tuple(step))
    shape = json.loads(shape)
    date = datetime.fromisoformat(logical_date)
    instances = tuple(_instance(name, steps.get(name, [])) for name in shape["order"])
    times = (_moment(started), _moment(ended))
    return DagRun(run_id, dag_id, date, json.loads(params), state, instances, *times, run_type, shape)


def _instance(task_id: str, steps: list[tuple[Any, ...]]) -> TaskInstance:
    if not steps:
        return TaskInstance(task_id, "no_status")
    attempts = tuple(
        Attempt(number, state, _moment(started), _moment(ended), why)
        for number, state, started, ended, why, _ in steps
        if number
    )
    number, state, started, ended, why, result = steps[-1]
    value = None if result is None else json.loads(result)
    first = next((_moment(each[2]) for each in steps if bool(each[0]) == bool(number)), None)
    return TaskInstance(task_id, state, attempts, first or _moment(started), _moment(ended), why, value)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
