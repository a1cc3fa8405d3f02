"""The feature store on Feast: the methods of `FeatureStore`, with nothing changed for who uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mlops_lab.adapters.feast.differences import Difference, differences_of
from mlops_lab.adapters.feast.join import FeastJoin
from mlops_lab.adapters.feast.objects import feast_ttl, to_feast
from mlops_lab.adapters.feast.online import FeastOnline, known_view
from mlops_lab.adapters.feast.repository import OFFLINE_STORES, FeastRepository, import_feast, quietly
from mlops_lab.adapters.feast.rows import Rows
from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.data.features import (
    Applied,
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Materialized,
    OnDemandFeatureView,
    OnlineResponse,
    TrainingSet,
)
from mlops_lab.data.features.columns import as_datetime, moment
from mlops_lab.data.features.online import answer, pushed_rows
from mlops_lab.data.features.selection import Selection, View, select

if TYPE_CHECKING:
    import pandas as pd

Definition: TypeAlias = Entity | View | FeatureService
Features: TypeAlias = FeatureService | View | str | Iterable[str | View]


class FeastStore:
    """The methods of `FeatureStore` on a Feast repository in the home folder: local, offline, without a server.

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
        self._clock = clock or SystemClock()
        self._definitions = FeatureStore(self._repository.folder, clock=self._clock)
        self._join = FeastJoin(self._repository)
        self._online = FeastOnline(self._repository)

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
        applied = self._definitions.apply(several)
        if applied.created or applied.changed or not self._is_applied():
            self._apply_to_feast()
        return applied

    def _is_applied(self) -> bool:
        with quietly("list its feature views"):
            known = {view.name for view in self._repository.repairs.list_feature_views()}
        return known >= set(self._views())

    def _apply_to_feast(self) -> None:
        views, spark = self._views(), self._repository.offline == "spark"
        services = [
            one for one in self._definitions.list_feature_services() if all(part.name in views for part in one.features)
        ]
        entities = self._definitions.list_entities()
        if spark:  # Feast asks Spark for the columns of a source as soon as it is applied
            for view in views.values():
                self._join.provide(view)
        objects = to_feast([*entities, *views.values(), *services], folder=self._repository.rows, spark=spark)
        repairs = to_feast(list(map(known_view, views.values())), folder=self._repository.known, spark=spark)
        self._repository.apply(objects, repairs)

    def list_entities(self) -> list[Entity]:
        """Every entity of this home, by name."""
        return self._definitions.list_entities()

    def list_feature_views(self) -> list[FeatureView]:
        """Every feature view of this home, by name."""
        return self._definitions.list_feature_views()

    def list_on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Every on demand feature view of this home, by name: they are computed here, beside Feast's answer."""
        return self._definitions.list_on_demand_feature_views()

    def list_feature_services(self) -> list[FeatureService]:
        """Every feature service of this home, by name."""
        return self._definitions.list_feature_services()

    def get_entity(self, name: str) -> Entity:
        """The entity of that name. Raises: UnknownName."""
        return self._definitions.get_entity(name)

    def get_feature_view(self, name: str) -> FeatureView:
        """The feature view of that name. Raises: UnknownName."""
        return self._definitions.get_feature_view(name)

    def get_on_demand_feature_view(self, name: str) -> OnDemandFeatureView:
        """The on demand feature view of that name. Raises: UnknownName."""
        return self._definitions.get_on_demand_feature_view(name)

    def get_feature_service(self, name: str) -> FeatureService:
        """The feature service of that name. Raises: UnknownName."""
        return self._definitions.get_feature_service(name)

    def describe(self, name: str | None = None) -> dict[str, Any]:
        """As `FeatureStore.describe`; a view's `materialised_until` is that of Feast's online store."""
        told = self._definitions.describe(name)
        if "materialised_until" in told:
            mark = self._online.watermark(str(name))
            told["materialised_until"] = None if mark is None else as_datetime(mark)
        return told

    def statistics(
        self, view: str, *, start: datetime | str | None = None, end: datetime | str | None = None
    ) -> pd.DataFrame:
        """What the features of a view are like in its source; as `FeatureStore.statistics`."""
        return self._definitions.statistics(view, start=start, end=end)

    def differences(self) -> tuple[Difference, ...]:
        """Where Feast by itself does not do what `FeatureStore` promises, and what this class does about it."""
        return differences_of(self._repository.offline)

    def get_historical_features(
        self, entity_df: pd.DataFrame, *, features: Features, full_feature_names: bool = False
    ) -> TrainingSet:
        """Each entity row with the features as they were known then, by Feast's join; as `FeatureStore`'s.

        Raises:
            InvalidData: also where a time is finer than a microsecond, or the store would have to guess.
        """
        return self._join.join(entity_df, self._select(features, full_feature_names), as_landed=False)

    def replay(self, entity_df: pd.DataFrame, *, features: Features, full_feature_names: bool = False) -> TrainingSet:
        """Each entity row with what an online store fed as rows landed would have held; as `FeatureStore.replay`.

        Feast has no word for the landing, but asks for what was created by then when told to. So this is Feast's
        historical join over the same rows, with the time of landing as the created timestamp.
        """
        return self._join.join(entity_df, self._select(features, full_feature_names), as_landed=True)

    def materialize(self, until: datetime | str, *, views: Sequence[str] | None = None) -> Materialized:
        """Let Feast fill its online store with what was known at `until`; as `FeatureStore.materialize`.

        Unlike there, a view is not one transaction: while it is written, or after a crash, it counts as not
        materialised.
        """
        return self._materialize(until, views, anew=True)

    def materialize_incremental(self, until: datetime | str, *, views: Sequence[str] | None = None) -> Materialized:
        """Let Feast bring its online store from where it is to `until`; as `FeatureStore.materialize_incremental`."""
        return self._materialize(until, views, anew=False)

    def _materialize(self, until: datetime | str, views: Sequence[str] | None, *, anew: bool) -> Materialized:
        end = moment(until, "until")
        names = [views] if isinstance(views, str) else views
        chosen = [self.get_feature_view(name) for name in (self._views() if names is None else names)]
        rows = [self._join.rows_of(view) for view in chosen]  # every source must be readable before any view moves
        written = {
            view.name: self._online.write(view, its, end, anew=anew) for view, its in zip(chosen, rows, strict=True)
        }
        return Materialized(as_datetime(end), written)

    def get_online_features(
        self,
        entity_rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        features: Features,
        at: datetime | str | None = None,
        full_feature_names: bool = False,
    ) -> OnlineResponse:
        """The features of some entities as Feast's online store has them; as `FeatureStore.get_online_features`."""
        selection = self._select(features, full_feature_names)
        return answer(entity_rows, selection, cast(Any, self._online), at=None if at is None else moment(at, "at"))

    def push(self, view: str, rows: pd.DataFrame) -> int:
        """Put rows of one view into Feast's online store now; as `FeatureStore.push`.

        Raises:
            InvalidData: also where a time is finer than Feast's stores keep.
        """
        known, now = self.get_feature_view(view), moment(self._clock.now(), "now")
        return self._online.push(known, Rows(pushed_rows(known, rows, now).view), now)

    def delete_feature_view(self, name: str) -> None:
        """Forget a view and its online rows, here and in Feast; as `FeatureStore.delete_feature_view`."""
        is_on_demand = name not in self._views()
        self._definitions.delete_feature_view(name)
        if not is_on_demand:
            self._online.forget(name)
            self._join.forget(name)

    def materialized_until(self, view: str) -> datetime | None:
        """Until when a view is materialised; as `FeatureStore.materialized_until`."""
        mark = self._online.watermark(self.get_feature_view(view).name)
        return None if mark is None else as_datetime(mark)

    def materialized_at(self, view: str) -> datetime | None:
        """When a view was last materialised, by this machine's clock; as `FeatureStore.materialized_at`."""
        found = self._online.written_at(self.get_feature_view(view).name)
        return None if found is None else as_datetime(found * 10**9)

    def _views(self) -> dict[str, FeatureView]:
        return {view.name: view for view in self._definitions.list_feature_views()}

    def _select(self, features: Features, full_names: bool) -> Selection:
        services = {service.name: service for service in self._definitions.list_feature_services()}
        computed = {view.name: view for view in self._definitions.list_on_demand_feature_views()}
        return select(features, {**self._views(), **computed}, services, full_names=full_names)

    def __repr__(self) -> str:
        return f"FeastStore(offline={self._repository.offline!r}, views={sorted(self._views())})"
