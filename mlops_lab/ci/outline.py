"""How does a run look as text?"""

from __future__ import annotations

from collections.abc import Sequence

from mlops_lab.ci.results import JobRun, StepRun, WorkflowRun

__all__ = ["outline_of"]


def outline_of(run: WorkflowRun) -> str:
    """One line for the run, one a job, one a step; reasons behind a dash, notes at the end."""
    lines = [f"{run.name} ({run.workflow}) on {run.event}: {run.conclusion or run.status}{_because(run.reason)}"]
    for job in run.jobs:
        lines += ["  " + line for line in _job(job)]
    lines += [f"note: {note}" for note in run.notes]
    return "\n".join(" ".join(line.splitlines()) for line in lines)  # a name with a line break cannot forge a line


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
