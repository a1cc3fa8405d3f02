"""`${{ … }}` inside a text: which parts are expressions, and the error of one that is wrong.

`${{ … }}` inside a text is replaced by its value; a text that is one expression and nothing else keeps the value's
kind. See https://docs.github.com/actions/reference/workflows-and-actions/expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_lab.base.errors import InvalidDefinition


class ExpressionError(InvalidDefinition):
    """An expression that GitHub would refuse, in GitHub's own words.

    Attributes: `stage` (`"lexing"`, `"parsing"` or `"evaluation"`), `reason` (the sentence without its place),
    `position` (1 is the first character, counted in UTF-16 units as GitHub does; None while evaluating),
    `expression` (the text).

    >>> print(ExpressionError("parsing", "Unexpected symbol: ')'", expression="1 < )", position=5))
    Unexpected symbol: ')'. Located at position 5 within expression: 1 < )
    """

    def __init__(self, stage: str, reason: str, *, expression: str = "", position: int | None = None) -> None:
        self.stage = stage
        self.reason = reason
        self.expression = expression
        self.position = position
        place = f". Located at position {position} within expression: {expression}" if position is not None else ""
        super().__init__(reason + place)


INSERT = "${{ insert }}"  # as a key: put the pairs of the value here


@dataclass(frozen=True)
class Hole:
    """An expression inside a text: what it says, and at which character (from 0) it starts."""

    expression: str
    start: int


def split(text: str) -> list[str | Hole]:
    """The literal parts and the holes of a text, in order.

    >>> split("v${{ matrix.python }}!")
    ['v', Hole(expression='matrix.python', start=5), '!']

    Raises:
        ExpressionError: a hole that is never closed, or an empty one.
    """
    return list(_parts(text))


def lone(text: str) -> str | None:
    r"""The expression of a text that is one `${{ … }}` and no character more; None for any other text.

    >>> lone("${{ github.ref == '}}' }}"), lone("${{ false }}\n"), lone("a")
    ("github.ref == '}}'", None, None)
    """
    parts = split(text)
    return parts[0].expression if len(parts) == 1 and isinstance(parts[0], Hole) else None


def is_mixed(text: str) -> bool:
    """Does the text hold an expression and something else, if only a blank or a line end?"""
    return "${{" in text and lone(text) is None


def is_insertion(text: str) -> bool:
    """Is the text the directive `${{ insert }}`, as a key of a mapping may be?

    >>> is_insertion("${{insert}}"), is_insertion("${{ insert }}!")
    (True, False)
    """
    return text.startswith("${{") and text.endswith("}}") and text[3:-2].strip() == "insert"


def _parts(text: str) -> Iterator[str | Hole]:
    at = 0
    while (start := text.find("${{", at)) >= 0:
        if start > at:
            yield text[at:start]
        end = _closing(text, start + 3)
        raw = text[start + 3 : end]
        inside = raw.strip()
        if not inside:
            raise ExpressionError("parsing", "An expression was expected")
        yield Hole(inside, start + 3 + len(raw) - len(raw.lstrip()))
        at = end + 2
    if at < len(text):
        yield text[at:]


def _closing(text: str, at: int) -> int:
    """Where `}}` is; one inside a quoted string does not count."""
    quoted = False
    for index in range(at, len(text)):
        if text[index] == "'":
            quoted = not quoted
        elif not quoted and text.startswith("}}", index):
            return index
    reason = (
        "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found."
    )
    raise ExpressionError("parsing", reason)
