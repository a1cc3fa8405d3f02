"""The rows of a source that Feast is given to read, so that it cannot read them otherwise than we do.

Feast's stores choose among the rows of one key and event time by chance, or by the created timestamp alone, and none
looks at a created timestamp when it materialises. So rows that could never count are left out here, which changes no
answer, and nothing is left to choose.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import FeatureView
from mlops_lab.data.features.columns import check_columns, key_column, time_column, value_column

if TYPE_CHECKING:
    import pandas as pd

#: The event time as a feature of its own, in ns: of the real one, Feast's SQLite store keeps whole seconds only.
EVENT = "feast_event_ns"
#: The key of a view that has none: Feast's DuckDB store cannot materialise one without.
EVERYBODY = "feast_everybody"
_EXACT = 2**53  # whole numbers up to here survive being a float


def in_microseconds(times: Any, what: str) -> Any:
    """Times in ns, unless they are finer than Feast's stores can tell apart.

    >>> import numpy as np
    >>> in_microseconds(np.array([1_000, 1_001]), "column 'at' of source 's'")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: column 'at' of source 's' has times finer than a microsecond, which Feast's
    stores
    cannot tell apart; round them first.
    """
    if (times % 1000 != 0).any():
        raise InvalidData(
            f"{what} has times finer than a microsecond, which Feast's stores cannot tell apart; round them first."
        )
    return times


class Rows:
    """The rows of a view as Arrow columns of the declared types, and their times in ns."""

    def __init__(self, view: FeatureView) -> None:
        """Read the source. Raises: InvalidData when it is not as declared."""
        import numpy as np
        import pyarrow as pa

        source, frame = view.source, view.source.columns(view.columns)
        where = f"source {source.name!r} of view {view.name!r}"
        check_columns(frame, list(view.columns), where)
        self.view = view
        self.keys = {key: key_column(frame[key], kind, where) for key, kind in view.key_types.items()}

        def times(name: str) -> Any:
            return in_microseconds(time_column(frame[name], where), f"column {name!r} of {where}")

        self.event = times(source.timestamp_field)
        self.created = None if source.created_timestamp_column is None else times(source.created_timestamp_column)
        landed = None if source.landed_column is None else times(source.landed_column)
        self.known = self.event if self.created is None else np.maximum(self.event, self.created)
        self.landed = self.known if landed is None else np.maximum(self.known, landed)
        self.features = {
            one.name: _arrow(value_column(frame[one.name], one.dtype, where), one.dtype, f"{one.name!r} of {where}")
            for one in view.schema
        }
        codes = {
            key: column.dictionary_encode().indices.to_numpy(zero_copy_only=False) for key, column in self.keys.items()
        }
        nulls: Any = np.zeros(len(frame), dtype=bool)
        for column in self.keys.values():
            nulls |= column.is_null().to_numpy(zero_copy_only=False)
        self.whole = ~nulls  # a row without its key belongs to nobody, but to pandas null equals null
        self.codes = {f"key {key}": np.where(nulls, -1, code) for key, code in codes.items()}
        self._arrow = pa

    def frame(self, **times: Any) -> pd.DataFrame:
        """The keys as numbers, the event time, and what else is given, for finding rows that are the same."""
        import pandas as pd

        return pd.DataFrame({**self.codes, "event": self.event, **times})

    def table(self, rows: Any, **more: Any) -> Any:
        """Some rows as the Arrow table that Feast reads; `more` are times in ns by column."""
        pa = self._arrow
        source = self.view.source
        times: dict[str, Any] = {source.timestamp_field: self.event}
        if source.created_timestamp_column is not None:
            times[source.created_timestamp_column] = self.created
        times.update(more)
        columns = {
            **self.keys,
            **{name: pa.array(ns // 1000, pa.timestamp("us", "UTC")) for name, ns in times.items()},
            **self.features,
        }
        return pa.table(columns).take(pa.array(rows))


def _arrow(values: Any, dtype: str, what: str) -> Any:
    import pandas as pd
    import pyarrow as pa

    if dtype == "timestamp":
        known = pd.Series(values).dropna().array.asi8  # type: ignore[attr-defined]
        in_microseconds(known, f"feature {what}")
        return pa.array(pd.Series(values), pa.timestamp("ns", "UTC")).cast(pa.timestamp("us", "UTC"))
    return pa.array(pd.Series(values), arrow_type(dtype), from_pandas=True)


def arrow_type(dtype: str) -> Any:
    """The Arrow type of a declared one, as Feast's stores take and give it."""
    import pyarrow as pa

    kinds = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.large_string(), "bool": pa.bool_()}
    return kinds.get(dtype, pa.timestamp("us", "UTC"))


