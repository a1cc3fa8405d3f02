"""Boxes and arrows as DOT text and as an outline.

Every picture of the package is made here, so that all of them escape alike, read alike and have the same limits. Names
never become DOT identifiers: those are made from them, and what is shown is quoted text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

from mlops_lab.base.errors import DuplicateName, UnknownName
from mlops_lab.teaching.drawing.drawing import Drawing
from mlops_lab.teaching.drawing.style import EDGE, KINDS, STATES, TEXT, TITLE, Look
from mlops_lab.teaching.drawing.words import folded, identifier, length, plain, shortened, width

MOST_BOXES, MOST_ARROWS = 1_000, 1_500
"""Beyond these a picture shows the first ones and a note; the outline has everything."""

_KNOWN = frozenset(map(chr, range(0x250))) | {look.mark for look in (*STATES.values(), *KINDS.values())} | {"…"}
_FONT = "Arial"  # a name whose letters both renderers can measure; `tidy_svg` adds the fallbacks
_SIZE = 12
_LABEL = 40  # characters of a line inside a box
_HEADING, _MOST_HEADING = 100, 8  # characters of a line above the boxes, and how many lines


@dataclass(frozen=True)
class Box:
    """One thing in a picture.

    Args:
        key: what edges call it.
        look: its mark, word and colours.
        name: what is shown; the key by default.
        family: the first part of its SVG id and class: "task", "job", "view" …
        state: for the class, "state-failed"; none for things without state.
        remark: a few words said beside the state.
        lines: further lines inside the box, also in the outline.
        most_lines: how many of them the box shows; the outline has all.
        facts: more about it, in the outline and as tooltip.
    """

    key: str
    look: Look
    name: str = ""
    family: str = "task"
    state: str | None = None
    remark: str = ""
    lines: tuple[str, ...] = ()
    most_lines: int = 6
    facts: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The name, on one line."""
        return plain(self.name or self.key) or "(no name)"

    @property
    def status(self) -> str:
        """The state or kind in words, with the remark."""
        return ", ".join(plain(word) for word in (self.look.word, self.remark) if word)


def draw_boxes(
    title: str,
    boxes: Sequence[Box],
    *,
    edges: Iterable[tuple[str, str]],
    about: Sequence[str] = (),
    columns: Sequence[Sequence[str]] = (),
    direction: Literal["LR", "TB"] = "LR",
) -> Drawing:
    """The drawing of boxes and the arrows between them.

    Args:
        title: One line.
        boxes: In the order in which the outline lists them.
        edges: Pairs (from, to) of keys.
        about: Further lines under the title.
        columns: Keys that stand above each other, column by column; by default the renderer decides.
        direction: "LR" from left to right, "TB" from top to bottom (better for long chains with much text).

    Raises:
        DuplicateName: two boxes with one key.
        UnknownName: an edge from or to a box that is not there.
    """
    by_key: dict[str, Box] = {}
    for box in boxes:
        if box.key in by_key:
            raise DuplicateName("node", box.key, where=title)
        by_key[box.key] = box
    pairs = list(dict.fromkeys((str(start), str(end)) for start, end in edges))
    for key in (key for pair in pairs for key in pair):
        if key not in by_key:
            raise UnknownName("node", key, by_key, where=title)
    title, about = plain(title), [plain(line) for line in about]
    return Drawing(
        dot=_dot([title, *about], by_key, pairs, columns, direction),
        title=title,
        outline=_outline(title, by_key, pairs, about),
    )


def _outline(title: str, boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]], about: Sequence[str]) -> str:
    parents: dict[str, list[str]] = {key: [] for key in boxes}
    for start, end in edges:
        parents[end].append(boxes[start].shown)
    word = max((len(box.look.word) for box in boxes.values()), default=0)
    name = min(40, max((len(box.shown) for box in boxes.values()), default=0))
    lines = [title, *about, *([""] if boxes else [])]
    for key, box in boxes.items():
        line = f"{plain(box.look.mark)} {plain(box.look.word):<{word}}{'  ' if word else ''}{box.shown:<{name}}"
        lines.append((line + (f"  ← {', '.join(parents[key])}" if parents[key] else "")).rstrip())
        lines += [f"    {plain(fact)}" for fact in (box.remark, *box.lines, *box.facts) if fact]
    return "\n".join(lines)


