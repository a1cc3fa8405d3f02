"""Entity rows: whose features are asked for now."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, closest
from mlops_lab.data.features.columns import check_columns, key_column
from mlops_lab.data.features.definitions import FeatureView
from mlops_lab.data.features.offline import check_no_clash
from mlops_lab.data.features.online import OnlineResponse, OnlineStore
from mlops_lab.data.features.selection import Selection

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["answer"]

_WHERE = "the entity rows"


def answer(
    entity_rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    selection: Selection,
    online: OnlineStore,
    *,
    at: int | None,
) -> OnlineResponse:
    """What the online store knows of these entities.

    Raises:
        InvalidData: a key is missing or of another type, or a column is named like a feature; or as `OnlineStore.read`.
    """
    key_types = {key: kind for part in selection.parts for key, kind in part.view.key_types.items()}
    columns = _columns(entity_rows, key_types)
    check_no_clash(columns, selection.names, _WHERE)
    count = 1 if isinstance(entity_rows, Mapping) else len(entity_rows)
    asked = [(part.view, part.features, _keys(part.view, columns, count)) for part in selection.parts]
    found: dict[str, list[Any]] = {}
    for part, values in zip(selection.parts, online.read(asked, at=at), strict=True):
        found.update(zip(part.names, values, strict=True))
    return OnlineResponse(columns | {name: found[name] for name in selection.names}, selection.dtypes)


def _columns(
    entity_rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]], key_types: Mapping[str, str]
) -> dict[str, list[Any]]:
    """Entity rows (a frame, one mapping or several) as lists by column, with the keys as Python values, None for null.

    Raises:
        InvalidData: a key is missing or of another type.
    """
    if hasattr(entity_rows, "columns"):
        frame: Any = entity_rows
        check_columns(frame, list(dict.fromkeys([*key_types, *map(str, frame.columns)])), _WHERE)
        columns = {str(name): frame[name].tolist() for name in frame.columns}
        return columns | {key: key_column(frame[key], kind, _WHERE).to_pylist() for key, kind in key_types.items()}
    rows: Any = [entity_rows] if isinstance(entity_rows, Mapping) else entity_rows
    if isinstance(rows, str) or not isinstance(rows, Sequence) or not _are_mappings(rows):
        raise InvalidData(f'{_WHERE} must be a frame or a list like [{{"origin": "EWR"}}], not {entity_rows!r:.60}.')
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names if name not in key_types}
    for key, kind in key_types.items():
        if any(key not in row for row in rows):
            row = next(row for row in rows if key not in row)
            meant = closest(key, [str(name) for name in row])
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise InvalidData(f"no key {key!r} in the entity row {dict(row)!r:.200}.{hint}", column=key)
        values = [row[key] for row in rows]
        plain = kind == "string" and set(map(type, values)) == {str}
        columns[key] = values if plain else [_key_value(value, kind, key) for value in values]
    return {name: columns[name] for name in names} | {key: columns[key] for key in key_types}


def _are_mappings(rows: Sequence[object]) -> bool:
    return set(map(type, rows)) <= {dict} or all(isinstance(row, Mapping) for row in rows)


def _key_value(value: Any, kind: str, key: str) -> Any:
    pandas = sys.modules.get("pandas")  # whoever passes pandas' own nulls has imported it
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return None
    if kind == "string" and isinstance(value, str):
        return str(value)
    if kind == "int64" and hasattr(value, "__index__") and "bool" not in type(value).__name__:
        whole = operator.index(value)
        if -(2**63) <= whole < 2**63:
            return whole
    raise InvalidData(
        f"key {key!r} of {_WHERE} must be {kind}, not {value!r:.60} ({type(value).__name__}).", column=key
    )


def _keys(view: FeatureView, columns: Mapping[str, list[Any]], rows: int) -> list[list[Any] | None]:
    """The key of each row for one view; None where a part is null."""
    if not view.join_keys:
        return [[] for _ in range(rows)]
    keys = zip(*(columns[key] for key in view.join_keys), strict=True)
    return [None if None in key else list(key) for key in keys]
