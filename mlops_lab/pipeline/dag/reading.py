"""How is a DAG read from data, with the line at fault when it is none?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from mlops_lab.base.errors import CycleError, InvalidDefinition, MlopsLabError, UnknownName
from mlops_lab.pipeline.dag.arguments import decode, unfilled
from mlops_lab.pipeline.dag.dag import DAG
from mlops_lab.pipeline.dag.document import SETTINGS
from mlops_lab.pipeline.dag.params import REQUIRED, Param
from mlops_lab.pipeline.dag.positions import Place, read_json, read_yaml
from mlops_lab.pipeline.dag.task import Task
from mlops_lab.pipeline.dag.validate import check_document, said_at

__all__ = ["from_dict", "from_json", "from_yaml"]


def from_dict(document: Mapping[str, Any], *, modules: Iterable[ModuleType] = ()) -> DAG:
    """The DAG that a document describes.

    Args:
        document: what `to_dict` wrote.
        modules: where functions may come from. A name that leads elsewhere is neither imported nor looked up: its task
            can be ordered and drawn, but not run.

    >>> from_dict({"format": "mlops-lab/dag", "version": 1, "dag_id": "a", "tasks": [{"task_id": "t"}]})
    DAG(a, 1 task)

    Raises:
        InvalidData: it breaks the schema, or a newer version wrote it.
        UnknownName, InvalidDefinition, CycleError: it fits the schema and still makes no DAG.
    """
    return _build(document, {}, modules)


def from_yaml(text: str, *, modules: Iterable[ModuleType] = ()) -> DAG:
    r"""The DAG that a YAML text describes; like `from_dict`, with line and column in errors.

    >>> from mlops_lab.pipeline.dag import to_json, to_yaml
    >>> dag = DAG("night", schedule="@daily", params={"trees": 100})
    >>> from_yaml(to_yaml(dag)) == dag
    True
    >>> from_yaml("format: mlops-lab/dag\nversion: 1\ndag_id: a\ntaks: []\ntasks: []")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: line 4, column 1: unknown key 'taks'. Did you mean 'tasks'?
    """
    return _build(*read_yaml(text), modules)


def from_json(text: str, *, modules: Iterable[ModuleType] = ()) -> DAG:
    """The DAG that a JSON text describes; like `from_dict`, with line and column in errors.

    >>> from mlops_lab.pipeline.dag import to_json, to_yaml
    >>> dag = DAG("night", schedule="@daily", params={"trees": 100})
    >>> from_json(to_json(dag)) == dag
    True
    """
    return _build(*read_json(text), modules)


def _build(document: Any, places: Mapping[tuple[str | int, ...], Place], modules: Iterable[ModuleType]) -> DAG:
    check_document(document, places)
    params = {}
    for name, written in document.get("params", {}).items():
        with said_at(places, "params", name):
            params[name] = _read_param(written)
    words = ("timezone", "schedule", "start_date", "catchup", "description", "tags")
    settings = {word: document[word] for word in words if word in document}
    try:
        dag = DAG(document["dag_id"], params=params, **settings)
    except MlopsLabError:
        with said_at(places, _blamed(settings)):
            raise
    allowed = {module.__name__: module for module in modules}
    for at, written in enumerate(document["tasks"]):
        source = written.get("function", "")
        settings = {word: written[word] for word in SETTINGS if word in written}
        with said_at(places, "tasks", at):
            found = _shipped(source, allowed)
            dag.declare(Task(written["task_id"], source=source, **settings, **found))
    for at, written in enumerate(document["tasks"]):
        for number, name in enumerate(written.get("upstream", ())):
            with said_at(places, "tasks", at, "upstream", number):
                dag.connect(name, written["task_id"])
        for name, value in written.get("arguments", {}).items():
            with said_at(places, "tasks", at, "arguments", name):
                dag.wire(written["task_id"], (), {name: decode(value, dag)})
    try:
        dag.check()
    except CycleError as error:
        with said_at(places, "tasks", list(dag.tasks).index(error.cycle[0]), "upstream"):
            raise
    except InvalidDefinition:
        unfit = [unfilled(each, dag.arguments(name), dag.upstream(name)) for name, each in dag.tasks.items()]
        with said_at(places, "tasks", next(at for at, missing in enumerate(unfit) if missing)):
            raise
    return dag


def _blamed(settings: Mapping[str, Any]) -> str:
    """Which of a DAG's settings is it that cannot be? `dag_id`, where each of the others is well."""
    for word, value in settings.items():
        try:
            DAG("any", **{word: value})
        except MlopsLabError:
            return word
    return "dag_id"


def _read_param(written: Mapping[str, Any]) -> Param:
    enum = written.get("enum")
    rest = {word: written[word] for word in ("type", "description", "minimum", "maximum") if word in written}
    return Param(written.get("default", REQUIRED), enum=None if enum is None else tuple(enum), **rest)


def _shipped(source: str, allowed: Mapping[str, ModuleType]) -> dict[str, Any]:
    """The function of that name, if it was defined in one of the allowed modules: not what they merely import."""
    module, _, name = source.partition(":")
    if module not in allowed:
        return {}
    own: dict[str, dict[str, Any]] = {}
    for each, value in vars(allowed[module]).items():
        function = value.function if isinstance(value, Task) else value
        if isinstance(function, FunctionType) and function.__module__ == module:
            own[each] = {"function": function, "still_holds": value.still_holds if isinstance(value, Task) else None}
    if name not in own:
        raise UnknownName("task function", name, own, where=f"module {module}")
    return own[name]
