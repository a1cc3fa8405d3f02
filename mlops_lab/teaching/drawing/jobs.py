"""How does a graph of jobs look, level by level, with the legs of a matrix?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from graphlib import CycleError as GraphlibCycleError
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from mlops_lab.base.errors import CycleError, DuplicateName, UnknownName
from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.style import Look, state_look

if TYPE_CHECKING:
    from mlops_lab.teaching.drawing.drawing import Drawing


_PLANNED = Look("○", "", "#f7f7f7", "#808080")
_MOST_LINES = 12


@dataclass(frozen=True)
class JobBox:
    """One job as it is drawn; plain values, so that any engine's jobs can be.

    Args:
        name: The job's id.
        needs: Ids of the jobs it waits for.
        state: "success", "failure", "skipped", "cancelled", "waiting" … or None for a job that is only planned.
        legs: The legs of its matrix, each with its state or None.
        lines: Further lines in the box, such as "environment: production".
        why: The reason of its state; in the outline and as tooltip.

    >>> JobBox("test", needs=("lint",), legs={"3.11": "success", "3.13": "failure"}).legs["3.13"]
    'failure'
    """

    name: str
    _: KW_ONLY
    needs: Sequence[str] = ()
    state: str | None = None
    legs: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    lines: Sequence[str] = ()
    why: str = ""


def draw_jobs(title: str, jobs: Iterable[JobBox], *, about: Sequence[str] = ()) -> Drawing:
    """Jobs in columns, each one column after the last job it needs, as GitHub's page of a run shows them.

    Reference: https://docs.github.com/en/actions/how-tos/monitor-workflows/use-the-visualization-graph

    Args:
        title: One line.
        jobs: In the order of their definition.
        about: Further lines under the title.

    Raises:
        CycleError: jobs need each other.
        UnknownName: a job needs one that is not there.
        DuplicateName: two jobs of one name.

    >>> print(draw_jobs("ci.yml", [
    ...     JobBox("lint", state="success"),
    ...     JobBox("test", needs=["lint"], state="failure", legs={"3.11": "success", "3.13": "failure"}),
    ...     JobBox("deploy", needs=["test"], state="skipped", why="test failed")]))
    ci.yml
    <BLANKLINE>
    ✓ success  lint
    ✗ failure  test    ← lint
        ✓ 3.11 (success)
        ✗ 3.13 (failure)
    – skipped  deploy  ← test
        test failed
    """
    jobs = list(jobs)
    names = [job.name for job in jobs]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DuplicateName("job", name, where=title)
    for job in jobs:
        for need in job.needs:
            if need not in names:
                raise UnknownName("job", need, names, where=f"the needs of {job.name!r}")
    levels = _levels(jobs)
    columns = [
        [name for name in names if levels[name] == level] for level in range(max(levels.values(), default=-1) + 1)
    ]
    edges = [(need, job.name) for job in jobs for need in job.needs]
    return draw_boxes(title, [_box(job) for job in jobs], edges=edges, about=about, columns=columns)


def _levels(jobs: Sequence[JobBox]) -> dict[str, int]:
    needs = {job.name: tuple(job.needs) for job in jobs}
    levels: dict[str, int] = {}
    try:
        for name in TopologicalSorter(needs).static_order():
            levels[name] = 1 + max((levels[need] for need in needs[name]), default=-1)
    except GraphlibCycleError as error:
        raise CycleError(error.args[1]) from None
    return levels


def _box(job: JobBox) -> Box:
    legs = [
        f"{state_look(state).mark} {leg} ({state_look(state).word})" if state else f"{_PLANNED.mark} {leg}"
        for leg, state in job.legs.items()
    ]
    return Box(
        job.name,
        state_look(job.state) if job.state else _PLANNED,
        family="job",
        state=job.state,
        lines=(*job.lines, *legs),
        most_lines=_MOST_LINES,
        facts=(job.why,) if job.why else (),
    )
