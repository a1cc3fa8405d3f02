"""A DAG as a Prefect 3 flow, and the `prefect.yaml` that deploys it."""

from __future__ import annotations

from datetime import date
from typing import Any

from mlops_lab.adapters.airflow.export import LONGEST_TASK
from mlops_lab.adapters.naming import Step, by_keyword, identifiers, steps
from mlops_lab.adapters.prefect.opening import APPROVAL, OPENING, USED
from mlops_lab.adapters.writing import broken, call, docstring, literal, sentence
from mlops_lab.pipeline.dag import DAG, PRESETS, REQUIRED, Param, Task
from mlops_lab.pipeline.dag.attempt import retry_wait
from mlops_lab.pipeline.dag.document import yaml_text

_MOST_DELAYS = 50  # Prefect takes no more; it repeats the last
_YAML_HEAD = """\
# The deployment of FILE, written by `mlops-lab export prefect-yaml`; it lies beside that file.
#   prefect work-pool create default --type process
#   prefect --no-prompt deploy --all
#   prefect worker start --pool default
"""
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "date": "date"}


def to_prefect(dag: DAG) -> str:
    """The DAG as a Prefect 3 flow file; `python FILE` serves it with its schedule.

    The tasks run the same functions as here, by name, so `mlops_lab` has to be installed where Prefect runs, and
    `MLOPS_LAB_HOME` has to name a folder that every worker sees. Results are small JSON values.

    What differs there: Prefect has no trigger rules and no skipped state, so each task of the file asks our rule
    itself and ends as a Completed named Skipped or SkippedByRule, or a Failed named UpstreamFailed. Prefect has no
    `start_date`, no catch-up and no `logical_date`: a run's date is the parameter `logical_date`, else the time it was
    scheduled for. When the function of a task with `approval=True` waits for somebody's yes, the flow pauses for the
    input `Decision` and runs the task again with it, so that the registry keeps who agreed. While it still waits,
    because the author cannot agree alone, the flow pauses again. One run at a time: they share the home folder. An
    approval is waited for three days, and a task without a limit of its own may take six hours.

    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> [line.strip() for line in to_prefect(flights_pipeline()).splitlines() if "evaluate_result" in line]
    ['evaluate_result = start(evaluate, run, build_training_set_result, train_result)',
     'gate_result = start(gate, run, register_result, evaluate_result)']

    Raises:
        InvalidDefinition: a function that Prefect could not find by name, or a required param of a scheduled DAG.

    See Also:
        https://docs.prefect.io/v3/concepts/flows
    """
    found = steps(dag)
    functions, results, name, params = _names(dag, found)
    defined = [_function(each, functions) for each in found]
    flow = _flow(dag, found, name=name, params=params, functions=functions, results=results)
    return "\n\n\n".join([docstring(_about(dag)) + _head(dag, flow), *defined, flow, _serve(dag, name)]) + "\n"


def _names(dag: DAG, found: list[Step]) -> tuple[dict[str, str], dict[str, str], str, dict[str, str]]:
    """The names in the file: of each task's function and result, of the flow, of each param."""
    functions = identifiers((each.task.task_id for each in found), USED)
    results = identifiers((f"{name}_result" for name in functions.values()), USED.union(functions.values()))
    taken = USED.union(functions.values(), results.values())
    (name,) = identifiers([dag.dag_id], taken).values()
    params = identifiers(dag.params, taken | {name})
    return functions, {task_id: results[f"{each}_result"] for task_id, each in functions.items()}, name, params


def _about(dag: DAG) -> str:
    catchup = " Prefect does not catch up on dates that were missed." if dag.catchup else ""
    return (
        f"{sentence(dag.description) or f'The flow {dag.dag_id}.'}\n\n"
        "A Prefect 3 flow, written by `mlops-lab export prefect`: change the DAG there and write this file again.\n"
        f"Prefect's Python needs the package mlops_lab; MLOPS_LAB_HOME names a folder that every worker sees.{catchup}"
    )


