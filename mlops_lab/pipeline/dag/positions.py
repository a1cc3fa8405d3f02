"""The line of a YAML or JSON text on which each value stands."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from mlops_lab.base.errors import InvalidData, place_in

Place = tuple[int, int]
Path = tuple[str | int, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_OTHER_YAML = re.compile(r"^%YAML\s+(?!1\.2\s)", re.MULTILINE)
_PLAIN = "tag:yaml.org,2002:"
_TRUTH = {"true": True, "false": False}
_KINDS = {
    "map": "map",
    "seq": "list",
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "truth",
    "null": "null",
}
_MOST_DIGITS = 4000
_LONGEST, _DEEPEST = 1_000_000, 100  # characters and nested values: far more than a DAG needs, and read in seconds


def read_yaml(text: str) -> tuple[Any, dict[Path, Place]]:
    r"""A YAML 1.2 text as JSON values, and the line and column (from 1) of every key and value.

    Only what JSON can say is read: no tags of one's own, no aliases, no other keys than text.

    >>> value, places = read_yaml("tasks:\n  - task_id: train\n")
    >>> value, places["tasks", 0, "task_id"]
    ({'tasks': [{'task_id': 'train'}]}, (2, 5))

    Raises:
        InvalidData: it is no YAML, holds a key twice, or says more than JSON can.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    _check_text(text)
    if found := _OTHER_YAML.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise InvalidData(f"line {line}: only YAML 1.2 is read here; others mean something else by yes, no and 010.")
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line, column = place_in(text, error)
        raise InvalidData(f"line {line}, column {column}: this is no YAML: {error.problem or error.context}.") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidData(f"line {line}: this is no YAML: the character {chr(error.character)!r} cannot be.") from None
    except (YAMLError, ValueError) as error:  # a directive of another YAML
        raise InvalidData(f"this is no YAML: {' '.join(str(error).split())}.") from None
    except RecursionError:
        raise InvalidData("this YAML is nested too deeply.") from None
    places: dict[Path, Place] = {(): (1, 1)}
    return (None if node is None else _value(node, (), places, set())), places


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise InvalidData(f"a document is read from its text, not from {type(text).__name__}.")
    if len(text) > _LONGEST:
        raise InvalidData(f"line 1: the text has {len(text):,} characters; the longest that is read has {_LONGEST:,}.")


def _check_depth(path: Path | list[str | int], where: str) -> None:
    if len(path) > _DEEPEST:
        raise InvalidData(f"{where}: nested too deeply; {_DEEPEST} levels are read.")


def _value(node: Any, path: Path, places: dict[Path, Place], seen: set[int]) -> Any:
    at = (node.start_mark.line + 1, node.start_mark.column + 1)
    places.setdefault(path, at)
    where = f"line {at[0]}, column {at[1]}"
    if id(node) in seen:  # an alias is the same node again; nested ones can fill any memory
        raise InvalidData(f"{where}: aliases are not read here; write the value out.")
    seen.add(id(node))
    _check_depth(path, where)
    kind = str(node.tag).removeprefix(_PLAIN)
    if kind in _KINDS and not isinstance(node, _node_of(kind)):
        raise InvalidData(f"{where}: this is no {_KINDS[kind]}, as its tag says.")
    if kind == "map":
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
            key = _value(key_node, (*path, "?"), {}, seen)
            if not isinstance(key, str):
                raise InvalidData(f"line {line}, column {column}: the key {key!r} is no text; put it in quotes.")
            if key in found:
                raise InvalidData(f"line {line}, column {column}: the key {key!r} is there twice.")
            places[*path, key] = (line, column)
            found[key] = _value(value_node, (*path, key), places, seen)
        return found
    if kind == "seq":
        return [_value(each, (*path, index), places, seen) for index, each in enumerate(node.value)]
    return _scalar(kind, node.value, where)


