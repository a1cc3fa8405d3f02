"""A workflow file as a graph of jobs, with the jobs of a matrix, before it runs or after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from mlops_lab.base.errors import InvalidData
from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.style import Look, state_look

if TYPE_CHECKING:
    from mlops_lab.ci import JobRun, Workflow, WorkflowRun
    from mlops_lab.ci.workflow import Job
    from mlops_lab.teaching.drawing.drawing import Drawing


_PLANNED = Look("○", "", "#f7f7f7", "#808080")
_MOST_LINES = 12

#: of several matrix jobs, the box shows the state that matters most.
_WEIGHT = ("failure", "cancelled", "waiting", "pending", "in_progress", "queued", "success", "skipped")


def draw_workflow(workflow: Workflow, run: WorkflowRun | None = None) -> Drawing:
    """The jobs of a workflow in columns; in the place of a job that calls another workflow, that one's jobs.

    Each stands one column after the last job it needs, as on GitHub's page of a run:
    https://docs.github.com/en/actions/how-tos/monitor-workflows/use-the-visualization-graph
    Boxes bear the jobs' ids, which `needs` and `outcomes` use; the jobs of a matrix share a box. A matrix computed by
    an expression is unknown before a run. What several legs call, or a skipped job, stays one box.

    >>> from mlops_lab.ci import parse_workflow, simulate
    >>> workflow = parse_workflow('''
    ... name: nightly
    ... on: push
    ... jobs:
    ...   train: {runs-on: x, strategy: {matrix: {model: [logistic, boosted]}}, steps: [{run: train}]}
    ...   ship: {runs-on: x, needs: train, environment: production, steps: [{run: ship}]}
    ... ''')
    >>> print(draw_workflow(workflow))
    nightly
    workflow.yml, on push
    <BLANKLINE>
    ○  train
        ○ logistic
        ○ boosted
    ○  ship   ← train
        environment: production
    >>> print(draw_workflow(workflow, simulate(workflow, outcomes={"train (boosted)": "failure"})))
    nightly
    workflow.yml, on push: failure
    <BLANKLINE>
    ✗ failure  train
        ⊖ logistic (cancelled)
        ✗ boosted (failure)
        The strategy configuration was canceled because "train (boosted)" failed
    – skipped  ship   ← train
        environment: production
        needs train (failure)

    Args:
        workflow: as read by `load_workflow`.
        run: what became of it, simulated or executed; left out, the plan alone is drawn.
    """
    runs = () if run is None or run.status == "not_triggered" else run.jobs
    needs, boxes = dict[str, Sequence[str]](), dict[str, Box]()
    found, _ = _boxes(workflow, _by_caller(runs, _calling(workflow)), caller="", prefix="", needs=())
    for box, before in found:
        needs[box.key], boxes[box.key] = before, box
    levels: dict[str, int] = {}
    for name in TopologicalSorter(needs).static_order():
        levels[name] = 1 + max((levels[need] for need in needs[name]), default=-1)
    columns = [[name for name in needs if levels[name] == level] for level in sorted(set(levels.values()))]
    state = f": {(run.conclusion or run.status).replace('_', ' ')}" if run is not None else ""
    on = run.event if run is not None else ", ".join(workflow.events)
    return draw_boxes(
        workflow.name if run is None else run.name,
        list(boxes.values()),
        edges=[(need, name) for name, before in needs.items() for need in before],
        about=[f"{workflow.file.rpartition('/')[2]}, on {on}{state}"],
        columns=columns,
    )


def _boxes(
    workflow: Workflow, runs: Mapping[str, list[JobRun]], *, caller: str, prefix: str, needs: Sequence[str]
) -> tuple[list[tuple[Box, Sequence[str]]], list[str]]:
    """Boxes with what they need, and the names that nothing in the workflow needs: who needs its caller needs them."""
    boxes: dict[str, list[tuple[Box, Sequence[str]]]] = {}
    ends: dict[str, list[str]] = {}
    for level in workflow.levels():
        for job in (workflow.jobs[name] for name in level):
            mine = [one for one in runs.get(caller, ()) if one.id == job.id]
            before = [end for each in job.needs for end in ends[each]] or needs
            boxes[job.id], ends[job.id] = [(_box(job, mine, prefix + job.id), before)], [prefix + job.id]
            callee, calling = workflow.called.get(job.uses or ""), mine[0].name if mine else ""
            if callee is None or job.strategy.matrix is not None or len(mine) > 1 or (runs and calling not in runs):
                continue
            inner = f"{prefix}{job.id} / "
            boxes[job.id], ends[job.id] = _boxes(callee, runs, caller=calling, prefix=inner, needs=before)
    needed = {each for job in workflow.jobs.values() for each in job.needs}
    last = [end for job in workflow.jobs if job not in needed for end in ends[job]]
    return [box for job in workflow.jobs for box in boxes[job]], last


def _calling(workflow: Workflow) -> set[str]:
    """Ids of the jobs that call a workflow, here and in the workflows called."""
    own = {job.id for job in workflow.jobs.values() if job.uses}
    return own.union(*(_calling(callee) for callee in workflow.called.values()))


def _by_caller(runs: Sequence[JobRun], calling: Collection[str]) -> dict[str, list[JobRun]]:
    """The jobs of a run by the name of the job whose workflow they belong to: it stands before their last slash."""
    names = {one.name for one in runs if one.id in calling}
    found: dict[str, list[JobRun]] = {}
    for one in runs:
        words = one.name.split(" / ")
        before = (" / ".join(words[:count]) for count in range(len(words) - 1, 0, -1))
        found.setdefault(next((name for name in before if name in names), ""), []).append(one)
    return found


def _box(job: Job, runs: Sequence[JobRun], key: str) -> Box:
    lines = [f"calls {job.uses.rpartition('/')[2].partition('@')[0]}"] if job.uses else []
    environments = [job.environment.word] if job.environment is not None else []
    lines += [f"environment: {each}" for each in dict.fromkeys(one.environment for one in runs if one.environment)]
    if not runs or not any(one.environment for one in runs):
        lines += [f"environment: {each}" for each in environments]
    legs: dict[str, str | None] = {}
    if any(one.matrix for one in runs):
        for one in runs:
            legs[_leg(one)] = one.conclusion or one.status
    elif not runs:
        try:
            legs = dict.fromkeys(_legs(job))
        except InvalidData as error:
            legs, lines = {}, [*lines, str(error)]
        lines += ["a matrix, computed when it runs"] if legs == {"": None} else []
        legs.pop("", None)
    states = [one.conclusion or one.status for one in runs]
    state = min(states, key=lambda each: _WEIGHT.index(each) if each in _WEIGHT else 0, default=None)
    why = next((one.reason.splitlines()[0] for one in runs if one.reason), "")
    for leg, found in legs.items():
        look = state_look(found)
        lines.append(f"{look.mark} {leg} ({look.word})" if found else f"{_PLANNED.mark} {leg}")
    return Box(
        key,
        state_look(state) if state else _PLANNED,
        family="job",
        state=state,
        lines=tuple(lines),
        most_lines=_MOST_LINES,
        facts=(why,) if why else (),
    )


def _leg(run: JobRun) -> str:
    from mlops_lab.ci.matrix import combination_title

    return combination_title(run.matrix) or run.name


def _legs(job: Job) -> list[str]:
    """The legs that the file alone tells; one empty name where only a run can tell; InvalidData for what cannot be."""
    from mlops_lab.ci.matrix import combination_title, expand_matrix

    if job.strategy.matrix is None:
        return []
    matrix = job.strategy.matrix.plain()
    if not isinstance(matrix, dict) or "${{" in str(matrix):
        return [""]
    return [combination_title(leg) for leg in expand_matrix(matrix)]
