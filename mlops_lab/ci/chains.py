"""One event and all that follows from it: the workflows it starts, those that their runs start, and so on.

`workflow_run` starts a workflow on the default branch when a run of a named one was requested or has completed, at most
three levels down. What a step does with the token of its run starts nothing, but for `workflow_dispatch` and
`repository_dispatch`: https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/trigger-a-workflow.
A called workflow (`workflow_call`) is part of its caller's run and needs nothing of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci.expressions.values import Value
from mlops_lab.ci.results import JobRun, WorkflowRun
from mlops_lab.ci.simulating import simulate
from mlops_lab.ci.step_runner import Outcome
from mlops_lab.ci.trigger import Trigger
from mlops_lab.ci.workflow import Workflow

__all__ = ["MAX_LEVELS", "simulate_chain"]

MAX_RUNS = 200
MAX_LEVELS = 3  # of `workflow_run`, below the run that began
_FROM_A_TOKEN = ("workflow_dispatch", "repository_dispatch")


def simulate_chain(
    workflows: Iterable[Workflow],
    event: str | Trigger = "push",
    *,
    outcomes: Mapping[str, Mapping[str, Outcome | str]] | None = None,
    sends: Mapping[str, Trigger] | None = None,
    default_branch: str = "main",
    **settings: Any,
) -> tuple[WorkflowRun, ...]:
    r"""Run what an event starts in a repository, and what that starts, in the order in which it begins.

    >>> from mlops_lab.ci import parse_workflow
    >>> ci = parse_workflow("name: ci\non: push\njobs: {a: {runs-on: x, steps: [{run: a}]}}", file="ci.yml")
    >>> text = "on: {workflow_run: {workflows: [ci], types: [completed]}}\njobs: {b: {runs-on: x, steps: [{run: b}]}}"
    >>> simulate_chain([ci, parse_workflow(text, file="deploy.yml")])
    (WorkflowRun('ci.yml', success: a), WorkflowRun('deploy.yml', success: b))

    Args:
        workflows: those of the default branch; each is known by its file.
        event: what happened.
        outcomes: for each file, the `outcomes` of `simulate`.
        sends: `FILE: JOB/STEP` to the event that the step sends with the run's token, once it has succeeded.
        default_branch: where `workflow_run` and the dispatches run.
        settings: what else `simulate` takes, for every run: environments, approvals, secrets, inputs …

    Raises:
        UnknownName: `outcomes` or `sends` name a file that is not there.
        InvalidData: more than 200 runs follow.
    """
    known = {workflow.file: workflow for workflow in workflows}
    told, sent = outcomes or {}, dict(sends or {})
    for name in [*told, *(key.partition(": ")[0] for key in sent)]:
        if name not in known:
            raise UnknownName("workflow", name, known, where="the repository")
    first = Trigger(event) if isinstance(event, str) else event
    found: list[WorkflowRun] = []
    waiting: list[tuple[Trigger, int, str]] = [(first, 0, "")]
    while waiting:
        trigger, level, only = waiting.pop(0)
        for workflow in known.values():
            if trigger.event not in workflow.events or only not in ("", workflow.file):
                continue
            if not _names(workflow, trigger):
                continue
            given = settings if trigger is first else {**settings, "inputs": trigger.payload.get("inputs") or {}}
            run_trigger = replace(trigger, run_number=len(found) + 1)
            run = simulate(workflow, run_trigger, outcomes=told.get(workflow.file), **given)
            if run.status == "not_triggered":
                continue
            if level > MAX_LEVELS:
                why = f"not more than {MAX_LEVELS} levels of workflow_run follow one another"
                found.append(replace(run, status="not_triggered", conclusion=None, reason=why, jobs=(), edges=()))
                continue
            found.append(run)
            if len(found) > MAX_RUNS:
                raise InvalidData(f"{trigger.event} after {trigger.event} starts more than {MAX_RUNS} runs.")
            waiting += [(each, level, "") for each in _sent(run, sent, default_branch)]
            waiting += [(each, level + 1, "") for each in _followed(run, workflow, run_trigger, default_branch)]
    return tuple(found)


def _names(workflow: Workflow, trigger: Trigger) -> bool:
    """Does it ask for this workflow's runs? A `workflow_run` names workflows by their `name`."""
    if trigger.event != "workflow_run":
        return True
    run = trigger.payload["workflow_run"]
    return isinstance(run, Mapping) and run["name"] in workflow.events["workflow_run"].filters.get("workflows", ())


def _followed(run: WorkflowRun, workflow: Workflow, trigger: Trigger, branch: str) -> list[Trigger]:
    """What the run's own beginning and end are, as events."""
    ref = trigger.ref.partition("refs/heads/")[2] or trigger.ref.rpartition("/")[2]
    head = trigger.head_ref if trigger.is_pull_request else ref
    facts: dict[str, Value] = {"name": workflow.name, "path": workflow.file, "head_branch": head}
    facts |= {"event": trigger.event, "run_number": float(trigger.run_number), "head_sha": trigger.sha}
    ended = [("completed", run.conclusion)] if run.status == "completed" else []
    return [
        Trigger(
            "workflow_run", ref=f"refs/heads/{branch}", actor=trigger.actor, activity=activity, sha=trigger.sha,
            repository=trigger.repository, payload={"workflow_run": {**facts, "conclusion": conclusion}},
        )
        for activity, conclusion in [("requested", None), *ended]
    ]  # fmt: skip


def _sent(run: WorkflowRun, sends: Mapping[str, Trigger], branch: str) -> list[Trigger]:
    """The events that the steps of a run send, those that a run's token may start a workflow with."""
    found = []
    for key, trigger in sends.items():
        file, _, place = key.partition(": ")
        ran = file == run.workflow and any(_ran(job, place) for job in run.jobs)
        if ran and trigger.event in _FROM_A_TOKEN:
            ref = trigger.ref if trigger.event == "workflow_dispatch" else f"refs/heads/{branch}"
            found.append(replace(trigger, ref=ref, actor="github-actions[bot]"))
    return found


def _ran(job: JobRun, place: str) -> bool:
    name, _, step = place.rpartition("/")
    return name in (job.id, job.name) and any(
        step in (each.id, each.name) and each.outcome == "success" for each in job.steps
    )
