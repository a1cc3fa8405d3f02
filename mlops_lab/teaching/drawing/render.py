"""The program that turns DOT text into SVG or PNG, what is said where there is none, and its SVG put right.

`dot` (Graphviz) is used where it is on the path and `graphviz-pure`, which comes with the package's dependencies, where
it is not or where `dot` cannot do it. Neither is needed to make a drawing, only to see it as a picture.

Of a renderer's SVG the prologue, the DOCTYPE and every comment go (they name the program's version); links, which only
carried tooltips, become plain `<title>` elements; the root says to assistive technology what it is. Only the elements
and attributes that Graphviz needs for boxes, arrows and text survive, so that whatever a name held, it stays text.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from html import escape
from typing import Literal
from xml.etree import ElementTree

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.teaching.drawing.style import INK, PAPER, paint
from mlops_lab.teaching.drawing.words import length

_PATIENCE = 60.0  # seconds; a graph of 1,000 tasks takes less than one
_HELP = "install one with: pip install graphviz-pure (or Graphviz from https://graphviz.org/download/)"


def renderers() -> dict[str, str]:
    """The programs found here, by name, in the order in which they are tried.

    `graphviz-pure` is also looked for beside the running Python, because a notebook's kernel is often started without
    its environment's folder on the path.

    >>> "graphviz-pure" in renderers()
    True
    """
    found = {
        "dot": shutil.which("dot"),
        "graphviz-pure": shutil.which("graphviz-pure")
        or shutil.which("graphviz-pure", path=sysconfig.get_path("scripts")),
    }
    return {name: path for name, path in found.items() if path}


def render(
    dot: str, suffix: Literal["svg", "png"] = "svg", *, title: str = "drawing", renderer: str | None = None
) -> bytes:
    r"""The picture that DOT text describes, as the bytes of a file.

    SVG comes without prologue and version comment, with `role="img"` and its title, and equal for equal text on one
    machine; another program or version may choose other coordinates.

    Args:
        dot: DOT text.
        suffix: "svg" or "png".
        title: What the picture shows, for readers who cannot see it.
        renderer: "dot" or "graphviz-pure"; by default, the first that manages.

    Raises:
        MlopsLabError: no program is here, or none of those here could draw this text.

    >>> render("digraph { train -> gate }", title="two tasks")[:10]
    b'<svg width'
    """
    found = renderers()
    if renderer is not None:
        found = {name: path for name, path in found.items() if name == renderer}
    if not found:
        wanted = renderer or "neither dot nor graphviz-pure"
        problem = f"{wanted} is here" if renderer is None else f"{wanted} is not here"
        raise MlopsLabError(
            f"cannot draw {title!r} as {suffix.upper()}: {problem}; {_HELP}. "
            "The same facts are in .outline (text) and .dot (DOT text), which need neither."
        )
    problems = []
    for name, path in found.items():
        try:
            drawn = _without_boxes(dot) if (name, suffix) == ("graphviz-pure", "png") else dot
            data = _call(path, drawn, suffix)
            return tidy_svg(data.decode(), title=title).encode() if suffix == "svg" else data
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            problems.append(f"{name}: {_said(error)}")
    raise MlopsLabError(
        f"cannot draw {title!r} as {suffix.upper()}: {'; '.join(problems)}. "
        "The same facts are in .outline (text) and .dot (DOT text)."
    )


def _without_boxes(dot: str) -> str:
    """The text without marks that graphviz-pure's own letters lack: it paints an empty box; word and border stay."""
    return re.sub("[✓✗⊘↻▸⊖▤◆▦◈▥▪★⊢▲] ", "", dot)


def _call(path: str, dot: str, suffix: str) -> bytes:
    # Standard error is kept apart: graphviz-pure warns there about marks such as ✓, and a warning is no output.
    command = [path, "-q1", f"-T{suffix}"]
    done = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=_PATIENCE, check=True)  # noqa: S603
    if not done.stdout:
        raise ValueError("it wrote nothing")
    return done.stdout


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {_PATIENCE:.0f} s"
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {error.returncode}"
    return str(error)


