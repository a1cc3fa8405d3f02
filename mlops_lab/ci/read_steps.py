"""The reader of steps, of a job's and of an `action.yml`'s.

Follows https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax; JavaScript and container
actions are read for their inputs and outputs only. As on the runner, an action and its inputs may have keys that
nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlops_lab.ci.nodes import Node, read_yaml
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.workflow import Action, Input, Step

__all__ = ["check_uses", "read_action", "read_steps"]


_COMMON = ("name", "id", "if", "continue-on-error", "timeout-minutes", "env", "background")
_RUN = (*_COMMON, "run", "shell", "working-directory")
_USES = (*_COMMON, "uses", "with")
_OTHER = {"wait": "wait", "wait-all": "wait-all", "cancel": "cancel", "parallel": "parallel"}
_REMOTE = re.compile(r"[^/@$.][^/@]*/[^/@]+(?:/[^@]*)?@[^@]+")
_MAX_STEPS = 1000


def read_steps(
    reader: Reader, node: Node | None, *, place: str = "step", needs_shell: bool = False
) -> tuple[Step, ...]:
    """The steps of a sequence; `needs_shell` for composite actions, where `run` has no default shell."""
    nodes = reader.sequence(node)
    if len(nodes) > _MAX_STEPS:
        reader.problem(nodes[_MAX_STEPS], f"A job may have at most {_MAX_STEPS} steps")
    steps: list[Step] = []
    taken: dict[str, int] = {}  # an id, and for one made up the last number
    for item in nodes[:_MAX_STEPS]:
        if item.kind != "mapping":
            reader.unexpected(item)
            continue
        steps.append(_step(reader, item, place, taken, needs_shell))
    return tuple(steps)


def _step(reader: Reader, node: Node, place: str, taken: dict[str, int], needs_shell: bool) -> Step:
    keys = {key.word for key, _ in node.pairs()}
    special = next((name for name in _OTHER if name in keys), "")
    if special:
        found = reader.mapping(node, ("name", "id", "continue-on-error", special))
    else:
        kind = reader.kind(node, {"run": _RUN, "uses": _USES})
        found = reader.mapping(
            node, {"run": _RUN, "uses": _USES}.get(kind, (*_RUN, *_USES)), required=(kind,) * bool(kind)
        )
    if needs_shell and "run" in found and "shell" not in found:
        reader.problem(node, "Required property is missing: shell")
    uses = reader.word(found.get("uses"))
    if uses is not None:
        check_uses(reader, found["uses"])
    background = reader.boolean(found.get("background"))
    return Step(
        id=_id(reader, found, taken, uses),
        line=node.line,
        column=node.column,
        name=reader.scalar(found.get("name"), place),
        condition=reader.condition(found.get("if"), f"{place}-if"),
        run=reader.scalar(found.get("run"), place),
        uses=uses.strip() if uses is not None else None,  # a block text ends with a newline
        shell=_shell(reader, found.get("shell"), place),
        working_directory=reader.scalar(found.get("working-directory"), place),
        arguments=reader.scalars(found.get("with"), place, computed=True),
        env=reader.scalars(found.get("env"), place, computed=True),
        continue_on_error=reader.scalar(found.get("continue-on-error"), place, kind="boolean"),
        timeout_minutes=reader.scalar(found.get("timeout-minutes"), place, kind="number"),
        unmodelled=special or ("background" if background else ""),
    )


def _shell(reader: Reader, node: Node | None, place: str) -> Node | None:
    """Only an action's steps may compute it: for a job's, GitHub knows no context there."""
    if place != "step":
        return reader.scalar(node, place, empty=False)
    return node if reader.word(node) is not None else None


def _id(reader: Reader, found: Mapping[str, Node], taken: dict[str, int], uses: str | None) -> str:
    written = found.get("id")
    name = reader.identifier(written) if written is not None and reader.word(written) is not None else None
    if name is not None and written is not None:
        if name.lower() in taken:
            reader.problem(written, f"The identifier '{name}' may not be used more than once within the same scope.")
        taken[name.lower()] = 1
        return name
    base = "__" + (re.sub(r"[^A-Za-z0-9_-]+", "_", uses.split("@")[0].strip("./$")) if uses else "run")
    number, made = taken.get(base.lower(), 1), base
    while made.lower() in taken:
        number += 1
        made = f"{base}_{number}"
    taken[made.lower()] = 1
    taken[base.lower()] = number
    return made


def check_uses(reader: Reader, node: Node) -> None:
    """Is a step's `uses` of a form that GitHub knows?"""
    uses = node.word
    if uses.startswith(("./", "$/", "docker://")) or _REMOTE.fullmatch(uses):
        return
    reader.problem(node, f"Expected format {{org}}/{{repo}}[/path]@ref. Actual '{uses}'")


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
