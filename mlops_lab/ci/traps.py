"""What in a file is legal, and means something else than it seems to?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_lab.ci.expressions.template import is_mixed
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.workflow import Workflow

__all__ = ["Trap", "traps_of"]


@dataclass(frozen=True)
class Trap:
    """An `if` that is always true, and where it stands."""

    file: str
    line: int
    column: int
    where: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{self.where}: the `if` at {place} mixes text with an expression, and so is always true"


def traps_of(workflow: Workflow) -> Iterator[Trap]:
    """Conditions that are texts with an expression inside, and so always true."""
    places: list[tuple[str, str, Node | None]] = []
    for job in workflow.jobs.values():
        places.append((workflow.file, f"job {job.id}", job.condition))
        places += [(workflow.file, f"{job.id}: {step.title}", step.condition) for step in job.steps]
    for action in workflow.actions.values():
        places += [(action.file, f"{action.name}: {step.title}", step.condition) for step in action.steps]
    for file, where, condition in dict.fromkeys(places):
        if condition is not None and is_mixed(condition.word):
            yield Trap(file, condition.line, condition.column, where)
