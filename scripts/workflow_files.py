"""What do the workflow files of a repository say, with the line of each thing?

Read with line numbers and nothing else: what the files mean is asked by the policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mlops_lab.ci import ExpressionError, interpolate

__all__ = ["Finding", "Job", "WorkflowFile", "action_files", "local_path", "text_of", "workflow_files"]


_DEPTH = 10


@lru_cache(maxsize=256)
def _read(text: str) -> Any:
    return YAML().load(text) or {}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that a policy does not allow."""

    path: str
    line: int
    policy: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence} [{self.policy}]"


@dataclass(frozen=True)
class Job:
    """One job: its id, its text as data, its line."""

    name: str
    data: Mapping[str, Any]
    line: int
    root: Path = Path()

    def steps_of_local_actions(self, depth: int = 0) -> Iterator[Mapping[str, Any]]:
        """The steps inside the composite actions of the same repository that its steps use."""
        for step in self.steps:
            path = local_path(str(step.get("uses", "")))
            for end in ("yml", "yaml") if path and depth < _DEPTH else ():
                file = self.root / str(path) / f"action.{end}"
                inner = (
                    Job("", _read(file.read_text("utf-8")).get("runs") or {}, 1, self.root) if file.is_file() else None
                )
                if inner is not None:
                    yield from inner.steps
                    yield from inner.steps_of_local_actions(depth + 1)

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        """Its steps; none where it calls a workflow."""
        return [step for step in self.data.get("steps") or [] if isinstance(step, Mapping)]

    @property
    def needs(self) -> list[str]:
        """The jobs that it waits for."""
        needs = self.data.get("needs") or []
        return [needs] if isinstance(needs, str) else list(needs)

    @property
    def condition(self) -> str:
        """Its `if`; empty where it has none."""
        return str(self.data.get("if", ""))


@dataclass(frozen=True)
class WorkflowFile:
    """One file of `.github/workflows`, or one `action.yml`, below the root of its repository."""

    root: Path
    path: str

    @cached_property
    def data(self) -> Any:
        """The whole file as ruamel.yaml reads it, which knows the lines."""
        return _read((self.root / self.path).read_text("utf-8"))

    @property
    def events(self) -> list[str]:
        """The events that start it."""
        on = self.data.get("on") or []
        return [on] if isinstance(on, str) else list(on)

    @cached_property
    def jobs(self) -> list[Job]:
        """Its jobs in the order of the file; none in an `action.yml`."""
        jobs = self.data.get("jobs") or {}
        return [
            Job(name, job, jobs.lc.key(name)[0] + 1, self.root)
            for name, job in jobs.items()
            if isinstance(job, Mapping)
        ]

    def finding(self, where: Any, policy: str, sentence: str) -> Finding:
        """A finding at a job, or at a step or mapping as it was read."""
        line = where.line if isinstance(where, Job) else where.lc.line + 1
        return Finding(self.path, line, policy, sentence)

    def steps(self) -> Iterator[tuple[Job, Mapping[str, Any]]]:
        """All steps with their jobs; those of an `action.yml` belong to a job without a name."""
        runs = self.data.get("runs")
        alone = [Job("", runs, runs.lc.line + 1)] if isinstance(runs, Mapping) else []
        for job in [*self.jobs, *alone]:
            for step in job.steps:
                yield job, step

    def shell(self, job: Job, step: Mapping[str, Any]) -> str:
        """The shell that a `run:` of this step is given to; empty where the runner chooses."""
        found = step.get("shell")
        for place in (job.data, self.data):
            defaults = place.get("defaults") or {}
            found = found or (defaults.get("run") or {}).get("shell")
        return str(found or "")

    def called(self, job: Job) -> WorkflowFile | None:
        """The workflow of the same repository that a job calls, where there is one."""
        path = local_path(str(job.data.get("uses", "")))
        return WorkflowFile(self.root, path) if path and (self.root / path).is_file() else None


def local_path(uses: str) -> str | None:
    """The path inside the repository that `./path` or `$/path` means; nothing for what is elsewhere."""
    return uses[2:].rstrip("/") if uses.startswith(("./", "$/")) else None


def text_of(value: Any, contexts: Mapping[str, Any]) -> Any:
    """A value with its expressions computed; one that cannot be computed stays as it is written."""
    if not isinstance(value, str):
        return value
    try:
        return interpolate(value, contexts)
    except ExpressionError:
        return value


def workflow_files(root: Path) -> list[WorkflowFile]:
    """The workflows of a repository."""
    found = [path for end in ("yml", "yaml") for path in (root / ".github" / "workflows").glob(f"*.{end}")]
    return [WorkflowFile(root, path.relative_to(root).as_posix()) for path in sorted(found)]


def action_files(root: Path) -> list[WorkflowFile]:
    """The composite actions of a repository."""
    found = [path for end in ("yml", "yaml") for path in (root / ".github").rglob(f"action.{end}")]
    return [WorkflowFile(root, path.relative_to(root).as_posix()) for path in sorted(found)]