def _dot(
    heading: Sequence[str],
    boxes: Mapping[str, Box],
    edges: Sequence[tuple[str, str]],
    columns: Sequence[Sequence[str]],
    direction: str,
) -> str:
    from graphviz import Digraph

    shown = [part for line in heading for part in wrap(line, _HEADING, break_on_hyphens=False)]
    shown = shown if len(shown) <= _MOST_HEADING else [*shown[: _MOST_HEADING - 1], "…"]
    # The renderers measure the heading in regular letters, what they do not know as a space, and it is shown in bold
    # ones: spaces at the end make the room that is lacking.
    measured = ["".join(each if each in _KNOWN else " " for each in line) for line in shown]
    lacking = [length(line, 1, bold=True) - length(known, 1) for line, known in zip(shown, measured, strict=True)]
    heading = [line + " " * (round(room / length(" ", 1)) + 2) for line, room in zip(shown, lacking, strict=True)]

    graph = Digraph(
        graph_attr={
            "rankdir": direction,
            "bgcolor": "transparent",
            "labelloc": "t",
            "labeljust": "l",
            "label": _text(heading, "\\l"),
            "fontname": _FONT,
            "fontsize": "14",
            "fontcolor": TITLE,
            "nodesep": "0.2",
            "ranksep": "0.35",
        },
        node_attr={"shape": "box", "fontname": _FONT, "fontsize": str(_SIZE), "fontcolor": TEXT, "margin": "0.15,0.08"},
        edge_attr={"color": EDGE, "arrowsize": "0.8"},
    )
    drawn = {key: identifier(box.family, key) for key, box in list(boxes.items())[:MOST_BOXES]}
    arrows = [(start, end) for start, end in edges if start in drawn and end in drawn]
    for key in writing_order(list(drawn), arrows) if direction == "LR" else drawn:
        graph.node(drawn[key], **_attributes(boxes[key], drawn[key]))
    for column in columns:
        with graph.subgraph(graph_attr={"rank": "same"}) as level:
            for key in column:
                if key in drawn:
                    level.node(drawn[key])
    if len(arrows) > 300:
        # Straight arrows and less searching for the neatest layout, which nobody could follow anyway: a second or two
        # instead of minutes.
        graph.attr(mclimit="0.1", nslimit="0.2", nslimit1="1", splines="line")
    for start, end in arrows[:MOST_ARROWS]:
        graph.edge(drawn[start], drawn[end])
    left_out = [
        f"{count:,} more {what}"
        for count, what in ((len(boxes) - len(drawn), "nodes"), (len(arrows) - MOST_ARROWS, "arrows"))
        if count > 0
    ]
    if left_out:
        note = f"… and {' and '.join(left_out)};\\nthe outline has all of them"
        graph.node("note", label=note, shape="note", style="filled", fillcolor="#f7f7f7", color=EDGE)
    return str(graph.source)


def _attributes(box: Box, node: str) -> dict[str, str]:
    look = box.look
    first = f"{plain(look.mark)} {shortened(box.shown, _LABEL)}"
    more = len(box.lines) - box.most_lines
    inside = [*box.lines[: box.most_lines - 1], f"… and {more + 1} more"] if more > 0 else box.lines
    status = "" if box.status.replace("_", " ") == box.shown else box.status  # "run" below "run" says nothing
    lines = [first, *(piece for line in (status, *inside) if line for piece in folded(plain(line), _LABEL))]
    said = "; ".join(plain(each) for each in (box.shown, box.status, *box.lines, *box.facts) if each)
    attributes = {
        "id": node,
        "class": box.family if box.state is None else f"{box.family} {identifier('state', box.state)}",
        "label": _text(lines),
        "tooltip": _text([shortened(said, 400)]),
        "style": ",".join(["rounded", "filled", *([look.line] if look.line not in ("solid", "bold") else [])]),
        "fillcolor": look.fill,
        "color": look.border,
        "penwidth": "2.5" if look.line == "bold" else "1.5",
    }
    # The renderers measure letters they do not know as a space: give the box at least the width we reckon.
    least = max((width(line) for line in (box.shown, *lines[1:]) if not _KNOWN.issuperset(line)), default=0)
    if least:
        attributes["width"] = f"{min(least, _LABEL) * _SIZE / 72 + 0.4:.2f}"
    return attributes


def _text(lines: Sequence[str], end: str = "\\n") -> str:
    """Lines as DOT text: backslashes, entities and angle brackets mean themselves; quotes are quoted by `Digraph`."""
    from graphviz import escape, nohtml

    shown = [str(escape(line.replace("&", "&amp;"))) for line in lines]
    text: str = nohtml(end.join(shown) + (end if end == "\\l" else ""))
    return text


def writing_order(keys: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """The keys with their connected parts last to first, and each part's own keys first to last.

    Written so, the picture shows them in the order of their definition: Graphviz keeps the order inside a connected
    part, and stacks the parts of a left-to-right picture from the bottom up.

    >>> writing_order(["lint", "docs", "test"], [("lint", "test")])
    ['docs', 'lint', 'test']
    """
    part = {key: key for key in keys}

    def head(key: str) -> str:
        while part[key] != key:
            part[key] = part[part[key]]
            key = part[key]
        return key

    for start, end in edges:
        part[head(start)] = head(end)
    parts: dict[str, list[str]] = {}
    for key in keys:
        parts.setdefault(head(key), []).append(key)
    return [key for keys_of_part in reversed(parts.values()) for key in keys_of_part]
