"""What does a person say to a feature store?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlops_lab.clock import Clock, SystemClock
from mlops_lab.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.features.catalogue import Applied, Catalogue, Definition
from mlops_lab.features.definitions import Entity, FeatureService, FeatureView
from mlops_lab.features.offline import ViewRows, join
from mlops_lab.features.selection import Selection, select
from mlops_lab.features.training_set import TrainingSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FeatureStore"]

_Kind = TypeVar("_Kind", Entity, FeatureView, FeatureService)
Features = FeatureService | str | Iterable[str]


class FeatureStore:
    """Feature views over their sources: joined as of any past moment for training, kept at hand for serving.

    The methods are those of Feast's `FeatureStore` (https://rtd.feast.dev). Definitions and online values live in the
    folder `home`; the rows of the sources stay where they are, are read when first needed and put in order once.

    >>> import tempfile
    >>> from datetime import timedelta
    >>> import pandas as pd
    >>> from mlops_lab.features import Field, Source
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
        self._here: dict[str, FeatureView] = {}
        self._rows: dict[str, ViewRows] = {}

    def apply(self, objects: Definition | Sequence[Definition]) -> Applied:
        """Make definitions known, with everything they refer to, and their sources readable from here.

        No source is read yet. A view that is applied again with another `Source` is read anew.

        Raises:
            DuplicateName: two different definitions of one kind share a name.
            HomeError: the home folder cannot be written.
        """
        found: dict[tuple[type, str], Definition] = {}
        for one in [objects] if isinstance(objects, Entity | FeatureView | FeatureService) else objects:
            for definition in _with_parts(one):
                key = (type(definition), definition.name)
                if found.setdefault(key, definition) != definition:
                    raise DuplicateName(type(definition).__name__, definition.name, where="what is applied")
        applied = self._catalogue.record(found.values(), at=self._clock.now())
        for definition in found.values():
            if isinstance(definition, FeatureView):
                before = self._here.get(definition.name)
                if before != definition or before.source is not definition.source:
                    self._rows.pop(definition.name, None)
                self._here[definition.name] = definition
        return applied

    def list_entities(self) -> list[Entity]:
        """Every entity of this home, by name."""
        return list(self._all(Entity).values())

    def list_feature_views(self) -> list[FeatureView]:
        """Every feature view of this home, by name."""
        return list(self._all(FeatureView).values())

    def list_feature_services(self) -> list[FeatureService]:
        """Every feature service of this home, by name."""
        return list(self._all(FeatureService).values())

    def get_entity(self, name: str) -> Entity:
        """The entity of that name. Raises: UnknownName."""
        return self._one(Entity, "entity", name)

    def get_feature_view(self, name: str) -> FeatureView:
        """The feature view of that name. Raises: UnknownName."""
        return self._one(FeatureView, "feature view", name)

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
            features: a service, its name, or a list of "view:feature".
            full_feature_names: call the columns `view__feature`.

        Raises:
            UnknownName: no such service, view or feature.
            InvalidDefinition: two features of one name, or rows that only another program can read.
            InvalidData: a column that is missing or of another type, or a time without a zone.
        """
        return self._join(entity_df, features, full_feature_names, as_landed=False)

    def replay(self, entity_df: pd.DataFrame, *, features: Features, full_feature_names: bool = False) -> TrainingSet:
        """Each entity row with the features that an online store would have held at its `event_timestamp`.

        As `get_historical_features`, for a store that was fed with rows as they landed: a row is not visible before its
        source's `landed_column`. Where the two differ, training has seen what serving could not.
        """
        return self._join(entity_df, features, full_feature_names, as_landed=True)

    def _join(self, entity_df: pd.DataFrame, features: Features, full_names: bool, *, as_landed: bool) -> TrainingSet:
        selection = self._select(features, full_names)
        rows_of = {part.view.name: self._rows_of(part.view) for part in selection.parts}
        return join(entity_df, selection, rows_of, as_landed=as_landed)

    def _select(self, features: Features, full_names: bool) -> Selection:
        return select(features, self._all(FeatureView), self._all(FeatureService), full_names=full_names)

    def _rows_of(self, view: FeatureView) -> ViewRows:
        if view.name not in self._rows:
            self._rows[view.name] = ViewRows(view)
        return self._rows[view.name]

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


def _with_parts(definition: Any) -> list[Definition]:
    """A definition, after what it refers to."""
    if isinstance(definition, Entity):
        return [definition]
    if isinstance(definition, FeatureView):
        return [*definition.entities, definition]
    if isinstance(definition, FeatureService):
        return [definition]
    raise InvalidDefinition(
        f"apply takes entities, feature views and feature services, not {type(definition).__name__}."
    )
