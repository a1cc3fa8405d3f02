"""A name is only ever shown: whatever it holds, it makes no element, no attribute and no second line."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.drawing import Drawing
from mlops_lab.teaching.drawing.render import render, renderers, tidy_svg
from mlops_lab.teaching.drawing.style import KINDS, state_look
from mlops_lab.teaching.drawing.words import identifier, plain, shortened

SVG = "{http://www.w3.org/2000/svg}"
PLAIN_SHAPES = {SVG + name for name in ("svg", "g", "title", "path", "polygon", "polyline", "ellipse", "text")}
HOSTILE = [
    'a "quoted" name',
    "<script>alert(1)</script>",
    "<b>bold</b>",
    "<IMG SRC=x onerror=alert(1)>",
    "two\nlines\r\nor three",
    r"\N \G \L \l \n \E",
    "ends with a backslash\\",
    '\\\\"; node2 [label=evil]; "',
    "a:b:c",
    "a -> b",
    "&amp; &lt;b&gt; &#60; & <",
    "]]>--><!--",
    "列車の遅延を予測する",
    "🚂 emoji",
    "right\u202eto left",
    "\x00\x07\x1b[31m",
    "\ud800 lone surrogate",
    "\ufffe\uffff no characters",
    "x" * 5_000,
    "",
    " ",
    "digraph",
    "../../etc/passwd",
    "javascript:alert(1)",
    "{record|fields}",
]
AVAILABLE = [
    pytest.param(name, marks=[] if name in renderers() else pytest.mark.skip(reason=f"{name} is not here"))
    for name in ("dot", "graphviz-pure")
]


def drawing_of(*names: str) -> Drawing:
    boxes = [
        Box(name, KINDS["view"], family="view", state=name, remark=name, lines=(name,), facts=(name,)) for name in names
    ]
    return draw_boxes("a picture of " + names[0], boxes, edges=list(pairwise(names)), about=names[:1])


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("renderer", AVAILABLE)
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:24])
def test_a_hostile_name_is_shown_as_it_is_and_nothing_else(name: str, renderer: str) -> None:
    drawing = drawing_of(name, "harmless")

    root = ElementTree.XML(render(drawing.dot, title=drawing.title, renderer=renderer))

    shown = plain(name) or "(no name)"
    assert {element.tag for element in root.iter()} <= PLAIN_SHAPES
    assert not [key for element in root.iter() for key in element.attrib if key.startswith("on") or "href" in key]
    assert len([group for group in root.iter(f"{SVG}g") if group.get("class", "").startswith("node")]) == 2
    assert next(text.strip() for text in texts(root) if text.startswith("▦ ")) == f"▦ {shortened(shown, 40)}".strip()
    assert root.get("aria-label") == drawing.title


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:24])
def test_the_outline_and_the_page_keep_a_hostile_name_on_one_line_as_text(name: str) -> None:
    drawing = drawing_of(name, "harmless")

    lines = drawing.outline.splitlines()

    assert len(lines) == (3 + 4 + 4 if name else 3 + 1 + 4)
    assert all(line.isprintable() for line in lines)
    assert "<script" not in drawing.html
    assert "<b>" not in drawing.html
    assert "<IMG" not in drawing.html


@pytest.mark.slow
@given(names=st.lists(st.text(max_size=30), min_size=1, max_size=4, unique=True))
def test_any_names_make_a_picture_with_one_box_each(names: list[str]) -> None:
    drawing = drawing_of(*names)

    root = ElementTree.XML(render(drawing.dot, title=drawing.title, renderer="graphviz-pure"))

    ids = [group.get("id") for group in root.iter(f"{SVG}g") if group.get("class", "").startswith("node")]
    assert sorted(map(str, ids)) == sorted(identifier("view", name) for name in names)
    assert {element.tag for element in root.iter()} <= PLAIN_SHAPES


@given(one=st.text(), other=st.text())
def test_identifiers_are_plain_and_distinct(one: str, other: str) -> None:
    found = identifier("task", one)

    assert found.replace("-", "").replace("_", "").isalnum()
    assert found.isascii()
    assert (found == identifier("task", other)) == (one == other)


def test_an_element_that_is_no_plain_shape_is_refused() -> None:
    planted = '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'

    with pytest.raises(ValueError, match="unexpected <script>"):
        tidy_svg(planted, title="planted")


def test_an_unknown_state_is_shown_by_its_own_word() -> None:
    drawing = draw_boxes("a run", [Box("train", state_look("on <fire>"), state="on <fire>")], edges=[])

    assert drawing.outline.endswith("? on <fire>  train")
    assert "state-on-fire" in drawing.svg
