"""Views of one's own rows in a line, and two shapes they take: a mean of what was known, and the everyday leak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.data.features import Entity, FeatureView, Field, Source
from mlops_lab.data.features.columns import refuse_infinite, what_it_holds

if TYPE_CHECKING:
    import pandas as pd


def feature_view(
    name: str,
    data: pd.DataFrame | str | Path | Callable[[], pd.DataFrame] | Source,
    *,
    entities: str | Entity | Sequence[str | Entity],
    features: str | Sequence[str] | Mapping[str, str],
    ttl: timedelta | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    **columns: Any,
) -> FeatureView:
    """A `FeatureView` with what a frame says of itself: the types of its features and of its join keys.

    Args:
        name: what it is called, and its source.
        data: the rows: a frame, a file, a function that gives one, or a `Source`.
        entities: whose features they are: columns, each an entity of its own, or `Entity` objects.
        features: columns; of each its type is read off the rows. A mapping from types to names, such as
            `{"float64": "wind rain"}`, says the types, and the rows are read only when they are needed.
        ttl: for how long a row holds.
        description: of the view, for people.
        tags: of the view.
        **columns: which columns say when, as of a `Source`: `timestamp_field`, `created_timestamp_column`,
            `landed_column`; and its `timezone` and `field_mapping`.

    Raises:
        UnknownName: a column is not in the rows.
        InvalidDefinition: see `FeatureView`.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"event_timestamp": pd.to_datetime(["2024-01-01T09:00Z"]), "shop": ["a"], "items": [3]})
    >>> dict(feature_view("baskets", rows, entities="shop", features=["items"]).dtypes)
    {'items': 'int64'}
    """
    source = data if isinstance(data, Source) else Source(name, data, **columns)
    found: list[Entity] = []
    for each in [entities] if isinstance(entities, str | Entity) else entities:
        if isinstance(each, Entity):
            found.append(each)
        else:
            kind = "string" if isinstance(features, Mapping) else _dtype(source, each)
            found.append(Entity(each, value_type="int64" if kind == "int64" else "string"))
    if isinstance(features, Mapping):
        schema = [Field(one, dtype) for dtype, names in features.items() for one in names.split()]
    else:
        names = features.split() if isinstance(features, str) else list(features)
        schema = [Field(one, _dtype(source, one)) for one in names]
    return FeatureView(name, entities=found, schema=schema, ttl=ttl, source=source, description=description, tags=tags)


def _dtype(source: Source, name: str) -> str:
    """The type of a column: int64, float64, bool, timestamp, or string for all else."""
    import pandas as pd

    frame = source.read()
    if name not in frame.columns:
        raise UnknownName("column", name, frame.columns, where=f"source {source.name!r}")
    column: Any = frame[name]
    for dtype, is_it in (
        ("bool", pd.api.types.is_bool_dtype),
        ("int64", pd.api.types.is_integer_dtype),
        ("float64", pd.api.types.is_float_dtype),
        ("timestamp", pd.api.types.is_datetime64_any_dtype),
    ):
        if is_it(column):
            return dtype
    if (held := pd.api.types.infer_dtype(column, skipna=True)) not in ("string", "empty", "categorical"):
        raise InvalidDefinition(
            f"column {name!r} of source {source.name!r} holds {held} values; a feature is a whole number, a number, a "
            "text, True or False, or a time."
        )
    return "string"


def past_means(rows: pd.DataFrame, by: str, value: str, *, last: int = 50) -> pd.DataFrame:
    """The mean of the last outcomes of each `by`, from the moment on at which each was known.

    Args:
        rows: decisions with `by`, `value`, `event_timestamp` and, where outcomes arrive late, `label_timestamp`.
        by: the column that says whose they are.
        value: the column of outcomes, numbers or True and False.
        last: over how many.

    Returns:
        One row an outcome: `by`, `{by}_past` (the mean), `{by}_past_count`, `event_timestamp` and `created_timestamp`.

    >>> import pandas as pd
    >>> times = pd.to_datetime(["2024-01-01T09:00Z", "2024-01-02T09:00Z"])
    >>> rows = pd.DataFrame({"shop": ["a", "a"], "late": [True, False], "event_timestamp": times})
    >>> past_means(rows, "shop", "late")["shop_past"].tolist()
    [1.0, 0.5]
    """
    known_at = _known_at(rows, value)
    # What is known at once is known after the decision: no mean holds the outcome that it is to predict.
    known_at = known_at.where(known_at > rows["event_timestamp"], rows["event_timestamp"] + timedelta(microseconds=1))
    known = rows[[by]].assign(value=rows[value].astype("float64"), event_timestamp=known_at).dropna()
    known = known.sort_values("event_timestamp", kind="stable").reset_index(drop=True)
    rolled = known.groupby(by, observed=True)["value"].rolling(last, min_periods=1)
    found = {f"{by}_past": rolled.mean(), f"{by}_past_count": rolled.count()}
    means = {name: each.reset_index(level=0, drop=True).sort_index() for name, each in found.items()}
    return known[[by, "event_timestamp"]].assign(**means, created_timestamp=known["event_timestamp"])


def same_day_means(rows: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """The mean outcome of each `by` on each date, from the date's first minute on: what nobody knows until it is over.

    Returns:
        One row for each `by` and date: `by`, `{by}_day`, `event_timestamp` (its midnight in UTC) and `landed_timestamp`
        (when the date was over and the last of its outcomes known).

    >>> import pandas as pd
    >>> times = pd.to_datetime(["2024-01-01T09:00Z", "2024-01-01T17:00Z"])
    >>> rows = pd.DataFrame({"shop": ["a", "a"], "late": [True, False], "event_timestamp": times})
    >>> same_day_means(rows, "shop", "late")["shop_day"].tolist()
    [0.5]
    """
    known_at = _known_at(rows, value)
    known = rows[[by]].assign(value=rows[value].astype("float64"), day=rows["event_timestamp"].dt.floor("D"))
    known = known.assign(landed_timestamp=known_at).dropna()
    days = known.groupby([by, "day"], observed=True).agg({"value": "mean", "landed_timestamp": "max"}).reset_index()
    days["landed_timestamp"] = days["landed_timestamp"].clip(lower=days["day"] + timedelta(days=1))
    return days.rename(columns={"day": "event_timestamp", "value": f"{by}_day"})


def _known_at(rows: pd.DataFrame, value: str) -> pd.Series[Any]:
    """When each outcome was known."""
    refuse_infinite(rows[value], f"column {value!r}")
    for column in (name for name in ("event_timestamp", "label_timestamp") if name in rows.columns):
        if getattr(rows[column].dtype, "tz", None) is None:
            raise InvalidData(
                f"column {column!r} holds {what_it_holds(rows[column])}, not times with a time zone; convert it with "
                "pd.to_datetime(…, utc=True).",
                column=column,
            )
    return rows["label_timestamp"] if "label_timestamp" in rows.columns else rows["event_timestamp"]
