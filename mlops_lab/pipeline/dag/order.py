"""In which order can the tasks run?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError as GraphlibCycleError
from graphlib import TopologicalSorter
from heapq import heapify, heappop, heappush

from mlops_lab.base.errors import CycleError, UnknownName

__all__ = ["topological_order"]


def topological_order(upstream: Mapping[str, Sequence[str]]) -> list[str]:
    """The names in an order where everything comes after what it waits for; of several ready names the first defined.

    `graphlib` says what is ready, a heap of positions picks the earliest: the lexicographically smallest order by
    position, the same on every machine. Neither recurses; memory is linear in tasks and edges.

    Args:
        upstream: for each name, in definition order, the names it waits for; all of them are keys too.

    >>> topological_order({"gate": ["train"], "extract": [], "train": ["extract"], "report": []})
    ['extract', 'train', 'gate', 'report']

    Raises:
        UnknownName: a name that is waited for and not there.
        CycleError: with the cycle as a path that begins at the name defined first.
    """
    names = list(upstream)
    position = {name: at for at, name in enumerate(names)}
    for name, waits in upstream.items():
        for each in waits:
            if each not in position:
                raise UnknownName("task", each, names, where=f"what {name!r} waits for")
    sorter = TopologicalSorter(upstream)
    try:
        sorter.prepare()
    except GraphlibCycleError as error:
        ring = [position[name] for name in error.args[1]]
        raise CycleError([names[at] for at in _from_first(ring)]) from None
    ready = [position[name] for name in sorter.get_ready()]
    heapify(ready)
    order = []
    while ready:
        name = names[heappop(ready)]
        order.append(name)
        sorter.done(name)
        for each in sorter.get_ready():
            heappush(ready, position[each])
    return order


def _from_first(cycle: list[int]) -> list[int]:
    """The same cycle, turned so that it begins and ends at its smallest member."""
    ring = cycle[:-1]
    start = ring.index(min(ring))
    return [*ring[start:], *ring[:start], ring[start]]
