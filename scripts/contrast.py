"""How far does every word and every drawn line of a page stand out from what is behind it?

Computed, not looked up: the colour that is painted is blended over all that was painted below it at that place, shapes
of a picture in their order and then the boxes of the page, and the two are compared as WCAG 2.2 says
(https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). Words need 4.5, large ones 3, lines that carry meaning 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Contrast", "Kind", "measure", "ratio"]

_MEASURE = Path(__file__).with_suffix(".js").read_text("utf-8")


@dataclass(frozen=True)
class Kind:
    """What was measured of one kind: how many, the lowest ratio, and what stays below what it needs."""

    count: int
    lowest: float | None
    faults: tuple[str, ...]

    def __str__(self) -> str:
        lowest = "  - " if self.lowest is None else f"{self.lowest:4.1f}"
        return f"{lowest} of {self.count:>4}"


@dataclass(frozen=True)
class Contrast:
    """The words, the drawn lines, and what the page's own furniture says and draws."""

    text: Kind
    line: Kind
    furniture: Kind


def measure(page: Any, within: str, *, furniture: str, decoration: str = "[id^=xtick_], [id^=ytick_]") -> Contrast:
    """Measure all that the selector `within` holds; furniture is counted apart.

    Decoration is left out of the lines: the ticks and the grid of a plot, whose numbers are words and stand beside it.
    """
    found: Mapping[str, Any] = page.evaluate(_MEASURE, [within, furniture, decoration])
    return Contrast(**{kind: Kind(one["count"], one["lowest"], tuple(one["faults"])) for kind, one in found.items()})


def ratio(one: str, other: str) -> float:
    """The contrast ratio of two `#rrggbb` colours, from 1 (equal) to 21 (black on white).

    The formula is WCAG's: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return round((light + 0.05) / (dark + 0.05), 4)


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
