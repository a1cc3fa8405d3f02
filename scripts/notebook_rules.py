"""The rules that a stored notebook keeps, beyond what nbval compares.

    python scripts/notebook_rules.py [NOTEBOOKS]     none named: all of the course

nbval runs the cells and compares outputs, and is blind to some faults: a cell never executed, an error that a tag
swallows, a magic that does not exist, a failed shell command, a picture without words, a solution that leaked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import notebook_cell_rules as cells
import notebook_text_rules as text
from stored_notebook import Stored

__all__ = ["RULES", "problems", "stored"]

RULES: dict[str, Callable[[Stored], Iterator[str]]] = {
    "executed": cells.executed,
    "shown": cells.shown,
    "errors": cells.errors,
    "quiet": cells.quiet,
    "tags": cells.tags,
    "magics": cells.magics,
    "calls": cells.calls,
    "reproducible": cells.reproducible,
    "sizes": cells.sizes,
    "alternatives": cells.alternatives,
    "headings": text.headings,
    "links": text.links,
    "built": text.built,
    "exercises": text.exercises,
    "unsolved": text.unsolved,
}


def stored(path: Path) -> Stored:
    """The notebook at `path` with its source from src/ beside it."""
    source = path.parent / "src" / f"{path.stem}.py"
    return Stored(path.read_bytes(), source.read_text(encoding="utf-8"), path)


def problems(one: Stored) -> list[str]:
    """What is wrong with a notebook: `rule: sentence`, in the order of the rules."""
    return [f"{name}: {sentence}" for name, rule in RULES.items() for sentence in rule(one)]


def main(names: list[str]) -> int:
    """Print what is wrong with the notebooks; the exit code."""
    here = Path(__file__).resolve().parents[1] / "notebooks"
    paths = [Path(name) for name in names] or [*here.glob("[0-9]*.ipynb"), *(here / "teacher").glob("[0-9]*.ipynb")]
    found = [f"{path.name}: {problem}" for path in sorted(paths) for problem in problems(stored(path))]
    print(*found, sep="\n", end="\n" * bool(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
