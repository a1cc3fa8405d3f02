"""Features computed on demand: one function of features and request, whoever asks, for training or for serving."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, InvalidDefinition
from mlops_lab.base.fingerprint import fingerprint_bytes
from mlops_lab.data.features.columns import check_columns, value_column
from mlops_lab.data.features.definitions import OnDemandFeatureView

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.data.features.selection import Selection


_TRIED = 3  # rows of a training set that are computed again alone


def add_computed(
    selection: Selection, columns: dict[str, Any], frame: pd.DataFrame, where: str, *, tried: bool
) -> None:
    """Compute the on demand features of a selection from its other `columns`, and from what `frame` brings.

    Raises:
        InvalidData: the frame lacks a column that the request has to bring, or has one of another type.
        InvalidDefinition: the function fails, gives something else than declared, or, where that is `tried`, makes a
            row of other rows than its own.
    """
    import pandas as pd

    check_columns(frame, list(selection.requested), where)
    for one in selection.computed:
        view = one.view
        inputs = dict(zip(view.inputs, (columns[name] for name in one.inputs), strict=False))
        inputs |= {name: value_column(frame[name], dtype, where) for name, dtype in view.requested.items()}
        asked = pd.DataFrame(inputs, index=pd.RangeIndex(len(frame)))
        found = _answer(view, asked)
        for place in sorted({0, len(asked) // 2, len(asked) - 1})[:_TRIED] if tried and len(asked) > 1 else ():
            alone = _answer(view, asked.iloc[[place]].reset_index(drop=True))
            if not all(_same(alone[name][0], found[name][place]) for name in view.features):
                raise InvalidDefinition(
                    f"on demand feature view {view.name!r} computes row {place} alone otherwise than among others; a "
                    "model is served one row at a time, so its function must look at nothing but the row itself."
                )
        columns.update(zip(one.names, (found[name] for name in one.features), strict=True))


def _answer(view: OnDemandFeatureView, asked: pd.DataFrame) -> dict[str, Any]:
    import pandas as pd

    where = f"the answer of on demand feature view {view.name!r}"
    try:
        found = view.udf(asked.copy())
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise InvalidDefinition(f"on demand feature view {view.name!r} cannot compute: {told}.") from error
    if not isinstance(found, pd.DataFrame) or len(found) != len(asked):
        what = f"{len(found)} rows" if isinstance(found, pd.DataFrame) else type(found).__name__
        raise InvalidDefinition(f"{where} must be a frame of {len(asked)} rows, as it was asked, not {what}.")
    try:
        check_columns(found, view.features, where)
        return {name: value_column(found[name], dtype, where) for name, dtype in view.dtypes.items()}
    except InvalidData as error:
        raise InvalidDefinition(str(error)) from None


def _same(one: Any, two: Any) -> bool:
    import math

    import pandas as pd

    if pd.isna(one) or pd.isna(two):
        return bool(pd.isna(one) and pd.isna(two))
    # Of many rows at once the processor may round the last digit otherwise than of one.
    return math.isclose(one, two, rel_tol=1e-9) if isinstance(one, float) else bool(one == two)


def reference_to(udf: Callable[[Any], Any]) -> dict[str, str]:
    """Where another process finds a function, and the fingerprint of its code."""
    return {"function": f"{udf.__module__}:{getattr(udf, '__qualname__', '')}", "code": _code(udf)}


def _code(udf: Callable[[Any], Any]) -> str:
    try:
        return fingerprint_bytes(inspect.getsource(udf).encode())
    except (OSError, TypeError):
        return ""


def function_of(view: str, reference: Mapping[str, str]) -> Callable[[Any], Any]:
    """The function that a reference leads to, looked for when it is first called.

    It is imported by its name, as Feast would have unpickled it; and it must be the code that was applied, for a model
    learnt from that.
    """
    found: list[Callable[[Any], Any]] = []

    def compute(frame: Any) -> Any:
        if not found:
            found.append(_found(view, reference))
        return found[0](frame)

    compute.__module__, _, compute.__qualname__ = reference["function"].partition(":")
    return compute


def _found(view: str, reference: Mapping[str, str]) -> Callable[[Any], Any]:
    module, _, name = reference["function"].partition(":")
    again = f"apply on demand feature view {view!r} again in this program"
    if module == "__main__" or not name.isidentifier():
        raise InvalidDefinition(f"the function {name} is only in the program that applied it; {again}.")
    try:
        udf = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidDefinition(f"the function {name} is not here ({error}); {again}.") from None
    if not inspect.isfunction(udf) or udf.__module__ != module:
        raise InvalidDefinition(f"{module}:{name} is no function of that module; {again}.")
    if _code(udf) != reference["code"]:
        raise InvalidDefinition(f"the function {name} has changed since it was applied; train anew, or {again}.")
    return udf
