"""Feast's own point-in-time join, its answers put beside the caller's rows.

Feast is asked for one view at a time, once for each combination of keys and moment, and its answers are put beside the
caller's rows. That is why none of them is lost, doubled or moved, whatever Feast's store does with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_lab.adapters.feast.objects import to_feast
from mlops_lab.adapters.feast.repository import FeastRepository, quietly
from mlops_lab.adapters.feast.rows import Rows, arrow_type, in_microseconds, known_at, rows_for_feast
from mlops_lab.data.features import FeatureView, TrainingSet
from mlops_lab.data.features.columns import key_column, value_column
from mlops_lab.data.features.offline import beside
from mlops_lab.data.features.selection import Part, Selection

if TYPE_CHECKING:
    import pandas as pd

_MOMENT, _ROW, _WHERE = "event_timestamp", "mlops_lab_row", "the entity frame"


def landed_view(view: FeatureView) -> FeatureView:
    """The view whose rows are known when they have landed, under a name of its own.

    >>> from mlops_lab.data.features import Field, Source
    >>> view = FeatureView("v", entities=[], schema=[Field("a", "int64")], ttl=None, source=Source("s", "s.parquet"))
    >>> landed_view(view).name, landed_view(view).source.created_timestamp_column
    ('v__as_landed', 'v__known_at')
    """
    source = replace(view.source, created_timestamp_column=known_at(view), landed_column=None)
    return replace(view, name=f"{view.name}__as_landed", source=source)


class FeastJoin:
    """Feast's historical join over the views of a repository."""

    def __init__(self, repository: FeastRepository) -> None:
        """Nothing is touched before the first call."""
        self._repository = repository
        self._rows: dict[str, Rows] = {}
        self._written: set[tuple[str, bool]] = set()

    def rows_of(self, view: FeatureView) -> Rows:
        """The rows of the view's source, read and checked once."""
        before = self._rows.get(view.name)
        if before is None or before.view != view or before.view.source is not view.source:
            self.forget(view.name)
            self._rows[view.name] = Rows(view)
        return self._rows[view.name]

    def forget(self, view: str) -> None:
        """Read and write the rows of a view anew when they are next asked for."""
        self._rows.pop(view, None)
        self._written -= {(view, False), (view, True)}

    def provide(self, view: FeatureView, *, as_landed: bool = False) -> None:
        """Write the rows of a view where Feast reads them, unless they are there already."""
        rows = self.rows_of(view)
        if (view.name, as_landed) in self._written:
            return
        shown = landed_view(view) if as_landed else view
        single = self._repository.offline == "dask"
        table = rows_for_feast(rows, as_landed=as_landed, single=single)
        self._repository.write(table, self._repository.rows / f"{shown.name}.parquet")
        if as_landed:
            spark = self._repository.offline == "spark"
            with quietly(f"apply feature view {shown.name!r}"):
                self._repository.repairs.apply(to_feast(shown, folder=self._repository.rows, spark=spark))
        self._written.add((view.name, as_landed))

    def join(self, entity_df: pd.DataFrame, selection: Selection, *, as_landed: bool) -> TrainingSet:
        """Put the selected features beside each entity row, as they were known at its `event_timestamp`.

        Raises:
            InvalidData: the entity frame or a source is not as declared, or has times finer than a microsecond.
        """

        def ask(part: Part, frame: pd.DataFrame, moments: Any) -> dict[str, Any]:
            in_microseconds(moments, f"column {_MOMENT!r} of {_WHERE}")
            return self._ask(part, frame, moments, as_landed=as_landed)

        return beside(entity_df, selection, ask)

    def _ask(self, part: Part, frame: pd.DataFrame, moments: Any, *, as_landed: bool) -> dict[str, Any]:
        """The features of one view for each row of the entity frame, by column name."""
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        view = part.view
        as_landed = as_landed and view.source.landed_column is not None  # else rows land when they are known
        keys = {
            key: key_column(frame[column], kind, _WHERE)
            for (key, kind), column in zip(view.key_types.items(), part.key_columns, strict=True)
        }
        self.provide(view, as_landed=as_landed)
        codes = pd.DataFrame({"moment": moments})
        whole = np.ones(len(frame), dtype=bool)
        for key, column in keys.items():
            codes[f"key {key}"] = column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
            whole &= codes[f"key {key}"].to_numpy() >= 0
        question = codes.groupby(list(codes.columns), sort=False).ngroup().to_numpy()
        first = np.flatnonzero(~codes.duplicated().to_numpy() & whole)
        # Without nulls whole numbers stay whole; beside one, pandas would make floats of them.
        chosen = {key: column.take(pa.array(first)).to_pandas() for key, column in keys.items()}
        asked = pd.DataFrame(chosen, index=range(len(first)))
        asked[_MOMENT] = pd.to_datetime(moments[first] // 1000, unit="us", utc=True).as_unit("us")
        asked[_ROW] = question[first]
        found = self._answers(view, part.features, asked, as_landed=as_landed)
        place = np.full(len(codes) + 1, -1)
        if found is not None:
            place[found[_ROW].to_numpy()] = np.arange(len(found))
        place = place[question]
        return {
            name: _column(found, feature, view.dtypes[feature], place)
            for feature, name in zip(part.features, part.names, strict=True)
        }

    def _answers(self, view: FeatureView, features: tuple[str, ...], asked: pd.DataFrame, *, as_landed: bool) -> Any:
        """What Feast answers, as an Arrow table in any order; None where there is nothing to ask."""
        if asked.empty:
            return None
        import pyarrow as pa

        store = self._repository.repairs if as_landed else self._repository.store
        name = landed_view(view).name if as_landed else view.name
        told = []
        for turn in _apart(asked, view.join_keys) if self._repository.offline == "spark" else [asked]:
            with quietly(f"join feature view {view.name!r}"):
                job = store.get_historical_features(
                    turn, features=[f"{name}:{feature}" for feature in features], filter_by_created_timestamp=True
                )
                told.append(job.to_arrow())
        return pa.concat_tables(told) if len(told) > 1 else told[0]


def _apart(asked: pd.DataFrame, keys: Sequence[str]) -> list[pd.DataFrame]:
    """The questions in as many frames as it takes for no two to look alike when their keys stand one after the other.

    Feast's Spark store knows a question by that text and its moment: it would give each the answers of both.

    >>> import pandas as pd
    >>> asked = pd.DataFrame({"one": ["a", "ab", "x"], "two": ["bc", "c", "y"], "event_timestamp": [0, 0, 0]})
    >>> [turn["one"].tolist() for turn in _apart(asked, ["one", "two"])]
    [['a', 'x'], ['ab']]
    """
    if len(keys) < 2:
        return [asked]
    written = asked[keys[0]].astype(str)
    for key in keys[1:]:
        written = written + asked[key].astype(str)
    turns = asked.groupby([written, asked[_MOMENT]], sort=False).cumcount()
    return [turn.reset_index(drop=True) for _, turn in asked.groupby(turns, sort=True)]


def _column(found: Any, feature: str, dtype: str, place: Any) -> Any:
    """A feature as the pandas array that stands for its declared type; null where `place` is -1."""
    import pandas as pd
    import pyarrow as pa

    kind = arrow_type(dtype)
    if found is None:
        column = pa.nulls(len(place), kind)
    else:
        values = found[feature].cast(kind)
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        column = values.take(pa.array(place, mask=place < 0))
    wide = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return value_column(column.to_pandas(types_mapper=wide.get).rename(feature), dtype, "Feast's answer")
