"""What in a file is legal, and means something else than it seems to?"""

from __future__ import annotations

from collections.abc import Iterator

from mlops_lab.ci.nodes import Node
from mlops_lab.ci.workflow import Workflow

__all__ = ["traps_of"]


def traps_of(workflow: Workflow) -> Iterator[str]:
    """Conditions that are texts with an expression inside, and so always true."""
    for job in workflow.jobs.values():
        places = [
            (f"job {job.id}", job.condition),
            *((f"{job.id}: {step.title}", step.condition) for step in job.steps),
        ]
        for where, condition in places:
            if condition is not None and _is_mixed(condition):
                place = f"{workflow.file}:{condition.line}:{condition.column}"
                yield f"{where}: the `if` at {place} mixes text with an expression, and so is always true"


def _is_mixed(node: Node) -> bool:
    text = node.word.strip()
    return "${{" in text and not (text.startswith("${{") and text.find("}}") == len(text) - 2)
