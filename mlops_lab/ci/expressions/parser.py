"""The grammar of an expression: its tokens, and the tree that they form.

Precedence, from loose to tight: `||`, `&&`, `==` and `!=`, `<` `<=` `>` `>=`, `!`, then what binds to a value: a
call, `.name`, `.*`, `[index]`. GitHub allows fifty levels of nesting, so an expression can never be deep enough to
exhaust this parser.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from mlops_lab.ci.expressions.template import ExpressionError
from mlops_lab.ci.expressions.values import WHITE_SPACE, to_number


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


_EDGES = re.escape("()[],!<>=&|" + WHITE_SPACE)  # where a number or an unknown symbol ends
_SYMBOL = re.compile(
    rf"""(?P<blank>[ \t\r\n]) | (?P<operator>&&|\|\||[=!<>]=|[!<>()[\],*]) | (?P<string>'(?:[^']|'')*+')
    | (?P<number>[-+.0-9][^{_EDGES}]*) | (?P<word>.[^{_EDGES}.]*)""",
    re.DOTALL | re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LITERALS: dict[str, bool | float | None] = {
    "null": None,
    "true": True,
    "false": False,
    "NaN": math.nan,
    "Infinity": math.inf,
}
_QUOTE = "'"
_CAN_BE_DEREFERENCED = ("name", ")", "]", "*")


@dataclass(frozen=True)
class Token:
    """One symbol: its kind, the text it shows in an error, where it stands (from 1) and, for a literal, its value."""

    kind: str
    text: str
    position: int
    value: bool | float | str | None = None


def tokenize(expression: str) -> list[Token]:
    """The tokens of an expression and an `EOF` token, which GitHub places where its last symbol or blank begins.

    Positions are counted in UTF-16 units: a character beyond the basic plane takes two.

    Raises:
        ExpressionError: a symbol that the language does not have.
    """
    wide = [index for index, char in enumerate(expression) if char > "\uffff"]
    tokens: list[Token] = []
    at, position, last = 0, 1, ""
    while found := _SYMBOL.match(expression, at):
        kind, raw = str(found.lastgroup), found[0]
        position = 1 + at + bisect_left(wide, at)
        if raw[0] == "." and last in _CAN_BE_DEREFERENCED:
            kind, raw = "operator", "."
        token = _token(kind, raw, position, last)
        if token is None:
            reason = f"Unexpected symbol: '{expression[at:] if raw[0] == _QUOTE else raw}'"
            raise ExpressionError("lexing", reason, expression=expression, position=position)
        at += len(raw)
        if kind != "blank":
            tokens.append(token)
            last = token.kind
    return [*tokens, Token("EOF", "EOF", position)]


def _token(kind: str, raw: str, position: int, last: str) -> Token | None:
    """One symbol, which may depend on the kind of the last one; None for what the language does not have."""
    if kind == "string":
        value = raw[1:-1].replace("''", "'")  # a doubled quote stands for one
        return Token("literal", value, position, value)
    if kind == "number":
        number = to_number(raw)
        return None if math.isnan(number) else Token("literal", raw, position, number)
    if kind == "word" and raw in _LITERALS and last != ".":  # after a dot, null is a property like any other
        return Token("literal", raw, position, _LITERALS[raw])
    if kind == "word":
        return Token("name", raw, position) if _NAME.fullmatch(raw) else None
    return Token(raw, raw, position)


MAX_DEPTH = 50
MAX_LENGTH = 21_000

Arity: TypeAlias = tuple[int, int]  # fewest and most arguments


def parse(expression: str, *, names: Collection[str], functions: Mapping[str, Arity]) -> Node | None:
    """The tree of an expression; None when it is empty.

    Args:
        expression: the text between `${{` and `}}`.
        names: the contexts that may be used here, in any case.
        functions: lower-case name to (fewest, most) arguments.

    Raises:
        ExpressionError: at the first symbol that does not fit, in GitHub's words.
    """
    if len(expression) > MAX_LENGTH:
        raise ExpressionError("lexing", f"Exceeded max expression length {MAX_LENGTH}")
    kept = _short if len(expression) <= _SHORT else _long
    return kept(expression, frozenset(names), tuple(functions.items()))


def _tree(expression: str, names: frozenset[str], functions: tuple[tuple[str, Arity], ...]) -> Node | None:
    tokens = tokenize(expression)
    if tokens[0].kind == "EOF":
        return None
    return _Parser(expression, tokens, {name.lower() for name in names}, dict(functions)).whole()


_SHORT = 200  # characters; a file has many short expressions again and again, a long one is read twice in a row
_short, _long = lru_cache(maxsize=2048)(_tree), lru_cache(maxsize=4)(_tree)


class _Parser:
    """Recursive descent, one method a level of precedence."""

    def __init__(self, text: str, tokens: list[Token], names: Collection[str], functions: Mapping[str, Arity]) -> None:
        self.text = text
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.names = names
        self.functions = functions

    def whole(self) -> Node:
        node = self.nested()
        if self.here.kind != "EOF":
            raise self.unexpected()
        return node

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def accept(self, *kinds: str) -> Token | None:
        token = self.here
        if token.kind not in kinds:
            return None
        self.at += 1
        return token

    def expect(self, kind: str) -> None:
        if not self.accept(kind):
            raise self.unexpected()

    def error(self, reason: str, token: Token) -> ExpressionError:
        return ExpressionError("parsing", f"{reason}: '{token.text}'", expression=self.text, position=token.position)

    def unexpected(self) -> ExpressionError:
        return self.error("Unexpected symbol", self.here)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"Exceeded max expression depth {MAX_DEPTH}", self.here)

    def nested(self) -> Node:
        """A whole expression, one level down."""
        self.deeper()
        node = self.logical("||")
        self.depth -= 1
        return node

    def logical(self, operator: str) -> Node:
        inner = self.equality if operator == "&&" else self.conjunction
        operands = [inner()]
        if self.here.kind != operator:
            return operands[0]
        self.deeper()
        while self.accept(operator):
            operands.append(inner())
        self.depth -= 1
        return Logical(operator, tuple(operands))

    def conjunction(self) -> Node:
        return self.logical("&&")

    def equality(self) -> Node:
        return self.chain(self.relation, "==", "!=")

    def relation(self) -> Node:
        return self.chain(self.negation, "<", "<=", ">", ">=")

    def chain(self, inner: Callable[[], Node], *operators: str) -> Node:
        first = inner()
        rest: list[tuple[str, Node]] = []
        while token := self.accept(*operators):
            rest.append((token.kind, inner()))
        return Comparison(first, tuple(rest)) if rest else first

    def negation(self) -> Node:
        if not self.accept("!"):
            return self.postfix()
        self.deeper()
        node = Not(self.negation())
        self.depth -= 1
        return node

    def postfix(self) -> Node:
        """A value and what is asked of it."""
        if self.here.kind == "literal":
            self.at += 1
            return Literal(self.tokens[self.at - 1].value)
        node, levels = self.primary(), 0
        while token := self.accept(".", "["):
            if token.kind == ".":
                self.deeper()
                key: Node = self.property()
            elif self.accept("*"):
                self.expect("]")
                self.deeper()
                key = Star()
            else:
                key = self.nested()
                self.expect("]")
                self.deeper()
            levels += 1
            node = Index(node, key)
        self.depth -= levels
        return node

    def property(self) -> Node:
        if self.accept("*"):
            return Star()
        if token := self.accept("name"):
            return Literal(token.text)
        raise self.unexpected()

    def primary(self) -> Node:
        if self.accept("("):
            node = self.nested()
            self.closing()
            return node
        if name := self.accept("name"):
            if self.here.kind == "(":
                return self.call(name)
            if name.text.lower() not in self.names:
                raise self.error("Unrecognized named-value", name)
            return Context(name.text)
        if self.here.kind == "EOF":
            raise self.error("Unexpected end of expression", self.tokens[self.at - 1])
        raise self.unexpected()

    def closing(self) -> None:
        if self.here.kind == "EOF":
            raise self.error("Unexpected end of expression", self.tokens[self.at - 1])
        self.expect(")")

    def call(self, name: Token) -> Node:
        self.expect("(")
        arguments: list[Node] = []
        while self.here.kind != ")":  # GitHub forgives a comma after the last argument
            arguments.append(self.nested())
            if not self.accept(","):
                break
        self.expect(")")
        arity = self.functions.get(name.text.lower())
        if arity is None:
            raise self.error("Unrecognized function", name)
        fewest, most = arity
        if len(arguments) < fewest:
            raise self.error("Too few parameters supplied", name)
        if len(arguments) > most:
            raise self.error("Too many parameters supplied", name)
        if name.text.lower() == "case" and len(arguments) % 2 == 0:
            raise self.error("Even number of parameters supplied, requires an odd number of parameters", name)
        return Call(name.text.lower(), tuple(arguments))