def _head(dag: DAG, flow: str) -> str:
    typing = [name for name in ("Annotated", "Literal") if f"{name}[" in flow]
    imports = {
        "{date}": "from datetime import date\n"
        if any(each.type == "date" and each.enum is None for each in dag.params.values())
        else "",
        "{typing}": f"from typing import {', '.join(typing)}\n" if typing else "",
        "{cron}": "from prefect.schedules import Cron\n" if dag.schedule is not None else "",
        "{pydantic}": "AwareDatetime, Field" if "Field(" in flow else "AwareDatetime",
    }
    asks = any(each.approval for each in dag.tasks.values())
    text = OPENING.rstrip("\n") + "{ask}"
    for mark, line in {**imports, **{mark: part * asks for mark, part in APPROVAL.items()}}.items():
        text = text.replace(mark, line)
    if not dag.tasks:
        text = text.replace("flow, task\n", "flow\n").replace("from prefect.cache_policies import NO_CACHE\n", "")
    return "\n" + text


def _function(step: Step, names: dict[str, str]) -> str:
    task, name = step.task, names[step.task.task_id]
    settings = {"name": literal(task.task_id)} if task.task_id != name else {}
    decorator = call("@task(", {**settings, **_settings(task)})
    given = {key: literal(value, lambda task_id: f"result({names[task_id]})") for key, value in step.given.items()}
    upstream = [names[each] for each in (*step.takes, *step.waits)]
    arguments = [literal(task.source), literal(task.trigger_rule), "run", f"[{', '.join(upstream)}]"]
    arguments += by_keyword(given)
    about = f"    {docstring(sentence(task.description), '    ')}\n" if task.description.strip() else ""
    body = call("return step(", arguments, indent="    ")
    opening = broken(f"def {name}({', '.join(['run', *upstream])}):")
    return f"{decorator}\n{opening}\n{about}{body}"


def _settings(task: Task) -> dict[str, str]:
    found = {"cache_policy": "NO_CACHE"}
    if task.retries:
        found["retries"] = str(task.retries)
        numbers = range(1, min(task.retries, _MOST_DELAYS) + 1)
        waits = [retry_wait(task, number) for number in numbers]
        plain = [int(wait) if wait.is_integer() else wait for wait in waits]
        found["retry_delay_seconds"] = str(plain if task.retry_exponential_backoff else plain[0])
        found["retry_condition_fn"] = "may_retry"
    longest = LONGEST_TASK if task.execution_timeout is None else task.execution_timeout
    found["timeout_seconds"] = str(longest.total_seconds())
    return found


def _flow(
    dag: DAG,
    found: list[Step],
    *,
    name: str,
    params: dict[str, str],
    functions: dict[str, str],
    results: dict[str, str],
) -> str:
    settings = {"name": literal(dag.dag_id)}
    if dag.description:
        settings["description"] = literal(dag.description)
    lines = [call("@flow(", settings), f"def {name}(", "    *,"]
    lines += [broken(f"{_param(params[key], param)},", "    ") for key, param in dag.params.items()]
    lines += ["    logical_date: AwareDatetime | None = None,", "):"]
    given = [f"{literal(key)}: {_given(params[key], param)}" for key, param in dag.params.items()]
    lines += [
        call("params = {", given, "}", indent="    "),
        "    moment = logical_date or flow_run.scheduled_start_time",
        '    run = {"logical_date": moment.isoformat(), "params": params, "run_id": flow_run.id}',
    ]
    for each in _askers_last(dag, found):
        upstream = [results[other] for other in (*each.takes, *each.waits)]
        name, start = each.task.task_id, "ask" if each.task.approval else "start"
        lines.append(call(f"{results[name]} = {start}(", [functions[name], "run", *upstream], indent="    "))
    leaves = [results[each.task.task_id] for each in found if not dag.downstream(each.task.task_id)] or ["run"]
    return "\n".join([*lines, call("return [", leaves, "]  # the flow fails when one of these did", indent="    ")])


