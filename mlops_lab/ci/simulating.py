"""What would happen if a workflow ran now, and what would follow from that; nothing is executed.

`workflow_run` starts a workflow on the default branch when a run of a named one was requested or has completed, at most
three levels down. A called workflow (`workflow_call`) is part of its caller's run and needs nothing of this; what a
step starts with the token of its run (only dispatches can be) is not modelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.base.clock import Clock, FakeClock, to_utc
from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci.evaluation import Evaluator
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.jobs import JobGraph, records_of
from mlops_lab.ci.loading import suspicions
from mlops_lab.ci.results import WorkflowRun
from mlops_lab.ci.run_state import (
    ConcurrencyGroups,
    Environment,
    Process,
    Review,
    ReviewQueue,
    RunState,
    Scheduler,
    Sleep,
    environments_from,
)
from mlops_lab.ci.step_runner import GivenOutcomes, Outcome, StepRunner
from mlops_lab.ci.trigger import Trigger, called_inputs, dispatched_inputs, starts
from mlops_lab.ci.workflow import Workflow


@dataclass(frozen=True)
class Circumstances:
    """What there is around a run; `simulate` says what each is."""

    inputs: Mapping[str, Value]
    environments: Mapping[str, Environment]
    approvals: Sequence[Review]
    clock: Clock
    secrets: Mapping[str, str]
    variables: Mapping[str, str]
    groups: ConcurrencyGroups = field(default_factory=ConcurrencyGroups)
    started: datetime | None = None
    cancel_after: timedelta | None = None
    run_name: str = "this run"


def simulate(
    workflow: Workflow,
    event: str | Trigger = "push",
    *,
    inputs: Mapping[str, Value] | None = None,
    outcomes: Mapping[str, Outcome | str] | None = None,
    environments: Mapping[str, Environment | Mapping[str, Any]] | None = None,
    approvals: Sequence[Review] = (),
    clock: Clock | None = None,
    secrets: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    groups: ConcurrencyGroups | None = None,
    started: datetime | None = None,
    cancel_after: timedelta | None = None,
    run_name: str = "this run",
) -> WorkflowRun:
    """Run a workflow as GitHub would, without executing anything.

    Steps succeed unless `outcomes` says otherwise. What cannot be known without executing, or is not modelled, is said
    in the run's `notes`. A job that waits for a review nobody has given stays waiting; thirty days later by `clock`, it
    has failed. Follows https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax.

    >>> from mlops_lab.ci import Environment, Review, parse_workflow
    >>> workflow = parse_workflow('''
    ... on: push
    ... jobs:
    ...   test: {runs-on: ubuntu-24.04, steps: [{id: unit, run: pytest}]}
    ...   deploy: {runs-on: ubuntu-24.04, needs: test, environment: production, steps: [{run: ./deploy}]}
    ... ''')
    >>> production = Environment("production", reviewers=("ana",), prevent_self_review=True)
    >>> simulate(workflow, Trigger("push", actor="ben"), environments={"production": production})
    WorkflowRun('workflow.yml', waiting: test, deploy)
    >>> simulate(workflow, environments={"production": production}, approvals=[Review("production", by="ana")])
    WorkflowRun('workflow.yml', success: test, deploy)
    >>> print(simulate(workflow, outcomes={"test/unit": "failure"}).outline())
    workflow.yml (workflow.yml) on push: failure
      test: failure
        Run pytest: failure
      deploy after test: skipped - needs test (failure)

    Args:
        workflow: as read by `load_workflow`.
        event: what happened: an event's name, or a `Trigger` with ref, actor, payload.
        inputs: of `workflow_dispatch` (or `workflow_call`).
        outcomes: `job`, `job/step` or `job/step/inner step` to `"success"`, `"failure"`, `"cancelled"` or an `Outcome`
            (see `GivenOutcomes`).
        environments: protection rules by name, as `Environment` or as plain mappings.
        approvals: reviews in the order in which they are given; one decides for all jobs then waiting.
        clock: tells what time it is now; the run starts then, unless `started` says when.
        secrets: of the repository; those of an environment belong to the `Environment`.
        variables: the `vars` context.
        groups: the concurrency groups of the repository, if other runs are in them.
        started: when the run began (a timezone-aware datetime), when that was not now.
        cancel_after: somebody cancels the run after so long.
        run_name: what the run is called in a concurrency group.

    Raises:
        UnknownName: an event, input or outcome key that the workflow does not have.
        InvalidData: an input with a value it cannot have.
    """
    runner = GivenOutcomes(outcomes or {}, workflow.root)
    around = Circumstances(
        dict(inputs or {}), environments_from(environments or {}), tuple(approvals), clock or FakeClock(),
        dict(secrets or {}), dict(variables or {}), groups or ConcurrencyGroups(), started, cancel_after, run_name,
    )  # fmt: skip
    run = run_workflow(workflow, event, runner, around)
    known = [job.name for job in run.jobs] + [job.id for job in run.jobs]
    known += [f"{job.name}/{step.id}" for job in run.jobs for step in job.steps]
    known += [f"{name}/{step.id}" for name, job in workflow.jobs.items() for step in job.steps]
    known += [f"{name}/{step.title}" for name, job in workflow.jobs.items() for step in job.steps]
    runner.check([*known, *workflow.jobs])
    return run


def run_workflow(workflow: Workflow, event: str | Trigger, runner: StepRunner, around: Circumstances) -> WorkflowRun:
    """Run a workflow with somebody to do the steps; see `simulate` for what there is around it."""
    trigger = Trigger(event) if isinstance(event, str) else event
    not_started = starts(workflow, trigger)
    values = _inputs(workflow, trigger, around.inputs)
    if trigger.event == "workflow_dispatch":
        payload = {**trigger.payload, "inputs": {name: to_text(value) for name, value in values.items()}}
        trigger = replace(trigger, payload=payload)
    state = RunState(
        scheduler=Scheduler(to_utc(around.started) if around.started is not None else around.clock.now()),
        clock=around.clock,
        trigger=trigger,
        runner=runner,
        environments=around.environments,
        groups=around.groups,
        variables=around.variables,
    )
    if privileges := trigger.privileges():
        state.note(privileges)
    state.reviews = ReviewQueue(state, around.approvals)
    before, state.groups.on_cancel = state.groups.on_cancel, state.cancel_named
    try:
        return _run(state, workflow, trigger, values, around, not_started)
    finally:
        state.groups.on_cancel = before


def _run(
    state: RunState, workflow: Workflow, trigger: Trigger, values: Mapping[str, Value], around: Circumstances,
    not_started: str,
) -> WorkflowRun:  # fmt: skip
    github = trigger.github(workflow)
    graph = JobGraph(
        state, workflow, github=github, inputs=values, secrets={} if trigger.is_untrusted else around.secrets
    )
    evaluate = Evaluator(workflow.file)
    name = evaluate.text(workflow.run_name, graph.contexts) or workflow.name
    if not_started:
        return _record(workflow, trigger, name, state, graph, status="not_triggered", reason=not_started)
    state.moment("run", "queued", f"on {trigger.event}")
    for found in suspicions(workflow):
        if found.rule == "always-true":
            state.note(found.message)
    if workflow.concurrency is not None:
        group, cancel, queue = evaluate.concurrency(workflow.concurrency, graph.contexts)
        entered = state.groups.enter(group, around.run_name, cancel_in_progress=cancel, queue=queue)
        graph.own_groups.append(group)
        if not entered:
            reason = f"behind {state.groups.running(group)} in group '{group}'"
            state.moment("run", "pending", reason)
            return _record(workflow, trigger, name, state, graph, status="pending", reason=reason)
    graph.start()
    if around.cancel_after is not None:
        state.scheduler.start(_cancel(state, graph, around.cancel_after))
    state.scheduler.run()
    if graph.is_done:
        for group in graph.own_groups:
            state.leave(group, around.run_name)
    return _record(workflow, trigger, name, state, graph)


def _inputs(workflow: Workflow, trigger: Trigger, given: Mapping[str, Value]) -> dict[str, Value]:
    declared = workflow.events[trigger.event].inputs if trigger.event in workflow.events else {}
    if trigger.event == "workflow_call":
        evaluate = Evaluator(workflow.file)
        known: dict[str, Value] = {"github": trigger.github(workflow), "vars": {}, "inputs": {}}
        return called_inputs(declared, given, lambda node: evaluate.value(node, known))
    if trigger.event == "workflow_dispatch":
        return dispatched_inputs(declared, given)
    if given:
        raise InvalidData(f"the event {trigger.event} has no inputs; they were given: {', '.join(given)}.")
    return {}


def _cancel(state: RunState, graph: JobGraph, after: timedelta) -> Process:
    yield Sleep(after / timedelta(seconds=1))
    if not graph.is_done:
        state.cancel("The run was canceled.")


def _record(
    workflow: Workflow,
    trigger: Trigger,
    name: str,
    state: RunState,
    graph: JobGraph,
    *,
    status: str = "",
    reason: str = "",
) -> WorkflowRun:
    jobs = tuple(records_of(graph)) if status != "not_triggered" else ()
    conclusion = None
    if not status and graph.is_done:
        status, conclusion = "completed", graph.result()
        if state.cancelled and conclusion != "failure":
            conclusion, reason = "cancelled", state.cancelled
    statuses = {job.status for job in jobs}
    status = status or next((word for word in ("waiting", "pending") if word in statuses), "in_progress")
    outputs: dict[str, str] = {}
    if conclusion is not None:
        state.moment("run", conclusion, reason)
        try:
            outputs = graph.outputs()
        except ExpressionError as error:  # a caller would fail; here there is none
            state.note(f"the outputs of the workflow cannot be computed: {error}")
    return WorkflowRun(
        workflow=workflow.file,
        name=name,
        event=trigger.event,
        status=status,
        conclusion=conclusion,
        reason=reason,
        jobs=jobs,
        edges=tuple((needed, job.name) for job in jobs for needed in job.needs),
        timeline=tuple(state.timeline),
        notes=tuple(state.notes),
        outputs=outputs,
    )


MAX_RUNS = 200
MAX_LEVELS = 3  # of `workflow_run`, below the run that began


def simulate_chain(
    workflows: Iterable[Workflow],
    event: str | Trigger = "push",
    *,
    outcomes: Mapping[str, Mapping[str, Outcome | str]] | None = None,
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
        settings: what else `simulate` takes, for every run: environments, approvals, secrets, inputs …

    Raises:
        UnknownName: `outcomes` name a file that is not there.
        InvalidData: more than 200 runs follow.
    """
    known = {workflow.file: workflow for workflow in workflows}
    told = outcomes or {}
    for name in told:
        if name not in known:
            raise UnknownName("workflow", name, known, where="the repository")
    first = Trigger(event) if isinstance(event, str) else event
    found: list[WorkflowRun] = []
    waiting = [(first, 0)]
    while waiting:
        trigger, level = waiting.pop(0)
        for workflow in known.values():
            if trigger.event not in workflow.events or not _names(workflow, trigger):
                continue
            given = settings if trigger is first else {**settings, "inputs": {}}
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
            waiting += [(each, level + 1) for each in _followed(run, workflow, run_trigger)]
    return tuple(found)