def known_at(view: FeatureView) -> str:
    """The column that says from when on a row was both written and there to be read.

    >>> from mlops_lab.data.features import Field, Source
    >>> fields = [Field("a", "int64")]
    >>> known_at(FeatureView("v", entities=[], schema=fields, ttl=None, source=Source("s", "s.parquet")))
    'v__known_at'
    """
    return f"{view.name}__known_at"


def rows_for_feast(rows: Rows, *, as_landed: bool = False, single: bool = False) -> Any:
    """The rows that can count, as an Arrow table.

    Of the rows of one key and event time, one that was known later and counts less never counts. `as_landed` adds the
    column `known_at`, by which `replay` asks.

    Args:
        rows: the source's rows.
        as_landed: are rows known when they landed, or when they were written?
        single: refuse what Feast's dask store cannot do: several rows of one key and event time that were known one
            after the other, of which it takes any, and whole numbers beyond 2**53, which it turns into floats.

    Raises:
        InvalidData: as `single` says.
    """
    import numpy as np

    known = rows.landed if as_landed else rows.known
    keep = rows.whole.copy()
    frame = rows.frame()
    same = frame.duplicated(keep=False).to_numpy() & rows.whole
    if same.any():
        keep[same] = False
        where = np.flatnonzero(same)
        created = known if rows.created is None else rows.created
        tied = frame.iloc[where].assign(created=created[where], known=known[where], row=where)
        by = [*rows.codes, "event"]
        tied = (
            tied.sort_values([*by, "created", "row"]).iloc[::-1].reset_index(drop=True)
        )  # what counts most comes first
        best = tied.groupby(by, sort=False)["known"].cummin()
        earlier = best.groupby([tied[name] for name in by], sort=False).shift(fill_value=np.iinfo("int64").max)
        counts = (tied["known"] < earlier).to_numpy()
        keep[tied["row"].to_numpy()[counts]] = True
        if single and int(counts.sum()) > len(tied.drop_duplicates(by)):
            raise InvalidData(
                f"view {rows.view.name!r} has rows that correct earlier ones of the same event time, and Feast's dask "
                "store takes any of them; use offline='duckdb'."
            )
    if single:
        _refuse_large(rows)
    return rows.table(np.flatnonzero(keep), **({known_at(rows.view): known} if as_landed else {}))


def newest(rows: Rows, until: int, *, before: Any = None) -> tuple[Any, Any]:
    """The row of each entity that was the newest known at `until` (ns), as an Arrow table with the column `EVENT`.

    Args:
        rows: the source's rows.
        until: the moment, in ns.
        before: what this gave for an earlier moment: an entity keeps that row until there is a newer one.

    Returns:
        The table, and those of its rows that are new or different from those before.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    seen = np.flatnonzero(rows.whole & (rows.event <= until) & (rows.known <= until))
    created = rows.event if rows.created is None else rows.created
    table = rows.table(seen).append_column(EVENT, pa.array(rows.event[seen], pa.int64()))
    if not rows.keys:
        table = table.append_column(EVERYBODY, pa.array([EVERYBODY] * len(seen), pa.string()))
    order = pd.DataFrame({"event": rows.event[seen], "created": created[seen]})
    if before is not None:
        stamp = rows.view.source.created_timestamp_column
        event = before[EVENT].to_numpy()
        written = event if stamp is None else before[stamp].cast(pa.int64()).to_numpy() * 1000
        order = pd.concat([pd.DataFrame({"event": event, "created": written}), order], ignore_index=True)
        table = pa.concat_tables([before, table.cast(before.schema)])
    names = {f"key {key}": table[key].to_pandas() for key in rows.keys}
    order = order.assign(**names).sort_values(["event", "created"], kind="stable")
    order = order.drop_duplicates(list(names), keep="last") if names else order.tail(1)
    found = table.take(pa.array(np.sort(order.index.to_numpy())))
    if before is None:
        return found, found
    both = pa.concat_tables([before, found]).to_pandas(types_mapper=pd.ArrowDtype)
    return found, found.filter(pa.array(~both.duplicated().to_numpy()[len(before) :]))


def _refuse_large(rows: Rows) -> None:
    import pyarrow.compute as pc

    for name, kind in rows.view.dtypes.items():
        if kind == "int64":
            extremes: Iterable[Any] = pc.min_max(rows.features[name]).as_py().values()
            if any(value is not None and abs(value) > _EXACT for value in extremes):
                raise InvalidData(
                    f"feature {name!r} of view {rows.view.name!r} holds whole numbers beyond 2**53, which Feast's dask "
                    "store turns into floats; use offline='duckdb'.",
                    column=name,
                )
