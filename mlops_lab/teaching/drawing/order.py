"""In which order must boxes be written so that the picture shows them in the order of their definition?

Graphviz keeps the order inside a connected part, and stacks the parts of a left-to-right picture from the bottom up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def writing_order(keys: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """The keys with their connected parts last to first, and each part's own keys first to last.

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
