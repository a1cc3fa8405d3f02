"""Tasks, their order, their schedule and their runs, in the words of Airflow.

task      what is one task?                          rules     may it run, given its upstream states?
dag       which waits for which?                     order     in which order?
params    which values does a run take?              schedule  when should it have run?
executor  how are the tasks run?                     trace     what is written of every run?
document  how is a DAG written as data?             reading   and read again?
"""

from __future__ import annotations

from mlops_lab.pipeline.dag.dag import DAG, topological_order
from mlops_lab.pipeline.dag.document import from_dict, from_json, from_yaml, json_schema, to_dict, to_json, to_yaml
from mlops_lab.pipeline.dag.executor import run_dag
from mlops_lab.pipeline.dag.params import REQUIRED, Param, parse_params, resolve_params
from mlops_lab.pipeline.dag.rules import TRIGGER_RULES
from mlops_lab.pipeline.dag.run import Attempt, DagRun, Event, TaskInstance
from mlops_lab.pipeline.dag.run_store import get_run, list_runs
from mlops_lab.pipeline.dag.schedule import PRESETS, Schedule
from mlops_lab.pipeline.dag.task import CONTEXT, FailTask, Reference, SkipTask, Task, task

__all__ = [
    "CONTEXT",
    "DAG",
    "PRESETS",
    "REQUIRED",
    "TRIGGER_RULES",
    "Attempt",
    "DagRun",
    "Event",
    "FailTask",
    "Param",
    "Reference",
    "Schedule",
    "SkipTask",
    "Task",
    "TaskInstance",
    "from_dict",
    "from_json",
    "from_yaml",
    "get_run",
    "json_schema",
    "list_runs",
    "parse_params",
    "resolve_params",
    "run_dag",
    "task",
    "to_dict",
    "to_json",
    "to_yaml",
    "topological_order",
]
