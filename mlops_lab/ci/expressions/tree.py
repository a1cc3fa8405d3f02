"""What is an expression made of, once it is read?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Call", "Comparison", "Context", "Index", "Literal", "Logical", "Node", "Not", "Star"]


@dataclass(frozen=True)
class Literal:
    """A value written in the expression."""

    value: bool | float | str | None


@dataclass(frozen=True)
class Context:
    """A top-level name: `github`, `needs`, `matrix` and so on."""

    name: str


@dataclass(frozen=True)
class Star:
    """The `*` of `.*` and `[*]`."""


@dataclass(frozen=True)
class Index:
    """`source.name`, `source[key]` or `source.*`."""

    source: Node
    key: Node


@dataclass(frozen=True)
class Not:
    """`!operand`."""

    operand: Node


@dataclass(frozen=True)
class Comparison:
    """A chain of `==` and `!=`, or of `<`, `<=`, `>` and `>=`; the value so far meets the next operand."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Logical:
    """A chain of `&&` or of `||`: its value is the operand that decides."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Call:
    """A function and its arguments."""

    name: str
    arguments: tuple[Node, ...]


Node: TypeAlias = Literal | Context | Star | Index | Not | Comparison | Logical | Call
