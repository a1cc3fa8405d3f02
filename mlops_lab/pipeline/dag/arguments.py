"""How is an argument that waits for results written down, and how is it filled in?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.pipeline.dag.building import Graph, Reference, references_in
from mlops_lab.pipeline.dag.task import CONTEXT, Task, parameters_of

__all__ = ["arguments_of", "by_name", "check_argument", "decode", "encode", "fill", "unfilled"]


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
