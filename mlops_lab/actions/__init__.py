"""What would GitHub do with this workflow file? Expressions, a reader, a simulator and a way to really run it.

Everything here follows GitHub's documentation; where it is silent, GitHub's own packages and `act` were asked.
"""

from __future__ import annotations

from mlops_lab.actions.concurrency import ConcurrencyGroups
from mlops_lab.actions.environments import Environment, Review
from mlops_lab.actions.errors import Problem, WorkflowError
from mlops_lab.actions.executing import execute
from mlops_lab.actions.expressions import ExpressionError, evaluate, interpolate
from mlops_lab.actions.loading import load_workflow, parse_workflow
from mlops_lab.actions.matrix import expand_matrix
from mlops_lab.actions.performing import Outcome
from mlops_lab.actions.results import JobRun, Moment, StepRun, WorkflowRun
from mlops_lab.actions.simulating import simulate
from mlops_lab.actions.stand_ins import StandInCall
from mlops_lab.actions.trigger import Trigger
from mlops_lab.actions.workflow import Workflow

__all__ = [
    "ConcurrencyGroups",
    "Environment",
    "ExpressionError",
    "JobRun",
    "Moment",
    "Outcome",
    "Problem",
    "Review",
    "StandInCall",
    "StepRun",
    "Trigger",
    "Workflow",
    "WorkflowError",
    "WorkflowRun",
    "evaluate",
    "execute",
    "expand_matrix",
    "interpolate",
    "load_workflow",
    "parse_workflow",
    "simulate",
]