def _askers_last(dag: DAG, found: list[Step]) -> list[Step]:
    """The steps in running order, those first that need not wait until a paused flow goes on."""
    late: set[str] = set()
    for each in found:
        if each.task.approval or late.intersection(dag.upstream(each.task.task_id)):
            late.add(each.task.task_id)
    return sorted(found, key=lambda each: each.task.task_id in late)


def _given(name: str, param: Param) -> str:
    if param.type != "date" or param.enum is not None:
        return name
    return f"{name} and {name}.isoformat()" if param.default is None else f"{name}.isoformat()"


def _param(name: str, param: Param) -> str:
    """A parameter as pydantic checks it: strictly, because "7" is no number here either."""
    is_date = param.type == "date"
    if param.enum is not None:
        kind = f"Literal[{', '.join(map(literal, param.enum))}]"
    else:
        words = [] if param.type in ("string", "date") else ["strict=True"]
        words += ["allow_inf_nan=False"] if param.type == "number" else []
        bounds = {"ge": param.minimum, "le": param.maximum}
        words += [f"{word}={_value(bound, is_date)}" for word, bound in bounds.items() if bound is not None]
        kind = _TYPES[param.type]
        kind = f"Annotated[{kind}, Field({', '.join(words)})]" if words else kind
    kind += " | None" if param.default is None else ""
    return f"{name}: {kind}" + (
        "" if param.default is REQUIRED else f" = {_value(param.default, is_date and param.enum is None)}"
    )


def _value(value: object, is_date: bool) -> str:
    if not is_date or value is None:
        return literal(value)
    day = date.fromisoformat(str(value))
    return f"date({day.year}, {day.month}, {day.day})"


def _serve(dag: DAG, name: str) -> str:
    words = {"name": literal(dag.dag_id)}
    words["global_limit"] = "1"  # two runs at once would write into one home folder
    if dag.tags:
        words["tags"] = literal(list(dag.tags))
    if dag.schedule is not None:
        cron = literal(PRESETS.get(dag.schedule, dag.schedule))
        words["schedule"] = f"Cron({cron}, timezone={literal(dag.timezone)})"
    return 'if __name__ == "__main__":\n' + call(f"{name}.serve(", words, indent="    ")


def to_prefect_yaml(dag: DAG) -> str:
    r"""The `prefect.yaml` that `prefect deploy --all` reads: one deployment, with the schedule of the DAG.

    It takes the place of the last lines of the flow's file, which serve it without a worker. Text with two braces,
    which Prefect would take for a template, is left out. The text of `to_prefect` is to lie beside it, in a file of the
    DAG's name and `_flow.py`.

    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> print("\n".join(to_prefect_yaml(flights_pipeline()).splitlines()[4:]))
    name: flights
    deployments:
    - name: flights
      entrypoint: flights_flow.py:flights
      description: 'Two hours before departure: will this flight arrive more than 15 minutes late?'
      tags:
      - flights
      - course
      schedules:
      - cron: 0 6 * * *
        timezone: America/New_York
        active: true
      concurrency_limit: 1
      work_pool:
        name: default

    See Also:
        https://docs.prefect.io/v3/how-to-guides/deployments/prefect-yaml
    """
    file = f"{dag.dag_id}_flow.py"
    told = {"name": dag.dag_id, "entrypoint": f"{file}:{_names(dag, steps(dag))[2]}"}
    deployment: dict[str, Any] = {key: value for key, value in told.items() if value}
    if dag.description and "{{" not in dag.description:
        deployment["description"] = sentence(dag.description)
    if tags := [each for each in dag.tags if "{{" not in each]:
        deployment["tags"] = tags
    if dag.schedule is not None:
        cron = PRESETS.get(dag.schedule, dag.schedule)
        deployment["schedules"] = [{"cron": cron, "timezone": dag.timezone, "active": True}]
    deployment["concurrency_limit"] = 1  # two runs at once would write into one home folder
    deployment["work_pool"] = {"name": "default"}
    return _YAML_HEAD.replace("FILE", file) + yaml_text({"name": dag.dag_id, "deployments": [deployment]})
