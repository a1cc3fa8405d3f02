"""The look of each state and each kind, readable without colour, on light and on dark.

Fills are light tints of the Okabe-Ito palette under dark text; a state is told by its fill, its mark, its border and
its word, so no reader depends on colour alone. Borders and edges keep 3:1 against a white page and against JupyterLab's
dark `#111111`; text keeps 4.5:1 on its fill (WCAG 2.2, success criteria 1.4.1, 1.4.3 and 1.4.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

EDGE = "#808080"
"""Colour of arrows and of quiet borders: 3:1 or better on white and on #111111."""

TEXT = "#1a1a1a"
"""Colour of text inside a box."""

TITLE = "#7b7b7b"
"""Colour of a picture's bold heading, which stands on the page itself, so that it must do on both: 4.2:1 and 4.4:1."""

INK, PAPER = "#1b1b1b", "#ffffff"
"""Letters on a card and the card itself, where the page has no theme; see `paint`. (Letters in boxes are `TEXT`.)"""

_THEMED = {
    INK: "var(--jp-content-font-color0,var(--pst-color-text-base,#1b1b1b))",
    PAPER: "var(--jp-layout-color0,var(--pst-color-background,#ffffff))",
}


def paint(colour: str) -> str:
    """A colour as CSS: ink and paper are those of the page's theme (JupyterLab's, the website's) where it has one."""
    return _THEMED.get(colour, colour)


@dataclass(frozen=True)
class Look:
    """How one state or kind is drawn: mark, word, fill and border colours, and the border's line style.

    >>> STATES["failed"]
    Look(mark='✗', word='failed', fill='#fbdcc9', border='#d55e00', line='bold')
    """

    mark: str
    word: str
    fill: str
    border: str
    line: str = "solid"


_GREEN, _RED, _BLUE, _PURPLE, _OLIVE = "#009e73", "#d55e00", "#0072b2", "#b0568c", "#8a7a00"

_STATES = (
    Look("✓", "success", "#c9ebdf", _GREEN),
    Look("✗", "failed", "#fbdcc9", _RED, "bold"),
    Look("–", "skipped", "#ececec", EDGE, "dashed"),
    Look("⊘", "upstream_failed", "#f4dcea", _PURPLE, "dotted"),
    Look("↻", "up_for_retry", "#faf3b8", _OLIVE, "dashed"),
    Look("▸", "running", "#cde3f2", _BLUE, "bold"),
    Look("…", "queued", "#e3f2fb", _BLUE, "dotted"),
    Look("○", "no_status", "#f7f7f7", EDGE),
    # GitHub Actions says these in its own words: https://docs.github.com/en/rest/checks/runs
    Look("✗", "failure", "#fbdcc9", _RED, "bold"),
    Look("⊖", "cancelled", "#ececec", EDGE, "dotted"),
    Look("·", "pending", "#f7f7f7", EDGE, "dotted"),
    Look("‖", "waiting", "#faf3b8", _OLIVE, "dotted"),
    Look("▸", "in_progress", "#cde3f2", _BLUE, "bold"),
)

STATES: Mapping[str, Look] = MappingProxyType({look.word: look for look in _STATES})
"""Every state by the word Airflow or GitHub Actions uses for it."""

_KINDS = (
    Look("▤", "source", "#ececec", EDGE),
    Look("◆", "entity", "#faf3b8", _OLIVE),
    Look("▦", "view", "#cde3f2", _BLUE),
    Look("▢", "stage", "#cde3f2", _BLUE),
    Look("◈", "service", "#c9ebdf", _GREEN),
    Look("▥", "training_set", "#e3f2fb", _BLUE, "dashed"),
    Look("▸", "run", "#faf3b8", _OLIVE, "dashed"),
    Look("★", "version", "#c9ebdf", _GREEN, "bold"),
    Look("⊢", "gate_report", "#faf3b8", _OLIVE),
    Look("▲", "deployment", "#cde3f2", _BLUE, "bold"),
)

KINDS: Mapping[str, Look] = MappingProxyType({look.word: look for look in _KINDS})
"""Every kind of thing that a store or a lineage holds."""


def state_look(state: str | None) -> Look:
    """The look of a state; an unknown word keeps its word, under a question mark and quiet colours."""
    return STATES.get(state or "no_status") or Look("?", str(state), "#f7f7f7", EDGE)


def kind_look(kind: str) -> Look:
    """The look of a kind of thing; an unknown kind keeps its word."""
    return KINDS.get(kind) or Look("▫", kind, "#f7f7f7", EDGE)
