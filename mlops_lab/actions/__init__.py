"""What would GitHub do with this workflow file? Expressions, a reader, a simulator and a way to really run it.

Everything here follows GitHub's documentation; where it is silent, GitHub's own packages and `act` were asked.
"""

from __future__ import annotations

from mlops_lab.actions.errors import Problem, WorkflowError
from mlops_lab.actions.expressions import ExpressionError, evaluate, interpolate
from mlops_lab.actions.loading import load_workflow, parse_workflow
from mlops_lab.actions.workflow import Workflow

__all__ = [
    "ExpressionError",
    "Problem",
    "Workflow",
    "WorkflowError",
    "evaluate",
    "interpolate",
    "load_workflow",
    "parse_workflow",
]
