"""A node of the file becomes a value, given the contexts of the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlops_lab.ci.expressions import ExpressionError, Hole, interpolate, is_truthy, split, to_text
from mlops_lab.ci.expressions.evaluator import asks_for_status, references
from mlops_lab.ci.expressions.functions import FUNCTIONS
from mlops_lab.ci.expressions.parser import Node as Tree
from mlops_lab.ci.expressions.parser import parse
from mlops_lab.ci.expressions.template import is_insertion, is_mixed
from mlops_lab.ci.expressions.values import Value, to_number
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.reader import PLACES
from mlops_lab.ci.workflow import Concurrency

_ARITIES = {
    **{name: (function.fewest, function.most) for name, function in FUNCTIONS.items()},
    **PLACES["job-if"].functions,
    **PLACES["step-if"].functions,
}


_MOST_MINUTES = 35 * 24 * 60.0


class TemplateError(ExpressionError):
    """An expression of a file that cannot be computed, with the place of its node."""

    def __init__(self, file: str, node: Node, error: ExpressionError) -> None:
        reason = f"{file} (Line: {node.line}, Col: {node.column}): {error}"
        super().__init__(error.stage, reason, expression=error.expression)


@contextmanager
def evaluating(key: str, job: str) -> Iterator[None]:
    """Say of an expression that cannot be computed which key of which job it is for, as GitHub does.

    Raises:
        ExpressionError: the same, with the key and the job before it.
    """
    try:
        yield
    except ExpressionError as error:
        raise ExpressionError(error.stage, f"Error when evaluating '{key}' for job '{job}'. {error}") from None


class Evaluator:
    """Evaluates the nodes of one file."""

    def __init__(
        self,
        file: str,
        *,
        workspace: Path | None = None,
        on_reference: Callable[[tuple[str, ...]], None] = lambda _: None,
    ) -> None:
        self.file = file
        self.workspace = workspace
        self.on_reference = on_reference

    def value(self, node: Node | None, contexts: Mapping[str, Value]) -> Value:
        """The value of a node, whatever its kind.

        Raises:
            TemplateError: an expression in it cannot be computed.
        """
        if node is None:
            return None
        if node.kind == "sequence":
            found: list[Value] = []
            for item in node.items():
                one = self.value(item, contexts)
                spliced = isinstance(one, list) and item.kind == "string"  # an expression for several elements
                found += one if spliced and isinstance(one, list) else [one]
            return found
        if node.kind == "mapping":
            return self._mapping([(key.word, item) for key, item in node.pairs()], contexts)
        if node.kind != "string" or "${{" not in node.value:
            plain: Value = node.value
            return plain
        try:
            return interpolate(node.value, contexts, workspace=self.workspace, watch=self.on_reference)
        except ExpressionError as error:
            raise TemplateError(self.file, node, error) from None

    def text(self, node: Node | None, contexts: Mapping[str, Value]) -> str:
        """The value of a node as text; the empty string for none."""
        return to_text(self.value(node, contexts))

    def texts(self, nodes: Mapping[str, Node], contexts: Mapping[str, Value]) -> dict[str, str]:
        """The values of a mapping, as text."""
        found = self._mapping(list(nodes.items()), contexts)
        for name, value in found.items():
            if isinstance(value, list | Mapping):
                kind = "sequence" if isinstance(value, list) else "mapping"
                node = nodes.get(name) or next(iter(nodes.values()))
                raise TemplateError(self.file, node, ExpressionError("evaluation", f"A {kind} was not expected"))
        return {name: to_text(value) for name, value in found.items()}

    def _mapping(self, pairs: Sequence[tuple[str, Node]], contexts: Mapping[str, Value]) -> dict[str, Value]:
        """The pairs of a mapping; `${{ insert }}` stands for all pairs of its value, and a key may be computed."""
        found: dict[str, Value] = {}
        for name, node in pairs:
            value = self.value(node, contexts)
            if "${{" not in name:
                found[name] = value
            elif not is_insertion(name.rstrip(" ")):
                found[self.text(replace(node, kind="string", value=name.strip()), contexts)] = value
            elif isinstance(value, Mapping):
                found.update(value)
            else:
                raise TemplateError(self.file, node, ExpressionError("evaluation", "A mapping was expected"))
        return found

    def minutes(self, node: Node, contexts: Mapping[str, Value]) -> float:
        """A `timeout-minutes`: a number, at most the thirty-five days a run may last.

        Raises:
            TemplateError: the value is no number.
        """
        number = to_number(self.value(node, contexts))
        if number != number:
            shown = self.text(node, contexts)
            raise TemplateError(self.file, node, ExpressionError("evaluation", f"Unexpected value '{shown}'"))
        return min(max(number, 0.0), _MOST_MINUTES)

    def concurrency(self, concurrency: Concurrency, contexts: Mapping[str, Value]) -> tuple[str, bool, str]:
        """The group's name, whether its running one is cancelled, and how many wait.

        Raises:
            TemplateError: the name is empty.
        """
        group = self.text(concurrency.group, contexts)
        if not group:
            error = ExpressionError("evaluation", "Concurrency group name cannot be empty")
            raise TemplateError(self.file, concurrency.group, error)
        cancels = self.text(concurrency.cancel_in_progress, contexts).lower() == "true"
        return group, cancels, self.text(concurrency.queue, contexts)

    def condition(self, node: Node | None, contexts: Mapping[str, Value], status: str) -> bool:
        """An `if`: without a status function of its own, `success() &&` stands before it.

        A text with an expression inside it is a text, and so true, whatever the expression says: GitHub reads it so.
        """
        if node is None:
            return status == "success"
        text = node.word
        try:
            trees = self._trees(text, contexts)
            asked = any(map(asks_for_status, trees))
            for path in () if is_mixed(text) else (path for tree in trees for path in references(tree)):
                self.on_reference(path)
            if not asked and status != "success":
                return False
            whole = text if "${{" in text else f"${{{{ {text} }}}}"
            return trees == [None] or is_truthy(interpolate(whole, contexts, status=status, workspace=self.workspace))
        except ExpressionError as error:
            raise TemplateError(self.file, node, error) from None

    def looks_past_status(self, node: Node | None, contexts: Mapping[str, Value]) -> bool:
        """Does an `if` call a status function, so that what failed before does not decide by itself?"""
        try:
            return node is not None and any(map(asks_for_status, self._trees(node.word, contexts)))
        except ExpressionError:
            return False

    def paths(self, node: Node | None, contexts: Mapping[str, Value]) -> list[tuple[str, ...]]:
        """The names that an `if` or a template reads."""
        text = node.word if node is not None and node.kind == "string" else ""
        try:
            return [path for tree in self._trees(text, contexts) for path in references(tree)]
        except ExpressionError:
            return []

    def paths_below(self, node: Node | None, contexts: Mapping[str, Value]) -> list[tuple[str, ...]]:
        """The names that a node and all below it read."""
        if node is None:
            return []
        inner = [*node.items(), *(value for _, value in node.pairs())]
        return self.paths(node, contexts) + [path for one in inner for path in self.paths_below(one, contexts)]

    @staticmethod
    def _trees(text: str, contexts: Mapping[str, Value]) -> list[Tree | None]:
        """The expressions of a text, parsed; an `if` without braces is one by itself."""
        inner = [part.expression for part in split(text) if isinstance(part, Hole)] if "${{" in text else [text]
        return [parse(each, names=contexts, functions=_ARITIES) for each in inner]
