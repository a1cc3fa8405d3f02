"""How are wrong types, unknown keys and broken expressions found in a YAML node?

A `Reader` walks nodes, collects every problem it meets (in GitHub's words, with the closest name where a name is wrong)
and goes on, so that a person sees all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from mlops_lab.actions.errors import Problem, WorkflowError
from mlops_lab.actions.expressions import ExpressionError, Hole, split
from mlops_lab.actions.expressions.parser import MAX_LENGTH, parse
from mlops_lab.actions.nodes import Node
from mlops_lab.actions.places import PLACES
from mlops_lab.errors import closest

__all__ = ["Reader"]

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,98}")
_ID_RULE = (
    "IDs may only contain alphanumeric characters, '_', and '-'. "
    "IDs must start with a letter or '_' and must be less than 100 characters."
)


def _order(problem: Problem) -> tuple[bool, int, int]:
    """By place; that something is missing comes last, for a misspelt key says the same and says it better."""
    return problem.reason.startswith(("Required property", "There's not")), problem.line, problem.column


class Reader:
    """Reads nodes of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def problem(self, node: Node, reason: str, *, meant: str | None = None) -> None:
        """Remember what is wrong at a node."""
        self.problems.append(Problem(node.line, node.column, reason, meant))

    def finish(self) -> None:
        """Raise if anything was wrong.

        Raises:
            WorkflowError: with all problems, in the order of the file.
        """
        if self.problems:
            in_order = sorted(dict.fromkeys(self.problems), key=_order)
            raise WorkflowError(self.file, in_order)

    def unexpected(self, node: Node, options: Iterable[str] = ()) -> None:
        """A value of a kind, or a word, that does not belong there."""
        if node.kind in ("mapping", "sequence"):
            self.problem(node, f"A {node.kind} was not expected")
        elif "${{" in node.word:
            self.problem(node, "A template expression is not allowed in this context")
        else:
            self.problem(node, f"Unexpected value '{node.word}'", meant=closest(node.word, options))

    def mapping(self, node: Node | None, keys: Collection[str], *, required: Collection[str] = ()) -> dict[str, Node]:
        """The values of a mapping with known keys; unknown ones are problems and are left out."""
        found: dict[str, Node] = {}
        for key, value in self._pairs(node):
            if key.word in keys:
                found[key.word] = value
            elif "${{" in key.word:
                self.problem(key, "A template expression is not allowed in this context")
            else:
                self.problem(key, f"Unexpected value '{key.word}'", meant=closest(key.word, set(keys) - set(found)))
        for name in required:
            if name not in found and node is not None and node.kind == "mapping":
                self.problem(node, f"Required property is missing: {name}")
        return found

    def named(self, node: Node | None) -> list[tuple[Node, Node]]:
        """The pairs of a mapping whose keys are names of the user's own (jobs, variables, inputs)."""
        pairs = self._pairs(node)
        for key, _ in pairs:
            if key.word == "":
                self.problem(key, "Unexpected value ''")
            elif "${{" in key.word:
                self.problem(key, "A template expression is not allowed in this context")
        return [(key, value) for key, value in pairs if key.word and "${{" not in key.word]

    def _pairs(self, node: Node | None) -> list[tuple[Node, Node]]:
        if node is None:
            return []
        if node.kind == "mapping":
            return list(node.pairs())
        if self.is_expression(node):
            self.problem(node, "An expression in place of a whole mapping is not modelled here")
        else:
            self.unexpected(node)
        return []

    def sequence(self, node: Node | None, *, or_one: bool = False) -> list[Node]:
        """The elements of a list; with `or_one`, a lone scalar stands for a list of one."""
        if node is None:
            return []
        if node.kind == "sequence":
            return list(node.items())
        if or_one and node.kind not in ("mapping", "null"):
            return [node]
        self.unexpected(node)
        return []

    def word(self, node: Node | None, *, options: Collection[str] = (), empty: bool = False) -> str | None:
        """A fixed word: a scalar without expressions, one of `options` where there are any."""
        if node is None:
            return None
        if node.kind in ("mapping", "sequence") or (node.word == "" and not empty):
            self.unexpected(node, options)
            return None
        if "${{" in node.word:
            self.problem(node, "A template expression is not allowed in this context")
            return None
        if options and node.word not in options:
            self.unexpected(node, options)
            return None
        return node.word

    def boolean(self, node: Node | None, *, default: bool = False) -> bool:
        """True or false, written out."""
        if node is None:
            return default
        if node.kind != "boolean":
            self.unexpected(node, ["true", "false"])
            return default
        return bool(node.value)

    def identifier(self, node: Node, *, reserved: bool = False) -> str | None:
        """A job's or step's id."""
        text = node.word
        if not _ID.fullmatch(text):
            self.problem(node, f"The identifier '{text}' is invalid. {_ID_RULE}")
            return None
        if text.startswith("__") and not reserved:
            self.problem(node, f"The identifier '{text}' is invalid. IDs starting with '__' are reserved.")
            return None
        return text

    def scalar(self, node: Node | None, place: str, *, kind: str = "string", empty: bool = True) -> Node | None:
        """A scalar that may hold expressions; `kind` says what it must be when it holds none."""
        if node is None:
            return None
        if node.kind in ("mapping", "sequence"):
            self.unexpected(node)
            return None
        if node.kind == "string" and "${{" in node.value:
            self.template(node, place)
            return node
        if (kind != "string" and node.kind != kind) or (not empty and node.word == ""):
            self.unexpected(node)
            return None
        return node

    def scalars(self, node: Node | None, place: str) -> dict[str, Node]:
        """A mapping of the user's own names to scalars that may hold expressions (`env`, `with`, `outputs`)."""
        read = {key.word: self.scalar(value, place) for key, value in self.named(node)}
        return {name: value for name, value in read.items() if value is not None}

    def anything(self, node: Node | None, place: str) -> Node | None:
        """Any value, with expressions in any of its scalars."""
        if node is None:
            return None
        for key, value in node.pairs():
            self.anything(key, place)
            self.anything(value, place)
        for item in node.items():
            self.anything(item, place)
        if node.kind == "string":
            self.template(node, place)
        return node

    @staticmethod
    def is_expression(node: Node) -> bool:
        """Is the node one `${{ … }}` and nothing else?"""
        return node.kind == "string" and node.value.strip().startswith("${{") and node.value.strip().endswith("}}")

    def template(self, node: Node, place: str) -> None:
        """Check the expressions of a text, which GitHub turns into one `format(…)`, with an expression's limits."""
        if "${{" in node.value and len(node.value) > MAX_LENGTH:
            self.problem(node, f"Exceeded max expression length {MAX_LENGTH}")
            return
        try:
            for part in split(node.value):
                if isinstance(part, Hole):
                    self.expression(part.expression, node, place)
        except ExpressionError as error:
            self.problem(node, str(error))

    def condition(self, node: Node | None, place: str) -> Node | None:
        """An `if`: an expression with or without its braces."""
        if node is None:
            return None
        if node.kind in ("mapping", "sequence"):
            self.unexpected(node)
            return None
        if node.kind == "string":
            if "${{" in node.value:
                self.template(node, place)
            else:
                self.expression(node.value, node, place)
        return node

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
