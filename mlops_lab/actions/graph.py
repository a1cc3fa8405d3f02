"""Do the jobs form a graph without cycles, and on which level is each?"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

__all__ = ["levels_of", "way"]


def way(needs: Mapping[str, Sequence[str]], start: str, end: str) -> list[str] | None:
    """The shortest way from `start` to `end` along `needs`, both included; None when there is none.

    >>> way({"a": ["b"], "b": ["c"], "c": []}, "a", "c")
    ['a', 'b', 'c']
    """
    came_from: dict[str, str | None] = {start: None}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if here == end:
            path: list[str] = []
            step: str | None = here
            while step is not None:
                path.insert(0, step)
                step = came_from[step]
            return path
        for needed in needs.get(here, ()):
            if needed not in came_from:
                came_from[needed] = here
                queue.append(needed)
    return None


def levels_of(needs: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Names by level: the length of the longest way to a name that needs nothing. The graph must have no cycle.

    >>> levels_of({"a": [], "c": ["a", "b"], "b": ["a"]})
    (('a',), ('b',), ('c',))
    """
    level: dict[str, int] = {}
    waiting = list(needs)
    while waiting:
        ready = [name for name in waiting if all(needed in level for needed in needs[name])]
        for name in ready:
            level[name] = max((level[needed] + 1 for needed in needs[name]), default=0)
        waiting = [name for name in waiting if name not in level]
    depth = max(level.values(), default=-1) + 1
    return tuple(tuple(name for name in needs if level[name] == number) for number in range(depth))
