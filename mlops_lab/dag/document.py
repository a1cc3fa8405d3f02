"""How is a DAG written as data, and read again?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from io import StringIO
from types import FunctionType, ModuleType
from typing import Any

from mlops_lab.dag.arguments import decode, encode
from mlops_lab.dag.dag import DAG
from mlops_lab.dag.params import REQUIRED, Param
from mlops_lab.dag.positions import Place, read_json, read_yaml
from mlops_lab.dag.task import Task
from mlops_lab.dag.validate import FORMAT, VERSION, check_document
from mlops_lab.errors import UnknownName

__all__ = ["from_dict", "from_json", "from_yaml", "to_dict", "to_json", "to_yaml"]

_SETTINGS = (
    "description",
    "retries",
    "retry_delay",
    "retry_exponential_backoff",
    "max_retry_delay",
    "execution_timeout",
    "trigger_rule",
)
_DEFAULT = Task("default")


def to_dict(dag: DAG) -> dict[str, Any]:
    """The DAG as JSON values, what has its default left out; `json_schema()` describes them.

    Functions are written as the name `module:function`, never as code. Durations are seconds.

    >>> from mlops_lab.dag import task
    >>> with DAG("sums", params={"factor": 2}) as dag:
    ...     _ = task(lambda numbers: 1, task_id="total", retries=1)([1, 2])
    >>> document = to_dict(dag)
    >>> document["params"], document["tasks"][0]["arguments"], document["tasks"][0]["retries"]
    ({'factor': {'type': 'integer', 'default': 2}}, {'numbers': {'value': [1, 2]}}, 1)
    """
    start = None if dag.start_date is None else dag.start_date.isoformat()
    written = {
        "format": FORMAT,
        "version": VERSION,
        "dag_id": dag.dag_id,
        "description": dag.description,
        "schedule": dag.schedule,
        "timezone": "" if dag.timezone == "UTC" else dag.timezone,
        "start_date": start,
        "catchup": dag.catchup,
        "tags": list(dag.tags),
        "params": {name: _param(param) for name, param in dag.params.items()},
    }
    kept = {name: value for name, value in written.items() if value not in ("", None, False, [], {})}
    return {**kept, "tasks": [_task(dag, task) for task in dag.tasks.values()]}


def _param(param: Param) -> dict[str, Any]:
    written: dict[str, Any] = {"type": param.type}
    if param.default is not REQUIRED:
        written["default"] = param.default
    enum = None if param.enum is None else list(param.enum)
    rest = {"description": param.description or None, "minimum": param.minimum, "maximum": param.maximum, "enum": enum}
    return written | {name: value for name, value in rest.items() if value is not None}


def _task(dag: DAG, task: Task) -> dict[str, Any]:
    written: dict[str, Any] = {"task_id": task.task_id}
    if task.source:
        written["function"] = task.source
    if upstream := dag.upstream(task.task_id):
        written["upstream"] = list(upstream)
    if arguments := dag.arguments(task.task_id):
        written["arguments"] = {name: encode(value) for name, value in arguments.items()}
    for word in _SETTINGS:
        value = getattr(task, word)
        if value != getattr(_DEFAULT, word):
            written[word] = _seconds(value) if isinstance(value, timedelta) else value
    return written


def _seconds(duration: timedelta) -> int | float:
    seconds = duration.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def to_json(dag: DAG) -> str:
    """The DAG as a JSON text (see `to_dict`).

    >>> print(to_json(DAG("empty")))
    {
      "format": "mlops-lab/dag",
      "version": 1,
      "dag_id": "empty",
      "tasks": []
    }
    """
    return json.dumps(to_dict(dag), indent=2, ensure_ascii=False)


def to_yaml(dag: DAG) -> str:
    """The DAG as a YAML 1.2 text (see `to_dict`).

    >>> print(to_yaml(DAG("empty", schedule="0 6 * * *")), end="")
    format: mlops-lab/dag
    version: 1
    dag_id: empty
    schedule: 0 6 * * *
    tasks: []
    """
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.allow_unicode = True
    yaml.width = 1000
    text = StringIO()
    yaml.dump(to_dict(dag), text)
    return text.getvalue()


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

    >>> dag = DAG("night", schedule="@daily", params={"trees": 100})
    >>> from_yaml(to_yaml(dag)) == dag
    True
    >>> from_yaml("format: mlops-lab/dag\nversion: 1\ndag_id: a\ntaks: []\ntasks: []")
    Traceback (most recent call last):
    mlops_lab.errors.InvalidData: line 4, column 1: unknown key 'taks'. Did you mean 'tasks'?
    """
    return _build(*read_yaml(text), modules)


def from_json(text: str, *, modules: Iterable[ModuleType] = ()) -> DAG:
    """The DAG that a JSON text describes; like `from_dict`, with line and column in errors.

    >>> dag = DAG("night", schedule="@daily", params={"trees": 100})
    >>> from_json(to_json(dag)) == dag
    True
    """
    return _build(*read_json(text), modules)


def _build(document: Any, places: Mapping[tuple[str | int, ...], Place], modules: Iterable[ModuleType]) -> DAG:
    check_document(document, places)
    params = {name: _read_param(written) for name, written in document.get("params", {}).items()}
    words = ("schedule", "timezone", "start_date", "catchup", "description", "tags")
    settings = {word: document[word] for word in words if word in document}
    dag = DAG(document["dag_id"], params=params, **settings)
    allowed = {module.__name__: module for module in modules}
    for written in document["tasks"]:
        source = written.get("function", "")
        settings = {word: written[word] for word in _SETTINGS if word in written}
        dag.declare(Task(written["task_id"], _function(source, allowed), source=source, **settings))
    for written in document["tasks"]:
        arguments = {name: decode(value, dag) for name, value in written.get("arguments", {}).items()}
        dag.wire(written["task_id"], written.get("upstream", ()), arguments)
    dag.check()
    return dag


def _read_param(written: Mapping[str, Any]) -> Param:
    enum = written.get("enum")
    rest = {word: written[word] for word in ("type", "description", "minimum", "maximum") if word in written}
    return Param(written.get("default", REQUIRED), enum=None if enum is None else tuple(enum), **rest)


def _function(source: str, allowed: Mapping[str, ModuleType]) -> Callable[..., Any] | None:
    """The function of that name, if it was defined in one of the allowed modules: not what they merely import."""
    module, _, name = source.partition(":")
    if module not in allowed:
        return None
    found = vars(allowed[module]).get(name)
    if isinstance(found, Task):
        found = found.function
    if isinstance(found, FunctionType) and found.__module__ == module:
        return found
    options = [each for each, value in vars(allowed[module]).items() if isinstance(value, (Task, FunctionType))]
    raise UnknownName("task function", name, options, where=f"module {module}")
