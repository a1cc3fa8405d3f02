"""Feast's online store: what it holds, and until when that is true.

Feast materialises by event time alone: a row that had not arrived yet is served, one that arrives late is missed by
`materialize_incremental`, an older row takes the place of a newer one, and nothing is ever taken away. So each view is
materialised, by Feast, from a file of the rows that were the newest known, one for each entity.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_lab.adapters.feast.objects import to_feast
from mlops_lab.adapters.feast.repository import PROJECT, FeastRepository, quietly
from mlops_lab.adapters.feast.rows import EVENT, EVERYBODY, Rows, newest
from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import Entity, FeatureView, Field
from mlops_lab.data.features.columns import as_datetime, ttl_in_ns
from mlops_lab.data.features.online import has_changed


def known_view(view: FeatureView) -> FeatureView:
    """The view over the rows that had arrived, with the event time as one more feature, and with a key if it had none.

    >>> from mlops_lab.data.features import Source
    >>> fields, source = [Field("a", "int64")], Source("s", "s.parquet")
    >>> known_view(FeatureView("v", entities=[], schema=fields, ttl=None, source=source))
    FeatureView('v', keys=('feast_everybody',), features=('a', 'feast_event_ns'), ttl=for ever)
    """
    entities = view.entities if view.join_keys else [Entity(EVERYBODY)]
    return replace(view, entities=entities, schema=[*view.schema, Field(EVENT, "int64")])


class FeastOnline:
    """The views of a repository in Feast's SQLite online store, each as of its own moment."""

    def __init__(self, repository: FeastRepository) -> None:
        """Nothing is touched before the first call."""
        self._repository = repository

    def write(self, view: FeatureView, rows: Rows, until: int, *, anew: bool) -> int:
        """Bring one view to its state at `until` (ns); return how many entities' rows are new or different.

        `anew` forgets what was there. Until it is done the view counts as not materialised: Feast writes row by row.
        """
        mark = self._mark(view.name)
        if not anew and mark is not None and until < mark["until"]:
            raise InvalidData(
                f"feature view {view.name!r} is materialised until {as_datetime(mark['until'])}, which is after "
                f"{as_datetime(until)}; to go back in time, materialize(until) builds it anew."
            )
        anew = anew or mark is None or mark["shape"] != _shape(view)
        _check_times(view, rows)
        return self._put(view, rows, until, anew=anew, mark={"until": until, "shape": _shape(view)})

    def push(self, view: FeatureView, rows: Rows, now: int) -> int:
        """Put some rows in where they are newer; return how many changed. What was materialised stays as far as it is.

        Raises:
            InvalidDefinition: what is there has another meaning.
        """
        mark = self._mark(view.name)
        if mark is not None and mark["shape"] != _shape(view):
            raise has_changed(view)
        _check_times(view, rows)
        kept = mark or {"until": int(rows.event.max(initial=0)), "shape": _shape(view)}
        return self._put(view, rows, now, anew=mark is None, mark=kept)

    def _put(self, view: FeatureView, rows: Rows, until: int, *, anew: bool, mark: dict[str, Any]) -> int:
        path = self._repository.known / f"{view.name}.parquet"
        table, changed = newest(rows, until, before=None if anew else _read(path))
        self._mark_path(view.name).unlink(missing_ok=True)
        self._repository.write(table, path)
        self._load(view, changed, until, anew=anew)
        self._repository.write(json.dumps(mark), self._mark_path(view.name))
        return len(changed)

    def forget(self, view: str) -> None:
        """Delete a view and its rows, here and in Feast."""
        from feast.errors import FeatureViewNotFoundException

        for name, store in (
            (view, self._repository.store),
            (view, self._repository.repairs),
            (f"{view}__as_landed", self._repository.repairs),
        ):
            with quietly(f"delete feature view {view!r}"), contextlib.suppress(FeatureViewNotFoundException):
                store.apply([], objects_to_delete=[store.get_feature_view(name)], partial=False)
        self._mark_path(view).unlink(missing_ok=True)
        for folder, name in ((self._repository.known, view), (self._repository.rows, view)):
            (folder / f"{name}.parquet").unlink(missing_ok=True)
        (self._repository.rows / f"{view}__as_landed.parquet").unlink(missing_ok=True)

    def _load(self, view: FeatureView, changed: Any, until: int, *, anew: bool) -> None:
        """Let Feast write what has changed: it takes a millisecond for each entity, so not what it has already."""
        import pyarrow.compute as pc

        store, repairs = self._repository.store, self._repository.repairs
        objects = to_feast(known_view(view), folder=self._repository.known, spark=self._repository.offline == "spark")
        end = as_datetime(until // 1000 * 1000).to_pydatetime()  # type: ignore[attr-defined]
        with quietly(f"materialise feature view {view.name!r}"):
            if anew:
                repairs.apply([], objects_to_delete=[repairs.get_feature_view(view.name)], partial=False)
            repairs.apply(objects)
            start = end
            if len(changed):
                start = as_datetime(pc.min(changed[EVENT]).as_py()).to_pydatetime()  # type: ignore[attr-defined]
                repairs.materialize(start, end, feature_views=[view.name])
            told = store.get_feature_view(view.name)
            store.registry.apply_materialization(told, PROJECT, start, end)  # so that Feast's own pages show it too

    def watermark(self, view: str) -> int | None:
        """Until when a view is materialised, in ns, or None."""
        mark = self._mark(view)
        return None if mark is None else int(mark["until"])

    def written_at(self, view: str) -> int | None:
        """When a view was last materialised, in seconds since 1970, or None."""
        try:
            return int(self._mark_path(view).stat().st_mtime)
        except OSError:
            return None

    def read(
        self, asked: Iterable[tuple[FeatureView, Sequence[str], list[list[Any] | None]]], *, at: int | None
    ) -> list[list[list[Any]]]:
        """For each view, some of its features and keys: a column for each feature, None for a key unknown or None."""
        return [self._read_view(view, list(features), keys, at) for view, features, keys in asked]

    def _read_view(
        self, view: FeatureView, features: list[str], keys: list[list[Any] | None], at: int | None
    ) -> list[list[Any]]:
        oldest = self._oldest(view, at)
        constant = {} if view.join_keys else {EVERYBODY: EVERYBODY}
        rows = [constant | dict(zip(view.join_keys, key, strict=True)) for key in keys if key is not None]
        if not rows:
            return [[None] * len(keys) for _ in features]
        with quietly(f"read feature view {view.name!r} from its online store"):
            found = self._repository.repairs.get_online_features(
                features=[f"{view.name}:{name}" for name in [*features, EVENT]], entity_rows=rows
            ).to_dict()
        newest_known = 2**63 - 1 if at is None else at  # what was pushed since is not known at `at`
        fresh = [event is not None and oldest <= event <= newest_known for event in found[EVENT]]
        columns = []
        for name in features:
            values = zip(fresh, _values(found[name], view.dtypes[name]), strict=True)
            told = iter([value if shown else None for shown, value in values])
            columns.append([None if key is None else next(told) for key in keys])
        return columns

    def _oldest(self, view: FeatureView, at: int | None) -> int:
        """The event time, in ns, before which a row is too old to be shown."""
        mark = self._mark(view.name)
        if mark is None:
            raise InvalidData(f"feature view {view.name!r} was never materialised; call materialize(until) first.")
        until, stored = mark["until"], mark["shape"]
        if stored["keys"] != _shape(view)["keys"] or not view.dtypes.items() <= dict(stored["features"]).items():
            raise has_changed(view)
        if at is not None and at < until:
            raise InvalidData(
                f"the online store holds feature view {view.name!r} as of {as_datetime(until)} and cannot show it as "
                f"of {as_datetime(at)}; for the past, use get_historical_features."
            )
        ttl = ttl_in_ns(view.ttl)
        return -(2**63) if ttl is None else max((until if at is None else at) - ttl, -(2**63))

    def _mark_path(self, view: str) -> Path:
        return self._repository.known / f"{view}.json"

    def _mark(self, view: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._mark_path(view).read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found


def _shape(view: FeatureView) -> dict[str, Any]:
    """What the rows of a view mean; when that changes, rows written before mean something else."""
    source = view.source
    times = [source.timestamp_field, source.created_timestamp_column]
    return {
        "keys": [list(pair) for pair in view.key_types.items()],
        "features": [list(pair) for pair in view.dtypes.items()],
        "source": source.name,
        "times": times,
    }


def _read(path: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path)


def _check_times(view: FeatureView, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, kind in view.dtypes.items():
        if kind == "timestamp":
            microseconds = rows.features[name].drop_null().cast(pa.int64())
            whole = pc.multiply(pc.divide(microseconds, 1_000_000), 1_000_000)
            if not microseconds.equals(whole):
                raise InvalidData(
                    f"feature {name!r} of view {view.name!r} holds times finer than a second, which Feast's online "
                    "store drops; round them, or make them a whole number.",
                    column=name,
                )


def _values(found: list[Any], dtype: str) -> list[Any]:
    """Feast's Python values as the embedded store has them: None for unknown, times in ns."""
    if dtype == "float64":
        return [None if value is None or value != value else value for value in found]
    if dtype == "timestamp":
        return [None if value is None else round(value.timestamp()) * 1_000_000_000 for value in found]
    return list(found)
