"""The whole expression language of GitHub Actions, by itself.

`evaluate` computes one expression, `interpolate` a text with expressions in it. Nothing here knows what a workflow is:
the caller says which contexts (`github`, `needs`, `matrix` …) there are.
"""

from mlops_lab.ci.expressions.evaluator import evaluate as evaluate
from mlops_lab.ci.expressions.evaluator import interpolate as interpolate
from mlops_lab.ci.expressions.functions import hash_files as hash_files
from mlops_lab.ci.expressions.template import ExpressionError as ExpressionError
from mlops_lab.ci.expressions.template import Hole as Hole
from mlops_lab.ci.expressions.template import split as split
from mlops_lab.ci.expressions.values import is_truthy as is_truthy
from mlops_lab.ci.expressions.values import to_text as to_text