def _node_of(kind: str) -> Any:
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    return {"map": MappingNode, "seq": SequenceNode}.get(kind, ScalarNode)


def _scalar(kind: str, text: str, where: str) -> Any:
    if kind in ("str", "timestamp"):  # a date is text: what it means is for its reader to say
        return text
    if kind == "null":
        return None
    if kind == "bool":
        if text.lower() not in _TRUTH:
            raise InvalidData(f"{where}: {_cut(text)} is neither true nor false, the two words that are read here.")
        return _TRUTH[text.lower()]
    try:
        if kind == "int":
            digits = text.replace("_", "")
            return int(digits, 0 if digits.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10)
        if kind == "float":
            number = float(text.replace("_", ""))
            json.dumps(number, allow_nan=False)
            return number
    except ValueError:
        raise InvalidData(f"{where}: {_cut(text)} is no number that JSON can hold.") from None
    raise InvalidData(
        f"{where}: the tag {kind!r} is not read here; only text, numbers, truth, null, lists and maps are."
    )


def read_json(text: str) -> tuple[Any, dict[Path, Place]]:
    r"""A JSON text, and the line and column (from 1) of every key and value.

    >>> value, places = read_json('{"tasks":\n [{"task_id": "train"}]}')
    >>> value, places["tasks", 0, "task_id"]
    ({'tasks': [{'task_id': 'train'}]}, (2, 4))

    Raises:
        InvalidData: it is no JSON, or holds a key twice or a number that is none.
    """
    _check_text(text)
    text = text.removeprefix("\ufeff")  # which some editors put before every text
    try:
        value = json.loads(text, parse_constant=float, parse_int=_whole)
    except json.JSONDecodeError as error:
        raise InvalidData(f"line {error.lineno}, column {error.colno}: this is no JSON: {error.msg}.") from None
    except RecursionError:
        raise InvalidData("line 1: this JSON is nested too deeply.") from None
    return value, _places(text)


def _whole(word: str) -> float:
    return int(word) if len(word) < _MOST_DIGITS else math.inf  # which `_places` refuses, and knows where it stands


def _finite(word: str) -> bool:
    number = _whole(word) if word.lstrip("-").isdigit() else float(word)
    return isinstance(number, int) or math.isfinite(number)  # of a whole one of any size, float knows no answer


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _places(text: str) -> dict[Path, Place]:
    """Walk over the tokens of a text that is known to be JSON."""
    places: dict[Path, Place] = {(): (1, 1)}
    stack: list[str | int] = []  # where we are: a key for each open object, an index for each open list
    keys: list[set[str] | None] = []
    line, line_start, before = 1, 0, 0
    expects_key = False
    for token in _TOKEN.finditer(text):
        line += text.count("\n", before, token.start())
        line_start = text.rfind("\n", 0, token.start()) + 1
        before = token.start()
        at, word = (line, token.start() - line_start + 1), token.group()
        if word in "}]":
            stack.pop()
            keys.pop()
            expects_key = False
        elif word == ",":
            expects_key = keys[-1] is not None
            if not expects_key:
                stack[-1] = int(stack[-1]) + 1
        elif word == ":":
            expects_key = False
        elif expects_key and keys[-1] is not None:
            key = json.loads(word)
            if key in keys[-1]:
                raise InvalidData(f"line {at[0]}, column {at[1]}: the key {key!r} is there twice.")
            keys[-1].add(key)
            stack[-1] = key
            places[tuple(stack)] = at
        else:
            where = f"line {at[0]}, column {at[1]}"
            if word[0] in "-0123456789NI" and not _finite(word):
                raise InvalidData(f"{where}: {_cut(word)} is no number that JSON can hold.")
            _check_depth(stack, where)
            places.setdefault(tuple(stack), at)
            if word in "{[":
                stack.append("" if word == "{" else 0)
                keys.append(set() if word == "{" else None)
                expects_key = word == "{"
    return places
