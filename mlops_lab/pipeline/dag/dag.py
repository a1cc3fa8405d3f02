"""A DAG: which tasks there are, which waits for which, in which order they can run, and what each is called with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import Token
from datetime import datetime
from graphlib import CycleError as GraphlibCycleError
from graphlib import TopologicalSorter
from heapq import heapify, heappop, heappush
from types import MappingProxyType
from typing import Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import CycleError, DuplicateName, InvalidDefinition, UnknownName, expect
from mlops_lab.pipeline.dag.arguments import by_name, check_argument, json_value, unfilled
from mlops_lab.pipeline.dag.params import Param, declare
from mlops_lab.pipeline.dag.schedule import Schedule
from mlops_lab.pipeline.dag.task import CONTEXT, Reference, Task, check_name, enter, leave, references_in


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


class DAG:
    """Tasks and their order: what Airflow calls a DAG, in its words.

    Inside `with DAG(...)`, calling a task places it and returns a `Reference` to its result; passing references on
    wires data and order at once. `dag.add(task, upstream=[...])` does the same without calling. A task function's
    parameters are filled, in this order, from: the arguments of its call; the result of an upstream task of that name;
    the words `logical_date params clock home attempt run_id` (`**context` gets all of them); its own default. The
    result of an upstream task that did not succeed is None.

    Args:
        dag_id: the name.
        schedule: a cron expression, a preset such as `@daily`, or None.
        start_date: the first logical date a schedule may have; timezone-aware or ISO text.
        catchup: run the dates that were missed.
        timezone: the zone in which the cron expression is read.
        params: name to `Param`, or to a plain default.
        description: one sentence for people.
        tags: words to find it by.

    >>> from mlops_lab.pipeline.dag import task
    >>> @task
    ... def extract():
    ...     return [3, 4]
    >>> @task
    ... def total(numbers, params):
    ...     return sum(numbers) * params["factor"]
    >>> with DAG("sums", schedule="@daily", params={"factor": 2}) as dag:
    ...     answer = total(extract())
    >>> dag
    DAG(sums, 2 tasks, schedule='@daily')
    >>> dag.edges
    (('extract', 'total'),)
    >>> dag.topological_order()
    ['extract', 'total']

    Raises:
        InvalidDefinition: a name, schedule or default that cannot be; UnknownName for a time zone.
    """

    def __init__(
        self,
        dag_id: str,
        *,
        schedule: str | None = None,
        start_date: datetime | str | None = None,
        catchup: bool = False,
        timezone: str = "UTC",
        params: Mapping[str, Any] | None = None,
        description: str = "",
        tags: Sequence[str] = (),
    ) -> None:
        self.dag_id = check_name("DAG", dag_id)
        self.schedule = schedule
        self.timetable = None if schedule is None else Schedule(schedule, timezone)
        self.start_date = parse_utc(start_date) if isinstance(start_date, str) else start_date and to_utc(start_date)
        self.catchup = expect(catchup, bool, "catchup")
        self.timezone = Schedule("@daily", timezone).timezone
        self.params: Mapping[str, Param] = MappingProxyType(declare(params or {}))
        self.description = expect(description, str, "the description of a DAG")
        given = (tags,) if isinstance(tags, str) else tuple(expect(tags, Iterable, "what a DAG's tags are in"))  # type: ignore[type-abstract]
        self.tags = tuple(expect(each, str, "a tag of a DAG") for each in given)
        self._tasks: dict[str, Task] = {}
        self._upstream: dict[str, dict[str, None]] = {}  # a dict for its order and its look-ups
        self._arguments: dict[str, dict[str, Any]] = {}
        self._tokens: list[Token[Any]] = []

    def __enter__(self) -> DAG:
        self._tokens.append(enter(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        leave(self._tokens.pop())
        if kind is None:
            self.check()

    def add(
        self,
        task: Task,
        upstream: Iterable[str | Task | Reference] = (),
        *,
        arguments: Mapping[str, Any] | None = None,
    ) -> Reference:
        """Add a task that waits for those named; results reach parameters named like their task, or as `arguments` say.

        >>> from mlops_lab.pipeline.dag import Task
        >>> dag = DAG("sums")
        >>> _ = dag.add(Task("extract", lambda: [3, 4]))
        >>> dag.add(Task("total", lambda extract: sum(extract)), upstream=["extract"])
        Reference(total)

        Raises:
            DuplicateName: there is a task of that name.
            UnknownName: an upstream task or an argument that does not exist.
            InvalidDefinition: an argument that is no JSON value, or a reference into another DAG.
        """
        if not isinstance(task, Task):
            raise InvalidDefinition(f"DAG {self.dag_id} takes tasks, not {type(task).__name__}; use @task.")
        self.declare(task)
        try:
            self.wire(task.task_id, upstream, arguments or {})
        except BaseException:  # as if it had never been asked for, so that a corrected call is no duplicate
            del self._tasks[task.task_id], self._upstream[task.task_id], self._arguments[task.task_id]
            raise
        return Reference(task.task_id, self)

    def declare(self, task: Task) -> None:
        """Add a task that waits for nothing yet; documents do this first, because they may name tasks in any order."""
        if task.task_id in self._tasks:
            raise DuplicateName("task", task.task_id, where=f"DAG {self.dag_id}")
        self._tasks[task.task_id] = task
        self._upstream[task.task_id] = {}
        self._arguments[task.task_id] = {}

    def wire(
        self,
        task_id: str,
        upstream: str | Task | Reference | Iterable[str | Task | Reference],
        arguments: Mapping[str, Any],
    ) -> None:
        """Say what a declared task waits for and where its arguments come from."""
        task = self._tasks[self._known(task_id)]
        for each in upstream if isinstance(upstream, Iterable) and not isinstance(upstream, str) else [upstream]:
            self.connect(each, task_id)
        for name, value in arguments.items():
            check_argument(task, name)
            what = f"argument {name} of task {task_id!r}"
            if isinstance(value, Task):
                raise InvalidDefinition(f"{what} is the task {value.task_id!r} itself; pass what calling it returns.")
            checked = json_value(value, what, InvalidDefinition, keep=(Reference,))
            self._arguments[task_id][name] = checked
            for each in references_in(checked):
                self.connect(each, task_id)

    def place(self, task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reference:
        """Add a task with the arguments of its call; calling it inside `with DAG(...)` does this."""
        return self.add(task, arguments=by_name(task, args, kwargs))

    def connect(self, upstream: str | Task | Reference, downstream: str | Task | Reference) -> None:
        """Let one task wait for another: `a >> b` on their references. Only `check` finds longer cycles than itself."""
        up, down = self._known(upstream), self._known(downstream)
        if up == down:
            raise CycleError([up, up])
        self._upstream[down][up] = None

    def check(self) -> None:
        """Refuse what cannot run: CycleError, or InvalidDefinition for a function's parameter that nothing fills."""
        self.topological_order()
        for task_id, task in self._tasks.items():
            for name in unfilled(task, self._arguments[task_id], self._upstream[task_id]):
                words = ", ".join([*self._upstream[task_id], *CONTEXT])
                raise InvalidDefinition(
                    f"nothing fills the parameter {name!r} of task {task_id!r} in DAG {self.dag_id}: pass it in the "
                    f"call, or name it after one of: {words}."
                )

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Name to task, in definition order."""
        return MappingProxyType(self._tasks)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Every pair (upstream, downstream), by the downstream task's definition order."""
        return tuple((up, down) for down, waits in self._upstream.items() for up in waits)

    def upstream(self, task_id: str) -> tuple[str, ...]:
        """The tasks that this one waits for."""
        return tuple(self._upstream[self._known(task_id)])

    def downstream(self, task_id: str) -> tuple[str, ...]:
        """The tasks that wait for this one, in definition order."""
        name = self._known(task_id)
        return tuple(down for down, waits in self._upstream.items() if name in waits)

    def arguments(self, task_id: str) -> Mapping[str, Any]:
        """The arguments of a task's call: JSON values and references."""
        return MappingProxyType(self._arguments[self._known(task_id)])

    def topological_order(self) -> list[str]:
        """The tasks in running order; of several ready ones, the first defined. CycleError when there is none."""
        return topological_order({name: tuple(waits) for name, waits in self._upstream.items()})

    def backfill(self, start: datetime | str, end: datetime | str) -> list[datetime]:
        """The logical dates of the schedule from `start` to `end`, both included, whatever ran already."""
        return self._scheduled().between(start, end)

    def due(self, now: datetime | str, *, last: datetime | str | None = None) -> list[datetime]:
        """The logical dates to run now: all since `start_date` (or after `last`) with `catchup`, else the latest."""
        return self._scheduled().due(now, start=self.start_date, last=last, catchup=self.catchup)

    def _scheduled(self) -> Schedule:
        if self.timetable is None:
            raise InvalidDefinition(f"DAG {self.dag_id} has no schedule; give it one, such as schedule='@daily'.")
        return self.timetable

    def _known(self, each: str | Task | Reference) -> str:
        if isinstance(each, Reference) and each.dag is not self:
            raise InvalidDefinition(f"the reference {each.task_id!r} belongs to another DAG than {self.dag_id}.")
        name = each.task_id if isinstance(each, (Task, Reference)) else each
        if name not in self._tasks:
            raise UnknownName("task", name, self._tasks, where=f"DAG {self.dag_id}")
        return name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DAG) and self._data() == other._data()

    __hash__ = None  # type: ignore[assignment]  # it can still change

    def _data(self) -> tuple[Any, ...]:
        edges = {down: list(waits) for down, waits in self._upstream.items()}
        settings = (
            self.dag_id,
            self.schedule,
            self.start_date,
            self.catchup,
            self.timezone,
            self.description,
            self.tags,
        )
        return (*settings, list(self.params.items()), list(self._tasks.items()), edges, self._arguments)

    def __repr__(self) -> str:
        count = f"{len(self._tasks)} task" + "s" * (len(self._tasks) != 1)
        schedule = "" if self.schedule is None else f", schedule={self.schedule!r}"
        return f"DAG({self.dag_id}, {count}{schedule})"
