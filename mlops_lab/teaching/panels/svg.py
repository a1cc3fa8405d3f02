"""A panel's own pictures: cards of shapes and letters, the same bytes on every machine.

Card and letters take the colours of the page's theme, and are dark on white where it has none. Every line of letters
says how long it is in Helvetica, so that it takes no more room in another font. Pixels throughout.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from html import escape

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.teaching.drawing.drawing import Drawing
from mlops_lab.teaching.drawing.render import renderers
from mlops_lab.teaching.drawing.style import EDGE, INK, PAPER, TEXT, Look, paint
from mlops_lab.teaching.drawing.words import length, plain

_FONT, _SIZE = "Helvetica,Arial,sans-serif", 13
_UNITS = {"pt": 4 / 3, "px": 1.0, "": 1.0}


def drawn(drawing: Drawing) -> str:
    """A drawing's picture; where nothing can draw it, as in a browser alone, its outline on a card, with what failed.

    >>> from mlops_lab.teaching.drawing import draw_stages
    >>> drawn(draw_stages())[:4]
    '<svg'
    """
    lines = [line for line in drawing.outline.splitlines() if line.strip()]
    if renderers():
        try:
            return drawing.svg
        except MlopsLabError as error:
            lines += textwrap.wrap(str(error), 100)
    body = "".join(text(12, 24 + 20 * row, line) for row, line in enumerate(lines))
    return card(body, width=24 + 8 * max(map(len, lines)), height=20 + 20 * len(lines), name=drawing.title)


_PAGE = 690.0  # what a notebook 900 pixels wide leaves for a picture


def card(body: str, *, width: float, height: float, name: str) -> str:
    """An `<svg>` on a card that says what it is."""
    size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
    least = f"max-width:100%;min-width:{_n(min(width * 0.7, _PAGE))}px;height:auto"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(plain(name))}" {size} '
        f'style="{least}" font-family="{_FONT}" font-size="{_SIZE}">'
        f"<title>{escape(plain(name))}</title>"
        f'<rect width="100%" height="100%" {_paint("fill", PAPER)} rx="4"/>{body}</svg>'
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    colour: str = INK,
    anchor: str = "start",
    bold: bool = False,
    most: float = math.inf,
) -> str:
    """Letters with their baseline at `y`, pressed together where they would be longer than `most`."""
    more = (f' text-anchor="{anchor}"' if anchor != "start" else "") + (' font-weight="bold"' if bold else "")
    said = plain(words)
    long = min(length(said, _SIZE, bold=bold), most)
    more += f' textLength="{_n(long)}" lengthAdjust="spacingAndGlyphs"' if said.strip() else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" {_paint("fill", colour)}{more}>{escape(said)}</text>'


def line(points: Sequence[tuple[float, float]], *, colour: str = EDGE, width: float = 2, dashes: str = "") -> str:
    """A line through points."""
    drawn = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{drawn}" fill="none" {_paint("stroke", colour)} stroke-width="{_n(width)}"{dashed}/>'


def dot(x: float, y: float, *, colour: str, radius: float = 5, full: bool = True) -> str:
    """A point, full or hollow."""
    fill = _paint("fill", colour if full else PAPER)
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" {fill} stroke="{colour}" stroke-width="2"/>'


def box(x: float, y: float, *, width: float, height: float, look: Look, name: str = "", kind: str = "") -> str:
    """A box in the look of a state, with letters in its middle; `kind` is its class, for tests to find it."""
    dashes = {"dashed": ' stroke-dasharray="5 3"', "dotted": ' stroke-dasharray="2 3"'}.get(look.line, "")
    thick, corner = 2.5 if look.line == "bold" else 1.5, min(4, width / 4, height / 4)
    frame = (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(corner)}" fill="{look.fill}" '
        f'stroke="{look.border}" stroke-width="{thick}"{dashes}/>'
    )
    middle = (x + width / 2, y + height / 2 + 4.5)
    inside = text(*middle, name, colour=TEXT, anchor="middle", most=max(width - 8, 8)) if name else ""
    return f'<g class="{escape(kind)}">{frame}{inside}</g>' if kind else frame + inside


def grip(x: float, top: float, bottom: float) -> str:
    """A line that can be dragged from left to right; the range with `drag` follows it."""
    arrows = line([(x - 3, top - 4), (x - 7, top), (x - 3, top + 4)], width=1.5, colour=INK)
    arrows += line([(x + 3, top - 4), (x + 7, top), (x + 3, top + 4)], width=1.5, colour=INK)
    wide = f'<rect x="{_n(x - 14)}" y="{_n(top - 14)}" width="28" height="{_n(bottom - top + 14)}" fill="#00000000"/>'
    knob = f'<rect x="{_n(x - 11)}" y="{_n(top - 11)}" width="22" height="22" rx="11"'
    shown = line([(x, top), (x, bottom)], colour=INK, width=2.5) + f"{knob} {_paint('fill', PAPER)}/>"
    shown += f'{knob} fill="none" {_paint("stroke", INK)} stroke-width="2"/>'
    return f'<g class="lab-grip">{wide}{shown}{arrows}</g>'


def caption(lines: Sequence[str], *, width: int) -> tuple[str, float]:
    """Lines of text from the top, the first in bold, wrapped at `width` letters; and where they end."""
    wrapped = [(part, number == 0) for number, words in enumerate(lines) for part in textwrap.wrap(plain(words), width)]
    body = "".join(text(12, 24 + 20 * row, part, bold=bold) for row, (part, bold) in enumerate(wrapped))
    return body, 24 + 20 * len(wrapped) - 10


def nested(svg: str, *, x: float, y: float) -> tuple[str, float, float]:
    """Another `<svg>` put at a place, with its width and height."""
    end = svg.index(">")
    root = svg[:end]
    sizes = []
    for name in ("width", "height"):
        found = re.search(rf"\s{name}=[\"']([\d.]+)(pt|px|)[\"']", root)
        sizes.append(float(found.group(1)) * _UNITS[found.group(2)] if found else 100.0)
    rest = re.sub(r"\s(?:width|height|style|role|aria-label)=(?:\"[^\"]*\"|'[^']*')", "", root.removeprefix("<svg"))
    return (
        f'<svg x="{_n(x)}" y="{_n(y)}" width="{_n(sizes[0])}" height="{_n(sizes[1])}"{rest}{svg[end:]}',
        sizes[0],
        sizes[1],
    )


def _paint(attribute: str, colour: str) -> str:
    """The attribute, and for the page's own colours a style that programs without themes do not read."""
    themed = paint(colour)
    return f'{attribute}="{colour}"' + (f' style="{attribute}:{themed}"' if themed != colour else "")


def _n(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
