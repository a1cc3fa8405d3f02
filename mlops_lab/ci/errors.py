"""What is wrong with a workflow file, and where: `Problem` and `WorkflowError`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["Problem", "WorkflowError"]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: its place (line and column from 1) and what GitHub says about it.

    >>> print(Problem(7, 9, "Unexpected value 'runn'", meant="run"))
    7:9: Unexpected value 'runn'. Did you mean 'run'?
    """

    line: int
    column: int
    reason: str
    meant: str | None = None

    def __str__(self) -> str:
        hint = f". Did you mean {self.meant!r}?" if self.meant else ""
        reason = self.reason.removesuffix(".") if hint else self.reason
        return f"{self.line}:{self.column}: {reason}{hint}"


class WorkflowError(InvalidDefinition):
    """A workflow file that GitHub would refuse. One line for the first problem; `problems` has them all.

    Attributes: `file`, `problems`, and `line`, `column`, `reason`, `meant` of the first one.

    >>> print(WorkflowError("ci.yml", [Problem(7, 9, "Unexpected value 'runn'", "run"), Problem(9, 1, "…")]))
    ci.yml:7:9: Unexpected value 'runn'. Did you mean 'run'? (and 1 more)
    """

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        first = self.problems[0]
        self.line = first.line
        self.column = first.column
        self.reason = first.reason
        self.meant = first.meant
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        said = f"{file}:{first}{more}".splitlines() or [""]
        super().__init__(" ".join(said))  # a file's own words may hold whatever ends a line
