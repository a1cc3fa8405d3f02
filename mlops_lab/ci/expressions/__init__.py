"""The whole expression language of GitHub Actions, by itself.

`evaluate` computes one expression, `interpolate` a text with expressions in it. Nothing here knows what a workflow is:
the caller says which contexts (`github`, `needs`, `matrix` …) there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_lab.ci.expressions.evaluator import compute
from mlops_lab.ci.expressions.functions import hash_files, hash_function, status_functions, status_of
from mlops_lab.ci.expressions.template import ExpressionError, Hole, split
from mlops_lab.ci.expressions.values import FilteredArray, Value, is_truthy, to_text

__all__ = [
    "ExpressionError",
    "FilteredArray",
    "Hole",
    "Value",
    "evaluate",
    "hash_files",
    "interpolate",
    "is_truthy",
    "split",
    "to_text",
]


def evaluate(
    expression: str,
    contexts: Mapping[str, Value] | None = None,
    *,
    status: str | None = None,
    workspace: Path | None = None,
    watch: Callable[[tuple[str, ...]], None] | None = None,
) -> Value:
    """The value of one expression, without its `${{ }}`.

    Imitates https://docs.github.com/actions/reference/workflows-and-actions/expressions; an empty expression is null.

    >>> evaluate("contains(github.ref, 'MAIN') && needs.*.result", {
    ...     "github": {"ref": "refs/heads/main"}, "needs": {"test": {"result": "success"}}})
    ['success']
    >>> evaluate("format('{0} of {1}', 0x10, 1e21)")
    '16 of 1E+21'
    >>> evaluate("success() || failure()", status="failure")
    True

    Args:
        expression: the text between `${{` and `}}`.
        contexts: the names that exist, and their values (plain JSON-like data).
        status: the story so far for `success()`, `failure()` and `cancelled()`; when not given it is read from
            `job.status`, else from `needs.*.result`, else it is `"success"`.
        workspace: the folder that `hashFiles` looks into.
        watch: is told each name that the expression reads, as `references` gives it.

    Returns:
        None, a bool, a float (or the int of a context), a str, a list or a dict.

    Raises:
        ExpressionError: the text is no expression, names something unknown, or cannot be computed.
    """
    contexts = contexts or {}
    functions = {
        **status_functions(status if status is not None else status_of(contexts)),
        "hashfiles": hash_function(workspace),
    }
    return compute(expression, contexts, functions, watch)


def interpolate(
    text: str,
    contexts: Mapping[str, Value] | None = None,
    *,
    status: str | None = None,
    workspace: Path | None = None,
    watch: Callable[[tuple[str, ...]], None] | None = None,
) -> Value:
    """A text with its `${{ … }}` replaced; a text that is one expression and no more keeps that value's kind.

    Imitates https://docs.github.com/actions/concepts/workflows-and-actions/expressions.

    >>> interpolate("python-${{ matrix.python }}", {"matrix": {"python": 3.10}})
    'python-3.1'
    >>> interpolate("${{ fromJSON('[3.12, 3.13]') }}")
    [3.12, 3.13]

    Raises:
        ExpressionError: one of the expressions is wrong or never closed.
    """
    parts = split(text)
    values = [
        part if isinstance(part, str) else evaluate(
            part.expression, contexts, status=status, workspace=workspace, watch=watch
        )
        for part in parts
    ]  # fmt: skip
    return values[0] if len(parts) == 1 and isinstance(parts[0], Hole) else "".join(map(to_text, values))
