"""The whole expression language of GitHub Actions, by itself.

`evaluate` computes one expression, `interpolate` a text with expressions in it. Nothing here knows what a workflow is:
the caller says which contexts (`github`, `needs`, `matrix` …) there are.
"""

from mlops_lab.ci.expressions.evaluator import evaluate, interpolate
from mlops_lab.ci.expressions.functions import hash_files
from mlops_lab.ci.expressions.template import ExpressionError, Hole, split
from mlops_lab.ci.expressions.values import is_truthy, to_text

__all__ = ["ExpressionError", "Hole", "evaluate", "hash_files", "interpolate", "is_truthy", "split", "to_text"]
