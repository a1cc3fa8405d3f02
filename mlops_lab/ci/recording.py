"""Which values are left of a run that has happened?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_lab.ci.results import JobRun

if TYPE_CHECKING:
    from mlops_lab.ci.legs import Leg
    from mlops_lab.ci.running_jobs import JobGraph

__all__ = ["records_of"]


def records_of(graph: JobGraph) -> list[JobRun]:
    """All jobs as values, level by level; a called workflow's jobs behind the one that calls them."""
    found: list[JobRun] = []
    for name in sorted(graph.jobs, key=lambda name: graph.levels[name]):
        state = graph.jobs[name]
        level = graph.level + graph.levels[name]
        needs = tuple(run for needed in state.job.needs for run in _names(graph, needed))
        if not state.legs:
            status = "completed" if state.result is not None else "queued"
            title = graph.prefix + graph.title_of(state.job)
            found.append(JobRun(name, title, status, state.result, state.result, state.reason, needs, level=level))
        for leg in state.legs:
            found.append(_record(leg, level, needs))
            if leg.graph_of_call is not None:
                found += records_of(leg.graph_of_call)
    return found


def _names(graph: JobGraph, name: str) -> list[str]:
    state = graph.jobs[name]
    return [leg.name for leg in state.legs] or [graph.prefix + graph.title_of(state.job)]


def _record(leg: Leg, level: int, needs: tuple[str, ...]) -> JobRun:
    matrix = leg.contexts.get("matrix")
    return JobRun(
        id=leg.job.id,
        name=leg.name,
        status=leg.status,
        conclusion=leg.conclusion,
        result=leg.result,
        reason=leg.reason,
        needs=needs,
        matrix=dict(matrix) if isinstance(matrix, Mapping) else {},
        environment=leg.environment,
        outputs=leg.outputs,
        steps=leg.steps,
        runs_on=leg.runs_on,
        level=level,
        started=leg.started,
        ended=leg.ended,
    )
