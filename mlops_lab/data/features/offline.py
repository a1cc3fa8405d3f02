"""The offline store: what was known about entities at past moments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlops_lab.base.display import counted, facts, shown
from mlops_lab.base.errors import InvalidData
from mlops_lab.base.fingerprint import fingerprint_frame
from mlops_lab.data.features.columns import (
    as_datetime,
    check_columns,
    key_column,
    time_column,
    ttl_in_ns,
    utc_column,
    value_column,
)
from mlops_lab.data.features.definitions import FeatureView
from mlops_lab.data.features.point_in_time import KeyIndex, Timeline
from mlops_lab.data.features.selection import add_computed

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.data.features.selection import Part, Selection


@dataclass(frozen=True, eq=False, repr=False)
class TrainingSet:
    """Entity rows with the features that were known at each one's moment, and where those came from.

    `frame` has the caller's columns, then the features, in the caller's row order with a fresh index; `time_range` is
    the first and the last `event_timestamp`, or None for no rows. Feast's `RetrievalJob`, already carried out.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"]), "wind": [3.5]})
    >>> moment = frame["event_timestamp"][0].to_pydatetime()
    >>> span = (moment, moment)
    >>> training_set = TrainingSet(frame, features=("wind",), service="", views=("weather",), time_range=span)
    >>> training_set
    TrainingSet(1 row, 1 feature, views=('weather',))
    >>> len(training_set), training_set.to_df() is frame, training_set.fingerprint[:7]
    (1, False, 'sha256:')
    """

    frame: pd.DataFrame
    features: tuple[str, ...]
    service: str = ""
    views: tuple[str, ...] = ()
    time_range: tuple[pd.Timestamp, pd.Timestamp] | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the frame; worked out when first asked for."""
        return fingerprint_frame(self.frame)

    def to_df(self) -> pd.DataFrame:
        """A copy of the frame, as Feast's `RetrievalJob.to_df` gives."""
        return self.frame.copy()

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        service = f"service={self.service!r}, " if self.service else ""
        size = f"{counted(len(self), 'row')}, {counted(len(self.features), 'feature')}"
        return f"TrainingSet({size}, {service}views={self.views!r})"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        named = {"features": len(self.features), "service": self.service, "views": ", ".join(self.views)}
        return shown(repr(self), facts(f"training set of {counted(len(self), 'row')}", named))


MOMENT = "event_timestamp"


class ViewRows:
    """The rows of one view's source, checked and put in order once, so that each question afterwards is a search."""

    def __init__(self, view: FeatureView) -> None:
        """Read the source and put its rows in order.

        Raises:
            InvalidData: the source lacks a column, or one has another type than the view declares.
        """
        self.view = view
        self.where = f"source {view.source.name!r} of view {view.name!r}"
        self.frame = view.source.columns(view.columns)
        check_columns(self.frame, list(view.columns), self.where)
        self.keys = KeyIndex(self.key_arrays(), len(self.frame))
        self._values: dict[str, Any] = {}
        source = view.source
        self.times = (
            self._times(source.timestamp_field),
            self._times(source.created_timestamp_column),
            self._times(source.landed_column),
        )
        self.timeline = Timeline(self.keys, *self.times[:2])

    def _key_columns(self, frame: pd.DataFrame, columns: Sequence[str], where: str) -> list[Any]:
        kinds = self.view.key_types.values()
        return [key_column(frame[column], kind, where) for column, kind in zip(columns, kinds, strict=True)]

    def _times(self, column: str | None) -> Any:
        return None if column is None else time_column(self.frame[column], self.where)

    @cached_property
    def landed(self) -> Timeline:
        """The rows in order of when they were there to be read."""
        event, created, landed = self.times
        return self.timeline if landed is None else Timeline(self.keys, event, created, landed=landed)

    def find(
        self, frame: pd.DataFrame, moments: Any, *, columns: Sequence[str] | None = None, as_landed: bool = False
    ) -> Any:
        """For each row of an entity frame, the row of the source that was visible at its moment, or -1.

        The keys are in `columns` of the frame, or in those of their own names.
        """
        keys = self.view.join_keys if columns is None else columns
        codes = self.keys.lookup(self._key_columns(frame, keys, "the entity frame"), len(frame))
        timeline = self.landed if as_landed else self.timeline
        return timeline.find(codes, moments, ttl=ttl_in_ns(self.view.ttl))

    def newest(self, moment: int) -> Any:
        """The row of the source that is visible at a moment for each entity that has one, however old it is."""
        import numpy as np

        codes = np.arange(self.keys.count)
        rows = self.timeline.find(codes, np.full(len(codes), moment))
        return rows[rows >= 0]

    def key_arrays(self) -> list[Any]:
        """The key columns of all rows, as Arrow arrays: as the join took them, for a part may have other types."""
        return self._key_columns(self.frame, self.view.join_keys, self.where)

    def next_known(self, moment: int) -> int | None:
        """When the next row becomes known after a moment, in ns; None where all are known."""
        import numpy as np

        event, created, _ = self.times
        known = event if created is None else np.maximum(event, created)
        later = known[known > moment]
        return int(later.min()) if len(later) else None

    def profile(self) -> dict[str, Any]:
        """How many rows there are, and the first and last event time."""
        event = self.times[0]
        first, last = (as_datetime(event.min()), as_datetime(event.max())) if len(event) else (None, None)
        return {"rows": len(event), "first_event": first, "last_event": last}

    def statistics(self, start: int, end: int) -> pd.DataFrame:
        """What the features are like in the rows that tell of a time from `start` to before `end`, in ns."""
        import numpy as np
        import pandas as pd

        rows = np.flatnonzero((self.times[0] >= start) & (self.times[0] < end))
        found = []
        for feature, dtype in self.view.dtypes.items():
            known = pd.Series(self.values(feature, rows)).dropna()
            told: dict[str, Any] = {"feature": feature, "rows": len(rows), "nulls": len(rows) - len(known)}
            told["distinct"] = known.nunique()
            if dtype in ("int64", "float64", "bool") and len(known):
                numbers = known.astype("float64")
                told |= {"mean": numbers.mean(), "std": numbers.std(), "min": numbers.min(), "max": numbers.max()}
            found.append(told)
        columns = ["rows", "nulls", "distinct", "mean", "std", "min", "max"]
        return pd.DataFrame(found).set_index("feature").reindex(columns=columns)

    def values(self, feature: str, rows: Any) -> Any:
        """The values of a feature in some rows of the source, as a pandas array; null for row -1."""
        import numpy as np
        import pandas as pd

        if feature not in self._values:
            self._values[feature] = value_column(self.frame[feature], self.view.dtypes[feature], self.where)
        column = self._values[feature]
        if not len(column):
            rows = np.full(len(rows), -1)
        taken = pd.api.extensions.take(column, rows, allow_fill=True)
        if column.dtype == object:
            taken[rows < 0] = None
        return taken


