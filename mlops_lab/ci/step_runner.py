"""The seam between simulating and executing: somebody who says what comes of a step.

A `StepRunner` answers for one step at a time. `GivenOutcomes` takes the answer from the caller; the execute mode's
runner runs the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci.expressions.values import Value
from mlops_lab.ci.workflow import Job, Step

NOMINAL_SECONDS = 1.0  # how long a step takes of which nobody said how long it takes
_MOST_SECONDS = 35 * 24 * 3600.0  # a run may last thirty-five days
_CONCLUSIONS = ("success", "failure", "cancelled")


@dataclass(frozen=True)
class Outcome:
    """What comes of a step: conclusion, outputs, how long it takes.

    >>> Outcome("success", outputs={"auc": "0.70"}, seconds=90)
    Outcome('success', outputs auc)

    Raises:
        InvalidData: a conclusion that a step cannot have, or a time it cannot take.
    """

    conclusion: str = "success"
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = NOMINAL_SECONDS
    reason: str = ""
    log: str = ""
    stubbed: bool = False
    exported: Mapping[str, str] = field(default_factory=dict)  # variables for the steps after it
    knows_outputs: bool = True  # False: which outputs there are is nobody's knowledge

    def __post_init__(self) -> None:
        if self.conclusion not in _CONCLUSIONS:
            raise InvalidData(f"an outcome is one of {', '.join(_CONCLUSIONS)}; it is {self.conclusion!r}.")
        if not 0 <= self.seconds <= _MOST_SECONDS:
            raise InvalidData(f"a step takes 0 to {_MOST_SECONDS:g} seconds; it is {self.seconds!r}.")

    def __repr__(self) -> str:
        outputs = f", outputs {', '.join(self.outputs)}" if self.outputs else ""
        return f"Outcome({self.conclusion!r}{outputs})"


@dataclass(frozen=True)
class StepRequest:
    """All that a runner may need of one step, expressions filled in."""

    job_name: str  # the job's name, unique in the run
    job: Job
    step: Step
    number: int
    name: str
    env: Mapping[str, str]
    contexts: Mapping[str, Value]
    secrets: Mapping[str, str]
    run: str | None = None
    shell: str | None = None
    working_directory: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    job_seconds: float = 21_600.0  # `timeout-minutes` of the job
    path: tuple[str, ...] = ()  # ids of the composite steps around it
    runs_on: str = ""


class StepRunner:
    """Answers for steps; what it says of itself here is what a machine of GitHub's would, where nothing is executed."""

    real = False

    def run(self, request: StepRequest) -> Outcome:
        """What comes of this step."""
        raise NotImplementedError(request)

    def tells(self, request: StepRequest) -> bool:  # noqa: ARG002 (nothing was told)
        """Was the step's own outcome told? Then a composite action is not looked into."""
        return False

    def of_job(self, names: Sequence[str]) -> Outcome | None:  # noqa: ARG002 (nothing was told)
        """The outcome told for a job that has no steps here: one that calls a workflow of another repository."""
        return None

    def workspace(self, job_name: str) -> Path | None:  # noqa: ARG002 (there is none)
        """The folder a job works in, where `hashFiles` looks."""
        return None

    def places(self, job_name: str, repository: str) -> tuple[str, str]:  # noqa: ARG002 (all jobs are alike)
        """What a job reads in `github.workspace` and in `runner.temp`."""
        name = repository.rpartition("/")[2]
        return f"/home/runner/work/{name}/{name}", "/home/runner/work/_temp"

    def relocated(self, folder: Path) -> Path:
        """Where a folder of the repository is for the steps."""
        return folder

    def conceals(self, value: str) -> bool:  # noqa: ARG002 (nothing was masked)
        """Is there something in the text that must not leave the job?"""
        return False


class GivenOutcomes(StepRunner):
    """Every step succeeds unless the caller says otherwise.

    The keys are `job`, `job/step` or, in a composite action, `job/step/inner step`. A job is named by its id or by its
    full name (`test (3.12)`, `deploy / upload`), a step by its id, its name, or its number from 1. For a whole job, the
    outcome is that of its first step that runs.
    """

    def __init__(self, told: Mapping[str, Outcome | str], root: Path | None = None) -> None:
        self.root = root
        self.told = {
            key: value if isinstance(value, Outcome) else Outcome(value, knows_outputs=False)
            for key, value in told.items()
        }
        self.used: set[str] = set()
        self.seen: dict[str, None] = {}
        self.spent: set[tuple[str, str]] = set()

    def run(self, request: StepRequest) -> Outcome:
        """The outcome told for the step, or success."""
        names = (request.job_name, request.job.id)
        for key in self._keys(request):
            if key in self.told:
                self.used.add(key)
                return self.told[key]
        for name in names:
            if name in self.told and (request.job_name, name) not in self.spent:
                self.spent.add((request.job_name, name))
                self.used.add(name)
                return self.told[name]
        return Outcome(knows_outputs=False)

    def tells(self, request: StepRequest) -> bool:
        """Was the step's own outcome told?"""
        return any(key in self.told for key in self._keys(request))

    def _keys(self, request: StepRequest) -> list[str]:
        inside = "".join(f"{step}/" for step in request.path)
        names, steps = (request.job_name, request.job.id), (request.step.id, request.name, str(request.number))
        self.seen.update(dict.fromkeys(one for name in names for one in (name, f"{name}/{inside}{steps[0]}")))
        return [f"{name}/{inside}{step}" for name in names for step in steps]

    def workspace(self, job_name: str) -> Path | None:  # noqa: ARG002 (every job sees the repository)
        """The repository itself: nothing is written."""
        return self.root

    def of_job(self, names: Sequence[str]) -> Outcome | None:
        """The outcome told under one of these names."""
        self.seen.update(dict.fromkeys(names))
        for name in names:
            if name in self.told:
                self.used.add(name)
                return self.told[name]
        return None

    def check(self, known: Sequence[str]) -> None:
        """Every key told must name something of the workflow.

        Raises:
            UnknownName: a key that names nothing.
        """
        names = dict.fromkeys([*known, *self.seen])
        for key in self.told:
            if key not in self.used and key not in names:
                raise UnknownName("outcome", key, names, where="the workflow")
