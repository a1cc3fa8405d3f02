"""A drawing: DOT text, a text outline that says the same, and a picture made when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

from mlops_lab.base.errors import MlopsLabError, UnknownName
from mlops_lab.teaching.drawing.render import render


@dataclass(frozen=True)
class Drawing:
    r"""A graph to look at: `dot` and `outline` are data, `svg` is made by a renderer when first asked for.

    At the end of a notebook's cell it shows its SVG with the outline folded below it; where no renderer is, the outline
    alone. `print` gives the outline: every node with its state in words, and every edge.

    Attributes:
        dot: DOT text (https://graphviz.org/doc/info/lang.html).
        title: One line that says what is shown.
        outline: The text alternative.

    >>> drawing = Drawing("digraph { train -> gate }", title="tasks", outline="tasks\n\n○ train\n○ gate ← train")
    >>> drawing
    tasks
    <BLANKLINE>
    ○ train
    ○ gate ← train
    >>> drawing.svg.startswith("<svg"), sorted(drawing._repr_mimebundle_())
    (True, ['image/svg+xml', 'text/html', 'text/plain'])
    """

    dot: str
    title: str
    outline: str

    @cached_property
    def svg(self) -> str:
        """The picture as one `<svg>` element, named by the title.

        Raises:
            MlopsLabError: neither dot nor graphviz-pure is here, or neither could draw it.
        """
        return render(self.dot, title=self.title).decode()

    @cached_property
    def html(self) -> str:
        """The picture and, folded below it, the outline, for a page; the outline alone where no renderer is."""
        try:
            return figure_html(self.svg, self.outline)
        except MlopsLabError:
            return f"<figure><pre>{escape(self.outline)}</pre></figure>"

    def save(self, path: str | Path) -> Path:
        """Write the drawing to a file: `.svg` and `.png` the picture, `.dot` the DOT text, `.txt` the outline.

        Raises:
            UnknownName: another suffix.
            MlopsLabError: no renderer for a picture, or the file cannot be written.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix == ".svg":
            data = (self.svg + "\n").encode()
        elif suffix == ".png":
            data = render(self.dot, "png", title=self.title)
        elif suffix in (".dot", ".txt"):
            data = ((self.dot if suffix == ".dot" else self.outline).rstrip("\n") + "\n").encode()
        else:
            raise UnknownName("file type for a drawing", suffix, [".svg", ".png", ".dot", ".txt"])
        return write_file(target, data)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:  # IPython itself applies include and exclude
        try:
            return picture_bundle(self.svg, self.outline)
        except MlopsLabError:
            return {"text/plain": self.outline}  # no picture here: the outline says the same

    def __repr__(self) -> str:
        return self.outline


def figure_html(svg: str, words: str) -> str:
    """A picture for a page, with the words that say the same folded below it."""
    folded = f'<details><summary>as text</summary><pre style="white-space:pre-wrap">{escape(words)}</pre></details>'
    return f'<figure style="margin:0;overflow-x:auto">{svg}{folded}</figure>'


def picture_bundle(svg: str, words: str) -> dict[str, str]:
    """A picture in the forms of which a notebook shows the best it can.

    JupyterLab shows an SVG output as an image without any name, so to it the picture is part of a page, where a screen
    reader finds its name and words. GitHub takes SVG out of pages, so the page that is stored with the course holds it
    as an image (`scripts/notebook_kernel.py`).
    """
    return {"text/plain": words, "text/html": figure_html(svg, words), "image/svg+xml": svg}


def write_file(path: Path, data: bytes) -> Path:
    """Write bytes to a file and return its path, or say in one line why not."""
    try:
        path.write_bytes(data)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise MlopsLabError(f"cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}.") from None
    return path
