"""What does an expression that cannot be read or computed say?"""

from __future__ import annotations

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["ExpressionError"]


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
