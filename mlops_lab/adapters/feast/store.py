"""The feature store on Feast: the methods of `FeatureStore`, with nothing changed for who uses them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mlops_lab.adapters.feast.differences import Difference, differences_of
from mlops_lab.adapters.feast.join import FeastJoin
from mlops_lab.adapters.feast.objects import feast_ttl, to_feast
from mlops_lab.adapters.feast.online import FeastOnline, known_view
from mlops_lab.adapters.feast.repository import OFFLINE_STORES, FeastRepository, import_feast, quietly
from mlops_lab.adapters.feast.rows import Rows
from mlops_lab.base.clock import Clock
from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.data.features import (
    Applied,
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Materialized,
    TrainingSet,
)
from mlops_lab.data.features.columns import as_datetime, moment
from mlops_lab.data.features.online import pushed_rows
from mlops_lab.data.features.selection import View

if TYPE_CHECKING:
    import pandas as pd

Definition: TypeAlias = Entity | View | FeatureService
Features: TypeAlias = FeatureService | View | str | Iterable[str | View]


class FeastStore(FeatureStore):
    """A `FeatureStore` on a Feast repository in the home folder: local, offline, without a server.

    Feast keeps the definitions, joins, materialises and serves. Where it would answer otherwise than `FeatureStore`
    promises, this either puts it right or refuses; `differences` says which. `store.feast` is Feast's own object.

    Args (of the constructor):
        home: the home folder; the repository is `feast/<offline>/` in it.
        clock: stamps when definitions were applied.
        offline: Feast's offline store: "duckdb", "dask" (Feast's default for files) or "spark" (which needs Java).

    Raises:
        MissingExtra: Feast is not installed.
        UnknownName: no such offline store.

    >>> FeastStore("home", offline="duck")
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no offline store 'duck'; there is: dask, duckdb, spark. Did you mean 'duckdb'?

    See Also:
        https://docs.feast.dev/getting-started/components/offline-store
    """

    def __init__(self, home: str | Path, *, clock: Clock | None = None, offline: str = "duckdb") -> None:
        if offline not in OFFLINE_STORES:
            raise UnknownName("offline store", offline, OFFLINE_STORES)
        import_feast()
        self._repository = FeastRepository(Path(home) / "feast" / offline, offline)
        super().__init__(self._repository.folder, clock=clock)
        self._joined = FeastJoin(self._repository)
        self._served = FeastOnline(self._repository)
        self._online = self._served  # type: ignore[assignment]  # it has the methods that a store asks by itself

    @property
    def feast(self) -> Any:
        """Feast's own `FeatureStore` over the same repository, for whatever only Feast can do."""
        return self._repository.store

    def apply(self, objects: Definition | Sequence[Definition]) -> Applied:
        """Make definitions known here and to Feast; as `FeatureStore.apply`.

        Raises:
            InvalidDefinition: what Feast cannot say: a `ttl` of zero, or on Spark one that is no whole seconds.
            InvalidData: Feast refuses the definitions for a reason of its own.
        """
        several = [objects] if isinstance(objects, Entity | View | FeatureService) else list(objects)
        for one in several:
            if isinstance(one, FeatureView):
                ttl = feast_ttl(one)
                if self._repository.offline == "spark" and ttl % timedelta(seconds=1):
                    raise InvalidDefinition(
                        f"feature view {one.name!r} has a ttl of {ttl}, of which Feast's Spark store keeps whole "
                        "seconds only; round it, or use offline='duckdb'."
                    )
        applied = super().apply(several)
        if applied.created or applied.changed or not self._is_applied():
            self._apply_to_feast()
        return applied

    def _is_applied(self) -> bool:
        with quietly("list its feature views"):
            known = {view.name for view in self._repository.repairs.list_feature_views()}
        return known >= set(self._all(FeatureView))

    def _apply_to_feast(self) -> None:
        views, spark = self._all(FeatureView), self._repository.offline == "spark"
        services = [one for one in self.list_feature_services() if all(part.name in views for part in one.features)]
        entities = self.list_entities()
        if spark:  # Feast asks Spark for the columns of a source as soon as it is applied
            for view in views.values():
                self._joined.provide(view)
        objects = to_feast([*entities, *views.values(), *services], folder=self._repository.rows, spark=spark)
        repairs = to_feast(list(map(known_view, views.values())), folder=self._repository.known, spark=spark)
        self._repository.apply(objects, repairs)

    def differences(self) -> tuple[Difference, ...]:
        """Where Feast by itself does not do what `FeatureStore` promises, and what this class does about it."""
        return differences_of(self._repository.offline)

    def _join(self, entity_df: pd.DataFrame, features: Features, full_names: bool, *, as_landed: bool) -> TrainingSet:
        """By Feast's join. It has no word for the landing, but asks for what was created by then when told to.

        So a replay is Feast's historical join over the same rows, with the time of landing as the created timestamp.

        Raises:
            InvalidData: also where a time is finer than a microsecond, or the store would have to guess.
        """
        return self._joined.join(entity_df, self._select(features, full_names), as_landed=as_landed)

    def _materialize(self, until: datetime | str, views: Sequence[str] | None, *, anew: bool) -> Materialized:
        """By Feast. A view is not one transaction: while it is written, or after a crash, it is not materialised."""
        end = moment(until, "until")
        names = [views] if isinstance(views, str) else views
        chosen = [self.get_feature_view(name) for name in (self._all(FeatureView) if names is None else names)]
        rows = [self._joined.rows_of(view) for view in chosen]  # every source must be readable before any view moves
        written = {
            view.name: self._served.write(view, its, end, anew=anew) for view, its in zip(chosen, rows, strict=True)
        }
        return Materialized(as_datetime(end), written)

    def push(self, view: str, rows: pd.DataFrame) -> int:
        """Put rows of one view into Feast's online store now; as `FeatureStore.push`.

        Raises:
            InvalidData: also where a time is finer than Feast's stores keep.
        """
        known, now = self.get_feature_view(view), moment(self._clock.now(), "now")
        return self._served.push(known, Rows(pushed_rows(known, rows, now).view), now)

    def delete_feature_view(self, name: str) -> None:
        """Forget a view and its online rows, here and in Feast; as `FeatureStore.delete_feature_view`."""
        super().delete_feature_view(name)
        self._joined.forget(name)

    def __repr__(self) -> str:
        return f"FeastStore(offline={self._repository.offline!r}, views={sorted(self._all(FeatureView))})"
