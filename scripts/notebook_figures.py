"""How much a learner does in each notebook: the share of cells that ask, the longest stretch that does not, the words.

    python scripts/notebook_figures.py

prints a line for each notebook in `notebooks/src`. tests/notebooks holds the figures.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import jupytext

__all__ = ["ASKS", "Figures", "figures"]

ASKS = frozenset({"check", "predict", "quiz"})
SOURCES = Path(__file__).resolve().parents[1] / "notebooks" / "src"


@dataclass(frozen=True)
class Figures:
    """What was counted in one notebook: its cells, those with code, those that ask; the longest passive run; words."""

    cells: int
    code: int
    asking: int
    passive: int
    words: int

    @property
    def share(self) -> float:
        """The share of the code cells that ask for something."""
        return self.asking / self.code

    @property
    def words_a_cell(self) -> float:
        """Words of text for each code cell."""
        return self.words / self.code


def figures(source: str) -> Figures:
    """Count a notebook in jupytext's percent format. A cell asks when it calls `check`, `predict` or `quiz`."""
    cells = jupytext.reads(source, fmt="py:percent").cells
    asks = [_asks(cell.source) for cell in cells if cell.cell_type == "code"]
    longest = run = 0
    for one in asks:
        run = 0 if one else run + 1
        longest = max(longest, run)
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    return Figures(len(cells), len(asks), sum(asks), longest, words)


def _asks(code: str) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Name) and called.id in ASKS for called in calls)


def main() -> int:
    print(f"{'notebook':<22} cells  code  ask  share  passive  words  a cell")
    for path in sorted(SOURCES.glob("[0-9][0-9]_*.py")):
        f = figures(path.read_text("utf-8"))
        line = (
            f"{f.cells:>5} {f.code:>5} {f.asking:>4} {f.share:>6.0%} {f.passive:>8} {f.words:>6} {f.words_a_cell:>7.1f}"
        )
        print(f"{path.stem:<22} {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