def _names(workflow: Workflow, trigger: Trigger) -> bool:
    """Does it ask for this workflow's runs? A `workflow_run` names workflows by their `name`."""
    if trigger.event != "workflow_run":
        return True
    run = trigger.payload["workflow_run"]
    return isinstance(run, Mapping) and run["name"] in workflow.events["workflow_run"].filters.get("workflows", ())


def _followed(run: WorkflowRun, workflow: Workflow, trigger: Trigger) -> list[Trigger]:
    """What the run's own beginning and end are, as events."""
    ref = trigger.ref.partition("refs/heads/")[2] or trigger.ref.rpartition("/")[2]
    head = trigger.head_ref if trigger.is_pull_request else ref
    facts: dict[str, Value] = {"name": workflow.name, "path": workflow.file, "head_branch": head}
    facts |= {"event": trigger.event, "run_number": float(trigger.run_number), "head_sha": trigger.sha}
    ended = [("completed", run.conclusion)] if run.status == "completed" else []
    return [
        Trigger(
            "workflow_run", ref="refs/heads/main", actor=trigger.actor, activity=activity, sha=trigger.sha,
            repository=trigger.repository, payload={"workflow_run": {**facts, "conclusion": conclusion}},
        )
        for activity, conclusion in [("requested", None), *ended]
    ]  # fmt: skip
