"""GitHub Actions without GitHub: expressions, a reader, a simulator and a way to really run a workflow.

Everything here follows GitHub's documentation; where it is silent, GitHub's own packages and `act` were asked.

Read and checked, not simulated, each said in a run's notes where it occurs: `container`, `services`, `snapshot` and
`cancel-timeout-minutes` of a job; `background`, `wait`, `wait-all`, `cancel` and `parallel` steps; jobs of workflows of
other repositories; what steps give that nobody told. Not known at all: custom protection rules, teams, limits of usage,
billing, queues of runners, re-runs of single jobs, a file's meaning on another branch than the one that is read.
"""

from __future__ import annotations

from mlops_lab.ci.executing import execute
from mlops_lab.ci.expressions import ExpressionError, evaluate, interpolate
from mlops_lab.ci.loading import load_workflow, parse_workflow
from mlops_lab.ci.matrix import expand_matrix
from mlops_lab.ci.nodes import Problem, WorkflowError, read_yaml
from mlops_lab.ci.results import JobRun, Moment, StepRun, WorkflowRun
from mlops_lab.ci.run_state import ConcurrencyGroups, Environment, Review, environments_from
from mlops_lab.ci.simulating import simulate, simulate_chain
from mlops_lab.ci.step_runner import Outcome
from mlops_lab.ci.stubs import ActionCall
from mlops_lab.ci.trigger import Trigger
from mlops_lab.ci.workflow import Workflow

__all__ = [
    "ActionCall",
    "ConcurrencyGroups",
    "Environment",
    "ExpressionError",
    "JobRun",
    "Moment",
    "Outcome",
    "Problem",
    "Review",
    "StepRun",
    "Trigger",
    "Workflow",
    "WorkflowError",
    "WorkflowRun",
    "environments_from",
    "evaluate",
    "execute",
    "expand_matrix",
    "interpolate",
    "load_workflow",
    "parse_workflow",
    "read_yaml",
    "simulate",
    "simulate_chain",
]
