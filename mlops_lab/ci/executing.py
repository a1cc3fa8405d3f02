"""What happens when the workflow's `run:` steps really run?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, FakeClock
from mlops_lab.ci.environments import Environment, Review, environments_from
from mlops_lab.ci.expressions.values import Value
from mlops_lab.ci.real_steps import RealSteps
from mlops_lab.ci.results import WorkflowRun
from mlops_lab.ci.simulating import Circumstances, run_workflow
from mlops_lab.ci.stand_ins import StandIn
from mlops_lab.ci.trigger import Trigger
from mlops_lab.ci.workflow import Workflow

__all__ = ["execute"]


def execute(
    workflow: Workflow,
    event: str | Trigger = "push",
    *,
    inputs: Mapping[str, Value] | None = None,
    actions: Mapping[str, StandIn] | None = None,
    environments: Mapping[str, Environment | Mapping[str, Any]] | None = None,
    approvals: Sequence[Review] = (),
    clock: Clock | None = None,
    secrets: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    scratch: str | Path | None = None,
    inherit: Sequence[str] = (),
    step_timeout: float = 600.0,
) -> WorkflowRun:
    """Run a workflow and really execute its `run:` steps, here, as this user: only for files you trust.

    Jobs and steps come in the order of `simulate`, one at a time; each job has a workspace of its own under a scratch
    folder, empty until `actions/checkout` puts a copy of the repository there (without `.git`, so `git` commands that
    look at its history fail). The repository itself is not touched.
    Imitates https://github.com/actions/runner; containers, services and JavaScript actions are not run, and marked so.

    >>> from mlops_lab.ci import parse_workflow
    >>> workflow = parse_workflow('''
    ... on: push
    ... jobs:
    ...   a:
    ...     runs-on: ubuntu-24.04
    ...     outputs: {sum: '${{ steps.add.outputs.sum }}'}
    ...     steps: [{id: add, run: 'echo "sum=$((40 + 2))" >> "$GITHUB_OUTPUT"'}]
    ... ''', root="/nonexistent")
    >>> execute(workflow).job("a").outputs
    {'sum': '42'}

    Args:
        workflow: as read by `load_workflow`; its `root` is the repository that is copied.
        event: an event's name, or a `Trigger`.
        inputs: of `workflow_dispatch`.
        actions: stand-ins for actions of other repositories, by `owner/name` or the whole text of `uses`; each is a
            function of a `StandInCall` that gives outputs or an `Outcome`.
        environments: protection rules, as in `simulate`.
        approvals: reviews; a job that waits for one is not run.
        clock: what time it is in the run.
        secrets: of the repository; they show as `***` in logs.
        variables: the `vars` context.
        scratch: where to work; a temporary folder, removed afterwards, when not given.
        inherit: names of variables of this process that steps may see; of itself, only the path and the language.
        step_timeout: seconds after which any step is ended.

    Raises:
        UnknownName: an event or input that the workflow does not have.
        InvalidData: an input with a value it cannot have.
    """
    if scratch is None:
        with tempfile.TemporaryDirectory(prefix="mlops-lab-", ignore_cleanup_errors=True) as folder:
            return execute(
                workflow, event, inputs=inputs, actions=actions, environments=environments, approvals=approvals,
                clock=clock, secrets=secrets, variables=variables, scratch=folder, inherit=inherit,
                step_timeout=step_timeout,
            )  # fmt: skip
    performer = RealSteps(
        workflow.root,
        Path(scratch).resolve(),
        secrets=list((secrets or {}).values()),
        actions=actions or {},
        inherit=inherit,
        seconds=step_timeout,
    )
    around = Circumstances(
        dict(inputs or {}), environments_from(environments or {}), tuple(approvals), clock or FakeClock(),
        dict(secrets or {}), dict(variables or {}),
    )  # fmt: skip
    try:
        run = run_workflow(workflow, event, performer, around)
    finally:
        performer.close()
    notes = dict.fromkeys([*run.notes, *performer.notes])
    return replace(run, notes=tuple(notes), summary=performer.summary)
