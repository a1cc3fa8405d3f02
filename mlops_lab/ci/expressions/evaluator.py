"""The value of an expression, and the names that it reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from mlops_lab.ci.expressions.functions import FUNCTIONS, MAX_MEMORY, STATUS_FUNCTIONS, Function, failed
from mlops_lab.ci.expressions.parser import Call, Comparison, Context, Index, Literal, Logical, Node, Not, Star, parse
from mlops_lab.ci.expressions.template import ExpressionError
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

__all__ = ["asks_for_status", "compute", "evaluate_tree", "references"]


def compute(
    expression: str,
    contexts: Mapping[str, Value],
    functions: Mapping[str, Function],
    watch: Callable[[tuple[str, ...]], None] | None = None,
) -> Value:
    """Parse and compute: the names allowed are those of `contexts`, the functions the language's and these."""
    known = {**FUNCTIONS, **functions}
    arities = {name: (function.fewest, function.most) for name, function in known.items()}
    tree = parse(expression, names=contexts.keys(), functions=arities)
    if tree is None:
        return None
    if watch is not None:
        for path in references(tree):
            watch(path)
    try:
        return evaluate_tree(tree, contexts, known)
    except ExpressionError as error:
        error.expression = expression
        raise


def evaluate_tree(tree: Node, contexts: Mapping[str, Value], functions: Mapping[str, Function]) -> Value:
    """The value of a parsed expression; `&&` and `||` look no further than they must, functions take every argument."""
    return _Evaluator(contexts, functions).value(tree)


class _Evaluator:
    """One evaluation, with what its intermediate results weigh."""

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
