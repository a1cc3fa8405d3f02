"""How do a notebook's own cells become slides, with panels that still move?

    python scripts/build_slides.py [NN ...] [--to work/slides]

writes copies of notebooks that JupyterLab's Deck (the extra `teach`) shows as slides: open one, run all cells, click
the title (the deck begins at the chosen cell, and running chose the last), press the button Deck above the notebook.
The space bar goes on cell by cell, the arrows from slide to slide, Tab goes into a panel and its sliders move, Escape
ends it. A heading opens a slide; a cell of code with the paragraph before it makes another below it; exercises, and the
hints to them, are left to the learners and skipped. Nothing is written into the notebooks themselves.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path
from typing import Any

import nbformat

__all__ = ["ROOT", "is_exercise", "main", "slides"]

ROOT = Path(__file__).resolve().parents[1]
#: Deck would stop at such a cell once more, though nothing new appears; a layer is shown with its slide, and nothing
#: stops at it. Layers float, unless their style says otherwise.
_WITH_ITS_SLIDE = {
    "jupyterlab-slideshow": {"layer": "slide"},
    "@deathbeds/jupyterlab-fonts": {
        "styles": {"": {"body[data-jp-deck-mode='presenting'] &": {"position": "static !important"}}}
    },
}
_CHECKS = ("check(", "quiz(", "hint(", "progress(")


def slides(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook with a place in the deck for every cell, in the words of nbconvert's `slide_type`.

    A cell that belongs to the slide before it has no word: nbconvert reads a missing word as `-`, and to Deck, which
    does not know `-`, such a cell would be no part of any slide and an empty one by itself. To Deck it is a layer; that
    wants a slide after it, so on the last one it is a cell without a word.

    >>> from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    >>> cells = [new_markdown_cell("# What?"), new_markdown_cell("So."), new_code_cell("1 + 1")]
    >>> cells += [new_code_cell("check(2)")]
    >>> [cell.metadata.get("slideshow", {}).get("slide_type") for cell in slides(new_notebook(cells=cells)).cells]
    ['slide', 'subslide', None, 'skip']
    """
    made = nbformat.from_dict(notebook)
    with_its_slide: list[Any] = []
    for place, cell in enumerate(made.cells):
        cell.metadata.pop("slideshow", None)
        kind = _kind(made.cells, place)
        if kind is None:
            with_its_slide.append(cell)
            continue
        cell.metadata["slideshow"] = {"slide_type": kind}
        if kind != "skip":
            for one in with_its_slide:
                one.metadata.update(copy.deepcopy(_WITH_ITS_SLIDE))
            with_its_slide.clear()
    return made


def _kind(cells: list[Any], place: int) -> str | None:
    cell, after = cells[place], cells[place + 1] if place + 1 < len(cells) else None
    if cell.cell_type == "markdown":
        if cell.source.startswith(("# ", "## ")):
            return "slide"
        hint = cell.source.startswith("Stuck?")
        return "skip" if hint or (after is not None and is_exercise(after)) else "subslide"
    if is_exercise(cell):
        return "skip"
    before = cells[place - 1] if place else None
    told = before is not None and before.cell_type == "markdown"
    return None if told and before.metadata["slideshow"]["slide_type"] != "skip" else "subslide"


def is_exercise(cell: Any) -> bool:
    """A cell that a learner is meant to fill in, or that looks at what was filled in."""
    lines = [line.strip() for line in cell.source.splitlines()]
    return (cell.cell_type == "code" and any(line == "..." or line.endswith("= ...") for line in lines)) or (
        cell.cell_type == "code" and any(line.startswith(_CHECKS) for line in lines)
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="which notebooks, by number; all when none is named")
    parser.add_argument("--to", type=Path, default=ROOT / "work" / "slides", help="the folder for the slides")
    options = parser.parse_args(arguments)
    known = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    chosen = [path for path in known if not options.names or path.name[:2] in options.names]
    missing = sorted(set(options.names) - {path.name[:2] for path in known})
    if missing:
        there = ", ".join(path.name[:2] for path in known)
        print(f"no notebook {', '.join(missing)}; there is: {there}", file=sys.stderr)
        return 1
    options.to.mkdir(parents=True, exist_ok=True)
    for path in chosen:
        target = options.to / path.name
        nbformat.write(slides(nbformat.read(path, as_version=4)), target)
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
