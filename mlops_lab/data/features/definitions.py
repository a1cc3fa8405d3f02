"""What a feature is, to whom it belongs and where it comes from.

The words are Feast's (https://docs.feast.dev/getting-started/concepts). Definitions are plain frozen values: they know
nothing of the store, and two are equal when they say the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

from mlops_lab.base.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.data.features.source import Source, check_name

KEY_TYPES = ("string", "int64")
VALUE_TYPES = ("int64", "float64", "string", "bool", "timestamp")


def _check_unique(kind: str, names: Sequence[str], where: str) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DuplicateName(kind, name, where=where)


def _listed(value: Any, kind: Any, what: str) -> tuple[Any, ...]:
    """A tuple of `kind` from one of them or several."""
    items = (value,) if isinstance(value, kind) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, kind) for item in items):
        word = getattr(kind, "__name__", "feature views")
        raise InvalidDefinition(f"{what} must be a list of {word}, not {value!r}.")
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


class _Featured:
    """What has a schema of features, and gives some of them when it is indexed with their names."""

    name: str
    schema: Sequence[Field]

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(one.name for one in self.schema)

    @property
    def dtypes(self) -> dict[str, str]:
        """The type of each feature."""
        return {one.name: one.dtype for one in self.schema}

    def __getitem__(self, names: str | Sequence[str]) -> Self:
        for name in (wanted := _listed(names, str, "feature names")):
            if name not in self.dtypes:
                raise UnknownName("feature", name, self.features, where=f"feature view {self.name!r}")
        return replace(self, schema=[Field(name, self.dtypes[name]) for name in wanted])  # type: ignore[type-var]


@dataclass(frozen=True)
class FeatureView(_Featured):
    """Features of an entity that come together from one source, and for how long they hold.

    A row of the source may be used up to and including `ttl` after its event timestamp; None means for ever. Indexing
    with names gives a view of those features only (Feast's projection). Unlike Feast, `ttl=timedelta(0)` means exactly
    that, not "for ever". `with_name` and `with_join_key_map` give the same view in another role, whose
    features come back as `name__feature`.

    >>> source = Source("weather", "weather.parquet")
    >>> airport = Entity("airport", join_keys=["origin"])
    >>> schema = [Field("visibility", "float64"), Field("wind_speed", "float64")]
    >>> view = FeatureView("airport_weather", entities=[airport], schema=schema, ttl=timedelta(hours=3), source=source)
    >>> view[["wind_speed"]]
    FeatureView('airport_weather', keys=('origin',), features=('wind_speed',), ttl=3:00:00)
    >>> view.with_name("weather_there").with_join_key_map({"origin": "dest"}).key_columns
    ('dest',)

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
    alias: str = ""
    join_key_map: Mapping[str, str] = field(default_factory=dict, hash=False)

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
        if self.alias:
            check_name("a feature view", self.alias)
        for key, column in self.join_key_map.items():
            if key not in self.join_keys:
                raise UnknownName("join key", key, self.join_keys, where=where)
            check_name("a join key", column)
        object.__setattr__(self, "join_key_map", dict(self.join_key_map))

    @property
    def role(self) -> str:
        """The name under which its features are asked for: its own, or the one that `with_name` gave."""
        return self.alias or self.name

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of an entity frame that hold the join keys, in their order."""
        return tuple(self.join_key_map.get(key, key) for key in self.join_keys)

    @property
    def without_role(self) -> FeatureView:
        """The view under its own name and with its own keys."""
        return replace(self, alias="", join_key_map={}) if self.alias or self.join_key_map else self

    def with_name(self, name: str) -> FeatureView:
        """The view under another name, so that a service may have it twice. Feast's method of this name."""
        return replace(self, alias=name)

    def with_join_key_map(self, join_key_map: Mapping[str, str]) -> FeatureView:
        """The view with other columns of the entity frame for its join keys. Feast's method of this name."""
        return replace(self, join_key_map=join_key_map)

    @property
    def join_keys(self) -> tuple[str, ...]:
        """The key columns of all entities, in order."""
        return tuple(key for entity in self.entities for key in entity.join_keys or ())

    @property
    def columns(self) -> dict[str, str]:
        """The columns of the source that it needs, and what each is to hold."""
        return {**self.key_types, **dict.fromkeys(self.source.time_columns, "timestamp"), **self.dtypes}

    @property
    def key_types(self) -> dict[str, str]:
        """The type of each key column."""
        return {key: entity.value_type for entity in self.entities for key in entity.join_keys or ()}

    def __repr__(self) -> str:
        ttl = "for ever" if self.ttl is None else self.ttl
        return f"FeatureView({self.role!r}, keys={self.key_columns!r}, features={self.features!r}, ttl={ttl})"


@dataclass(frozen=True)
class RequestSource:
    """What only the request knows: columns of the entity frame, or of the entity rows. Feast's class of this name.

    >>> RequestSource("booking", schema=[Field("bags", "int64")])
    RequestSource('booking', fields=('bags',))
    """

    name: str
    _: KW_ONLY
    schema: Sequence[Field]

    def __post_init__(self) -> None:
        check_name("a request source", self.name)
        object.__setattr__(self, "schema", _listed(self.schema, Field, "schema"))

    def __repr__(self) -> str:
        return f"RequestSource({self.name!r}, fields={tuple(one.name for one in self.schema)!r})"


@dataclass(frozen=True)
class OnDemandFeatureView(_Featured):
    """Features that a function makes of other features and of the request, at the moment of asking.

    Like Feast's class of this name, in its pandas mode. The function takes a frame with a column for each input and
    returns one with the features. Offline and online go through it with the same types, so both say the same; it has to
    make each row of that row alone, which `get_historical_features` tries out. An input is called as the feature or
    field, after `role__` where a source has another name by `with_name`.

    >>> field, source = Field("wind", "float64"), Source("s", "s.parquet")
    >>> wind = FeatureView("weather", entities=[Entity("k")], schema=[field], ttl=None, source=source)
    >>> gusts = OnDemandFeatureView("gusts", sources=[wind], schema=[Field("is_stormy", "bool")],
    ...     udf=lambda frame: (frame["wind"] > 30).to_frame("is_stormy"))
    >>> gusts, gusts.inputs
    (OnDemandFeatureView('gusts', inputs=('wind',), features=('is_stormy',)), ('wind',))
    """

    name: str
    _: KW_ONLY
    sources: Sequence[FeatureView | RequestSource]
    schema: Sequence[Field]
    udf: Callable[[Any], Any] = field(compare=False)
    description: str = ""
    tags: Mapping[str, str] | None = field(default=None, hash=False)
    owner: str = ""

    def __post_init__(self) -> None:
        check_name("an on demand feature view", self.name)
        where = f"on demand feature view {self.name!r}"
        object.__setattr__(self, "sources", _listed(self.sources, FeatureView | RequestSource, "sources"))
        object.__setattr__(self, "schema", _listed(self.schema, Field, "schema"))
        object.__setattr__(self, "tags", dict(self.tags or {}))
        if not self.schema or not self.sources:
            raise InvalidDefinition(f"{where} needs at least one source, and one Field in its schema.")
        if not callable(self.udf):
            raise InvalidDefinition(f"the udf of {where} must be a function, not {self.udf!r:.60}.")
        _check_unique("input", self.inputs, where)
        _check_unique("feature", self.features, where)

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """The feature views among its sources."""
        return tuple(source for source in self.sources if isinstance(source, FeatureView))

    @property
    def requested(self) -> dict[str, str]:
        """The columns that the request has to bring, and their types."""
        requests = [source for source in self.sources if isinstance(source, RequestSource)]
        return {one.name: one.dtype for source in requests for one in source.schema}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of the frame that the function gets."""
        prefixed = [(f"{view.alias}__" if view.alias else "", view) for view in self.views]
        return (*(f"{prefix}{name}" for prefix, view in prefixed for name in view.features), *self.requested)

    @property
    def role(self) -> str:
        """The name under which its features are asked for."""
        return self.name

    def __repr__(self) -> str:
        return f"OnDemandFeatureView({self.name!r}, inputs={self.inputs!r}, features={self.features!r})"


@dataclass(frozen=True)
class FeatureService:
    """The features one model is trained on and served with: views, whole or projected, under one name.

    A view may be there in several roles, as origin's weather and the destination's: see `FeatureView.with_name`.

    >>> schema, source = [Field("a", "int64")], Source("s", "s.parquet")
    >>> view = FeatureView("v", entities=[Entity("k")], schema=schema, ttl=None, source=source)
    >>> FeatureService("delays", [view])
    FeatureService('delays', features=('v:a',))
    """

    name: str
    features: Sequence[FeatureView | OnDemandFeatureView]
    _: KW_ONLY
    description: str = ""
    tags: Mapping[str, str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_name("a feature service", self.name)
        kinds = FeatureView | OnDemandFeatureView
        object.__setattr__(self, "features", _listed(self.features, kinds, "the features of a service"))
        object.__setattr__(self, "tags", dict(self.tags or {}))
        if not self.features:
            raise InvalidDefinition(f"feature service {self.name!r} has no features; give it at least one view.")
        _check_unique("feature", self.references, f"feature service {self.name!r}")

    @property
    def references(self) -> tuple[str, ...]:
        """The features as "view:feature"."""
        return tuple(f"{view.role}:{name}" for view in self.features for name in view.features)

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """The feature views that it needs, those behind on demand features too."""
        return tuple(
            each for one in self.features for each in (one.views if isinstance(one, OnDemandFeatureView) else (one,))
        )

    @property
    def entity_columns(self) -> tuple[str, ...]:
        """The columns that whoever asks has to bring: join keys, and what on demand features want of the request."""
        keys = [key for view in self.views for key in view.key_columns]
        asked = [name for one in self.features if isinstance(one, OnDemandFeatureView) for name in one.requested]
        return tuple(dict.fromkeys([*keys, *asked]))

    def __repr__(self) -> str:
        return f"FeatureService({self.name!r}, features={self.references!r})"
