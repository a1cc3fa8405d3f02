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
    """Names by level: the length of the longest way to a name that needs nothing; those in a cycle are left out.

    >>> levels_of({"a": [], "c": ["a", "b"], "b": ["a"], "loop": ["loop"]})
    (('a',), ('b',), ('c',))
    """
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    open_needs = {name: len(set(needed)) for name, needed in needs.items()}
    for name, needed in needs.items():
        for one in set(needed):
            needed_by.setdefault(one, []).append(name)
    level = {name: 0 for name, count in open_needs.items() if count == 0}
    queue = deque(level)
    while queue:
        here = queue.popleft()
        for name in needed_by[here]:
            level[name] = max(level.get(name, 0), level[here] + 1)
            open_needs[name] -= 1
            if open_needs[name] == 0:
                queue.append(name)
    found: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in needs:
        if name in level and open_needs[name] == 0:
            found[level[name]].append(name)
    return tuple(map(tuple, found))
