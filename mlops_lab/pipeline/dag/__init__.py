"""Tasks, their order, their schedule and their runs, in the words of Airflow.

task      what is one task?                     arguments  and what is it given?
dag       which waits for which, in which order?     rules      may it run, given its upstream states?
params    which values does a run take?         schedule   when should it have run?
executor  how are the tasks run?                run_store  what is written of every run?
document  how is a DAG written as data, and read again?
"""

from __future__ import annotations

from mlops_lab.pipeline.dag.dag import DAG as DAG
from mlops_lab.pipeline.dag.dag import topological_order as topological_order
from mlops_lab.pipeline.dag.document import from_dict as from_dict
from mlops_lab.pipeline.dag.document import from_json as from_json
from mlops_lab.pipeline.dag.document import from_yaml as from_yaml
from mlops_lab.pipeline.dag.document import json_schema as json_schema
from mlops_lab.pipeline.dag.document import to_dict as to_dict
from mlops_lab.pipeline.dag.document import to_json as to_json
from mlops_lab.pipeline.dag.document import to_yaml as to_yaml
from mlops_lab.pipeline.dag.executor import run_dag as run_dag
from mlops_lab.pipeline.dag.params import REQUIRED as REQUIRED
from mlops_lab.pipeline.dag.params import Param as Param
from mlops_lab.pipeline.dag.params import parse_params as parse_params
from mlops_lab.pipeline.dag.params import resolve_params as resolve_params
from mlops_lab.pipeline.dag.rules import TRIGGER_RULES as TRIGGER_RULES
from mlops_lab.pipeline.dag.run import Attempt as Attempt
from mlops_lab.pipeline.dag.run import DagRun as DagRun
from mlops_lab.pipeline.dag.run import Event as Event
from mlops_lab.pipeline.dag.run import TaskInstance as TaskInstance
from mlops_lab.pipeline.dag.run_store import get_run as get_run
from mlops_lab.pipeline.dag.run_store import list_runs as list_runs
from mlops_lab.pipeline.dag.schedule import PRESETS as PRESETS
from mlops_lab.pipeline.dag.schedule import Schedule as Schedule
from mlops_lab.pipeline.dag.task import FailTask as FailTask
from mlops_lab.pipeline.dag.task import Reference as Reference
from mlops_lab.pipeline.dag.task import SkipTask as SkipTask
from mlops_lab.pipeline.dag.task import Task as Task
from mlops_lab.pipeline.dag.task import task as task
