"""What would happen if a workflow ran now; nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.base.clock import Clock, FakeClock, to_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.ci.admission import ConcurrencyGroups, Environment, Review, environments_from
from mlops_lab.ci.evaluation import Evaluator
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.job_graph import JobGraph, records_of
from mlops_lab.ci.loading import suspicions
from mlops_lab.ci.results import WorkflowRun
from mlops_lab.ci.run_state import Process, ReviewQueue, RunState, Scheduler, Sleep
from mlops_lab.ci.step_runner import GivenOutcomes, Outcome, StepRunner
from mlops_lab.ci.trigger import Trigger, called_inputs, dispatched_inputs, starts
from mlops_lab.ci.workflow import Workflow

__all__ = ["Circumstances", "run_workflow", "simulate"]


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
        trigger = Trigger(**{**trigger.__dict__, "payload": payload})
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
