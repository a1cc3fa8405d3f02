"""How has the run gone so far?

`success()`, `failure()`, `cancelled()` and `always()` look at what came before: in a step, at the job so far
(`job.status`); in a job's own `if`, at the jobs it needs, all the way up (`needs.*.result`).
See https://docs.github.com/actions/reference/workflows-and-actions/expressions#status-check-functions.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlops_lab.ci.expressions.functions import Function
from mlops_lab.ci.expressions.tree import Call, Comparison, Index, Logical, Node, Not
from mlops_lab.ci.expressions.values import Value, lookup, to_text

__all__ = ["STATUS_FUNCTIONS", "asks_for_status", "status_functions", "status_of"]

STATUS_FUNCTIONS = ("success", "failure", "cancelled", "always")
_MOST = 255


def status_of(contexts: Mapping[str, Value]) -> str:
    """`success`, `failure`, `cancelled` or `skipped`, as the contexts tell it; `success` when they tell nothing."""
    job = lookup(contexts, "job")
    status = to_text(lookup(job, "status")) if isinstance(job, Mapping) else ""
    if status:
        return status.lower()
    needs = lookup(contexts, "needs")
    needed = needs.values() if isinstance(needs, Mapping) else ()
    results = {to_text(lookup(need, "result")).lower() for need in needed if isinstance(need, Mapping)}
    return next((result for result in ("failure", "cancelled", "skipped") if result in results), "success")


def status_functions(status: str) -> dict[str, Function]:
    """The four functions for a run whose story so far is `status`."""
    return {
        "success": Function(lambda _: status == "success", 0, _MOST),
        "failure": Function(lambda _: status == "failure", 0, _MOST),
        "cancelled": Function(lambda _: status == "cancelled", 0, 0),
        "always": Function(lambda _: True, 0, 0),
    }


def asks_for_status(tree: Node | None) -> bool:
    """Does the expression call a status function? If not, GitHub puts `success() &&` before it.

    The call counts wherever it stands, even where it would never be reached.
    """
    match tree:
        case Call():
            return tree.name in STATUS_FUNCTIONS or any(map(asks_for_status, tree.arguments))
        case Logical():
            return any(map(asks_for_status, tree.operands))
        case Index():
            return asks_for_status(tree.source) or asks_for_status(tree.key)
        case Not():
            return asks_for_status(tree.operand)
        case Comparison():
            return asks_for_status(tree.first) or any(asks_for_status(node) for _, node in tree.rest)
        case _:
            return False
