"""GitHub Actions without GitHub: expressions, a reader, a simulator and a way to really run a workflow.

Everything here follows GitHub's documentation; where it is silent, GitHub's own packages and `act` were asked.

Read and checked, not simulated, each said in a run's notes where it occurs: `container`, `services`, `snapshot` and
`cancel-timeout-minutes` of a job; `background`, `wait`, `wait-all`, `cancel` and `parallel` steps; jobs of workflows of
other repositories; what steps give that nobody told. Not known at all: custom protection rules, teams, limits of usage,
billing, queues of runners, re-runs of single jobs, a file's meaning on another branch than the one that is read.
"""

from __future__ import annotations

from mlops_lab.ci.executing import execute as execute
from mlops_lab.ci.expressions import ExpressionError as ExpressionError
from mlops_lab.ci.expressions import evaluate as evaluate
from mlops_lab.ci.expressions import interpolate as interpolate
from mlops_lab.ci.loading import load_workflow as load_workflow
from mlops_lab.ci.loading import parse_workflow as parse_workflow
from mlops_lab.ci.matrix import expand_matrix as expand_matrix
from mlops_lab.ci.nodes import WorkflowError as WorkflowError
from mlops_lab.ci.nodes import read_yaml as read_yaml
from mlops_lab.ci.results import JobRun as JobRun
from mlops_lab.ci.results import StepRun as StepRun
from mlops_lab.ci.results import WorkflowRun as WorkflowRun
from mlops_lab.ci.run_state import ConcurrencyGroups as ConcurrencyGroups
from mlops_lab.ci.run_state import Environment as Environment
from mlops_lab.ci.run_state import Review as Review
from mlops_lab.ci.run_state import environments_from as environments_from
from mlops_lab.ci.simulating import simulate as simulate
from mlops_lab.ci.simulating import simulate_chain as simulate_chain
from mlops_lab.ci.step_runner import Outcome as Outcome
from mlops_lab.ci.trigger import Trigger as Trigger
from mlops_lab.ci.workflow import Workflow as Workflow
