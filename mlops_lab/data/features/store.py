"""The feature store: what a person says to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.data.features.catalogue import Applied, Catalogue, Definition, to_dict, with_parts
from mlops_lab.data.features.columns import as_datetime, moment
from mlops_lab.data.features.definitions import Entity, FeatureService, FeatureView, OnDemandFeatureView
from mlops_lab.data.features.offline import TrainingSet, ViewRows, join
from mlops_lab.data.features.online import Materialized, OnlineResponse, OnlineStore, answer, pushed_rows
from mlops_lab.data.features.selection import Selected, Selection, View

if TYPE_CHECKING:
    import pandas as pd


_Kind = TypeVar("_Kind", Entity, FeatureView, OnDemandFeatureView, FeatureService)
Features = FeatureService | View | str | Iterable[str | View]


class FeatureStore:
    """Feature views over their sources: joined as of any past moment for training, kept at hand for serving.

    The methods are those of Feast's `FeatureStore` (https://rtd.feast.dev). Definitions and online values live in the
    folder `home`; the rows of the sources stay where they are, are read when first needed and put in order once. A file
    that has changed is read again. Threads may share a store.

    >>> import tempfile
    >>> from datetime import timedelta
    >>> import pandas as pd
    >>> from mlops_lab.data.features import Field, Source
    >>> rows = pd.DataFrame({
    ...     "origin": ["EWR", "EWR"],
    ...     "event_timestamp": pd.to_datetime(["2013-01-01T06:00Z", "2013-01-01T08:00Z"]),
    ...     "wind": [3.5, 9.0],
    ... })
    >>> view = FeatureView("weather", entities=[Entity("airport", join_keys=["origin"])],
    ...     schema=[Field("wind", "float64")], ttl=timedelta(hours=3), source=Source("rows", rows))
    >>> asked = pd.DataFrame({"origin": ["EWR", "JFK"], "event_timestamp": pd.to_datetime(["2013-01-01T07:00Z"] * 2)})
    >>> with tempfile.TemporaryDirectory() as home:
    ...     store = FeatureStore(home)
    ...     store.apply([view]).created
    ...     store.get_historical_features(asked, features=["weather:wind"]).frame["wind"].tolist()
    ('entity airport', 'feature view weather')
    [3.5, nan]
    """

    def __init__(self, home: str | Path, *, clock: Clock | None = None) -> None:
        self._home = Path(home)
        self._clock = clock or SystemClock()
        self._catalogue = Catalogue(self._home)
        self._online = OnlineStore(self._home)
        self._here: Mapping[str, View] = {}  # replaced and never changed, so that threads may read it
        self._selected = Selected()

    def apply(self, objects: Definition | Sequence[Definition]) -> Applied:
        """Make definitions known, and their sources readable from here.

        A view brings its entities with it. A service may hold parts of views only, so apply the whole views as well.

        No source is read yet. A view that is applied again with another `Source` is read anew.

        Raises:
            DuplicateName: two different definitions of one kind share a name.
            HomeError: the home folder cannot be written.
        """
        found = with_parts(objects)
        for one in found:
            others = self._all(OnDemandFeatureView) if isinstance(one, FeatureView) else self._all(FeatureView)
            if isinstance(one, View) and one.name in others:
                raise DuplicateName("feature view", one.name, where="this store")
        applied = self._catalogue.record(found, at=self._clock.now())
        self._here = {**self._here, **{one.name: one for one in found if isinstance(one, View)}}
        self._selected = Selected()
        return applied

    def list_entities(self) -> list[Entity]:
        """Every entity of this home, by name."""
        return list(self._all(Entity).values())

    def list_feature_views(self) -> list[FeatureView]:
        """Every feature view of this home, by name."""
        return list(self._all(FeatureView).values())

    def list_on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Every on demand feature view of this home, by name."""
        return list(self._all(OnDemandFeatureView).values())

    def list_feature_services(self) -> list[FeatureService]:
        """Every feature service of this home, by name."""
        return list(self._all(FeatureService).values())

    def get_entity(self, name: str) -> Entity:
        """The entity of that name. Raises: UnknownName."""
        return self._one(Entity, "entity", name)

    def get_feature_view(self, name: str) -> FeatureView:
        """The feature view of that name. Raises: UnknownName."""
        return self._one(FeatureView, "feature view", name)

    def get_on_demand_feature_view(self, name: str) -> OnDemandFeatureView:
        """The on demand feature view of that name. Raises: UnknownName."""
        return self._one(OnDemandFeatureView, "on demand feature view", name)

    def get_feature_service(self, name: str) -> FeatureService:
        """The feature service of that name. Raises: UnknownName."""
        return self._one(FeatureService, "feature service", name)

    def get_historical_features(
        self, entity_df: pd.DataFrame, *, features: Features, full_feature_names: bool = False
    ) -> TrainingSet:
        """Each entity row with the features as they were known at its `event_timestamp`.

        A row of a source is visible when its event timestamp is at or before the entity row's and at most the view's
        `ttl` older, and its created timestamp, where there is one, is not later. Of several the newest event counts,
        then the newest created, then the last written. Every entity row comes back, in order, nulls where nothing was
        known; Feast's method of this name leaves rows out there and looks at created timestamps only to break ties.

        Args:
            entity_df: the join keys of the views, `event_timestamp` with a time zone, and any further columns, which
                come back as they are. It is never changed.
            features: a service, its name, a view, or a list of views and of "view:feature".
            full_feature_names: call the columns `view__feature`.

        Raises:
            UnknownName: no such service, view or feature.
            InvalidDefinition: two features of one name, rows that only another program can read, or an on demand
                feature view whose function fails or looks at other rows.
            InvalidData: a column that is missing or of another type, or a time without a zone.
        """
        return self._join(entity_df, features, full_feature_names, as_landed=False)

    def replay(self, entity_df: pd.DataFrame, *, features: Features, full_feature_names: bool = False) -> TrainingSet:
        """Each entity row with the features that an online store would have held at its `event_timestamp`.

        As `get_historical_features`, for a store that was fed with rows as they landed: a row is not visible before its
        source's `landed_column`. Where the two differ, training has seen what serving could not.
        """
        return self._join(entity_df, features, full_feature_names, as_landed=True)

    def materialize(self, until: datetime | str, *, views: Sequence[str] | None = None) -> Materialized:
        """Fill the online store with the newest row of each entity as it was known at `until`, replacing what is there.

        Each view is one transaction: whatever happens, it is either as it was or as of `until`. `views` are names; None
        means all. Unlike Feast's, this needs no start: how far back a row may lie is for `ttl` to say, when it is read.

        Raises:
            UnknownName: no such view.
            InvalidDefinition: the rows of a view are only there for the program that applied it.
            InvalidData: `until` is no time with a zone, or a source is not as declared.
            HomeError: the home folder cannot be written.
        """
        return self._materialize(until, views, anew=True)

    def materialize_incremental(self, until: datetime | str, *, views: Sequence[str] | None = None) -> Materialized:
        """Bring the online store from where it is to `until`: a newer row takes the place of an older one.

        Rows count as they become known, so one that arrives late is not missed; and the newest is the one with the
        newest event time, in whatever order they come. Entities that the source no longer has keep their row. The first
        time, or after the view's meaning has changed, this is `materialize`.

        Raises:
            InvalidData: as `materialize`; or `until` lies before what is materialised already.
        """
        return self._materialize(until, views, anew=False)

    def _materialize(self, until: datetime | str, views: Sequence[str] | None, *, anew: bool) -> Materialized:
        end = moment(until, "until")
        names = [views] if isinstance(views, str) else views
        known = self._all(FeatureView)
        chosen = [self.get_feature_view(name) for name in (known if names is None else names)]
        rows = [self._rows_of(view) for view in chosen]  # every source must be readable before any view moves
        written = {one.view.name: self._online.write(one, end, anew=anew) for one in rows}
        return Materialized(as_datetime(end), written)

    def get_online_features(
        self,
        entity_rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        features: Features,
        at: datetime | str | None = None,
        full_feature_names: bool = False,
    ) -> OnlineResponse:
        """The features of some entities as the online store has them, at `at`: exactly what the historical join gives.

        Args:
            entity_rows: `[{"origin": "EWR"}, …]`, or a frame; other columns come back as they are.
            features: a service, its name, or a list of "view:feature".
            at: the moment at which a row must not be older than its view's `ttl`; None for the moment until which the
                view was materialised. (Feast judges neither: it shows what it has.)
            full_feature_names: call the features `view__feature`.

        Raises:
            UnknownName: no such service, view or feature.
            InvalidDefinition: two features of one name, or a view that has changed since it was materialised.
            InvalidData: a key is missing or of another type, a view was never materialised, or `at` is before that.
        """
        selection = self._select(features, full_feature_names)
        return answer(entity_rows, selection, self._online, at=None if at is None else moment(at, "at"))

    def materialized_until(self, view: str) -> datetime | None:
        """Until when a view is materialised: how fresh its online rows are; None where it never was."""
        mark = self._online.watermark(self.get_feature_view(view).name)
        return None if mark is None else as_datetime(mark)

    def materialized_at(self, view: str) -> datetime | None:
        """When a view was last materialised, by this machine's clock; None where it never was, or nobody wrote it down.

        `materialized_until` is a moment of the data, which may lie years back; this one tells of a job that stopped.
        """
        found = self._online.written_at(self.get_feature_view(view).name)
        return None if found is None else as_datetime(found * 10**9)

    def push(self, view: str, rows: pd.DataFrame) -> int:
        """Put rows of one view into the online store now; return how many entities' rows are new or different.

        The rows have the columns of the view's source and are checked as those are. A row takes the place of an older
        one only, as in `materialize_incremental`; and it must be known: its times may not lie after now. The source is
        not changed, so write them there too, or the next `materialize` forgets them. Feast's method of this name goes
        through a push source.

        Raises:
            UnknownName: no such view.
            InvalidData: the rows are not as the view declares, or lie in the future.
        """
        known, now = self.get_feature_view(view), moment(self._clock.now(), "now")
        return self._online.push(pushed_rows(known, rows, now), now)

    def delete_feature_view(self, name: str) -> None:
        """Forget a view and its online rows; its source is left alone. Feast's method of this name.

        Raises:
            UnknownName: no such view.
            InvalidDefinition: a service still has features of it.
        """
        known = {**self._all(FeatureView), **self._all(OnDemandFeatureView)}
        if name not in known:
            raise UnknownName("feature view", name, known, where="this store")
        computed = self._all(OnDemandFeatureView).values()
        users = [f"on demand feature view {one.name}" for one in computed if name in {each.name for each in one.views}]
        for service in self.list_feature_services():
            if name in {each.name for each in (*service.features, *service.views)}:
                users.append(f"service {service.name}")
        if users:
            raise InvalidDefinition(
                f"feature view {name!r} is part of the {' and the '.join(users)}; change that first."
            )
        self._online.forget(name)
        kind = "feature view" if isinstance(known[name], FeatureView) else "on demand feature view"
        self._catalogue.forget(kind, name)
        self._here = {one: here for one, here in self._here.items() if one != name}
        self._selected = Selected()

    def describe(self, name: str | None = None) -> dict[str, Any]:
        """Everything of this home by kind, or one definition, as a JSON-like object.

        Of a view it also says how many rows its source has here, from when to when, and until when it is materialised.
        A service may bear the name of a view: then it is the view that is told.

        Raises:
            UnknownName: nothing has that name.
        """
        everything: dict[str, Mapping[str, Definition]] = {
            "feature_services": self._all(FeatureService),
            "feature_views": self._all(FeatureView),
            **({"on_demand_feature_views": computed} if (computed := self._all(OnDemandFeatureView)) else {}),
            "entities": self._all(Entity),
        }
        if name is None:
            return {kind: [to_dict(one) for one in found.values()] for kind, found in everything.items()}
        found = {one: kind[one] for kind in reversed(everything.values()) for one in kind}
        found |= everything["feature_views"]
        if name not in found:
            raise UnknownName("definition", name, found, where="this store")
        told = to_dict(found[name])
        if isinstance(found[name], FeatureView):
            mark = self._online.watermark(name)
            here = self._here.get(name)
            told["rows"] = self._rows_of(here).profile() if isinstance(here, FeatureView) else None
            told["materialised_until"] = None if mark is None else as_datetime(mark)
        return told

    def statistics(
        self, view: str, *, start: datetime | str | None = None, end: datetime | str | None = None
    ) -> pd.DataFrame:
        """What the features of a view are like in its source, in the rows that tell of a period.

        Args:
            view: its name.
            start: the first moment of the period, by event time; None for the beginning.
            end: the moment at which it is over; None for never.

        Returns:
            A frame with a row for each feature: how many rows, nulls and distinct values, and of numbers and truth
            values the mean, the standard deviation, the least and the largest.

        Raises:
            UnknownName: no such view.
            InvalidDefinition: its rows are only there for the program that applied it.
            InvalidData: `start` or `end` is no time with a zone, or the source is not as declared.
        """
        ends = [
            bound if when is None else moment(when, what)
            for when, what, bound in ((start, "start", -(2**63)), (end, "end", 2**63 - 1))
        ]
        return self._rows_of(self.get_feature_view(view)).statistics(*ends)

    def _join(self, entity_df: pd.DataFrame, features: Features, full_names: bool, *, as_landed: bool) -> TrainingSet:
        selection = self._select(features, full_names)
        rows_of = {part.view.name: self._rows_of(part.view) for part in selection.parts}
        return join(entity_df, selection, rows_of, as_landed=as_landed)

    def _select(self, features: Features, full_names: bool) -> Selection:
        return self._selected.get(features, self._all, self._catalogue.read(), full_names=full_names)

    def _rows_of(self, view: FeatureView) -> ViewRows:
        return view.source.kept(view, lambda: ViewRows(view))

    def _all(self, kind: type[_Kind]) -> Mapping[str, _Kind]:
        definitions = [*self._catalogue.read(), *self._here.values()]  # the views whose rows are here last
        return {one.name: one for one in definitions if isinstance(one, kind)}

    def _one(self, kind: type[_Kind], word: str, name: str) -> _Kind:
        known = self._all(kind)
        if name not in known:
            raise UnknownName(word, name, known, where="this store")
        return known[name]

    def __repr__(self) -> str:
        return f"FeatureStore(views={sorted(self._here)})"
