"""How is a DAG written as an Airflow 3 file?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mlops_lab.adapters.naming import Step, by_keyword, identifiers, steps
from mlops_lab.adapters.writing import broken, call, docstring, duration, literal, moment, sentence
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.pipeline.dag import DAG, PRESETS, REQUIRED, Param, Task

_HEAD = '''
from __future__ import annotations

import os
{times}from importlib import import_module
from inspect import signature
from operator import attrgetter
from pathlib import Path

{approval}from airflow.sdk import {names}
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException


def call(source, /, **given):
    """Run `module:function`; what it asks for by name beside `given` is this run's own."""
    from mlops_lab.base.clock import SystemClock, parse_utc  # here, so that Airflow reads this file quickly
    from mlops_lab.pipeline.dag import FailTask, SkipTask

    module, _, name = source.partition(":")
    function = attrgetter(name)(import_module(module))
    function = getattr(function, "function", function)  # a Task holds its function
    context = get_current_context()
    words = {
        "logical_date": parse_utc((context["dag_run"].logical_date or context["dag_run"].run_after).isoformat()),
        "params": dict(context["params"]),
        "clock": SystemClock(),
        "home": Path(os.environ["MLOPS_LAB_HOME"]),
        "attempt": context["ti"].try_number,
        "run_id": context["run_id"],
    }
    asked = signature(function).parameters.values()
    if not any(each.kind is each.VAR_KEYWORD for each in asked):
        words = {each.name: words[each.name] for each in asked if each.name in words}
    try:
        return function(**{**words, **given})
    except SkipTask as skip:
        raise AirflowSkipException(str(skip)) from None
    except FailTask as failure:
        raise AirflowFailException(str(failure)) from None
