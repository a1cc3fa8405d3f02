"""Feature definitions as a Feast repository, and the rows that it speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from mlops_lab.adapters.feast.objects import FEAST_TYPES, entity_keys, feast_path, feast_source_name, feast_ttl
from mlops_lab.adapters.feast.repository import feature_store_yaml
from mlops_lab.adapters.feast.rows import Rows, rows_for_feast
from mlops_lab.adapters.naming import identifiers
from mlops_lab.adapters.writing import call, docstring, duration, literal
from mlops_lab.base.errors import HomeError, InvalidDefinition
from mlops_lab.data.features import Entity, FeatureService, FeatureView, OnDemandFeatureView

Definition: TypeAlias = Entity | FeatureView | FeatureService

_ABOUT = """Feature definitions for Feast, written by `mlops-lab export feast`: change them there and write this again.

`feast apply` in this folder makes them known. The rows lie in data/, a Parquet file for each view;
`mlops-lab export feast --to FOLDER --rows` writes them."""


def to_feast_repository(objects: Iterable[Definition]) -> Mapping[str, str]:
    """The files of a Feast repository: `feature_store.yaml` and `features.py`, which `feast apply` accepts as they are.

    They say what `mlops_lab.adapters.feast.objects.to_feast` builds. What Feast has no word for is left out: a
    `landed_column`, and a composite key, which becomes an entity for each of its columns.

    Args:
        objects: entities, feature views and feature services.

    >>> from datetime import timedelta
    >>> from mlops_lab.data.features import Field, Source
    >>> view = FeatureView("weather", entities=[Entity("airport", join_keys=["origin"])],
    ...     schema=[Field("wind", "float64")], ttl=timedelta(hours=3), source=Source("weather", "weather.parquet"))
    >>> print(to_feast_repository([view])["features.py"].partition("FeatureView(")[2])
        name="weather",
        entities=[airport_entity],
        schema=[Field(name="origin", dtype=String), Field(name="wind", dtype=Float64)],
        ttl=timedelta(hours=3),
        source=weather_source,
    )
    <BLANKLINE>

    Raises:
        InvalidDefinition: a `ttl` of zero, which Feast takes for none at all.

    See Also:
        https://docs.feast.dev/reference/feature-repository
    """
    several = list(objects)
    views = {one.name: one for one in several if isinstance(one, FeatureView)}
    services = {one.name: one for one in several if isinstance(one, FeatureService)}
    for service in services.values():
        for part in service.features:
            if isinstance(part, OnDemandFeatureView):
                told = f"service {service.name!r} has {part.name!r}, whose function is not written to a repository"
                raise InvalidDefinition(f"{told}; export a service without it.")
            views.setdefault(part.name, part.without_role)
    entities = {one.name: one for one in several if isinstance(one, Entity)}
    entities |= {entity.name: entity for view in views.values() for entity in view.entities}
    keys = {name: (entity, key) for entity in entities.values() for name, key in entity_keys(entity).items()}
    names = _names(keys, views, services)
    blocks = [_entity(names["entity", name], name, entity, key) for name, (entity, key) in keys.items()]
    blocks += [block for view in views.values() for block in (_source(names, view), _view(names, view))]
    blocks += [_service(names, service, views) for service in services.values()]
    return {
        "feature_store.yaml": feature_store_yaml(),
        "features.py": _head("\n".join(blocks)) + "\n".join(blocks),
    }


def write_feature_rows(folder: str | Path, views: Iterable[FeatureView]) -> list[Path]:
    """Write the rows of each view to `data/<view>.parquet` below a folder, as `to_feast_repository` names them.

    Rows that could never count are left out: see `mlops_lab.adapters.feast.rows`.

    Raises:
        InvalidData: a source is not as declared.
        HomeError: the folder cannot be written.
    """
    from pyarrow import parquet

    written = []
    for view in views:
        path = Path(folder) / "data" / f"{view.name}.parquet"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(rows_for_feast(Rows(view)), path)
        except OSError as error:
            raise HomeError(folder, error.strerror or str(error)) from None
        written.append(path)
    return written


def _names(keys: Iterable[str], views: Iterable[str], services: Iterable[str]) -> dict[tuple[str, str], str]:
    """The Python name of each object, by its kind and name."""
    wanted = [("entity", name) for name in keys] + [("source", name) for name in views]
    wanted += [("view", name) for name in views] + [("service", name) for name in services]
    taken = {"Entity", "FeatureService", "FeatureView", "Field", "FileSource", "ValueType", "timedelta"}
    chosen = identifiers((f"{name}_{kind}" for kind, name in wanted), taken.union(FEAST_TYPES.values()))
    return {(kind, name): chosen[f"{name}_{kind}"] for kind, name in wanted}


def _head(text: str) -> str:
    used = [name for name in ("Entity", "FeatureService", "FeatureView", "Field", "FileSource") if f"{name}(" in text]
    used += ["ValueType"] if "ValueType." in text else []
    types = sorted(kind for kind in FEAST_TYPES.values() if f"dtype={kind})" in text)
    lines = [docstring(_ABOUT), "", "from datetime import timedelta", ""]
    lines += [f"from feast import {', '.join(used)}"] if used else []
    lines += [f"from feast.types import {', '.join(types)}"] if types else []
    return "\n".join([*lines, "", ""])


def _made(name: str, kind: str, words: Mapping[str, str]) -> str:
    told = {word: text for word, text in words.items() if text not in ('""', "{}")}
    short = call(f"{name} = {kind}(", told)
    if "\n" not in short:
        return short + "\n"
    return f"{name} = {kind}(\n" + "".join(_line(word, text) for word, text in told.items()) + ")\n"


def _line(word: str, text: str) -> str:
    """A keyword argument on one line where it fits, a list over several where not."""
    line = f"    {word}={text},\n"
    if len(line) <= 120 or not text.startswith("["):
        return line
    return f"    {word}=[\n" + "".join(_item(each) for each in text[1:-1].split(", ") if each) + "    ],\n"


def _item(text: str) -> str:
    """An item of a list on its own line, broken once more where it is too long for that."""
    start, bracket, chosen = text.partition("[[")
    if len(text) <= 110 or not bracket:
        return f"        {text},\n"
    names = "".join(f"                {each},\n" for each in chosen[:-2].split("\x00"))
    return f"        {start}[\n            [\n{names}            ]\n        ],\n"


def _entity(name: str, feast_name: str, entity: Entity, key: str) -> str:
    kind = "STRING" if entity.value_type == "string" else "INT64"
    words = {
        "name": literal(feast_name),
        "join_keys": literal([key]),
        "value_type": f"ValueType.{kind}",
        "description": literal(entity.description),
    }
    return _made(name, "Entity", words)


def _source(names: Mapping[tuple[str, str], str], view: FeatureView) -> str:
    source = view.source
    created = source.created_timestamp_column
    words = {
        "name": literal(feast_source_name(view)),
        "path": literal(feast_path(view)),
        "timestamp_field": literal(source.timestamp_field),
        "created_timestamp_column": literal(created if created and created != source.timestamp_field else ""),
        "description": literal(source.description),
    }
    return _made(names["source", view.name], "FileSource", words)


def _view(names: Mapping[tuple[str, str], str], view: FeatureView) -> str:
    entities = [names["entity", name] for entity in view.entities for name in entity_keys(entity)]
    columns = {**view.key_types, **view.dtypes}
    fields = [f"Field(name={literal(name)}\x00dtype={FEAST_TYPES[kind]})" for name, kind in columns.items()]
    words = {
        "name": literal(view.name),
        "entities": f"[{', '.join(entities)}]",
        "schema": f"[{', '.join(fields)}]",
        "ttl": duration(feast_ttl(view)),
        "source": names["source", view.name],
        "description": literal(view.description),
        "tags": literal(dict(view.tags or {})),
    }
    return _made(names["view", view.name], "FeatureView", words).replace("\x00", ", ")


def _service(names: Mapping[tuple[str, str], str], service: FeatureService, views: Mapping[str, FeatureView]) -> str:
    parts = []
    for part in service.features:
        name = names["view", part.name]
        chosen = "\x00".join(literal(feature) for feature in part.features)
        shown = name if part.features == views[part.name].features else f"{name}[[{chosen}]]"
        if isinstance(part, FeatureView):
            shown += f".with_name({literal(part.alias)})" if part.alias else ""
            shown += f".with_join_key_map({literal(dict(part.join_key_map))})" if part.join_key_map else ""
        parts.append(shown)
    words = {
        "name": literal(service.name),
        "features": f"[{', '.join(parts)}]",
        "description": literal(service.description),
        "tags": literal(dict(service.tags or {})),
    }
    return _made(names["service", service.name], "FeatureService", words).replace("\x00", ", ")
