"""The YAML values of a file, with the line and column of each, and what is wrong with them.

YAML 1.2 with its core schema, so that `on` stays a word and `3.10` is the number 3.1, as on GitHub. Anchors and aliases
work; merge keys do not, as on GitHub. Nothing is ever constructed from a tag, and what an alias expands to is counted,
so a small file cannot become a large one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from mlops_lab.base.errors import InvalidDefinition, place_in
from mlops_lab.ci.expressions.values import Value, to_number, to_text


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


MAX_CHARACTERS = 1024 * 1024
MAX_NODES = 40_000  # after aliases are written out
MAX_DEPTH = 50

_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Node:
    """A YAML value: its kind, the value, where it stands, and for a scalar the text as it was written."""

    kind: str  # null, boolean, number, string, sequence or mapping
    value: Any = field(repr=False)
    line: int
    column: int
    text: str = ""
    size: int = field(default=1, repr=False)

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """The keys and values of a mapping, in order."""
        yield from self.value if self.kind == "mapping" else ()

    def items(self) -> Iterator[Node]:
        """The elements of a sequence."""
        yield from self.value if self.kind == "sequence" else ()

    def plain(self) -> Value:
        """The value as plain Python: None, bool, float, str, list, dict."""
        if self.kind == "sequence":
            return [item.plain() for item in self.value]
        if self.kind == "mapping":
            return {key.word: item.plain() for key, item in self.value}
        value: Value = self.value
        return value

    @property
    def word(self) -> str:
        """A scalar as GitHub would put it into a text."""
        return to_text(self.value) if self.kind not in ("sequence", "mapping") else self.kind


class _Composer:
    """Builds nodes from YAML's events, with a stack of its own: no file is too deep for it, only for the limit."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.anchors: dict[str, Node] = {}
        self.open: list[tuple[Any, list[Node]]] = []
        self.done: list[Node] = []
        self.problems: list[Problem] = []
        self.count = 0
        self.end: Any = None  # of the scalar before

    def problem(self, event: Any, reason: str) -> WorkflowError:
        mark = event.start_mark
        return WorkflowError(self.file, [Problem(mark.line + 1, mark.column + 1, reason)])

    def take(self, event: Any) -> None:
        name = type(event).__name__
        if name == "ScalarEvent":
            self.add(event, self.scalar(event))
            self.end = event.end_mark
        elif name == "AliasEvent":
            if event.anchor not in self.anchors:
                raise self.problem(event, f"The alias '{event.anchor}' has no anchor that is complete before it")
            self.add(event, self.anchors[event.anchor])
        elif name in ("SequenceStartEvent", "MappingStartEvent"):
            if len(self.open) >= MAX_DEPTH:
                raise self.problem(event, "Maximum object depth exceeded")
            self.open.append((event, []))
        elif name in ("SequenceEndEvent", "MappingEndEvent"):
            start, inner = self.open.pop()
            self.add(start, self.collection(start, inner))
        elif name == "DocumentStartEvent" and self.done:
            raise self.problem(event, "A second YAML document was not expected")

    def add(self, event: Any, node: Node) -> None:
        is_alias = type(event).__name__ == "AliasEvent"
        self.count += node.size if is_alias else 1 + bool(event.anchor) + bool(event.tag)
        if self.count > MAX_NODES:
            raise self.problem(event, "Maximum object size exceeded")
        if event.anchor and not is_alias:
            self.anchors[event.anchor] = node
        (self.open[-1][1] if self.open else self.done).append(node)

    def collection(self, event: Any, inner: list[Node]) -> Node:
        size = 1 + sum(node.size for node in inner)
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if type(event).__name__ == "SequenceStartEvent":
            return Node("sequence", tuple(inner), *place, size=size)
        pairs: list[tuple[Node, Node]] = []
        seen: set[str] = set()
        for key, value in zip(inner[::2], inner[1::2], strict=True):
            if key.kind in ("sequence", "mapping"):
                reason = f"A {key.kind} was not expected"
                raise WorkflowError(self.file, [Problem(key.line, key.column, reason)])
            word = key.word.lower()  # GitHub's keys do not know upper and lower case
            if word in seen and "${{" not in word:
                self.problems.append(Problem(key.line, key.column, f"'{key.word}' is already defined"))
                continue
            seen.add(word)
            pairs.append((key, value))
        return Node("mapping", tuple(pairs), *place, size=size)

    def scalar(self, event: Any) -> Node:
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        tag = str(event.tag or "")
        awaited = self.open and type(self.open[-1][0]).__name__ == "MappingStartEvent" and len(self.open[-1][1]) % 2
        if awaited and not event.value and not event.style and event.start_mark.line > self.end.line:
            place = (self.end.line + 1, self.end.column + 2)  # behind the colon, not at what follows
        if tag in ("!", _CORE + "str") or (not tag and event.style):
            return Node("string", event.value, *place, event.value)
        if tag and tag not in (_CORE + kind for kind in ("null", "bool", "int", "float")):
            raise self.problem(event, f"Unexpected tag '{tag}'")
        kind, value = _resolved(event.value)
        wanted = {"null": "null", "bool": "boolean", "int": "number", "float": "number"}.get(tag.removeprefix(_CORE))
        if wanted and wanted != "null" and event.style:
            line, column = place
            style = {"'": "SingleQuoted", '"': "DoubleQuoted", "|": "Literal", ">": "Folded"}[event.style]
            reason = f"The scalar style '{style}' on line {line} and column {column} is not valid with the tag '{tag}'"
            raise self.problem(event, reason)
        if wanted and wanted != kind:
            line, column = place
            reason = f"The value '{event.value}' on line {line} and column {column} is invalid for the type '{tag}'"
            raise self.problem(event, reason)
        return Node(kind, value, *place, event.value)


def _resolved(text: str) -> tuple[str, Any]:
    """Kind and value of a plain scalar by the core schema of YAML 1.2."""
    if _NULL.fullmatch(text):
        return "null", None
    if _BOOLEAN.fullmatch(text):
        return "boolean", text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return "number", float(text)
    if _BASED.fullmatch(text):
        return "number", to_number(text)
    if found := _SPECIAL.fullmatch(text):
        return "number", math.nan if found[1] is None else math.inf * (-1 if found[1] == "-" else 1)
    return "string", text


def read_yaml(text: str, *, file: str) -> tuple[Node, list[Problem]]:
    """The one value of a YAML text, and which keys it holds twice; of those, the first counts.

    Raises:
        WorkflowError: the text is no YAML, or is beyond the limits.
    """
    if len(text) > MAX_CHARACTERS:
        reason = f"The maximum file size of {MAX_CHARACTERS} characters has been exceeded"
        raise WorkflowError(file, [Problem(1, 1, reason)])
    composer = _Composer(file)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            composer.take(event)
    except WorkflowError:
        raise
    except MarkedYAMLError as error:
        reason = f"Broken YAML: {error.problem or error.context}"
        raise WorkflowError(file, [Problem(*place_in(text, error), reason)]) from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        raise WorkflowError(file, [Problem(line, column, f"Broken YAML: {error.reason}")]) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise WorkflowError(file, [Problem(1, 1, f"Broken YAML: {type(error).__name__}")]) from None
    if not composer.done:
        raise WorkflowError(file, [Problem(1, 1, "Expected a scalar value, a sequence, or a mapping")])
    return composer.done[0], composer.problems
