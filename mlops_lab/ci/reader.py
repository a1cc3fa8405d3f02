"""Wrong types, unknown keys and broken expressions in the nodes of a file.

Which contexts and functions an expression may use depends on its key: the table of
https://docs.github.com/actions/reference/workflows-and-actions/contexts#context-availability, with the
refinements of GitHub's own workflow schema.

A `Reader` walks nodes, collects every problem it meets (in GitHub's words, with the closest name where a name is wrong)
and goes on, so that a person sees all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mlops_lab.base.errors import closest
from mlops_lab.ci.expressions import ExpressionError, Hole, split
from mlops_lab.ci.expressions.functions import FUNCTIONS
from mlops_lab.ci.expressions.parser import MAX_LENGTH, Arity, parse
from mlops_lab.ci.expressions.template import INSERT, is_insertion
from mlops_lab.ci.nodes import Node, Problem, WorkflowError

_STATUS_OF_JOBS: Mapping[str, Arity] = {"success": (0, 255), "failure": (0, 255), "always": (0, 0), "cancelled": (0, 0)}
_STATUS_OF_STEPS: Mapping[str, Arity] = dict.fromkeys(_STATUS_OF_JOBS, (0, 0))
_HASH: Mapping[str, Arity] = {"hashfiles": (1, 255)}
_ALWAYS: Mapping[str, Arity] = {name: (function.fewest, function.most) for name, function in FUNCTIONS.items()}


@dataclass(frozen=True)
class Place:
    """What an expression may use there."""

    contexts: frozenset[str]
    functions: Mapping[str, Arity]


def _place(contexts: str, *functions: Mapping[str, Arity]) -> Place:
    known = dict(_ALWAYS)
    for more in functions:
        known.update(more)
    return Place(frozenset(contexts.split()), known)


_RUN = "github inputs vars"
_JOB = _RUN + " needs strategy matrix"
_STEP = _JOB + " steps job runner env"

PLACES: Mapping[str, Place] = {
    "run-name": _place(_RUN),
    "concurrency": _place(_RUN),
    "env": _place(_RUN + " secrets"),
    "input-default": _place(_RUN),  # of `workflow_call`
    "nothing": _place(""),
    "call-output": _place(_RUN + " jobs"),
    "job-if": _place(_RUN + " needs", _STATUS_OF_JOBS),
    "strategy": _place(_RUN + " needs"),
    "job": _place(_JOB),
    "job-env": _place(_JOB + " secrets"),
    "job-with": _place(_JOB),
    "job-secrets": _place(_JOB + " secrets"),
    "job-defaults": _place(_JOB + " env"),
    "job-outputs": _place(_STEP + " secrets"),
    "environment-url": _place(_STEP),
    "container-credentials": _place(_JOB + " secrets env"),
    "container-env": _place(_STEP + " secrets"),
    "step-if": _place(_STEP, _STATUS_OF_STEPS, _HASH),
    "step": _place(_STEP + " secrets", _HASH),
    # A composite action sees its own inputs, and neither secrets nor needs.
    "action-default": _place("github strategy matrix job runner", _HASH),
    "action-output": _place("github inputs strategy matrix steps job runner env"),
    "action-step": _place("github inputs strategy matrix steps job runner env vars", _HASH),
    "action-step-if": _place("github inputs strategy matrix steps job runner env vars", _STATUS_OF_STEPS, _HASH),
}


_EMBEDDED = (
    "The directive 'insert' is not allowed in this context. Directives are not supported for expressions that are "
    "embedded within a string. Directives are only supported when the entire value is an expression."
)


_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,98}")
_ID_RULE = (
    "IDs may only contain alphanumeric characters, '_', and '-'. "
    "IDs must start with a letter or '_' and must be less than 100 characters."
)


def _order(problem: Problem) -> tuple[bool, int, int]:
    """By place; that something is missing comes last, for a misspelt key says the same and says it better."""
    return problem.reason.startswith(("Required property", "There's not")), problem.line, problem.column


_MOST_COMPARED, _MOST_LETTERS = 2_000, 100


class Reader:
    """Reads nodes of one file, and remembers what is wrong in them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.compared = 0  # names, for what was meant

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
            name = error.reason.partition("'")[2].rstrip("'")
            kinds = {"Unrecognized named-value": allowed.contexts, "Unrecognized function": allowed.functions}
            self.problem(node, str(error), meant=self.meant(name, kinds.get(error.reason.partition(":")[0], ())))

    def meant(self, name: str, options: Collection[str]) -> str | None:
        """The option that was probably meant, while comparing them all costs little."""
        self.compared += len(options)
        return closest(name, options) if self.compared < _MOST_COMPARED and len(name) < _MOST_LETTERS else None

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
            self.problem(node, f"Unexpected value '{node.word}'", meant=self.meant(node.word, tuple(options)))

    def mapping(self, node: Node | None, keys: Collection[str], *, required: Collection[str] = ()) -> dict[str, Node]:
        """The values of a mapping with known keys; unknown ones are problems and are left out."""
        found: dict[str, Node] = {}
        for key, value in self._pairs(node):
            if key.word in keys:
                found[key.word] = value
            elif "${{" in key.word:
                self.problem(key, "A template expression is not allowed in this context")
            else:
                self.problem(key, f"Unexpected value '{key.word}'", meant=self.meant(key.word, set(keys) - set(found)))
        for name in required:
            if name not in found and node is not None and node.kind == "mapping":
                self.problem(node, f"Required property is missing: {name}")
        return found

    def loosely(self, node: Node) -> dict[str, Node]:
        """The values of a mapping that may have more keys than are known."""
        return {key.word: value for key, value in self._pairs(node)}

    def kind(self, node: Node, kinds: Mapping[str, Collection[str]]) -> str:
        """Which kind of mapping it is: the first key that only one of the kinds has, tells. Empty when none does."""
        for key, _ in node.pairs():
            fitting = [name for name, keys in kinds.items() if key.word in keys]
            if len(fitting) == 1:
                return fitting[0]
        own = {key for name, keys in kinds.items() for key in keys if sum(key in each for each in kinds.values()) == 1}
        if node.kind == "mapping":
            reason = "There's not enough info to determine what you meant. Add one of these properties: "
            self.problem(node, reason + ", ".join(sorted(own)))
        return ""

    def named(self, node: Node | None, *, computed: bool = False) -> list[tuple[Node, Node]]:
        """The pairs of a mapping whose keys are names of the user's own (jobs, variables, inputs)."""
        pairs = self._pairs(node)
        for key, _ in pairs:
            if key.word == "":
                self.problem(key, "Unexpected value ''")
            elif "${{" in key.word and not computed:
                self.problem(key, "A template expression is not allowed in this context")
        return [(key, value) for key, value in pairs if key.word and "${{" not in key.word]

    def _pairs(self, node: Node | None) -> list[tuple[Node, Node]]:
        if node is None:
            return []
        if node.kind == "mapping":
            return list(node.pairs())
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

    def boolean(self, node: Node | None) -> bool:
        """True or false, written out; false where there is none."""
        if node is None:
            return False
        if node.kind != "boolean":
            self.unexpected(node, ["true", "false"])
        return node.value is True

    def identifier(self, node: Node) -> str | None:
        """A job's or step's id."""
        text = node.word
        if not _ID.fullmatch(text):
            self.problem(node, f"The identifier '{text}' is invalid. {_ID_RULE}")
            return None
        if text.startswith("__"):
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

    def scalars(self, node: Node | None, place: str, *, computed: bool = False) -> dict[str, Node]:
        """A mapping of the user's own names to scalars that may hold expressions (`env`, `with`, `outputs`).

        Where it may be `computed`, an expression can stand for a key, or as `${{ insert }}` for several pairs at once,
        and is read under its own text; it can stand for the whole mapping too.
        """
        if node is not None and self.is_expression(node) and computed:
            self.template(node, place)
            return {INSERT: node}
        read: dict[str, Node | None] = {}
        for key, value in node.pairs() if node is not None and computed else ():
            if "${{" in key.word:
                word = key.word + " " * len(read)  # there may be several
                read[word] = self.inserted(key, value, place)
        for key, value in self.named(node, computed=computed):
            read[key.word] = self.scalar(value, place)
        return {name: value for name, value in read.items() if value is not None}

    def inserted(self, key: Node, value: Node, place: str) -> Node | None:
        """The value of a key that is computed."""
        if not is_insertion(key.word):
            self.template(key, place)
            return self.scalar(value, place)
        if not self.is_expression(value):
            self.unexpected(value)
            return None
        self.template(value, place)
        return value

    def anything(self, node: Node | None, place: str) -> Node | None:
        """Any value, with expressions in any of its scalars."""
        if node is None:
            return None
        for key, value in node.pairs():
            if not is_insertion(key.word):
                self.anything(key, place)
            self.anything(value, place)
        for item in node.items():
            self.anything(item, place)
        if node.kind == "string":
            self.template(node, place)
        return node

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
