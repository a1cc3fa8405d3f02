"""What happened, as yes or no, and nothing that only looks like it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, UnknownName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["outcomes_of", "yes_or_no"]

_SHOWN = 3


def outcomes_of(frame: pd.DataFrame, label: str, *, rows: str) -> np.ndarray[Any, Any]:
    """The column `label` as True and False, shape (rows,); `rows` says in an error which rows these are.

    Python would take the text "no" for a yes, and a 2 as well; here only True and False, 1 and 0 are outcomes.

    >>> import pandas as pd
    >>> outcomes_of(pd.DataFrame({"late": [1, 0]}), "late", rows="training rows").tolist()
    [True, False]
    >>> outcomes_of(pd.DataFrame({"late": ["yes", "no"]}), "late", rows="training rows")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: 'late' holds 'no', 'yes'; an outcome is True or False. Say which is the yes: \
frame['late'] == 'yes'.

    Raises:
        UnknownName: there is no such column.
        InvalidData: an outcome is missing, or is neither yes nor no.
    """
    if label not in frame.columns:
        raise UnknownName("column", label, frame.columns, where=f"the {rows}")
    column = frame[label]
    if column.ndim > 1:
        raise InvalidData(f"there are {column.shape[1]} columns {label!r} in the {rows}; keep one.", column=label)
    if (missing := int(column.isna().sum())) > 0:
        raise InvalidData(
            f"{missing:,} of {len(column):,} {rows} have no {label!r}; leave rows out whose outcome is not known yet.",
            column=label,
        )
    return yes_or_no(column.to_numpy("object"), what=repr(label), column=label)


def yes_or_no(values: Any, *, what: str, column: str | None = None) -> np.ndarray[Any, Any]:
    """The values as True and False, if that is what they are; 1 and 0 mean the same.

    >>> yes_or_no([1.0, 0.0], what="the truth").tolist()
    [True, False]

    Raises:
        InvalidData: a value is something else.
    """
    import numpy as np

    found = np.asarray(values)
    if found.dtype.kind == "O":
        distinct = set(found.tolist()) if all(isinstance(each, str | int | float) for each in found.flat) else None
    else:
        distinct = set(np.unique(found).tolist())
    if distinct is not None and distinct <= {0, 1}:
        return found.astype("bool")
    shown = sorted(map(repr, distinct)) if distinct is not None else sorted({type(x).__name__ for x in found.flat})
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    name = f"frame[{column!r}]" if column else "values"
    hint = f"{name} == {shown[-1]}" if len(shown) == 2 else f"{name} > 0, for example"
    raise InvalidData(
        f"{what} holds {', '.join(shown[:_SHOWN])}{more}; an outcome is True or False. Say which is the yes: {hint}.",
        column=column,
    )
