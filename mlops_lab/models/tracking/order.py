"""In which order are runs listed?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData

if TYPE_CHECKING:
    from mlops_lab.models.tracking.runs import Run

__all__ = ["in_order"]

_ORDER = re.compile(r"\s*(started|ended|name|(metrics|params)\.(.+?))(?:\s+(ASC|DESC))?\s*", re.IGNORECASE)


def in_order(runs: Iterable[Run], order_by: str) -> list[Run]:
    """The runs sorted by `started`, `ended`, `name`, `metrics.NAME` or `params.NAME`, ASC or DESC.

    What has no value there, or NaN, comes last either way; ties keep the order given.

    >>> in_order([], "metrics.auc DESC")
    []

    Raises:
        InvalidData: the order is none of these.
    """
    match = _ORDER.fullmatch(str(order_by))
    if match is None:
        raise InvalidData(
            f"cannot order runs by {order_by!r}; write started, ended, name, metrics.NAME or params.NAME, then ASC or"
            " DESC."
        )
    column, kind, key, direction = match.groups()

    def value(run: Run) -> Any:
        return getattr(run, kind.lower()).get(key) if kind else getattr(run, column.lower())

    there = [run for run in runs if not _is_missing(value(run))]
    missing = [run for run in runs if _is_missing(value(run))]
    # Parameters of one name may be of several kinds in different runs: numbers come before text.
    there.sort(key=lambda run: _comparable(value(run)), reverse=(direction or "ASC").upper() == "DESC")
    return there + missing


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _comparable(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value
