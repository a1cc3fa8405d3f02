"""Which DAG is being built right now, and what stands for a task in it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["Reference", "references_in"]


class Graph(Protocol):
    """What a reference needs of its DAG."""

    def place(self, task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reference:
        """Add a task with the arguments of its call."""

    def connect(self, upstream: Reference, downstream: Reference) -> None:
        """Add one edge."""


# A context variable and not a global: two threads may each build a DAG of their own.
_building: ContextVar[Graph | None] = ContextVar("dag_being_built", default=None)
enter, leave = _building.set, _building.reset


def place(task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reference | None:
    """Add the task to the DAG that is being built; None when there is none."""
    dag = _building.get()
    return None if dag is None else dag.place(task, args, kwargs)


@dataclass(frozen=True)
class Reference:
    """The result that a task will have, usable as an argument of other tasks and in `a >> b` (Airflow's `XComArg`).

    >>> from mlops_lab.pipeline.dag import DAG, task
    >>> with DAG("flights") as dag:
    ...     extract, train, clean = (task(lambda: 1, task_id=name)() for name in ("extract", "train", "clean"))
    ...     [extract, train] >> clean
    Reference(clean)
    >>> dag.edges
    (('extract', 'clean'), ('train', 'clean'))
    """

    task_id: str
    dag: Graph = field(repr=False, compare=False)

    def __rshift__(self, other: Reference | Iterable[Reference]) -> Any:
        """`a >> b`: b waits for a; b may be a list. Returns b, so that chains read from left to right."""
        for each in _several(other):
            self.dag.connect(self, each)
        return other

    def __lshift__(self, other: Reference | Iterable[Reference]) -> Any:
        """`a << b`: a waits for b."""
        for each in _several(other):
            self.dag.connect(each, self)
        return other

    def __rrshift__(self, other: Iterable[Reference]) -> Reference:
        """`[a, b] >> c`."""
        _ = self << other
        return self

    def __rlshift__(self, other: Iterable[Reference]) -> Reference:
        """`[a, b] << c`."""
        _ = self >> other
        return self

    def __repr__(self) -> str:
        return f"Reference({self.task_id})"


def _several(other: Any) -> list[Reference]:
    given: list[Any] = list(other) if isinstance(other, Iterable) else [other]
    for each in given:
        if not isinstance(each, Reference):
            raise InvalidDefinition(f">> and << join what calling a task returns, not {other!r}.")
    return given


def references_in(value: object) -> list[Reference]:
    """The references inside an argument, in the order in which they stand there; lists and dicts are searched."""
    found: list[Reference] = []
    if isinstance(value, Reference):
        found.append(value)
    elif isinstance(value, (list, tuple)):
        for each in value:
            found += references_in(each)
    elif isinstance(value, dict):
        for each in value.values():
            found += references_in(each)
    return found
