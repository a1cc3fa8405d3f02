"""How is a DAG written as data?

The format `mlops-lab/dag`, version 1, in YAML 1.2 or JSON; `document.schema.json` beside this module is its JSON
Schema. What is left out has its default; durations are seconds.

    format: mlops-lab/dag
    version: 1
    dag_id: morning
    schedule: 0 6 * * *              # cron or a preset; with timezone, start_date, catchup
    params:
      airport: {type: string, default: JFK, enum: [EWR, JFK, LGA]}
    tasks:
    - task_id: wind
      function: weather.tasks:wind   # a name, looked up only in the modules that the reader allows
      retries: 3                     # with retry_delay, retry_exponential_backoff, max_retry_delay, execution_timeout
    - task_id: report
      function: weather.tasks:report
      upstream: [wind]
      trigger_rule: all_done         # and approval: true where somebody has to agree
      arguments:
        wind: {from: wind}           # the result of a task; {value: …} is a value, {list: …} and {map: …} hold both

An unknown key, a wrong type, a newer version, a name that does not exist and a cycle are refused, with their line.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from typing import Any

from mlops_lab.pipeline.dag.arguments import encode
from mlops_lab.pipeline.dag.dag import DAG
from mlops_lab.pipeline.dag.params import REQUIRED, Param
from mlops_lab.pipeline.dag.task import Task
from mlops_lab.pipeline.dag.validate import FORMAT, VERSION

__all__ = ["SETTINGS", "to_dict", "to_json", "to_yaml", "yaml_text"]

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

    >>> from mlops_lab.pipeline.dag import task
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
    r"""JSON values as YAML 1.2; what YAML takes for the end of a line inside a text is escaped, so that it comes back.

    >>> print(yaml_text({"a": [1, "\u2028"]}), end="")
    a:
    - 1
    - "\L"
    """
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
