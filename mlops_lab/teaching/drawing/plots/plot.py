"""A plot: a figure made when somebody looks, and the words that carry its key numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from mlops_lab.base.errors import UnknownName
from mlops_lab.teaching.drawing.drawing import picture_bundle, write_file
from mlops_lab.teaching.drawing.render import label_svg
from mlops_lab.teaching.drawing.style import INK, PAPER
from mlops_lab.teaching.drawing.words import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


QUIET = "#757575"
COLOURS = ("#0072b2", "#c04f00", "#00805d", "#a3487f", "#7a6c00", "#6b6b6b")
"""Okabe-Ito's blue, vermillion, green, purple and yellow, then grey: 4.5:1 on white, and 3:1 on JupyterLab's dark."""

_DPI = 144  # two dots a pixel, for sharp letters
_LINE = 56  # letters of a title that fit a line of 7 inches


@dataclass(frozen=True)
class Plot:
    r"""A figure to look at and, as text, its key numbers.

    The figure is a card in the colours of the page's theme, dark letters on white where it has none. At the end of a
    cell it shows an SVG that names itself by its numbers, as a PNG in an exported page could not. Notebook checks
    compare its text form, which has the numbers, not its bytes. pyplot and its settings are neither used nor changed.

    Attributes:
        title: One line.
        outline: The title and the key numbers.
        draw: Puts the marks on Matplotlib axes.
        size: Width and height, inches.

    >>> plot = Plot("delays", "delays\nEWR 12 min", draw=lambda axes: axes.plot([1, 2], [3, 4]))
    >>> plot
    delays
    EWR 12 min
    >>> plot.png[:4], plot.svg[:4], plot.figure.get_size_inches().tolist()
    (b'\x89PNG', '<svg', [7.0, 3.6])
    """

    title: str
    outline: str
    draw: Callable[[Axes], object] = field(repr=False, compare=False)
    size: tuple[float, float] = (7.0, 3.6)

    @property
    def figure(self) -> Figure:
        """A new Matplotlib figure, the caller's to change."""
        from matplotlib.figure import Figure

        with _settings():
            figure = Figure(figsize=self.size, layout="constrained", facecolor=PAPER)
            axes = figure.subplots()
            axes.set_facecolor(PAPER)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
            self.draw(axes)
            # over the whole figure, not over the axes: long names of bars leave those too little room for it
            title = fill(letters(self.title), _LINE, break_long_words=True)
            figure.suptitle(title, x=0.01, ha="left", color=INK, fontweight="bold", fontsize="large")
        return figure

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG, 144 dots an inch."""
        return self._bytes("png")

    @cached_property
    def svg(self) -> str:
        """The figure as one `<svg>` element, letters as shapes, named by title and numbers."""
        return label_svg(self._bytes("svg").decode(), title=self.outline)

    def save(self, path: str | Path) -> Path:
        """Write the plot to a file: `.png` and `.svg` the figure, `.txt` the numbers.

        Raises:
            UnknownName: another suffix.
            MlopsLabError: the file cannot be written.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix == ".png":
            return write_file(target, self.png)
        if suffix in (".svg", ".txt"):
            return write_file(target, ((self.svg if suffix == ".svg" else self.outline) + "\n").encode())
        raise UnknownName("file type for a plot", suffix, [".png", ".svg", ".txt"])

    def _bytes(self, kind: str) -> bytes:
        stream = BytesIO()
        figure = self.figure
        with _settings():
            figure.savefig(
                stream, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else {"Software": None}
            )
        return stream.getvalue()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return picture_bundle(self.svg, self.outline)

    def __repr__(self) -> str:
        return self.outline


@contextmanager
def _settings() -> Iterator[None]:
    """Matplotlib's own defaults, whatever style the session has chosen; the session's come back afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "mlops-lab", "text.parse_math": False, "font.size": 11})
        matplotlib.rcParams.update({"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK})
        matplotlib.rcParams.update({"xtick.color": INK, "ytick.color": INK})
        yield


def letters(text: object) -> str:
    """Text as Matplotlib's font can show it: a letter that it lacks becomes a box.

    >>> letters("✓ Zürich 列車")
    '✓ Zürich □□'
    """
    known = _known_letters()
    return "".join(each if ord(each) in known else "□" for each in plain(text))


@lru_cache(maxsize=1)
def _known_letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