'''
_APPROVAL = '''
class Approval(ApprovalOperator):
    """Runs a function; when that waits for somebody's yes, asks for it in Airflow and runs it again with the answer."""

    template_fields = (*ApprovalOperator.template_fields, "takes")

    def __init__(self, *, function, takes, **settings):
        super().__init__(subject="An approval", **settings)
        self.function = function
        self.takes = takes

    def execute(self, context, **answer):
        try:
            return self.function(*self.takes, **answer)
        except Exception as refused:
            if not getattr(refused, "waiting", False):
                raise
            self.subject = str(refused)
        return super().execute(context)

    def execute_complete(self, context, event):
        given = HITLOperator.execute_complete(self, context, event)
        user = given["responded_by_user"] or {"name": "nobody"}
        decision = {"approved": given["chosen_options"] == [self.APPROVE], "by": user["name"], "comment": "in Airflow"}
        return self.execute(context, decision=decision)'''
LONGEST_TASK = timedelta(hours=6)  # for a task without a limit of its own: what hangs must not hold every later run
_LONGEST_WAIT = timedelta(days=3)  # for somebody's yes
_USED = {
    *("os", "UTC", "datetime", "timedelta", "import_module", "signature", "attrgetter", "Path", "call", "dag"),
    *("DAG", "CronTriggerTimetable", "Param", "get_current_context", "task"),
    *("AirflowFailException", "AirflowSkipException", "Approval", "ApprovalOperator", "HITLOperator", "decision"),
}
# A task's parameter of such a name would be filled by Airflow itself.
_CONTEXT = {
    *("conn", "dag_run", "data_interval_end", "data_interval_start", "ds", "ds_nodash", "exception", "var"),
    *("expanded_ti_count", "inlet_events", "inlets", "logical_date", "macros", "map_index_template", "outlet_events"),
    *("outlets", "params", "prev_data_interval_end_success", "prev_data_interval_start_success", "reason", "ti"),
    *("prev_end_date_success", "prev_start_date_success", "run_id", "task_instance", "task_instance_key_str"),
    *("task_reschedule_count", "templates_dict", "test_mode", "triggering_asset_events", "try_number", "ts"),
    *("ts_nodash", "ts_nodash_with_tz", "conf", "self", "source"),
}


def to_airflow(dag: DAG) -> str:
    """The DAG as an Airflow 3 file in TaskFlow style, ready for Airflow's `dags` folder.

    The tasks run the same functions as here, by name, so `mlops_lab` has to be installed where Airflow runs, and
    `MLOPS_LAB_HOME` has to name a folder that every worker sees. Results are small JSON values and travel as XComs.

    What differs there: Airflow adds up to a tenth of jitter to a back-off, starts `one_success` and `one_failed` early,
    accepts params that the DAG does not have, does not hold a date param against its minimum and maximum, and runs no
    task at all for a date before `start_date`, which it calls a success. One run at a time: they share the home folder.
    A task without a limit of its own is ended after six hours there, and an approval is waited for three days.

    A task with `approval=True` is an `ApprovalOperator`: when its function waits for somebody's yes, Airflow lists it
    under Required Actions. Who answers there, and how, is handed to the function as `decision`, so that the registry
    keeps it in its history. While it still waits, because the author cannot agree alone, Airflow asks again.

    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> [line.strip() for line in to_airflow(flights_pipeline()).splitlines() if "evaluate_result" in line]
    ['evaluate_result = evaluate(build_training_set_result, train_result)',
     'gate_result = gate(register_result, evaluate_result)']

    Raises:
        InvalidDefinition: a function that no other process finds, or what Airflow refuses: see the message.

    See Also:
        https://airflow.apache.org/docs/apache-airflow/stable/tutorial/taskflow.html
    """
    _check(dag)
    found = steps(dag)
    taken = _USED | _CONTEXT
    functions = identifiers((each.task.task_id for each in found), taken)
    results = identifiers((f"{name}_result" for name in functions.values()), taken.union(functions.values()))
    results = {task_id: results[f"{name}_result"] for task_id, name in functions.items()}
    defined = "\n\n\n".join(_function(each, functions) for each in found)
    lines = [_wired(each, functions, results) for each in found] + [_order(each, results) for each in found]
    with_dag = "\n".join([_dag(dag), *(line for line in lines if line)] if lines else [_dag(dag), "    pass"])
    head = _docstring(dag) + _head(dag, defined + with_dag)
    return "\n\n\n".join(filter(None, (head, defined, with_dag))) + "\n"


def _check(dag: DAG) -> None:
    if dag.schedule is not None and dag.catchup and dag.start_date is None:
        raise InvalidDefinition(f"DAG {dag.dag_id} catches up from no start_date, which Airflow refuses; give it one.")
    for tag in (each for each in dag.tags if len(each) > 100):
        raise InvalidDefinition(
            f"the tag {tag[:20]!r}… of DAG {dag.dag_id} has {len(tag)} characters; 100 are allowed."
        )


def _docstring(dag: DAG) -> str:
    told = (
        f"{sentence(dag.description) or f'The DAG {dag.dag_id}.'}\n\n"
        "An Airflow 3 file, written by `mlops-lab export airflow`: change the DAG there and write this file again.\n"
        "Airflow's Python needs the package mlops_lab; MLOPS_LAB_HOME names a folder that every worker sees."
    )
    return docstring(told)


def _head(dag: DAG, defined: str) -> str:
    has_duration = bool(dag.tasks) or "timedelta(" in defined
    moments = ["UTC", "datetime"] if dag.start_date is not None else []
    times = [*moments, *["timedelta"] * has_duration]
    names = ["DAG", *["CronTriggerTimetable"] * (dag.schedule is not None), *["Param"] * bool(dag.params)]
    names += ["get_current_context", *["task"] * any(not each.approval for each in dag.tasks.values())]
    imports = f"from datetime import {', '.join(times)}\n" if times else ""
    operators = "from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator\n"
    asks = any(each.approval for each in dag.tasks.values())
    text = _HEAD.replace("{times}", imports).replace("{names}", ", ".join(names)).rstrip("\n")
    return "\n" + text.replace("{approval}", operators * asks) + f"\n\n{_APPROVAL}" * asks


def _function(step: Step, names: dict[str, str]) -> str:
    task, name = step.task, names[step.task.task_id]
    settings = _settings(task) if task.task_id == name else {"task_id": literal(task.task_id), **_settings(task)}
    decorator = "" if task.approval else call("@task(", settings) + "\n" if settings else "@task\n"
    given = {key: literal(value, lambda task_id: names[task_id]) for key, value in step.given.items()}
    arguments = [literal(task.source), *by_keyword(given)]
    about = f"    {docstring(sentence(task.description), '    ')}\n" if task.description.strip() else ""
    arguments += ["decision=decision"] * task.approval
    parameters = ", ".join([*(names[each] for each in step.takes), *["decision=None"] * task.approval])
    opening = broken(f"def {name}({parameters}):")
    return f"{decorator}{opening}\n{about}{call('return call(', arguments, indent='    ')}"


def _settings(task: Task) -> dict[str, str]:
    """What differs from Airflow's defaults, in Airflow's words."""
    found: dict[str, str] = {}
    if task.retries:
        found["retries"] = str(task.retries)
        found["retry_delay"] = duration(task.retry_delay)
        if task.retry_exponential_backoff:
            found["retry_exponential_backoff"] = "2.0"  # the factor; since Airflow 3.2, True would mean 1: no growth
        if task.max_retry_delay is not None:
            found["max_retry_delay"] = duration(task.max_retry_delay)
    if task.execution_timeout is not None:
        found["execution_timeout"] = duration(task.execution_timeout)
    if task.trigger_rule != "all_success":
        found["trigger_rule"] = literal(task.trigger_rule)
    return found


def _wired(step: Step, functions: dict[str, str], results: dict[str, str]) -> str:
    name = step.task.task_id
    taken = [results[each] for each in step.takes]
    if not step.task.approval:
        return call(f"{results[name]} = {functions[name]}(", taken, indent="    ")
    settings = {"task_id": literal(name), "function": functions[name], "takes": f"[{', '.join(taken)}]"}
    settings |= _settings(step.task)
    settings["response_timeout"] = settings.get("execution_timeout", duration(_LONGEST_WAIT))
    settings["execution_timeout"] = "None"  # Airflow's would end the waiting
    return call(f"{results[name]} = Approval(", settings, ").output", indent="    ")


def _order(step: Step, results: dict[str, str]) -> str:
    waits = [results[each] for each in step.waits]
    if not waits:
        return ""
    before = waits[0] if len(waits) == 1 else f"[{', '.join(waits)}]"
    return broken(f"{before} >> {results[step.task.task_id]}", "    ")


def _dag(dag: DAG) -> str:
    settings = [literal(dag.dag_id)]
    if dag.description:
        settings.append(f"description={literal(dag.description)}")
    schedule = "None"
    if dag.schedule is not None:
        cron = literal(PRESETS.get(dag.schedule, dag.schedule))
        schedule = f"CronTriggerTimetable({cron}, timezone={literal(dag.timezone)})"
    settings.append(f"schedule={schedule}")
    if dag.start_date is not None:
        settings.append(f"start_date={moment(dag.start_date)}")
    settings.append(f"catchup={dag.catchup and dag.schedule is not None}")
    settings.append("max_active_runs=1")  # two runs at once would write into one home folder
    if dag.tasks:
        settings.append(f'default_args={{"execution_timeout": {duration(LONGEST_TASK)}}}')
    if dag.tags:
        settings.append(f"tags={literal(list(dag.tags))}")
    if dag.params:
        written = "".join(f"{_param(name, param)}\n" for name, param in dag.params.items())
        settings.append(f"params={{\n{written}    }}")
    return "with DAG(\n" + "".join(broken(f"{each},", "    ") + "\n" for each in settings) + ") as dag:"


def _param(name: str, param: Param) -> str:
    """Airflow's Param, whose words are those of JSON Schema; a date is a string of that format."""
    kind: Any = "string" if param.type == "date" else param.type
    if param.default is None:
        kind = ["null", kind]
    words = [] if param.default is REQUIRED else [literal(param.default)]
    words.append(f"type={literal(kind)}")
    if param.type == "date":
        words.append('format="date"')
    else:
        bounds = {"minimum": param.minimum, "maximum": param.maximum}
        words += [f"{word}={literal(bound)}" for word, bound in bounds.items() if bound is not None]
    if param.enum is not None:
        words.append(f"enum={literal([*param.enum, *[None] * (param.default is None)])}")
    if param.description:
        words.append(f"description={literal(param.description)}")
    return call(f"{literal(name)}: Param(", words, "),", indent="        ")
