"""What may the workflow's token do, and does a called workflow ask for more than its caller may give?"""

from __future__ import annotations

from collections.abc import Mapping

from mlops_lab.ci.nodes import Node
from mlops_lab.ci.reader import Reader

__all__ = ["SCOPES", "excess", "read_permissions"]

_ANY = ("read", "write", "none")
SCOPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        [
            "actions",
            "artifact-metadata",
            "attestations",
            "checks",
            "code-quality",
            "contents",
            "deployments",
            "discussions",
            "drives",
            "issues",
            "packages",
            "pages",
            "pull-requests",
            "repository-projects",
            "security-events",
            "statuses",
        ],
        _ANY,
    ),
    "copilot-requests": ("write", "none"),
    "id-token": ("write", "none"),
    "models": ("read", "none"),
    "vulnerability-alerts": ("read", "none"),
}
_RANK = {"none": 0, "read": 1, "write": 2}


def read_permissions(reader: Reader, node: Node | None) -> dict[str, str] | None:
    """Scope to `read`, `write` or `none`; None when nothing is said, an empty mapping when nothing is granted."""
    if node is None:
        return None
    if node.kind != "mapping":
        level = reader.word(node, options=("read-all", "write-all"))
        order = ("write", "read", "none") if level == "write-all" else ("read", "none")
        return {scope: next(word for word in order if word in levels) for scope, levels in SCOPES.items()}
    found = reader.mapping(node, SCOPES)
    read = {scope: reader.word(value, options=SCOPES[scope]) for scope, value in found.items()}
    return {scope: level for scope, level in read.items() if level is not None}


def excess(asked: Mapping[str, str] | None, allowed: Mapping[str, str] | None) -> tuple[str, str] | None:
    """What is asked beyond what is allowed, and what is allowed of it; None when it fits, or when nothing is said.

    >>> excess({"contents": "write", "checks": "read"}, {"contents": "read", "checks": "read"})
    ('contents: write', 'contents: read')
    """
    if asked is None or allowed is None:
        return None
    over = {scope: level for scope, level in asked.items() if _RANK[level] > _RANK[allowed.get(scope, "none")]}
    if not over:
        return None
    shown = [f"{scope}: {level}" for scope, level in over.items()]
    held = [f"{scope}: {allowed.get(scope, 'none')}" for scope in over]
    return ", ".join(shown), ", ".join(held)
