"""What do the functions of the language answer?

`contains`, `startsWith`, `endsWith`, `format`, `join`, `toJSON`, `fromJSON` and `case`, as documented at
https://docs.github.com/actions/reference/workflows-and-actions/expressions#functions. Those that ask about the run or
the workspace (`success`, `hashFiles` …) are in `status` and `hashing`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mlops_lab.ci.expressions.errors import ExpressionError
from mlops_lab.ci.expressions.values import (
    Value,
    equals,
    fold,
    is_primitive,
    number_text,
    to_text,
)

__all__ = ["FUNCTIONS", "MAX_MEMORY", "Function", "failed"]

MAX_MEMORY = 1024 * 1024  # bytes; a character takes two
_MAX_ARGUMENTS = 255
_MAX_NESTING = 400  # of JSON; far more than any real document, far less than Python's stack
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([0-9]+)[^}]*\}|[{}]")
_JSON_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JSON_ESCAPED = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')

Call: TypeAlias = Callable[[Sequence[Value]], Value]


@dataclass(frozen=True)
class Function:
    """A function: what it does with its arguments, and how many it takes."""

    call: Call
    fewest: int
    most: int


def failed(reason: str) -> ExpressionError:
    """The error of an expression that is well-formed and cannot be computed."""
    return ExpressionError("evaluation", reason)


def _too_big() -> ExpressionError:
    return failed("The maximum allowed memory size was exceeded")


def _contains(arguments: Sequence[Value]) -> Value:
    container, item = arguments
    if isinstance(container, list | tuple):
        return any(equals(element, item) for element in container)
    if not is_primitive(container) or not is_primitive(item):
        return False
    return to_text(item).lower() in to_text(container).lower()  # not `fold`: GitHub searches in small letters


def _starts_with(arguments: Sequence[Value]) -> Value:
    text, start = arguments
    return is_primitive(text) and is_primitive(start) and fold(to_text(text)).startswith(fold(to_text(start)))


def _ends_with(arguments: Sequence[Value]) -> Value:
    text, end = arguments
    return is_primitive(text) and is_primitive(end) and fold(to_text(text)).endswith(fold(to_text(end)))


def _join_text(pieces: list[str], separator: str = "") -> str:
    """Joined text, if it may exist: `format` inside `format` would otherwise grow without a bound."""
    length = sum(map(len, pieces)) + len(separator) * max(0, len(pieces) - 1)
    if 2 * length > MAX_MEMORY:
        raise _too_big()
    return separator.join(pieces)


def _format(arguments: Sequence[Value]) -> Value:
    template, *values = arguments
    text = to_text(template)
    shown = {index: to_text(value) for index, value in enumerate(values)}
    pieces: list[str] = []
    at = 0
    for found in _PLACEHOLDER.finditer(text):
        pieces.append(text[at : found.start()])
        at = found.end()
        if found[0] in ("{{", "}}"):
            pieces.append(found[0][0])
        elif found[1] is None:
            raise failed(f"The following format string is invalid: {text}")
        else:
            number = int(found[1][-9:]) if found[1].lstrip("0") == found[1][-9:].lstrip("0") else len(values)
            if number not in shown:
                raise failed(f"The following format string references more arguments than were supplied: {text}")
            pieces.append(shown[number])
    return _join_text([*pieces, text[at:]])


def _join(arguments: Sequence[Value]) -> Value:
    items = arguments[0]
    if isinstance(items, list | tuple):
        separator = arguments[1] if len(arguments) > 1 else ","
        return _join_text([to_text(item) for item in items], to_text(separator) if is_primitive(separator) else ",")
    return to_text(items) if is_primitive(items) else ""


def _json_text(text: str) -> str:
    """A JSON string; a pair of surrogates stays a character, a lonely one is written as an escape."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return '"' + _JSON_ESCAPED.sub(lambda c: _JSON_ESCAPES.get(c[0]) or f"\\u{ord(c[0]):04x}", text) + '"'


def _to_json(value: Value, indent: str = "") -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else to_text(value)
    if isinstance(value, int | float):
        text = number_text(float(value))
        return text if text[-1].isdigit() else "null"  # JSON has neither NaN nor Infinity
    if isinstance(value, str):
        return _json_text(value)
    if not isinstance(value, Mapping | list | tuple):
        raise failed(f"a value of type {type(value).__name__} cannot be written as JSON")
    if len(indent) > 2 * _MAX_NESTING:
        raise _too_big()
    inner = indent + "  "
    if isinstance(value, Mapping):
        lines = [f"{inner}{_json_text(str(name))}: {_to_json(item, inner)}" for name, item in value.items()]
        return "{\n" + _join_text(lines, ",\n") + f"\n{indent}}}" if lines else "{}"
    lines = [inner + _to_json(item, inner) for item in value]
    return "[\n" + _join_text(lines, ",\n") + f"\n{indent}]" if lines else "[]"


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    """Names differ by more than their case: the first spelling stays; the very same name again replaces it."""
    exact = dict(pairs)
    first: dict[str, str] = {}
    for name in exact:
        first.setdefault(name.lower(), name)
    return {name: exact[name] for name in first.values()}


def _no_constant(name: str) -> Value:
    raise ValueError(name)


def _from_json(arguments: Sequence[Value]) -> Value:
    text = to_text(arguments[0])
    if not text.strip():
        raise failed("empty input")
    try:
        value: Value = json.loads(
            text, parse_int=float, parse_float=float, parse_constant=_no_constant, object_pairs_hook=_object
        )
    except (ValueError, RecursionError):
        raise failed("Error parsing JSON when evaluating fromJson") from None
    return value


def _case(arguments: Sequence[Value]) -> Value:
    """`case(predicate, value, …, default)`: the value after the first predicate that is true."""
    for predicate, value in zip(arguments[:-1:2], arguments[1::2], strict=True):
        if not isinstance(predicate, bool):
            raise failed("case predicate must evaluate to a boolean value")
        if predicate:
            return value
    return arguments[-1]


FUNCTIONS: Mapping[str, Function] = {
    "contains": Function(_contains, 2, 2),
    "startswith": Function(_starts_with, 2, 2),
    "endswith": Function(_ends_with, 2, 2),
    "format": Function(_format, 1, _MAX_ARGUMENTS),
    "join": Function(_join, 1, 2),
    "tojson": Function(lambda arguments: _to_json(arguments[0]), 1, 1),
    "fromjson": Function(_from_json, 1, 1),
    "case": Function(_case, 3, _MAX_ARGUMENTS),
}
