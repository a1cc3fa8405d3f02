"""The functions of the language, those that ask about the run, and `hashFiles`.

`contains`, `startsWith`, `endsWith`, `format`, `join`, `toJSON`, `fromJSON` and `case`, as documented at
https://docs.github.com/actions/reference/workflows-and-actions/expressions#functions.

`success()`, `failure()`, `cancelled()` and `always()` look at what came before: in a step, at the job so far
(`job.status`); in a job's own `if`, at the jobs it needs, all the way up (`needs.*.result`).
See https://docs.github.com/actions/reference/workflows-and-actions/expressions#status-check-functions.

`hashFiles` is SHA-256 over the SHA-256 digests of the matching files, in the order of a sorted walk; the empty string
when nothing matches. Patterns know `*`, `?`, `[…]`, `**` and, with a leading `!`, what to leave out; a pattern that
names a folder means everything below it. As
https://docs.github.com/actions/reference/workflows-and-actions/expressions#hashfiles; simplified: `~` and environment
variables are not expanded, symbolic links are not followed, `.git` and Python's virtual environments are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from mlops_lab.ci.expressions.template import ExpressionError
from mlops_lab.ci.expressions.values import (
    Value,
    equals,
    fold,
    is_primitive,
    lookup,
    number_text,
    to_text,
)
from mlops_lab.ci.globs import file_matches

MAX_MEMORY = 1024 * 1024  # bytes; a character takes two
_MAX_ARGUMENTS = 255
_MAX_NESTING = 400  # of JSON; far more than any real document, far less than Python's stack
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([0-9]+)[^}]*\}|[{}]")
_JSON_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JSON_ESCAPED = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')

Body: TypeAlias = Callable[[Sequence[Value]], Value]


@dataclass(frozen=True)
class Function:
    """A function: what it does with its arguments, and how many it takes."""

    call: Body
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


STATUS_FUNCTIONS = ("success", "failure", "cancelled", "always")
_MOST = 255


def status_of(contexts: Mapping[str, Value]) -> str:
    """`success`, `failure`, `cancelled` or `skipped`, as the contexts tell it; `success` when they tell nothing."""
    job = lookup(contexts, "job")
    status = to_text(lookup(job, "status")) if isinstance(job, Mapping) else ""
    if status:
        return status.lower()
    needs = lookup(contexts, "needs")
    needed = needs.values() if isinstance(needs, Mapping) else ()
    results = {to_text(lookup(need, "result")).lower() for need in needed if isinstance(need, Mapping)}
    return next((result for result in ("failure", "cancelled", "skipped") if result in results), "success")


@cache
def status_functions(status: str) -> dict[str, Function]:
    """The four functions for a run whose story so far is `status`."""
    return {
        "success": Function(lambda _: status == "success", 0, _MOST),
        "failure": Function(lambda _: status == "failure", 0, _MOST),
        "cancelled": Function(lambda _: status == "cancelled", 0, 0),
        "always": Function(lambda _: True, 0, 0),
    }


def hash_function(workspace: Path | None) -> Function:
    """`hashFiles` for a workspace; without one it cannot be computed, and says so."""

    def call(arguments: Sequence[Value]) -> Value:
        if workspace is None:
            raise failed("hashFiles needs a workspace, and none was given")
        return hash_files(workspace, [to_text(argument) for argument in arguments])

    return Function(call, 1, 255)


def hash_files(workspace: Path, patterns: Sequence[str]) -> str:
    """The combined digest of the files of `workspace` that match `patterns` (several lines make several patterns).

    >>> hash_files(Path("/nonexistent"), ["**/*.lock"])
    ''
    """
    lines = [line.strip() for pattern in patterns for line in pattern.splitlines()]
    rules = [_rule(line) for line in lines if line and not line.startswith("#")]
    total = hashlib.sha256()
    any_found = False
    for path in _walk(workspace):
        chosen = False
        relative = path.relative_to(workspace).as_posix()
        for keeps, pattern in rules:
            if file_matches(pattern, relative):
                chosen = keeps
        if chosen:
            any_found = True
            try:
                with path.open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise failed(f"hashFiles('{lines[0]}') cannot read {relative}: {error.strerror}") from None
    return total.hexdigest() if any_found else ""


def _walk(folder: Path) -> Iterator[Path]:
    """Files and folders in one order, by name; symbolic links, which could lead out of the workspace, are left out."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if folder.name == ".git" or any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _rule(line: str) -> tuple[bool, str]:
    keeps = not line.startswith("!")
    return keeps, line.lstrip("!").removeprefix("./").strip("/")
