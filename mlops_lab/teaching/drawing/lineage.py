"""How does it look where a model version came from?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.style import kind_look

if TYPE_CHECKING:
    from mlops_lab.teaching.drawing.drawing import Drawing


_MOST_LINES = 4


class _Node(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, str]: ...


class _Lineage(Protocol):
    @property
    def nodes(self) -> Sequence[_Node]: ...
    @property
    def edges(self) -> Sequence[tuple[str, str]]: ...


def draw_lineage(lineage: _Lineage, *, title: str = "", identities: bool = True) -> Drawing:
    """Sources, views, service, training set, run, artefact, version, gate report and deployment, from top to bottom.

    Facts without a value are left out. A box shows up to four; the outline and the tooltip have all of them.

    Args:
        lineage: Anything with `nodes` (`id`, `kind`, `title`, `facts`) and `edges` (pairs of ids), such as a `Lineage`.
        title: One line; by default it names the last version among the nodes.
        identities: Show the ids of runs, fingerprints and commits too; without them, the same work done on two
            computers gives the same drawing.

    Raises:
        UnknownName: an edge from or to a node that is not there.
        DuplicateName: two nodes with one id.

    >>> from types import SimpleNamespace as Object
    >>> run = Object(id="r", kind="run", title="run 3f2a", facts={"seed": "0"})
    >>> version = Object(id="v", kind="version", title="delays 3", facts={})
    >>> draw_lineage(Object(nodes=(run, version), edges=(("r", "v"),)))
    lineage of delays 3
    <BLANKLINE>
    ▸ run      run 3f2a
        seed: 0
    ★ version  delays 3  ← run 3f2a
    >>> draw_lineage(Object(nodes=(run, version), edges=(("r", "v"),)), identities=False).outline.splitlines()[2]
    '▸ run      run'
    """
    versions = [node.title for node in lineage.nodes if node.kind == "version"]
    keys = {node.id: f"{place}" for place, node in enumerate(lineage.nodes)} if not identities else {}
    boxes = [_box(node, keys.get(node.id, node.id), identities=identities) for node in lineage.nodes]
    edges = [(keys.get(cause, cause), keys.get(effect, effect)) for cause, effect in lineage.edges]
    default = f"lineage of {versions[-1]}" if versions else "lineage"
    return draw_boxes(title or default, boxes, edges=edges, direction="TB")


def _box(node: _Node, key: str, *, identities: bool) -> Box:
    facts = {name: value for name, value in node.facts.items() if value}
    name = node.title
    if not identities:
        facts = {name: value for name, value in facts.items() if name != "code" and not value.startswith("sha256:")}
        name = "run" if node.kind == "run" else name
    lines = tuple(f"{name}: {value}" for name, value in facts.items())
    family = node.kind.replace("_", "-")
    return Box(key, kind_look(node.kind), name=name, family=family, lines=lines, most_lines=_MOST_LINES)
