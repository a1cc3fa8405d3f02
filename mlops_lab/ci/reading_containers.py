"""Are `container`, `services` and `snapshot` sound? They are read and not simulated."""

from __future__ import annotations

import re

from mlops_lab.ci.nodes import Node
from mlops_lab.ci.reader import Reader

__all__ = ["check_containers"]

_CONTAINER = ("image", "credentials", "env", "ports", "volumes", "options")
_SERVICE = (*_CONTAINER, "entrypoint", "command")


def check_containers(reader: Reader, found: dict[str, Node]) -> None:
    """What is not simulated is still read: a broken expression in it is broken."""
    if (node := found.get("container")) is not None:
        _container(reader, node, _CONTAINER)
    if (services := found.get("services")) is not None:
        if reader.is_expression(services):
            reader.template(services, "job")
        else:
            for _, value in reader.named(services):
                _container(reader, value, _SERVICE)
    if (snapshot := found.get("snapshot")) is not None:
        _snapshot(reader, snapshot)


def _container(reader: Reader, node: Node, keys: tuple[str, ...]) -> None:
    if node.kind != "mapping":
        reader.scalar(node, "job", empty=keys is _CONTAINER)
        return
    found = reader.mapping(node, keys)
    if "image" not in found:
        reader.problem(node, "Container image cannot be empty")
    for name in ("image", "options", "entrypoint", "command"):
        reader.scalar(found.get(name), "job", empty=name != "image")
    for name in ("ports", "volumes"):
        given = found.get(name)
        if given is not None and reader.is_expression(given):
            reader.template(given, "job")
        else:
            for item in reader.sequence(given):
                reader.scalar(item, "job", empty=False)
    _texts(reader, found.get("env"), "container-env")
    _texts(reader, found.get("credentials"), "container-credentials", keys=("username", "password"))


def _texts(reader: Reader, node: Node | None, place: str, *, keys: tuple[str, ...] = ()) -> None:
    """A mapping of texts, or an expression in place of it; those of known `keys` may not be empty."""
    if node is not None and reader.is_expression(node):
        reader.template(node, place if keys else "job")
    elif keys:
        for value in reader.mapping(node, keys).values():
            reader.scalar(value, place, empty=False)
    else:
        reader.scalars(node, place, computed=True)


def _snapshot(reader: Reader, node: Node) -> None:
    if node.kind != "mapping":
        reader.scalar(node, "job", empty=False)
        return
    found = reader.mapping(node, ("image-name", "if", "version"), required=("image-name",))
    reader.scalar(found.get("image-name"), "job", empty=False)
    reader.condition(found.get("if"), "step-if")
    version = reader.scalar(found.get("version"), "job", empty=False)
    if version is not None and "${{" not in version.word and not re.fullmatch(r"\d+\.\*", version.word):
        reader.problem(version, f"Expected format '{{major-version}}.*' Actual '{version.word}'")