def join(
    entity_df: pd.DataFrame, selection: Selection, rows_of: dict[str, ViewRows], *, as_landed: bool = False
) -> TrainingSet:
    """Put the selected features beside each entity row, as they were known at its `event_timestamp`; see `beside`."""

    def ask(part: Part, frame: pd.DataFrame, moments: Any) -> dict[str, Any]:
        view_rows = rows_of[part.view.name]
        rows = view_rows.find(frame, moments, columns=part.key_columns, as_landed=as_landed)
        return {n: view_rows.values(feature, rows) for feature, n in zip(part.features, part.names, strict=True)}

    return beside(entity_df, selection, ask)


def beside(
    entity_df: pd.DataFrame, selection: Selection, ask: Callable[[Part, pd.DataFrame, Any], dict[str, Any]]
) -> TrainingSet:
    """The entity rows with the selected features, which `ask` gives for each part by the name of the column.

    It is asked of a part, of the frame whose rows are numbered from 0, and of its moments in ns.

    Raises:
        InvalidData: the entity frame lacks a column, or has one of another type, or one named like a feature.
    """
    import pandas as pd

    where = "the entity frame"
    if not isinstance(entity_df, pd.DataFrame):
        raise InvalidData(f"{where} must be a pandas DataFrame, not {type(entity_df).__name__}.")
    check_columns(entity_df, [*selection.key_types, MOMENT], where)
    check_no_clash(list(entity_df.columns), selection.names, where)
    frame = entity_df.reset_index(drop=True)
    frame[MOMENT] = utc_column(frame[MOMENT], where)
    moments = time_column(frame[MOMENT], where)
    columns: dict[str, Any] = {}
    for part in selection.parts:
        columns |= ask(part, frame, moments)
    if selection.computed:  # by our code, whoever keeps the features, so that offline and online are one
        add_computed(selection, columns, frame, where, tried=True)
    features = pd.DataFrame({name: columns[name] for name in selection.names}, index=frame.index, copy=False)
    return TrainingSet(
        frame=pd.concat([frame, features], axis=1),
        features=selection.names,
        service=selection.service,
        views=selection.views,
        time_range=(frame[MOMENT].min(), frame[MOMENT].max()) if len(frame) else None,
    )


def check_no_clash(columns: Collection[object], names: Sequence[str], where: str) -> None:
    """Refuse a feature that would take the name of a column that is already there."""
    for name in names:
        if name in columns:
            raise InvalidData(
                f"{where} has a column {name!r} already, which is also a feature that was asked for; rename the column "
                "or ask with full_feature_names=True.",
                column=name,
            )
