"""What does an analysis of Argo Rollouts make of a Prometheus that says nothing?

A canary that nobody asks, or that is not scraped, gives no answer, and no answer must promote nobody. The conditions
are read in a small part of Argo's expression language; a metric that uses more of it is left alone.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mlops_lab.adapters.kubernetes.manifests.findings import Finding
from mlops_lab.adapters.kubernetes.manifests.reading import Manifest

__all__ = ["analysis_findings", "verdict"]

_KINDS = ("AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun")
_SILENT = {"an empty answer": (), "NaN": (math.nan,)}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
_CALLS: Mapping[str, Callable[[Any], Any]] = {"len": len, "isNaN": math.isnan, "isInf": math.isinf, "asFloat": float}


class _Unread(Exception):
    """The condition says something that is not read here."""


def analysis_findings(manifest: Manifest) -> Iterator[Finding]:
    """Every metric of an analysis that passes without an answer."""
    metrics = manifest.get("spec", "metrics") if manifest.kind in _KINDS else None
    for number, metric in enumerate(metrics if isinstance(metrics, list) else []):
        if not isinstance(metric, Mapping) or "prometheus" not in (metric.get("provider") or {}):
            continue
        passed = [name for name, answer in _SILENT.items() if verdict(metric, answer) == "Successful"]
        if passed:
            field = "successCondition" if "successCondition" in metric else "name"
            told = (
                f"metric {metric.get('name')!r} takes {' and '.join(passed)} for a success, so a canary whom nobody "
                "asked is promoted; let it be inconclusive: a successCondition and a failureCondition, both false then."
            )
            place = ("spec", "metrics", number, field)
            yield Finding(manifest.path, manifest.line(*place), "no-answer", f"{manifest!r}: {told}")


def verdict(metric: Mapping[str, Any], answer: Sequence[float]) -> str | None:
    """What a metric makes of one answer: `Successful`, `Failed`, `Inconclusive`, `Error`; None when it is not read.

    A failure counts before a success; of two conditions that are both false nobody knows; one condition alone decides
    by itself (https://argo-rollouts.readthedocs.io/en/stable/features/analysis/).

    >>> verdict({"successCondition": "result[0] < 0.01"}, [0.5]), verdict({"failureCondition": "result[0] > 1"}, [0.5])
    ('Failed', 'Successful')
    """
    success, failure = metric.get("successCondition"), metric.get("failureCondition")
    try:
        failed = bool(_holds(failure, answer)) if failure else False
        passed = bool(_holds(success, answer)) if success else not failed
    except (_Unread, RecursionError):
        return None
    except (IndexError, TypeError, ValueError):  # Argo measures an error too: there is no result[0]
        return "Error"
    if failed:
        return "Failed"
    return "Successful" if passed else "Inconclusive" if failure else "Failed"


def _holds(condition: Any, answer: Sequence[float]) -> Any:
    if not isinstance(condition, str) or "'" in condition or '"' in condition:
        raise _Unread
    text = condition.replace("&&", " and ").replace("||", " or ")
    try:
        tree = ast.parse(re.sub(r"!(?!=)", " not ", text).strip(), mode="eval")
    except SyntaxError:
        raise _Unread from None
    return _value(tree.body, answer)


def _value(node: ast.expr, answer: Sequence[float]) -> Any:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(each, answer) for each in values)
        case ast.BoolOp(values=values):
            return any(_value(each, answer) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, answer)
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARE:
            return _COMPARE[type(sign)](_value(left, answer), _value(right, answer))
        case ast.Call(func=ast.Name(id=name), args=[only], keywords=[]) if name in _CALLS:
            return _CALLS[name](_value(only, answer))
        case ast.Subscript(value=ast.Name(id="result"), slice=ast.Constant(value=int(at))):
            return answer[at]
        case ast.Name(id="result"):
            return answer
        case ast.Name(id="true" | "false" as word):
            return word == "true"
        case ast.Constant(value=int() | float() as number):
            return number
    raise _Unread
