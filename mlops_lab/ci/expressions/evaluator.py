"""The value of an expression or of a text with expressions in it, and the names that it reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mlops_lab.ci.expressions.functions import (
    FUNCTIONS,
    MAX_MEMORY,
    STATUS_FUNCTIONS,
    Function,
    failed,
    hash_function,
    status_functions,
    status_of,
)
from mlops_lab.ci.expressions.parser import Call, Comparison, Context, Index, Literal, Logical, Node, Not, Star, parse
from mlops_lab.ci.expressions.template import ExpressionError, Hole, split
from mlops_lab.ci.expressions.values import (
    FilteredArray,
    Value,
    compare,
    equals,
    is_primitive,
    is_truthy,
    lookup,
    to_number,
    to_text,
)


def evaluate(
    expression: str,
    contexts: Mapping[str, Value] | None = None,
    *,
    status: str | None = None,
    workspace: Path | None = None,
    watch: Callable[[tuple[str, ...]], None] | None = None,
) -> Value:
    """The value of one expression, without its `${{ }}`.

    Imitates https://docs.github.com/actions/reference/workflows-and-actions/expressions; an empty expression is null.

    >>> evaluate("contains(github.ref, 'MAIN') && needs.*.result", {
    ...     "github": {"ref": "refs/heads/main"}, "needs": {"test": {"result": "success"}}})
    ['success']
    >>> evaluate("format('{0} of {1}', 0x10, 1e21)")
    '16 of 1E+21'
    >>> evaluate("success() || failure()", status="failure")
    True

    Args:
        expression: the text between `${{` and `}}`.
        contexts: the names that exist, and their values (plain JSON-like data).
        status: the story so far for `success()`, `failure()` and `cancelled()`; when not given it is read from
            `job.status`, else from `needs.*.result`, else it is `"success"`.
        workspace: the folder that `hashFiles` looks into.
        watch: is told each name that the expression reads, as `references` gives it.

    Returns:
        None, a bool, a float (or the int of a context), a str, a list or a dict.

    Raises:
        ExpressionError: the text is no expression, names something unknown, or cannot be computed.
    """
    contexts = contexts or {}
    asking = status_functions(status if status is not None else status_of(contexts))
    known = {**FUNCTIONS, **asking, "hashfiles": hash_function(workspace)}
    arities = {name: (function.fewest, function.most) for name, function in known.items()}
    tree = parse(expression, names=contexts.keys(), functions=arities)
    if tree is None:
        return None
    if watch is not None:
        for path in references(tree):
            watch(path)
    try:
        return _Evaluator(contexts, known).value(tree)
    except ExpressionError as error:
        error.expression = expression
        raise


def interpolate(
    text: str,
    contexts: Mapping[str, Value] | None = None,
    *,
    status: str | None = None,
    workspace: Path | None = None,
    watch: Callable[[tuple[str, ...]], None] | None = None,
) -> Value:
    """A text with its `${{ … }}` replaced; a text that is one expression and no more keeps that value's kind.

    Imitates https://docs.github.com/actions/concepts/workflows-and-actions/expressions.

    >>> interpolate("python-${{ matrix.python }}", {"matrix": {"python": 3.10}})
    'python-3.1'
    >>> interpolate("${{ fromJSON('[3.12, 3.13]') }}")
    [3.12, 3.13]

    Raises:
        ExpressionError: one of the expressions is wrong or never closed.
    """
    parts = split(text)
    values = [
        part if isinstance(part, str) else evaluate(
            part.expression, contexts, status=status, workspace=workspace, watch=watch
        )
        for part in parts
    ]  # fmt: skip
    return values[0] if len(parts) == 1 and isinstance(parts[0], Hole) else "".join(map(to_text, values))


class _Evaluator:
    """One evaluation, with what its intermediate results weigh.

    `&&` and `||` look no further than they must, functions take every argument.
    """

    def __init__(self, contexts: Mapping[str, Value], functions: Mapping[str, Function]) -> None:
        self.contexts = contexts
        self.functions = functions
        self.weight = 0

    def value(self, node: Node) -> Value:
        match node:
            case Literal():
                return node.value
            case Context():
                return lookup(self.contexts, node.name)
            case Not():
                return not is_truthy(self.value(node.operand))
            case Logical():
                return self.logical(node)
            case Comparison():
                return self.comparison(node)
            case Index():
                return self.index(node)
            case Call():
                return self.call(node)
            case Star():  # the parser gives a star only as a key
                raise AssertionError(node)

    def logical(self, node: Logical) -> Value:
        value: Value = None
        for operand in node.operands:
            value = self.value(operand)
            if is_truthy(value) == (node.operator == "||"):
                break
        return value

    def comparison(self, node: Comparison) -> Value:
        value = self.value(node.first)
        for operator, operand in node.rest:
            other = self.value(operand)
            if operator in ("==", "!="):
                value = equals(value, other) == (operator == "==")
            else:
                value = compare(value, other, operator)
        return value

    def index(self, node: Index) -> Value:
        if isinstance(node.key, Star):
            return _every(self.value(node.source))
        try:
            key = self.value(node.key)  # before the source: whose error is told first can be seen
        except ExpressionError as error:
            raise failed(f"could not evaluate index for index access: {error.reason}") from None
        source = self.value(node.source)
        if isinstance(source, FilteredArray):
            found = (_element(item, key, missing=failed) for item in source)
            return FilteredArray(item for item in found if item is not failed)  # type: ignore[misc]
        return _element(source, key, missing=None)  # type: ignore[return-value]

    def call(self, node: Call) -> Value:
        """Results are weighed until the call around them is done, so that no expression can fill the memory."""
        before = self.weight
        result = self.functions[node.name].call([self.value(argument) for argument in node.arguments])
        self.weight = before + (2 * len(result) if isinstance(result, str) else 0)
        if self.weight > MAX_MEMORY:
            raise failed("The maximum allowed memory size was exceeded")
        return result


def _every(source: Value) -> FilteredArray:
    """`source.*`: the elements of an array, the values of an object; of a filtered array, those of its elements."""
    if isinstance(source, FilteredArray):
        return FilteredArray(inner for item in source for inner in _members(item))
    return FilteredArray(_members(source))


def _members(source: Value) -> list[Value]:
    if isinstance(source, Mapping):
        return list(source.values())
    return list(source) if isinstance(source, list | tuple) else []


def _element(source: Value, key: Value, *, missing: object) -> object:
    """One member by name or by number; what has no members, or not this one, is `missing`."""
    if isinstance(source, Mapping) and is_primitive(key):
        return lookup(source, to_text(key), missing)  # type: ignore[arg-type]
    if isinstance(source, list | tuple):
        number = to_number(key)
        if math.isfinite(number) and 0 <= math.floor(number) < len(source):
            return source[math.floor(number)]
    return missing


def asks_for_status(tree: Node | None) -> bool:
    """Does the expression call a status function? If not, GitHub puts `success() &&` before it.

    The call counts wherever it stands, even where it would never be reached.
    """
    called = isinstance(tree, Call) and tree.name in STATUS_FUNCTIONS
    return called or any(map(asks_for_status, _parts(tree)))


def references(tree: Node | None) -> Iterator[tuple[str, ...]]:
    """The paths of plain names in a tree, in lower case: `steps.build.outputs.digest` as a tuple of four."""
    path = _path(tree)
    if path is not None:
        yield path
    else:
        for part in _parts(tree):
            yield from references(part)


def _parts(tree: Node | None) -> tuple[Node, ...]:
    match tree:
        case Call():
            return tree.arguments
        case Logical():
            return tree.operands
        case Index():
            return tree.source, tree.key
        case Not():
            return (tree.operand,)
        case Comparison():
            return tree.first, *(node for _, node in tree.rest)
        case _:
            return ()


def _path(tree: Node | None) -> tuple[str, ...] | None:
    if isinstance(tree, Context):
        return (tree.name.lower(),)
    if isinstance(tree, Index) and isinstance(tree.key, Literal) and isinstance(tree.key.value, str):
        before = _path(tree.source)
        return (*before, tree.key.value.lower()) if before is not None else None
    return None
