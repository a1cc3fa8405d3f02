"""What a feature is, to whom it belongs and where it comes from; and the selection of some of them.

The words are Feast's (https://docs.feast.dev/getting-started/concepts). Definitions are plain frozen values: they know
nothing of the store, and two are equal when they say the same thing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from mlops_lab.base.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.data.features.source import Source, check_name

__all__ = ["Entity", "FeatureService", "FeatureView", "Field", "Part", "Selected", "Selection", "select"]

KEY_TYPES = ("string", "int64")
VALUE_TYPES = ("int64", "float64", "string", "bool", "timestamp")


def _check_unique(kind: str, names: Sequence[str], where: str) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DuplicateName(kind, name, where=where)


def _listed(value: Any, kind: type, what: str) -> tuple[Any, ...]:
    """A tuple of `kind` from one of them or several."""
    items = (value,) if isinstance(value, kind) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, kind) for item in items):
        raise InvalidDefinition(f"{what} must be a list of {kind.__name__}, not {value!r}.")
    return tuple(items)


@dataclass(frozen=True)
class Entity:
    """Whom features describe: a name and the columns that identify one of them.

    Like Feast's `Entity`; several `join_keys` make a composite key. `value_type` ("string" or "int64") holds for every
    join key; give a view two entities where the types differ.

    >>> Entity("airport", join_keys=["origin"])
    Entity('airport', join_keys=('origin',), value_type='string')
    """

    name: str
    _: KW_ONLY
    join_keys: Sequence[str] | None = None
    value_type: str = "string"
    description: str = ""

    def __post_init__(self) -> None:
        check_name("an entity", self.name)
        keys = (self.name,) if self.join_keys is None else _listed(self.join_keys, str, "join_keys")
        if not keys:
            raise InvalidDefinition(f"entity {self.name!r} has no join key; name at least one column.")
        for key in keys:
            check_name("a join key", key)
        _check_unique("join key", keys, f"entity {self.name!r}")
        if self.value_type not in KEY_TYPES:
            raise UnknownName("value_type", self.value_type, KEY_TYPES, where=f"entity {self.name!r}")
        object.__setattr__(self, "join_keys", keys)

    def __repr__(self) -> str:
        return f"Entity({self.name!r}, join_keys={self.join_keys!r}, value_type={self.value_type!r})"


@dataclass(frozen=True, repr=False)
class Field:
    """One feature: its name and the type of its values.

    `dtype` is one of int64, float64, string, bool and timestamp. In frames, int64 becomes pandas' nullable `Int64` and
    bool its `boolean`, so that an unknown whole number stays a whole number column; float64 has NaN for unknown.

    >>> Field("wind_speed", "float64")
    Field('wind_speed', 'float64')
    """

    name: str
    dtype: str

    def __post_init__(self) -> None:
        check_name("a feature", self.name)
        if self.dtype not in VALUE_TYPES:
            raise UnknownName("dtype", self.dtype, VALUE_TYPES, where=f"field {self.name!r}")

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.dtype!r})"


@dataclass(frozen=True)
class FeatureView:
    """Features of an entity that come together from one source, and for how long they hold.

    A row of the source may be used up to and including `ttl` after its event timestamp; None means for ever. Indexing
    with names gives a view of those features only (Feast's projection). Unlike Feast, `ttl=timedelta(0)` means exactly
    that, not "for ever".

    >>> source = Source("weather", "weather.parquet")
    >>> airport = Entity("airport", join_keys=["origin"])
    >>> schema = [Field("visibility", "float64"), Field("wind_speed", "float64")]
    >>> view = FeatureView("airport_weather", entities=[airport], schema=schema, ttl=timedelta(hours=3), source=source)
    >>> view[["wind_speed"]]
    FeatureView('airport_weather', keys=('origin',), features=('wind_speed',), ttl=3:00:00)

    Raises:
        InvalidDefinition: a name, type or `ttl` that cannot be, or one column with two meanings.
    """

    name: str
    _: KW_ONLY
    entities: Sequence[Entity]
    schema: Sequence[Field]
    ttl: timedelta | None
    source: Source
    description: str = ""
    tags: Mapping[str, str] | None = field(default=None, hash=False)
    owner: str = ""

    def __post_init__(self) -> None:
        check_name("a feature view", self.name)
        where = f"feature view {self.name!r}"
        object.__setattr__(self, "entities", _listed(self.entities, Entity, "entities"))
        object.__setattr__(self, "schema", _listed(self.schema, Field, "schema"))
        object.__setattr__(self, "tags", dict(self.tags or {}))
        if not self.schema:
            raise InvalidDefinition(f"{where} has no feature; give its schema at least one Field.")
        if not isinstance(self.source, Source):
            raise InvalidDefinition(f"the source of {where} must be a Source, not {type(self.source).__name__}.")
        if self.ttl is not None and (not isinstance(self.ttl, timedelta) or self.ttl < timedelta(0)):
            raise InvalidDefinition(
                f"the ttl of {where} must be a timedelta of zero or more, or None, not {self.ttl!r}."
            )
        _check_unique("entity", [entity.name for entity in self.entities], where)
        # The row's own time may be a feature too: how old a measurement is, a model may want to know.
        times = [name for name in self.source.time_columns if self.dtypes.get(name) != "timestamp"]
        _check_unique("column", [*self.join_keys, *times, *self.features], where)

    @property
    def join_keys(self) -> tuple[str, ...]:
        """The key columns of all entities, in order."""
        return tuple(key for entity in self.entities for key in entity.join_keys or ())

    @property
    def key_types(self) -> dict[str, str]:
        """The type of each key column."""
        return {key: entity.value_type for entity in self.entities for key in entity.join_keys or ()}

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(one.name for one in self.schema)

    @property
    def dtypes(self) -> dict[str, str]:
        """The type of each feature."""
        return {one.name: one.dtype for one in self.schema}

    def __getitem__(self, names: str | Sequence[str]) -> FeatureView:
        wanted = _listed(names, str, "feature names")
        for name in wanted:
            if name not in self.dtypes:
                raise UnknownName("feature", name, self.features, where=f"feature view {self.name!r}")
        return replace(self, schema=[Field(name, self.dtypes[name]) for name in wanted])

    def __repr__(self) -> str:
        ttl = "for ever" if self.ttl is None else self.ttl
        return f"FeatureView({self.name!r}, keys={self.join_keys!r}, features={self.features!r}, ttl={ttl})"


@dataclass(frozen=True)
class FeatureService:
    """The features one model is trained on and served with: views, whole or projected, under one name.

    >>> schema, source = [Field("a", "int64")], Source("s", "s.parquet")
    >>> view = FeatureView("v", entities=[Entity("k")], schema=schema, ttl=None, source=source)
    >>> FeatureService("delays", [view])
    FeatureService('delays', features=('v:a',))
    """

    name: str
    features: Sequence[FeatureView]
    _: KW_ONLY
    description: str = ""
    tags: Mapping[str, str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_name("a feature service", self.name)
        object.__setattr__(self, "features", _listed(self.features, FeatureView, "the features of a service"))
        object.__setattr__(self, "tags", dict(self.tags or {}))
        if not self.features:
            raise InvalidDefinition(f"feature service {self.name!r} has no features; give it at least one view.")
        _check_unique("feature", self.references, f"feature service {self.name!r}")

    @property
    def references(self) -> tuple[str, ...]:
        """The features as "view:feature"."""
        return tuple(f"{view.name}:{name}" for view in self.features for name in view.features)

    def __repr__(self) -> str:
        return f"FeatureService({self.name!r}, features={self.references!r})"


_REMEMBERED = 1000  # selections of one store
_WHAT = "features must be a FeatureService, its name, a FeatureView, or a list of 'view:feature'"


@dataclass(frozen=True)
class Part:
    """Some features of one view, and the names of their columns."""

    view: FeatureView
    features: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The parts asked for; `names` are all columns, in the order asked; `service` is "" for a plain list."""

    parts: tuple[Part, ...]
    names: tuple[str, ...]
    service: str

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """The type of each column, in the order asked."""
        found = {
            name: part.view.dtypes[feature]
            for part in self.parts
            for feature, name in zip(part.features, part.names, strict=True)
        }
        return {name: found[name] for name in self.names}

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views, in the order asked."""
        return tuple(part.view.name for part in self.parts)


class Selected:
    """The selections that were asked for, each worked out once until what is applied changes."""

    def __init__(self) -> None:
        self._of: object = None
        self._found: dict[tuple[object, bool], Selection] = {}
        self._changing = threading.Lock()

    def get(
        self,
        features: FeatureService | FeatureView | str | Iterable[str],
        known: Callable[[type[Any]], Mapping[str, Any]],
        applied: object,
        *,
        full_names: bool,
    ) -> Selection:
        """As `select`, from what `known` gives, which stays as it is while `applied` is the same object.

        Raises:
            UnknownName, InvalidDefinition: as `select`.
        """
        with self._changing:
            if applied is not self._of or len(self._found) >= _REMEMBERED:
                self._of, self._found = applied, {}
            remembered = self._found  # another thread may see newer definitions and begin anew: this is ours
        if isinstance(features, FeatureView):
            features = [f"{features.name}:{name}" for name in features.features]
        if isinstance(features, FeatureService):
            asked: object = (features.name, features.references)
        elif isinstance(features, str):
            asked = features
        elif isinstance(features, Iterable) and not isinstance(features, Mapping):
            asked = features = tuple(features)
        else:
            raise InvalidDefinition(f"{_WHAT}, not {features!r:.60}.")
        try:
            return remembered[asked, full_names]
        except (KeyError, TypeError):  # not asked before; or of things that are no names, which `select` refuses
            found = select(features, known(FeatureView), known(FeatureService), full_names=full_names)
        remembered[asked, full_names] = found
        return found


def select(
    features: FeatureService | str | Iterable[str],
    views: Mapping[str, FeatureView],
    services: Mapping[str, FeatureService],
    *,
    full_names: bool,
) -> Selection:
    """Find what was asked for among what was applied.

    Raises:
        UnknownName: no such service, view or feature.
        InvalidDefinition: nothing was asked for, or one column name would be given to two features.
    """
    references, service = _references(features, services)
    pairs: list[tuple[str, str]] = []
    for reference in references:
        view_name, _, feature = reference.partition(":")
        if not feature:
            raise InvalidDefinition(f"a feature is asked for as 'view:feature', not {reference!r}.")
        if view_name not in views:
            raise UnknownName("feature view", view_name, views, where="this store")
        if feature not in views[view_name].features:
            raise UnknownName("feature", feature, views[view_name].features, where=f"feature view {view_name!r}")
        if (view_name, feature) in pairs:
            raise DuplicateName("feature", reference, where="the list asked for")
        pairs.append((view_name, feature))
    if not pairs:
        raise InvalidDefinition("no features were asked for; name a service or some 'view:feature'.")
    names = [f"{view}__{feature}" if full_names else feature for view, feature in pairs]
    for place, name in enumerate(names):
        if name in names[:place]:
            one, two = (":".join(pairs[at]) for at in (names.index(name), place))
            raise InvalidDefinition(
                f"{one} and {two} would share the column {name!r}; ask with full_feature_names=True."
            )
    parts = []
    for view_name in dict.fromkeys(view for view, _ in pairs):
        chosen = [(feature, name) for (view, feature), name in zip(pairs, names, strict=True) if view == view_name]
        parts.append(Part(views[view_name], tuple(one for one, _ in chosen), tuple(one for _, one in chosen)))
    return Selection(tuple(parts), tuple(names), service)


def _references(
    features: FeatureService | str | Iterable[str], services: Mapping[str, FeatureService]
) -> tuple[Sequence[str], str]:
    if isinstance(features, str) and ":" not in features:
        if features not in services:
            raise UnknownName("feature service", features, services, where="this store")
        features = services[features]
    if isinstance(features, FeatureService):
        return features.references, features.name
    references = [features] if isinstance(features, str) else list(features)
    if not all(isinstance(reference, str) for reference in references):
        raise InvalidDefinition(f"{_WHAT}.")
    return references, ""
