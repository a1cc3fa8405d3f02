"""Which tree do the tokens form?

Precedence, from loose to tight: `||`, `&&`, `==` and `!=`, `<` `<=` `>` `>=`, `!`, then what binds to a value: a
call, `.name`, `.*`, `[index]`. GitHub allows fifty levels of nesting, so an expression can never be deep enough to
exhaust this parser.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from mlops_lab.ci.expressions.errors import ExpressionError
from mlops_lab.ci.expressions.lexer import Token, tokenize
from mlops_lab.ci.expressions.tree import Call, Comparison, Context, Index, Literal, Logical, Node, Not, Star

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "Arity", "parse"]

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
    tokens = tokenize(expression)
    if tokens[0].kind == "EOF":
        return None
    return _Parser(expression, tokens, {name.lower() for name in names}, functions).whole()


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

    def deeper(self, levels: int = 1) -> None:
        self.depth += levels
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
