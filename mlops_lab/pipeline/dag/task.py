"""One task: a function, a name and the rules by which it is tried; and what stands for it in a DAG being built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, Protocol, overload

from mlops_lab.base.errors import InvalidDefinition, UnknownName, expect, expect_fields
from mlops_lab.pipeline.dag.rules import TRIGGER_RULES


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
    """The result that a task will have, usable as an argument of other tasks and in `a >> b` (Airflow's `XComArg`)."""

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


CONTEXT = ("logical_date", "params", "clock", "home", "attempt", "run_id")
"""Words a task function may have as parameters without being given them: the run fills them in."""

_NAME = re.compile(r"[\w.\-]{1,250}")
_LONGEST = timedelta(days=366)  # nobody waits longer, and a machine's clock cannot


class SkipTask(Exception):  # the name says what it does: it is a request, not an error
    """Raised by a task to skip itself: its state becomes `skipped`, it is not tried again.

    What Airflow calls `AirflowSkipException`. The text is kept in the trace as the reason.

    >>> raise SkipTask("no flights on this day")
    Traceback (most recent call last):
    mlops_lab.pipeline.dag.task.SkipTask: no flights on this day
    """


class FailTask(Exception):
    """Raised by a task to fail at once, whatever retries are left; what Airflow calls `AirflowFailException`.

    >>> raise FailTask("the contract with the source is broken; trying again cannot help")
    Traceback (most recent call last):
    mlops_lab.pipeline.dag.task.FailTask: the contract with the source is broken; trying again cannot help
    """


@dataclass(frozen=True)
class Parameter:
    """One parameter of a task function: its name, and must somebody fill it?"""

    name: str
    required: bool


@lru_cache(maxsize=4096)
def parameters_of(function: Callable[..., Any]) -> tuple[tuple[Parameter, ...], bool]:
    """The parameters of a task function that can be filled by name, and whether it has a `**context`."""
    named, catches = [], False
    name = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise InvalidDefinition(f"nobody can tell the parameters of {name}; wrap it in a function.") from None
    for each in parameters:
        if each.kind is each.VAR_KEYWORD:
            catches = True
        elif each.kind in (each.POSITIONAL_ONLY, each.VAR_POSITIONAL):
            raise InvalidDefinition(
                f"the task function {name} has the parameter {str(each)!r}, which cannot be filled by "
                "name; write ordinary parameters."
            )
        else:
            named.append(Parameter(each.name, each.default is each.empty))
    return tuple(named), catches


def check_name(kind: str, name: object) -> str:
    """A name that is safe in files, URLs and drawings, or an error (Airflow's rule for dag and task ids)."""
    if isinstance(name, str) and _NAME.fullmatch(name) and name.strip("."):
        return name
    raise InvalidDefinition(
        f"{name!r} cannot be the name of a {kind}: 1 to 250 letters, digits, dashes, dots and underscores are allowed."
    )


@dataclass(frozen=True)
class Task:
    """A task as a plain value; it knows nothing of its neighbours, which only the `DAG` knows.

    Args:
        task_id: the name, unique in a DAG.
        function: what to run; its parameters are filled by name (see `DAG`). None: can be ordered and drawn, not run.
        retries: how often it is tried again after a failure.
        retry_delay: the wait before a retry; a timedelta or seconds. Airflow's default, five minutes.
        retry_exponential_backoff: double the wait with every retry (Airflow's formula without its jitter).
        max_retry_delay: the longest wait that back-off may reach; a day when None.
        execution_timeout: how long one attempt may take; an attempt that overruns fails and may be retried.
        trigger_rule: when it may run, judged by its upstream tasks' states; see `TRIGGER_RULES`.
        description: one sentence for people.
        approval: it may wait for somebody's yes, and says so by `NotAllowed(…, waiting=True)`. The run ends there, to
            be resumed once the answer is known. An engine that can ask (Airflow, Prefect) waits for the answer and
            calls the function again, with it as `decision`: `{"approved": bool, "by": who, "comment": text}`.
        still_holds: asked before a resume: does the result of a success still hold? If not, the task runs again
            with everything after it. Its parameters are filled as the function's are, and `result` with the result.
        source: `module:function`, the name by which documents and engines find the function.

    Two tasks are equal when their data is; the function itself is compared by `source`.

    >>> load = Task("load", lambda: 3, retries=2)
    >>> load
    Task(load, retries=2)
    >>> load.override(task_id="load_again", retries=0)
    Task(load_again)
    >>> load()
    3

    Raises:
        InvalidDefinition: a figure or a name that cannot be.
        UnknownName: a trigger rule that does not exist.
    """

    task_id: str
    function: Callable[..., Any] | None = field(default=None, compare=False)
    retries: int = 0
    retry_delay: timedelta = timedelta(minutes=5)
    retry_exponential_backoff: bool = False
    max_retry_delay: timedelta | None = None
    execution_timeout: timedelta | None = None
    trigger_rule: str = "all_success"
    description: str = ""
    approval: bool = False
    still_holds: Callable[..., bool] | None = field(default=None, compare=False)
    source: str = ""

    def __post_init__(self) -> None:
        name = check_name("task", self.task_id)
        expect_fields(self, InvalidDefinition, description=str, source=str, trigger_rule=str)
        if name in CONTEXT:
            raise InvalidDefinition(
                f"a task cannot be called {name!r}: task functions ask for the {name} by that word."
            )
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise InvalidDefinition(
                f"retries of task {name!r} is {self.retries!r}; it must be a whole number, 0 or more."
            )
        if self.trigger_rule not in TRIGGER_RULES:
            raise UnknownName("trigger rule", self.trigger_rule, TRIGGER_RULES, where=f"task {name}")
        for word in ("retry_exponential_backoff", "approval"):
            expect(getattr(self, word), bool, f"{word} of task {name!r}")
        for word, least in (("retry_delay", False), ("max_retry_delay", True), ("execution_timeout", True)):
            object.__setattr__(self, word, _duration(name, word, getattr(self, word), above_zero=least))
        if self.function is not None:
            _check_function(name, self.function, decides=self.approval)
            if not self.source:
                module = self.function.__module__ or "__main__"
                qualified = getattr(self.function, "__qualname__", type(self.function).__qualname__)
                object.__setattr__(self, "source", f"{module}:{qualified}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside `with DAG(...)`: place the task and return its reference. Elsewhere: just call the function."""
        placed = place(self, args, kwargs)
        if placed is not None:
            return placed
        if self.function is None:
            raise InvalidDefinition(f"task {self.task_id!r} has no function ({self.source or 'none was given'}).")
        return self.function(*args, **kwargs)

    def override(self, **changes: Any) -> Task:
        """The same task with other settings, for instance another `task_id` (Airflow's `task.override`)."""
        known = [name for name in self.__dataclass_fields__ if name not in ("function", "source")]
        for name in changes:
            if name not in known:
                raise UnknownName("task setting", name, known, where=f"task {self.task_id}")
        return replace(self, **changes)

    def __repr__(self) -> str:
        parts = [self.task_id]
        if self.retries:
            parts.append(f"retries={self.retries}")
        if self.trigger_rule != "all_success":
            parts.append(f"trigger_rule={self.trigger_rule}")
        return f"Task({', '.join(parts)})"


def _duration(task_id: str, word: str, value: object, *, above_zero: bool) -> timedelta | None:
    if value is None and word != "retry_delay":
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        with suppress(OverflowError, ValueError):  # infinite, NaN or longer than timedelta can say
            value = timedelta(seconds=value)
    if not isinstance(value, timedelta) or not timedelta(0) <= value <= _LONGEST or (above_zero and not value):
        least = "more than zero" if above_zero else "zero or more"
        raise InvalidDefinition(
            f"{word} of task {task_id!r} must be a timedelta or a number of seconds, {least} and at most a year."
        )
    return value


def _check_function(task_id: str, function: object, *, decides: bool) -> None:
    if not callable(function):
        raise InvalidDefinition(f"task {task_id!r} needs a function, not a {type(function).__name__}.")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise InvalidDefinition(
            f"the function of task {task_id!r} must be an ordinary one, neither async nor a generator."
        )
    named, catches = parameters_of(function)
    if decides and not catches and Parameter("decision", required=False) not in named:
        raise InvalidDefinition(
            f"task {task_id!r} has approval=True, so its function needs a parameter decision=None for the answer."
        )


@overload
def task(function: Callable[..., Any], /) -> Task: ...
@overload
def task(
    *,
    task_id: str | None = None,
    retries: int = 0,
    retry_delay: timedelta | float = timedelta(minutes=5),
    retry_exponential_backoff: bool = False,
    max_retry_delay: timedelta | float | None = None,
    execution_timeout: timedelta | float | None = None,
    trigger_rule: str = "all_success",
    description: str | None = None,
    approval: bool = False,
    still_holds: Callable[..., bool] | None = None,
) -> Callable[[Callable[..., Any]], Task]: ...
def task(function: Callable[..., Any] | None = None, /, **settings: Any) -> Task | Callable[[Callable[..., Any]], Task]:
    """Turn a function into a `Task`, as Airflow's `@task` does.

    The name is the function's and the description its docstring's first line, unless given.

    >>> @task(retries=2, retry_delay=timedelta(seconds=30))
    ... def extract(logical_date):
    ...     "The flights of one day."
    ...     return logical_date.day
    >>> extract, extract.description
    (Task(extract, retries=2), 'The flights of one day.')

    See Also:
        https://airflow.apache.org/docs/apache-airflow/stable/tutorial/taskflow.html
    """

    def decorate(function: Callable[..., Any]) -> Task:
        given = dict(settings)
        name = given.pop("task_id", None) or getattr(function, "__name__", "")
        if given.get("description") is None:
            given["description"] = (inspect.getdoc(function) or "").partition("\n")[0].strip()
        known = [field for field in Task.__dataclass_fields__ if field not in ("function", "source")]
        for word in given:
            if word not in known:
                raise UnknownName("task setting", word, known, where=f"@task {name}")
        return Task(name, function, **given)

    return decorate if function is None else decorate(function)
