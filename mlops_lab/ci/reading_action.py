"""What does an `action.yml` say? Steps of a composite action, inputs and outputs of any.

Follows https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax; JavaScript and container
actions are read for their inputs and outputs only. As on the runner, an action and its inputs may have keys that
nobody knows.
"""

from __future__ import annotations

from pathlib import Path

from mlops_lab.ci.nodes import Node, read_yaml
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.reading_steps import read_steps
from mlops_lab.ci.workflow import Action, Input

__all__ = ["read_action"]


def read_action(text: str, path: Path, root: Path) -> Action:
    """The action of a file of the repository.

    Raises:
        WorkflowError: what is wrong, with file, line and column.
    """
    file = path.resolve().relative_to(root).as_posix()
    reader = Reader(file)
    node, reader.problems = read_yaml(text, file=file)
    found = reader.loosely(node)
    if "runs" not in found and not reader.problems:
        reader.problem(node, "Required property is missing: runs")
    runs = {key.word: value for key, value in found["runs"].pairs()} if "runs" in found else {}
    using = (reader.word(runs.get("using")) if "using" in runs else None) or ""
    if "runs" in found and not using:
        reader.problem(found["runs"], "Required property is missing: using")
    composite = using.lower() == "composite"
    if composite:
        reader.mapping(found["runs"], ("using", "steps"), required=("steps",))
    name = found.get("name")
    action = Action(
        file=file,
        folder=path.parent,
        name=name.word if name is not None else file,
        using=using.lower(),
        inputs=_inputs(reader, found.get("inputs")),
        outputs=_outputs(reader, found.get("outputs"), composite=composite),
        steps=read_steps(reader, runs.get("steps"), place="action-step", needs_shell=True) if composite else (),
    )
    reader.finish()
    return action


def _inputs(reader: Reader, node: Node | None) -> dict[str, Input]:
    inputs = {}
    for key, value in reader.named(node) if node is not None and node.kind != "null" else []:
        entry = {} if value.kind == "null" else reader.loosely(value)
        required = entry.get("required")
        inputs[key.word] = Input(
            key.word,
            required=required is not None and required.word == "true",
            default=reader.scalar(entry.get("default"), "action-default"),
        )
    return inputs


def _outputs(reader: Reader, node: Node | None, *, composite: bool) -> dict[str, Node | None]:
    outputs: dict[str, Node | None] = {}
    for key, value in reader.named(node) if node is not None and node.kind != "null" else []:
        required = ("value",) if composite else ()
        entry = {} if value.kind == "null" else reader.mapping(value, ("description", "value"), required=required)
        outputs[key.word] = reader.scalar(entry.get("value"), "action-output")
    return outputs
