"""The drawing of where a model version came from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_lab.models.registry import MOVES
from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.style import Look, kind_look, state_look

if TYPE_CHECKING:
    from mlops_lab.models.lineage import Lineage, Node
    from mlops_lab.teaching.drawing.drawing import Drawing


_MOST_LINES = 4
_OUTCOMES = {
    "passed": "success",
    "finished": "success",
    "refused": "failed",
    "rolled back": "failed",
    "stopped": "failed",
    "started": "running",
    "step": "running",
}


def draw_lineage(lineage: Lineage, *, title: str = "", identities: bool = True) -> Drawing:
    """Sources, views, service, training set, run, version, gate report and deployment, from top to bottom.

    A gate report wears the colours of its verdict, a deployment those of its state, as a task of a run would. Facts
    without a value are left out. A box shows up to four; the outline and the tooltip have all of them.

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


def _box(node: Node, key: str, *, identities: bool) -> Box:
    facts = {name: value for name, value in node.facts.items() if value}
    name = node.title
    if not identities:
        facts = {name: value for name, value in facts.items() if name != "code" and not value.startswith("sha256:")}
        name = "run" if node.kind == "run" else name
    lines = tuple(f"{name}: {value}" for name, value in facts.items())
    family = node.kind.replace("_", "-")
    return Box(key, _look(node), name=name, family=family, lines=lines, most_lines=_MOST_LINES)


def _look(node: Node) -> Look:
    look = kind_look(node.kind)
    outcome = _OUTCOMES.get(str(node.facts.get("verdict") or node.facts.get("state") or ""))
    if node.kind not in ("gate_report", "deployment") or outcome is None:
        return look
    state = state_look(outcome)
    return replace(look, fill=state.fill, border=state.border, line=state.line)


def draw_stages() -> Drawing:
    """The four stages of a model version, with an arrow for each move that is legal.

    >>> print(draw_stages().title)
    The stages of a model version
    """
    look, serving = kind_look("stage"), kind_look("version")
    looks = {"Production": replace(look, fill=serving.fill, border=serving.border, line=serving.line)}
    boxes = [Box(stage, looks.get(stage, look), family="stage") for stage in MOVES]
    edges = [(stage, target) for stage, targets in MOVES.items() for target in targets]
    return draw_boxes("The stages of a model version", boxes, edges=edges)
