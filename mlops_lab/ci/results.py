"""What happened in a run: steps, jobs, the run and its timeline, as frozen values in GitHub's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mlops_lab.base.errors import UnknownName
from mlops_lab.ci.expressions.values import Value


@dataclass(frozen=True)
class Moment:
    """One entry of the timeline: when, which job or step, what became of it, why."""

    at: datetime
    subject: str
    what: str  # queued, waiting, approved, rejected, started, success, failure, skipped, cancelled …
    why: str = ""

    def __repr__(self) -> str:
        return f"Moment({self.subject}: {self.what}{f' ({self.why})' if self.why else ''})"


@dataclass(frozen=True)
class StepRun:
    """One step. `outcome` is before `continue-on-error`, `conclusion` after it."""

    id: str
    name: str
    conclusion: str | None
    outcome: str | None
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[StepRun, ...] = ()  # of a composite action
    log: str = ""
    stubbed: bool = False  # an action that was not run, only assumed
    started: datetime | None = None
    ended: datetime | None = None

    def __repr__(self) -> str:
        return f"StepRun({self.name!r}, {self.conclusion or 'not finished'})"


@dataclass(frozen=True)
class JobRun:
    r"""One job, or one combination of a matrix, or one job of a called workflow (`caller / job`).

    `status` is queued, pending (behind others of its concurrency group), waiting (for a review or a timer),
    in_progress or completed. `conclusion` is success, failure, cancelled or skipped once completed. `result` is what
    `needs.<id>.result` shows: with `continue-on-error` a failure counts as success there.
    """

    id: str
    name: str
    status: str
    conclusion: str | None
    result: str | None
    reason: str = ""
    needs: tuple[str, ...] = ()
    matrix: Mapping[str, Value] = field(default_factory=dict)
    environment: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[StepRun, ...] = ()
    runs_on: str = ""
    level: int = 0
    started: datetime | None = None
    ended: datetime | None = None

    def __repr__(self) -> str:
        return f"JobRun({self.name!r}, {self.conclusion or self.status})"


@dataclass(frozen=True)
class WorkflowRun:
    r"""One run of a workflow. `status` is queued, pending, waiting, in_progress, completed or not_triggered.

    >>> from mlops_lab.ci import parse_workflow, simulate
    >>> run = simulate(parse_workflow("on: push\njobs: {a: {runs-on: x, steps: [{run: make}]}}"), "push")
    >>> run, run.job("a"), run.job("a").steps
    (WorkflowRun('workflow.yml', success: a), JobRun('a', success), (StepRun('Run make', success),))
    """

    workflow: str
    name: str
    event: str
    status: str
    conclusion: str | None
    reason: str
    jobs: tuple[JobRun, ...]
    edges: tuple[tuple[str, str], ...]  # names of the jobs of `jobs`: (needed, needing)
    timeline: tuple[Moment, ...]
    notes: tuple[str, ...]  # what was not modelled, or had to be assumed
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""  # what the steps wrote to GITHUB_STEP_SUMMARY, when they really ran

    def job(self, name: str) -> JobRun:
        """The job of that name (`test (3.12)`, `deploy / upload`), or with that id.

        Raises:
            UnknownName: there is none.
        """
        for job in self.jobs:
            if job.name == name:
                return job
        for job in self.jobs:
            if job.id == name:
                return job
        raise UnknownName("job", name, [job.name for job in self.jobs], where=f"the run of {self.workflow}")

    def outline(self) -> str:
        """The run as text: one line for it, one a job, one a step; reasons behind a dash, notes at the end."""
        lines = [
            f"{self.name} ({self.workflow}) on {self.event}: {self.conclusion or self.status}{_because(self.reason)}"
        ]
        for job in self.jobs:
            lines += ["  " + line for line in _job(job)]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(" ".join(line.splitlines()) for line in lines)  # a name with a line break forges no line

    def __repr__(self) -> str:
        jobs = ", ".join(job.name for job in self.jobs)
        return f"WorkflowRun({self.workflow!r}, {self.conclusion or self.status}: {jobs})"


def _because(reason: str) -> str:
    return f" - {reason.splitlines()[0]}" if reason else ""


def _job(job: JobRun) -> list[str]:
    needs = f" after {', '.join(job.needs)}" if job.needs else ""
    environment = f" [{job.environment}]" if job.environment else ""
    head = f"{job.name}{needs}{environment}: {job.conclusion or job.status}{_because(job.reason)}"
    return [head, *("  " + line for line in _steps(job.steps))]


def _steps(steps: Sequence[StepRun]) -> list[str]:
    lines: list[str] = []
    for step in steps:
        forgiven = f" (outcome {step.outcome})" if step.outcome != step.conclusion else ""
        stub = ", stubbed" if step.stubbed else ""
        lines.append(f"{step.name}: {step.conclusion or 'not finished'}{forgiven}{stub}{_because(step.reason)}")
        lines += ["  " + line for line in _steps(step.steps)]
    return lines
