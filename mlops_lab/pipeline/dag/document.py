"""A DAG as a document: written as data, checked against its schema, and read again with the line at fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from importlib.resources import files
from io import StringIO
from types import FunctionType, ModuleType
from typing import Any

from mlops_lab.base.errors import CycleError, InvalidData, InvalidDefinition, MlopsLabError, UnknownName, closest
from mlops_lab.pipeline.dag.arguments import decode, encode, unfilled
from mlops_lab.pipeline.dag.dag import DAG
from mlops_lab.pipeline.dag.params import REQUIRED, Param
from mlops_lab.pipeline.dag.positions import Place, read_json, read_yaml
from mlops_lab.pipeline.dag.task import Task

FORMAT, VERSION = "mlops-lab/dag", 1


@cache
def _schema() -> str:
    return files("mlops_lab.pipeline.dag").joinpath("document.schema.json").read_text(encoding="utf-8")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the documents.

    >>> json_schema()["properties"]["format"]
    {'const': 'mlops-lab/dag'}
    """
    schema: dict[str, Any] = json.loads(_schema())
    return schema


def check_document(document: Any, places: Mapping[tuple[str | int, ...], Place]) -> None:
    """InvalidData that says what is wrong with the document, and where."""
    from jsonschema import Draft202012Validator

    if isinstance(document, dict):
        if document.get("format") != FORMAT:
            raise InvalidData(f"{_at(places, ('format',))}this is no DAG: its format is not {FORMAT!r}.")
        version = document.get("version")
        if isinstance(version, int) and version > VERSION:
            raise InvalidData(
                f"{_at(places, ('version',))}the document is of version {version}, this mlops-lab reads up to "
                f"{VERSION}; update it."
            )
    errors = list(Draft202012Validator(json_schema()).iter_errors(document))
    if not errors:
        return
    # A misspelt key is an unknown one and a missing one at once; the unknown one has a line.
    place = {id(error): places.get(tuple(error.absolute_path), (0, 0)) for error in errors}
    first = min(errors, key=lambda error: (place[id(error)], error.validator != "additionalProperties"))
    path = tuple(first.absolute_path)
    if first.validator == "additionalProperties" and isinstance(first.schema, dict):
        known = list(first.schema["properties"])
        name = next(each for each in first.instance if each not in known)
        meant = closest(name, known)
        hint = f"Did you mean {meant!r}?" if meant else f"There is: {', '.join(known)}."
        raise InvalidData(f"{_at(places, (*path, name))}unknown key {name!r}{_inside(path)}. {hint}")
    what = first.message if len(first.message) <= 300 else f"{first.message[:100]} … {first.message[-100:]}"
    raise InvalidData(f"{_at(places, path)}{what}{_inside(path)}.")


@contextmanager
def said_at(places: Mapping[tuple[str | int, ...], Place], *path: str | int) -> Iterator[None]:
    """Errors of this package that are raised inside it begin with the line and column of that value."""
    try:
        yield
    except MlopsLabError as error:
        error.args = (f"{_at(places, path)}{error}", *error.args[1:])
        raise


def _inside(path: tuple[str | int, ...]) -> str:
    return f" in {'.'.join(map(str, path))}" if path else ""


def _at(places: Mapping[tuple[str | int, ...], Place], path: tuple[str | int, ...]) -> str:
    while path and path not in places:
        path = path[:-1]
    return f"line {places[path][0]}, column {places[path][1]}: " if path in places else ""


SETTINGS = (
    "description",
    "retries",
    "retry_delay",
    "retry_exponential_backoff",
    "max_retry_delay",
    "execution_timeout",
    "trigger_rule",
    "approval",
)
_DEFAULT = Task("default")
_LINE_ENDS = "\x85\u2028\u2029\ufeff"


def to_dict(dag: DAG) -> dict[str, Any]:
    """The DAG as JSON values, what has its default left out; `json_schema()` describes them.

    Functions are written as the name `module:function`, never as code. Durations are seconds.
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
    for word in SETTINGS:
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
    text = json.dumps(to_dict(dag), indent=2, ensure_ascii=False)
    # Half of a character, which no file can hold, is text all the same: it travels escaped.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def to_yaml(dag: DAG) -> str:
    """The DAG as a YAML 1.2 text (see `to_dict`).

    >>> print(to_yaml(DAG("empty", schedule="0 6 * * *")), end="")
    format: mlops-lab/dag
    version: 1
    dag_id: empty
    schedule: 0 6 * * *
    tasks: []
    """
    return yaml_text(to_dict(dag))


def yaml_text(value: Any) -> str:
    r"""JSON values as YAML 1.2; what YAML takes for a line's end inside a text is escaped, so that it comes back."""
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):  # one of our own: representers are kept by class
        pass

    def text(representer: Any, value: str) -> Any:
        style = '"' if any(each in value for each in _LINE_ENDS) else None
        return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Representer.add_representer(str, text)
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.allow_unicode = True
    yaml.width = 1000
    written = StringIO()
    yaml.dump(value, written)
    return written.getvalue()


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