_SVG = "{http://www.w3.org/2000/svg}"
_LINK_TITLE = "{http://www.w3.org/1999/xlink}title"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
# Matplotlib's one style rule is for `*`: inside a page it would be a rule for the whole page.
_UNNEEDED = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<style type=\"text/css\">\*\{[^}]*\}</style>", re.DOTALL)
_FONT = "Helvetica,Arial,sans-serif"
_HEADING = "fill:var(--jp-content-font-color1,#7b7b7b)"  # it stands on the page itself
_LEAST = 0.55  # of its own width: on a narrower page the figure scrolls, for smaller letters cannot be read
_PAGE = 515  # pt, what a notebook 900 pixels wide leaves for a picture
_ELEMENTS = {"svg", "g", "title", "path", "polygon", "polyline", "ellipse", "text"}


def tidy_svg(text: str, *, title: str) -> str:
    """The SVG element of a renderer's output, named by `title` and safe to put into a page.

    Args:
        text: What `dot -Tsvg` wrote.
        title: What the picture shows; becomes `aria-label` and `<title>`.

    Raises:
        ValueError: this is no SVG.
    """
    start = text.find("<svg")
    if start < 0:
        raise ValueError("it wrote no SVG")
    try:
        root = ElementTree.fromstring(text[start:])  # noqa: S314  our own renderer's; the DOCTYPE is cut away
    except ElementTree.ParseError as error:
        raise ValueError(f"its SVG cannot be read: {error}") from None
    _tidy(root)
    for letters in root.iterfind("g/text"):  # the heading; letters in boxes lie one group deeper
        letters.attrib |= {"font-weight": "bold", "style": _HEADING}
        letters.text = (letters.text or "").rstrip()
    for letters in root.iter("text"):
        _measure(letters)
    wide = float(root.get("width", "0").removesuffix("pt"))
    least = min(wide * _LEAST, max(wide * 0.5, _PAGE))
    style = f"max-width:100%;min-width:{least:.0f}pt;height:auto"
    root.attrib.update({"role": "img", "aria-label": title, "style": style, "xmlns": _SVG.strip("{}")})
    name = ElementTree.Element("title")
    name.text = title
    root.insert(0, name)
    return ElementTree.tostring(root, encoding="unicode")


def _measure(letters: ElementTree.Element) -> None:
    """Say how long a line is in the font that the boxes were made for: another one would run out of its box."""
    said = (letters.text or "").rstrip()
    if said:
        long = length(said, float(letters.get("font-size", 14)), bold=letters.get("font-weight") == "bold")
        letters.attrib |= {"textLength": f"{long:.2f}", "lengthAdjust": "spacingAndGlyphs"}


def _tidy(element: ElementTree.Element) -> None:
    """Make an element and its children plain: no namespaces, links, scripts or styles."""
    tag = element.tag.removeprefix(_SVG)
    if tag not in _ELEMENTS:
        raise ValueError(f"its SVG holds an unexpected <{tag}>")
    element.tag = tag
    space = element.attrib.pop(_SPACE, None)
    element.attrib = {
        name: value for name, value in element.attrib.items() if "{" not in name and not name.startswith("on")
    }
    if space:
        element.attrib["xml:space"] = space
    if tag == "text":
        element.attrib["font-family"] = _FONT
    _unwrap_link(element)
    for child in element:
        _tidy(child)


def _unwrap_link(element: ElementTree.Element) -> None:
    """Graphviz wraps what has a tooltip in `<g><a xlink:title=…>`: say the same as the element's `<title>`."""
    for place, wrapper in enumerate(list(element)):
        link = wrapper.find(f"{_SVG}a")
        if link is None:
            continue
        title = element.find(f"{_SVG}title")
        if title is not None:
            title.text = link.attrib.get(_LINK_TITLE, title.text)
        element[place : place + 1] = list(link)
        return


def label_svg(text: str, *, title: str) -> str:
    """The SVG element of a Matplotlib figure, without prologue, metadata and comments, named by `title`."""
    text = _UNNEEDED.sub("", text[text.index("<svg") :]).strip()
    for colour in (INK, PAPER):
        text = text.replace(f": {colour}", f": {paint(colour)}")
        text = text.replace(f'fill="{colour}"', f'fill="{colour}" style="fill:{paint(colour)}"')  # below a hatch
    name = escape(title).replace("\n", "&#10;")
    wide = float(text.split('width="', 1)[1].split("pt", 1)[0])
    style = f"max-width:100%;min-width:{wide * 0.6:.0f}pt;height:auto;stroke-linejoin:round"
    return text.replace("<svg", f'<svg role="img" aria-label="{name}" style="{style}"', 1)
