"""Which tokens does an expression consist of?"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from mlops_lab.ci.expressions.errors import ExpressionError
from mlops_lab.ci.expressions.values import WHITE_SPACE, to_number

__all__ = ["Token", "tokenize"]

_WHITE = " \t\r\n"
_PUNCTUATION = "()[],*"
_OPERATORS = ("&&", "||", "==", "!=", "<=", ">=", "!", "<", ">")
_EDGES = frozenset("()[],!<>=&|" + WHITE_SPACE)  # where a number or an unknown symbol ends
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LITERALS: dict[str, bool | float | None] = {
    "null": None,
    "true": True,
    "false": False,
    "NaN": math.nan,
    "Infinity": math.inf,
}
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

    Raises:
        ExpressionError: a symbol that the language does not have.
    """
    lexer = _Lexer(expression)
    tokens = list(lexer.tokens())
    return [*tokens, Token("EOF", "EOF", lexer.last_position)]


class _Lexer:
    """A walk over the text; what a dot or a word means depends on the token before it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.last = ""
        self.last_position = 1
        self.wide = [index for index, char in enumerate(text) if char > "\uffff"]

    def tokens(self) -> Iterator[Token]:
        while self.at < len(self.text):
            self.last_position = self._position()
            if self.text[self.at] in _WHITE:
                self.at += 1
                continue
            token = self._next()
            self.last = token.kind
            yield token

    def _next(self) -> Token:
        char = self.text[self.at]
        if char in _PUNCTUATION:
            return self._take(char, char)
        if char == "'":
            return self._string()
        if char == "." and self.last in _CAN_BE_DEREFERENCED:
            return self._take(".", ".")
        if char in "+-.0123456789":
            return self._number()
        for operator in _OPERATORS:
            if self.text.startswith(operator, self.at):
                return self._take(operator, operator)
        return self._word()

    def _take(self, kind: str, raw: str, value: bool | float | str | None = None, shown: str | None = None) -> Token:
        token = Token(kind, raw if shown is None else shown, self._position(), value)
        self.at += len(raw)
        return token

    def _position(self) -> int:
        """Counted in UTF-16 units: a character beyond the basic plane takes two."""
        return 1 + self.at + bisect_left(self.wide, self.at)

    def _string(self) -> Token:
        end = self.at + 1
        while True:
            end = self.text.find("'", end)
            if end < 0:
                raise self._unexpected(self.text[self.at :])
            if not self.text.startswith("''", end):
                break
            end += 2  # a doubled quote stands for one
        value = self.text[self.at + 1 : end].replace("''", "'")
        return self._take("literal", self.text[self.at : end + 1], value, shown=value)

    def _number(self) -> Token:
        raw = self._until_edge()
        number = to_number(raw)
        if math.isnan(number):
            raise self._unexpected(raw)
        return self._take("literal", raw, number)

    def _word(self) -> Token:
        raw = self._until_edge(also=".")
        if not _NAME.fullmatch(raw):
            raise self._unexpected(raw)
        if raw in _LITERALS and self.last != ".":  # after a dot, null is a property like any other
            return self._take("literal", raw, _LITERALS[raw])
        return self._take("name", raw)

    def _until_edge(self, also: str = "") -> str:
        """From here up to the next edge; the first character belongs to it, whatever it is."""
        end = self.at + 1
        while end < len(self.text) and self.text[end] not in _EDGES and self.text[end] not in also:
            end += 1
        return self.text[self.at : end]

    def _unexpected(self, symbol: str) -> ExpressionError:
        reason = f"Unexpected symbol: '{symbol}'"
        return ExpressionError("lexing", reason, expression=self.text, position=self._position())
