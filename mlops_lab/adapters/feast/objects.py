"""Our definitions as Feast's own objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlops_lab.adapters.feast.repository import import_feast
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.data.features import Entity, FeatureService, FeatureView, OnDemandFeatureView

#: Our types by their names in `feast.types`.
FEAST_TYPES = {
    "int64": "Int64",
    "float64": "Float64",
    "string": "String",
    "bool": "Bool",
    "timestamp": "UnixTimestamp",
}


def to_feast(
    objects: Entity | FeatureView | FeatureService | Iterable[Entity | FeatureView | FeatureService],
    *,
    folder: str | Path | None = None,
    spark: bool = False,
) -> list[Any]:
    """Real Feast objects for our definitions, each once and after what it refers to, as Feast's `apply` takes them.

    Feast's entities have one join key, so a composite key becomes one Feast entity for each of its columns. A
    `landed_column` has no place in Feast and is left out.

    Args:
        objects: an entity, a feature view, a feature service, or several of them.
        folder: where the rows of each view lie, as `<view>.parquet`; None for where `feast_path` says.
        spark: describe the sources for Feast's Spark offline store instead of its file stores.

    Raises:
        MissingExtra: Feast is not installed.
        InvalidDefinition: a `ttl` that Feast cannot say.

    >>> from mlops_lab.data.features import Field, Source
    >>> view = FeatureView("weather", entities=[Entity("airport", join_keys=["origin"])],
    ...     schema=[Field("wind", "float64")], ttl=timedelta(hours=3), source=Source("weather", "weather.parquet"))
    >>> feast_source_name(view), feast_ttl(view)
    ('weather', datetime.timedelta(seconds=10800))

    `to_feast(view)` then is a Feast `Entity` and a Feast `FeatureView` with these.

    See Also:
        https://docs.feast.dev/getting-started/concepts/feature-view
    """
    feast = import_feast()
    several = [objects] if isinstance(objects, Entity | FeatureView | FeatureService) else list(objects)
    made: dict[tuple[str, str], Any] = {}

    def view_of(view: FeatureView) -> Any:
        entities = []
        for entity in view.entities:
            for name, key in entity_keys(entity).items():
                entities.append(made.setdefault(("entity", name), _entity(feast, entity, name, key)))
        return _view(feast, view, entities, _source(feast, view, folder, spark=spark))

    for one in several:
        if isinstance(one, Entity):
            for name, key in entity_keys(one).items():
                made.setdefault(("entity", name), _entity(feast, one, name, key))
        elif isinstance(one, FeatureView):
            made["view", one.name] = view_of(one)
        elif isinstance(one, FeatureService):
            parts = []
            for part in one.features:
                if isinstance(part, OnDemandFeatureView):
                    raise InvalidDefinition(
                        f"Feast cannot have {part.name!r} of service {one.name!r}: it is on demand."
                    )
                whole = made.get(("view", part.name))
                shown = (view_of(part) if whole is None else whole)[list(part.features)]
                shown = shown.with_name(part.alias) if part.alias else shown
                parts.append(shown.with_join_key_map(part.join_key_map) if part.join_key_map else shown)
            made["service", one.name] = feast.FeatureService(
                name=one.name, features=parts, description=one.description, tags=dict(one.tags or {})
            )
        else:
            raise InvalidDefinition(
                f"to_feast takes entities, feature views and feature services, not {type(one).__name__}."
            )
    return list(made.values())


def entity_keys(entity: Entity) -> dict[str, str]:
    """The Feast entities that stand for one of ours, by name, each with its join key.

    >>> entity_keys(Entity("route", join_keys=["origin", "dest"]))
    {'route__origin': 'origin', 'route__dest': 'dest'}
    """
    keys = tuple(entity.join_keys or ())
    return {entity.name: keys[0]} if len(keys) == 1 else {f"{entity.name}__{key}": key for key in keys}


def feast_ttl(view: FeatureView) -> timedelta:
    """The view's `ttl` as Feast counts it, where zero means for ever.

    >>> from mlops_lab.data.features import Field, Source
    >>> fields = [Field("a", "int64")]
    >>> feast_ttl(FeatureView("v", entities=[], schema=fields, ttl=None, source=Source("s", "s.parquet")))
    datetime.timedelta(0)

    Raises:
        InvalidDefinition: a `ttl` of zero, which Feast takes for none at all, or with nanoseconds.
    """
    if view.ttl is None:
        return timedelta(0)
    if getattr(view.ttl, "nanoseconds", 0):
        raise InvalidDefinition(
            f"feature view {view.name!r} has a ttl of {view.ttl}, and Feast knows nothing finer than a microsecond; "
            "round it."
        )
    if not view.ttl:
        raise InvalidDefinition(
            f"feature view {view.name!r} has a ttl of zero, which Feast reads as for ever; give it a ttl of at least "
            "one microsecond, or None."
        )
    return view.ttl


def feast_source_name(view: FeatureView) -> str:
    """The name of the view's source in Feast, where one source has one file and so belongs to one view.

    >>> from mlops_lab.data.features import Field, Source
    >>> fields = [Field("a", "int64")]
    >>> feast_source_name(FeatureView("v", entities=[], schema=fields, ttl=None, source=Source("s", "s.parquet")))
    's__v'
    """
    return view.name if view.source.name == view.name else f"{view.source.name}__{view.name}"


def feast_path(view: FeatureView) -> str:
    """Where Feast finds the rows of a view: in the source's own file, where that says the same to Feast as to us.

    A CSV file, other names (`field_mapping`) and times without a zone (`timezone`) do not: those rows, and what is no
    file at all, lie in `data/<view>.parquet` beside Feast's `feature_store.yaml`, as `export feast --rows` writes them.
    """
    source = view.source
    itself = source.path is not None and not (source.is_csv or source.field_mapping or source.timezone)
    return str(source.path) if itself else f"data/{view.name}.parquet"


def _entity(feast: Any, entity: Entity, name: str, key: str) -> Any:
    kind = feast.ValueType.STRING if entity.value_type == "string" else feast.ValueType.INT64
    return feast.Entity(name=name, join_keys=[key], value_type=kind, description=entity.description)


def _view(feast: Any, view: FeatureView, entities: Sequence[Any], source: Any) -> Any:
    from feast import types

    # The join keys are in the schema too: what Feast would otherwise look up in a file that may not be there yet.
    columns = {**view.key_types, **view.dtypes}
    return feast.FeatureView(
        name=view.name,
        entities=list(entities),
        schema=[feast.Field(name=name, dtype=getattr(types, FEAST_TYPES[kind])) for name, kind in columns.items()],
        ttl=feast_ttl(view),
        source=source,
        online=True,
        description=view.description,
        tags=dict(view.tags or {}),
    )


def _source(feast: Any, view: FeatureView, folder: str | Path | None, *, spark: bool) -> Any:
    source = view.source
    created = source.created_timestamp_column
    told = {
        "name": feast_source_name(view),
        "path": feast_path(view) if folder is None else str(Path(folder) / f"{view.name}.parquet"),
        "timestamp_field": source.timestamp_field,
        # Feast refuses one column for both; a row that is written when it becomes true needs no second one.
        "created_timestamp_column": created if created and created != source.timestamp_field else "",
        "description": source.description,
    }
    if spark:
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        return SparkSource(file_format="parquet", **told)
    return feast.FileSource(**told)
