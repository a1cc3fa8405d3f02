"""The arguments of a task: JSON values and references, written down and filled in."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, UnknownName
from mlops_lab.pipeline.dag.task import CONTEXT, Graph, Reference, Task, parameters_of, references_in

_LONGEST_NUMBER = 13_000  # bits; Python refuses to write down or read numbers of more than 4,300 digits


def json_value(
    value: object, what: str, error: type[MlopsLabError] = InvalidData, *, keep: tuple[type, ...] = ()
) -> Any:
    """The value as JSON will give it back: tuples become lists, numbers plain ones; what is of a `keep` type stays.

    >>> json_value({"auc": 0.7, "airports": ("EWR", "JFK")}, "the result of task 'train'")
    {'auc': 0.7, 'airports': ['EWR', 'JFK']}

    Raises:
        InvalidData (or the class given): the value holds something JSON has no word for, or has no end.
    """
    try:
        return _plain(value, what, "", error, keep)
    except RecursionError:
        raise error(f"{what} is nested too deeply, or holds itself.") from None


def _plain(value: object, what: str, at: str, error: type[MlopsLabError], keep: tuple[type, ...]) -> Any:
    value = _without_numpy(value)
    if value is None or isinstance(value, (bool, *keep)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if value.bit_length() > _LONGEST_NUMBER:
            raise error(f"{what} holds a whole number{at} of more than 4,000 digits; keep it as text or in a file.")
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise error(f"{what} holds {value!r}{at}, for which JSON has no word.")
    if isinstance(value, (list, tuple)):
        return [_plain(each, what, f"{at or ' at '}[{index}]", error, keep) for index, each in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise error(f"{what} holds the key {key!r}{at}; keys of a JSON object are text.")
        return {str(key): _plain(each, what, f"{at or ' at '}[{key!r}]", error, keep) for key, each in value.items()}
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise error(
        f"{what} holds a {kind}{at}, which is no JSON value; store it as an artifact or a file and return its name."
    )


def _without_numpy(value: Any) -> Any:
    """One of numpy's numbers as Python's own; everything else as it is."""
    numpy = sys.modules.get("numpy")  # who returns one of its numbers has imported it
    if numpy is None or not isinstance(value, (numpy.bool_, numpy.integer, numpy.floating)):
        return value
    return float(value) if isinstance(value, numpy.floating) else value.item()  # a longdouble's item is itself


def fill(value: Any, result: Callable[[str], Any]) -> Any:
    """The argument with every reference replaced by its task's result."""
    if isinstance(value, Reference):
        return result(value.task_id)
    if isinstance(value, (list, tuple)):
        return [fill(each, result) for each in value]
    if isinstance(value, dict):
        return {name: fill(each, result) for name, each in value.items()}
    return value


def encode(value: Any) -> dict[str, Any]:
    """The argument as JSON: `{"from": task}`, `{"value": …}`, and lists and maps of those where references are inside.

    >>> encode([1, {"a": True}])
    {'value': [1, {'a': True}]}
    """
    if isinstance(value, Reference):
        return {"from": value.task_id}
    if not references_in(value):
        return {"value": value}
    if isinstance(value, dict):
        return {"map": {name: encode(each) for name, each in value.items()}}
    return {"list": [encode(each) for each in value]}


def decode(written: Mapping[str, Any], dag: Graph) -> Any:
    """What `encode` wrote, with its references into this DAG.

    >>> decode({"list": [{"value": 1}, {"from": "train"}]}, dag=None)
    [1, Reference(train)]
    """
    ((kind, content),) = written.items()
    if kind == "from":
        return Reference(content, dag)
    if kind == "list":
        return [decode(each, dag) for each in content]
    if kind == "map":
        return {name: decode(each, dag) for name, each in content.items()}
    return content


def arguments_of(
    task: Task,
    bound: Mapping[str, Any],
    upstream: Collection[str],
    context: Mapping[str, Any],
    result: Callable[[str], Any],
) -> dict[str, Any]:
    """All arguments for one attempt: those of the task's call, then upstream results by name, then context words."""
    given = {name: fill(value, result) for name, value in bound.items()}
    if task.function is None:
        return given
    named, catches = parameters_of(task.function)
    for parameter in named:
        name = parameter.name
        if name not in given:
            if name in upstream:
                given[name] = result(name)
            elif name in context:
                given[name] = context[name]
    return {**context, **given} if catches else given


def unfilled(task: Task, bound: Collection[str], upstream: Collection[str]) -> list[str]:
    """The parameters of the task's function that `arguments_of` would leave empty."""
    if task.function is None:
        return []
    required = (each.name for each in parameters_of(task.function)[0] if each.required)
    return [name for name in required if name not in bound and name not in upstream and name not in CONTEXT]


def check_argument(task: Task, name: str) -> None:
    """UnknownName when the task's function has no such parameter."""
    if task.function is None:
        return
    named, catches = parameters_of(task.function)
    options = [each.name for each in named]
    if not catches and name not in options:
        raise UnknownName("parameter", name, options, where=f"task {task.task_id}")


def by_name(task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of a task's call, each under its parameter's name."""
    if not args:
        return kwargs
    if task.function is None:
        raise InvalidDefinition(f"task {task.task_id!r} has no function, so its arguments need names.")
    try:
        bound = inspect.signature(task.function).bind_partial(*args, **kwargs)
    except TypeError as error:
        raise InvalidDefinition(f"task {task.task_id!r} cannot be called like this: {error}.") from None
    named = dict(bound.arguments)
    for each in bound.signature.parameters.values():
        if each.kind is each.VAR_KEYWORD:
            named |= named.pop(each.name, {})
    return named
