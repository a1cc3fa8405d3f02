"""A feature store's sources, entities, views and services, and how they hang together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.style import kind_look

if TYPE_CHECKING:
    from mlops_lab.data.features import FeatureStore, FeatureView, Source
    from mlops_lab.teaching.drawing.drawing import Drawing


def draw_store(store: FeatureStore) -> Drawing:
    """The definitions of a store: sources and entities, the views made of them, the services made of those.

    A view tells its `ttl` and features, a source its time columns, a service the features it takes. No data is read.

    Raises:
        HomeError: the store's home cannot be read.

    >>> from types import SimpleNamespace as Object
    >>> from datetime import timedelta
    >>> from mlops_lab.data.features import Entity, FeatureView, Field, Source
    >>> view = FeatureView("weather", entities=[Entity("airport", join_keys=["origin"])],
    ...     schema=[Field("wind", "float64")], ttl=timedelta(hours=3), source=Source("asos", "asos.parquet"))
    >>> draw_store(Object(list_entities=lambda: list(view.entities), list_feature_views=lambda: [view],
    ...     list_feature_services=lambda: []))
    feature store: 1 source, 1 entity, 1 view, 0 services
    <BLANKLINE>
    ▤ source  asos
        event_timestamp
    ◆ entity  airport
        origin (string)
    ▦ view    weather  ← asos, airport
        ttl 3 h
        wind (float64)
    """
    views, services = store.list_feature_views(), store.list_feature_services()
    entities = {
        entity.name: entity for entity in (*store.list_entities(), *(one for view in views for one in view.entities))
    }
    sources = {view.source.name: view.source for view in views}
    boxes = [_source(source) for source in sources.values()]
    for entity in entities.values():
        keys = [f"{key} ({entity.value_type})" for key in entity.join_keys or ()]
        boxes.append(_box("entity", entity.name, keys, entity.description))
    boxes += [_view(view) for view in views]
    boxes += [_box("service", service.name, list(service.references), service.description) for service in services]
    title = "feature store: " + ", ".join(
        f"{len(things)} {word if len(things) == 1 else plural}"
        for things, word, plural in (
            (sources, "source", "sources"),
            (entities, "entity", "entities"),
            (views, "view", "views"),
            (services, "service", "services"),
        )
    )
    edges = [
        (origin, f"view {view.name}")
        for view in views
        for origin in (f"source {view.source.name}", *(f"entity {entity.name}" for entity in view.entities))
    ]
    known = {view.name for view in views}
    edges += [
        (f"view {view.name}", f"service {service.name}")
        for service in services
        for view in service.features
        if view.name in known
    ]
    return draw_boxes(title, boxes, edges=edges)


def _source(source: Source) -> Box:
    return _box("source", source.name, list(source.time_columns), source.description)


def _view(view: FeatureView) -> Box:
    features = [f"{field.name} ({field.dtype})" for field in view.schema]
    return _box("view", view.name, [f"ttl {_span(view.ttl)}", *features], view.description)


def _box(kind: str, name: str, lines: list[str], description: str) -> Box:
    facts = (description,) if description else ()
    return Box(f"{kind} {name}", kind_look(kind), name=name, family=kind, lines=tuple(lines), facts=facts)


def _span(ttl: timedelta | None) -> str:
    """A duration in its largest whole unit."""
    if ttl is None:
        return "for ever"
    for unit, word in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if ttl and not ttl % unit:
            return f"{ttl // unit} {word}"
    return f"{ttl.total_seconds():g} s"
