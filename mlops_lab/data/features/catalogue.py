"""The catalogue: the definitions that a home folder knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from mlops_lab.base.errors import DuplicateName, IntegrityError, InvalidDefinition
from mlops_lab.base.storage import Database
from mlops_lab.data.features.definitions import (
    Entity,
    FeatureService,
    FeatureView,
    Field,
    OnDemandFeatureView,
    RequestSource,
)
from mlops_lab.data.features.selection import function_of, reference_to
from mlops_lab.data.features.source import Source

Definition: TypeAlias = Entity | FeatureView | OnDemandFeatureView | FeatureService

_SCHEMA = """CREATE TABLE IF NOT EXISTS definitions (
    kind TEXT, name TEXT, definition TEXT NOT NULL, applied_at TEXT NOT NULL, PRIMARY KEY (kind, name))"""
_KINDS = {
    Entity: "entity",
    FeatureView: "feature view",
    OnDemandFeatureView: "on demand feature view",
    FeatureService: "feature service",
}


@dataclass(frozen=True)
class Applied:
    """What `apply` did, as "kind name" in the order applied.

    >>> Applied(created=("entity airport",))
    Applied(created=('entity airport',), changed=(), unchanged=())
    """

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


def to_dict(definition: Definition) -> dict[str, Any]:
    """A definition as a JSON object; of a source that is no file, only that it exists."""
    if isinstance(definition, Entity):
        return {
            "name": definition.name,
            "join_keys": list(definition.join_keys or ()),
            "value_type": definition.value_type,
            "description": definition.description,
        }
    about = {"name": definition.name, "description": definition.description, "tags": dict(definition.tags or {})}
    if isinstance(definition, FeatureService):
        return {**about, "features": [to_dict(view) for view in definition.features]}
    about |= {"owner": definition.owner} if definition.owner else {}
    schema = _told(definition.schema)
    if isinstance(definition, OnDemandFeatureView):
        sources = [
            to_dict(one) if isinstance(one, FeatureView) else {"name": one.name, "schema": _told(one.schema)}
            for one in definition.sources
        ]
        return {**about, "sources": sources, "schema": schema, "udf": reference_to(definition.udf)}
    ttl, source = definition.ttl, definition.source
    return {
        **about,
        **({"alias": definition.alias} if definition.alias else {}),
        **({"join_key_map": dict(definition.join_key_map)} if definition.join_key_map else {}),
        "entities": [to_dict(entity) for entity in definition.entities],
        "schema": schema,
        "ttl": None if ttl is None else _ttl_parts(ttl),
        "source": {
            "name": source.name,
            "path": source.path,
            "timestamp_field": source.timestamp_field,
            "created_timestamp_column": source.created_timestamp_column,
            "landed_column": source.landed_column,
            "description": source.description,
            **({"timezone": source.timezone} if source.timezone is not None else {}),
            **({"field_mapping": dict(source.field_mapping)} if source.field_mapping else {}),
        },
    }


def _ttl_parts(ttl: timedelta) -> list[int]:
    """Days, seconds and microseconds, and after them the nanoseconds that a pandas Timedelta may have as well."""
    finer = getattr(ttl, "nanoseconds", 0)
    return [ttl.days, ttl.seconds, ttl.microseconds, *([finer] if finer else [])]


def _ttl(days: int, seconds: int, microseconds: int, nanoseconds: int = 0) -> timedelta:
    coarse = timedelta(days, seconds, microseconds)
    if not nanoseconds:
        return coarse
    import pandas as pd

    return pd.Timedelta(coarse) + pd.Timedelta(nanoseconds, "ns")


def with_parts(objects: Definition | Iterable[Definition]) -> list[Definition]:
    """The definitions, each once and after what it refers to.

    Raises:
        DuplicateName: two different definitions of one kind share a name.
    """
    found: dict[tuple[type, str], Definition] = {}
    several: Any = [objects] if isinstance(objects, Definition) else objects
    for one in several:
        if not isinstance(one, Definition):
            kind = type(one).__name__
            raise InvalidDefinition(f"apply takes entities, feature views and feature services, not {kind}.")
        if isinstance(one, FeatureView) and (one.alias or one.join_key_map):
            raise InvalidDefinition(
                f"apply feature view {one.name!r} as it is; with another name or other keys it belongs into a service."
            )
        parts = one.entities if isinstance(one, FeatureView) else ()
        for definition in (*parts, one):
            if found.setdefault((type(definition), definition.name), definition) != definition:
                raise DuplicateName(_KINDS[type(definition)], definition.name, where="what is applied")
    return list(found.values())


def _entity(told: dict[str, Any]) -> Entity:
    return Entity(**told)


def _view(told: dict[str, Any]) -> FeatureView:
    source = dict(told["source"])
    path, name = source.pop("path"), source.pop("name")
    return FeatureView(
        told["name"],
        entities=[_entity(entity) for entity in told["entities"]],
        schema=_schema(told),
        ttl=None if told["ttl"] is None else _ttl(*told["ttl"]),
        source=Source(name, path or _elsewhere(told["name"], name), **source),
        description=told["description"],
        tags=told["tags"],
        owner=told.get("owner", ""),
        alias=told.get("alias", ""),
        join_key_map=told.get("join_key_map", {}),
    )


def _told(schema: Iterable[Field]) -> list[dict[str, str]]:
    return [{"name": one.name, "dtype": one.dtype} for one in schema]


def _schema(told: dict[str, Any]) -> list[Field]:
    return [Field(**one) for one in told["schema"]]


def _on_demand(told: dict[str, Any]) -> OnDemandFeatureView:
    return OnDemandFeatureView(
        told["name"],
        sources=[
            _view(one) if "source" in one else RequestSource(one["name"], schema=_schema(one))
            for one in told["sources"]
        ],
        schema=_schema(told),
        udf=function_of(told["name"], told["udf"]),
        description=told["description"],
        tags=told["tags"],
        owner=told.get("owner", ""),
    )


def _elsewhere(view: str, source: str) -> Callable[[], Any]:
    def read() -> Any:
        raise InvalidDefinition(
            f"the rows of feature view {view!r} are not here: its source {source!r} is a frame or a function of the "
            "program that applied it. Apply the view again in this one, or give the source a Parquet path."
        )

    return read


def _service(told: dict[str, Any]) -> FeatureService:
    views = [_on_demand(view) if "udf" in view else _view(view) for view in told["features"]]
    return FeatureService(told["name"], views, description=told["description"], tags=told["tags"])


_READERS: dict[str, Callable[[dict[str, Any]], Definition]] = {
    "entity": _entity,
    "feature view": _view,
    "on demand feature view": _on_demand,
    "feature service": _service,
}


class Catalogue:
    """The definitions kept in `features.db` of a home folder."""

    def __init__(self, home: Path) -> None:
        """Nothing is touched before the first call."""
        file = home / "features.db"
        # Two connections: readers do not wait for a writer, and see by `data_version` that somebody has written.
        self._reader, self._writer = (
            Database(file, kind="feature catalogue", schema=_SCHEMA, create=False) for _ in range(2)
        )
        self._version: object = None
        self._definitions: tuple[Definition, ...] = ()

    def record(self, definitions: Iterable[Definition], *, at: datetime) -> Applied:
        """Keep definitions, and say which were new, which said something else before, and which the same."""
        done: dict[str, list[str]] = {"created": [], "changed": [], "unchanged": []}
        told = [(_KINDS[type(each)], each.name, json.dumps(to_dict(each))) for each in definitions]
        with self._reader.reading() as database:
            rows = database.execute("SELECT kind, name, definition FROM definitions")
            if set(told) <= set(map(tuple, rows)):  # nothing to write, so that a home that can only be read will do
                return Applied(created=(), changed=(), unchanged=tuple(f"{kind} {name}" for kind, name, _ in told))
        with self._writer.transaction() as database:
            for kind, name, text in told:
                where = (kind, name)
                before = database.execute(
                    "SELECT definition FROM definitions WHERE (kind, name) = (?, ?)", where
                ).fetchone()
                outcome = "created" if before is None else "unchanged" if before[0] == text else "changed"
                done[outcome].append(f"{kind} {name}")
                if outcome != "unchanged":
                    row = (*where, text, at.isoformat())
                    database.execute("INSERT OR REPLACE INTO definitions VALUES (?, ?, ?, ?)", row)
        return Applied(**{outcome: tuple(names) for outcome, names in done.items()})

    def forget(self, kind: str, name: str) -> None:
        """Keep a definition no longer."""
        with self._writer.transaction() as database:
            database.execute("DELETE FROM definitions WHERE (kind, name) = (?, ?)", (kind, name))

    def read(self) -> tuple[Definition, ...]:
        """Everything that was ever applied, by kind and name; parsed again only after somebody has written."""
        with self._reader.reading() as database:
            version = (database, database.execute("PRAGMA data_version").fetchone()[0])
            if version != self._version:
                rows = database.execute("SELECT kind, definition FROM definitions ORDER BY kind, name").fetchall()
                try:
                    self._definitions = tuple(_READERS[kind](json.loads(text)) for kind, text in rows)
                except (LookupError, TypeError, ValueError) as error:  # the package's own errors are among these
                    what = "the features.db of this home"
                    raise IntegrityError(what, expected="definitions", found=str(error)) from None
                self._version = version
        return self._definitions
