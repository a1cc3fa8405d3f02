"""Are the expressions of a YAML node sound, where they stand?"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mlops_lab.base.errors import closest
from mlops_lab.ci.errors import Problem
from mlops_lab.ci.expressions import ExpressionError, Hole, split
from mlops_lab.ci.expressions.parser import MAX_LENGTH, parse
from mlops_lab.ci.expressions.template import is_insertion
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.places import PLACES

__all__ = ["ExpressionReader"]

_EMBEDDED = (
    "The directive 'insert' is not allowed in this context. Directives are not supported for expressions that are "
    "embedded within a string. Directives are only supported when the entire value is an expression."
)


class ExpressionReader:
    """Remembers what is wrong in one file, and finds what is wrong in its expressions."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def problem(self, node: Node, reason: str, *, meant: str | None = None) -> None:
        """Remember what is wrong at a node."""
        self.problems.append(Problem(node.line, node.column, reason, meant))

    @staticmethod
    def is_expression(node: Node) -> bool:
        """Is the node one `${{ … }}` and nothing else?"""
        return node.kind == "string" and node.value.startswith("${{") and node.value.endswith("}}")

    def template(self, node: Node, place: str) -> None:
        """Check the expressions of a text, which GitHub turns into one `format(…)`, with an expression's limits."""
        if "${{" in node.value and len(node.value) > MAX_LENGTH:
            self.problem(node, f"Exceeded max expression length {MAX_LENGTH}")
            return
        try:
            parts = split(node.value)
            for part in parts:
                if not isinstance(part, Hole):
                    continue
                if part.expression != "insert":
                    self.expression(part.expression, node, place)
                elif is_insertion(node.value):
                    self.problem(node, f"Unexpected value '{node.value}'")
                else:
                    self.problem(node, _EMBEDDED)
        except ExpressionError as error:
            self.problem(node, str(error))

    def expression(self, text: str, node: Node, place: str) -> None:
        """Check one expression against what its place allows."""
        allowed = PLACES[place]
        try:
            parse(text, names=allowed.contexts, functions=allowed.functions)
        except ExpressionError as error:
            self.problem(node, str(error), meant=self._meant(error, allowed.contexts, allowed.functions))

    @staticmethod
    def _meant(error: ExpressionError, contexts: Collection[str], functions: Mapping[str, object]) -> str | None:
        name = error.reason.partition("'")[2].rstrip("'")
        if error.reason.startswith("Unrecognized named-value"):
            return closest(name, contexts)
        return closest(name, functions) if error.reason.startswith("Unrecognized function") else None
