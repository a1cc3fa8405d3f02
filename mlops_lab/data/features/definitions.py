"""What is a feature, to whom does it belong and where does it come from?

The words are Feast's (https://docs.feast.dev/getting-started/concepts). Definitions are plain frozen values: they know
nothing of the store, and two are equal when they say the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from typing import Any

from mlops_lab.base.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.data.features.names import check_name
from mlops_lab.data.features.source import Source

__all__ = ["Entity", "FeatureService", "FeatureView", "Field"]

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
