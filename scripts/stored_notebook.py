"""A notebook as it is stored: made of its source, written as bytes, and what is in it for a rule to look at."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from IPython.core.inputtransformer2 import TransformerManager

__all__ = ["METADATA", "Cell", "Stored", "from_source", "python", "serialise", "texts", "tree"]

Cell = Any  # nbformat's NotebookNode has no types
_DATA = re.compile(r"data:image/[^\"']*")


METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def from_source(text: str) -> nbformat.NotebookNode:
    """The notebook of a percent-format source, not executed yet: stable ids, no metadata but the tags."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(copy.deepcopy(METADATA))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        tags = list(cell.metadata.get("tags", []))
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        cell.id = f"c{number:02d}"
    return notebook


def serialise(notebook: nbformat.NotebookNode) -> bytes:
    """The bytes that are stored: nbformat's own layout, LF line ends on every system."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook, version=4).rstrip("\n") + "\n").encode("utf-8")


@dataclass(frozen=True)
class Stored:
    """A notebook as it is stored, and the source it should come from."""

    data: bytes
    source: str
    path: Path

    @cached_property
    def notebook(self) -> Cell:
        """The notebook, read."""
        return nbformat.reads(self.data.decode("utf-8"), as_version=4)

    @cached_property
    def code(self) -> list[Cell]:
        """Its code cells."""
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @cached_property
    def markdown(self) -> list[Cell]:
        """Its Markdown cells."""
        return [cell for cell in self.notebook.cells if cell.cell_type == "markdown"]

    @property
    def number(self) -> str:
        """The two digits its name begins with, and its exercises too."""
        return self.path.name[:2]

    def outputs(self, kind: str) -> Iterator[tuple[Cell, Cell]]:
        """Each output of a kind with its cell; the kind "data" is everything displayed."""
        for cell in self.code:
            for output in cell.outputs:
                if output.output_type == kind or (kind == "data" and "data" in output):
                    yield cell, output


def python(cell: Cell) -> str:
    """A cell's code with IPython's shorthands written out: `!ls` becomes get_ipython().system('ls')."""
    return TransformerManager().transform_cell(cell.source)


def tree(cell: Cell) -> ast.Module:
    try:
        return ast.parse(python(cell))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def texts(output: Cell) -> Iterator[str]:
    """Everything in an output that a person reads."""
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield "\n".join([output.evalue, *output.traceback])
    else:
        for kind, value in output.data.items():
            if kind not in ("image/png", "image/jpeg"):
                yield unescape(_DATA.sub("", value)) if isinstance(value, str) else json.dumps(value)
