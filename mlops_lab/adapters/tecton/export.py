"""How are feature definitions written as a Tecton feature repository?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from mlops_lab.adapters.naming import identifiers
from mlops_lab.adapters.writing import call, docstring, duration, literal, moment
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.data.features import Entity, FeatureService, FeatureView, OnDemandFeatureView

Definition: TypeAlias = Entity | FeatureView | FeatureService

#: What nobody can find out about an exported repository without an account at Tecton.
TECTON_UNCHECKED = (
    "`tecton plan` and `tecton apply`: both ask the service first",
    "materialisation by schedule, and with it what the online store serves",
    "permissions, secrets, monitoring and cost",
)
_TYPES = {"int64": "Int64", "float64": "Float64", "string": "String", "bool": "Bool", "timestamp": "Timestamp"}
_SCHEDULE = timedelta(hours=1)
_SINCE = datetime(2012, 12, 1, tzinfo=UTC)  # a month before the flights
_PARTS = ("Attribute", "BatchSource", "Entity", "FeatureService", "batch_feature_view", "pandas_batch_config")

_CONFIG = """\
defaults:
  batch_feature_view:
    tecton_materialization_runtime: 1.2.13
"""
_ABOUT = """Feature definitions for Tecton, written by `mlops-lab export tecton`: change them and write this again.

MLOPS_LAB_ROWS names the folder of the rows, a Parquet file for each view: FOLDER/data after
`mlops-lab export tecton --to FOLDER --rows`. A real repository reads its warehouse there."""


def to_tecton_repository(objects: Iterable[Definition]) -> Mapping[str, str]:
    """The files of a Tecton feature repository: `features.py`, a test for `tecton test`, its settings.

    A batch source and a batch feature view for each of our views, computed by Rift, Tecton's engine without Spark. What
    differs there: a row is visible from the end of the batch that computed it, so up to an hour after its event
    time and never by its own `created_timestamp`, and a `ttl` counts from that schedule too. Tecton has no word
    for the landing. Without an account the SDK builds and validates these objects and runs their transformations;
    `TECTON_UNCHECKED` says what it does not.

    Args:
        objects: entities, feature views and feature services.

    >>> from mlops_lab.data.features import Field, Source
    >>> view = FeatureView("weather", entities=[Entity("airport", join_keys=["origin"])],
    ...     schema=[Field("wind", "float64")], ttl=timedelta(hours=3), source=Source("weather", "weather.parquet"))
    >>> print(to_tecton_repository([view])["features.py"].partition("@batch_feature_view")[2])
    (
        name="weather",
        mode="pandas",
        sources=[weather_source],
        entities=[airport_entity],
        timestamp_field="event_timestamp",
        features=[Attribute("wind", Float64)],
        ttl=timedelta(hours=3),
        batch_schedule=timedelta(hours=1),
        feature_start_time=datetime(2012, 12, 1, tzinfo=UTC),
        online=True,
        offline=True,
    )
    def weather_view(rows):
        return rows[["origin", "event_timestamp", "wind"]]
    <BLANKLINE>

    Raises:
        InvalidDefinition: a view without a key, or with a `ttl` of zero, neither of which Tecton has.

    See Also:
        https://docs.tecton.ai/docs/defining-features/feature-views/batch-feature-view
    """
    several = list(objects)
    views = {one.name: one for one in several if isinstance(one, FeatureView)}
    services = {one.name: one for one in several if isinstance(one, FeatureService)}
    for service in services.values():
        for part in service.features:
            if isinstance(part, OnDemandFeatureView) or part != part.without_role:
                told = f"service {service.name!r} has {part.role!r}, which is on demand or in a role of its own"
                raise InvalidDefinition(f"{told}; this export writes plain feature views only.")
            views.setdefault(part.name, part)
    entities = {one.name: one for one in several if isinstance(one, Entity)}
    entities |= {entity.name: entity for view in views.values() for entity in view.entities}
    for view in views.values():
        if not view.join_keys or view.ttl == timedelta(0):
            lacking = "has no key" if not view.join_keys else "has a ttl of zero"
            raise InvalidDefinition(f"feature view {view.name!r} {lacking}, which Tecton cannot say.")
    names = _names(entities, views, services)
    blocks = [_entity(names, entity) for entity in entities.values()]
    for view in views.values():
        blocks += [_source(names, view), _view(names, view)]
    blocks += [_service(names, service, views) for service in services.values()]
    text = "".join(blocks).replace("\n\n\n\n", "\n\n\n")
    return {
        ".tecton": "",
        "repo.yaml": _CONFIG,
        "features.py": _head(text) + text.rstrip("\n") + "\n",
        "tests/test_features.py": _tests([names["view", name] for name in views]),
    }


def _names(*kinds: Iterable[str]) -> dict[tuple[str, str], str]:
    """The Python name of each object, by its kind and name."""
    wanted = [(kind, name) for kind, names in zip(("entity", "view", "service"), kinds, strict=True) for name in names]
    wanted += [(kind, name) for name in kinds[1] for kind in ("source", "rows")]
    taken = {*_PARTS, *_TYPES.values(), "Field", "UTC", "datetime", "timedelta", "environ", "Path", "read_parquet"}
    chosen = identifiers((f"{name}_{kind}" for kind, name in wanted), taken)
    return {(kind, name): chosen[f"{name}_{kind}"] for kind, name in wanted}


def _head(text: str) -> str:
    parts = [name for name in _PARTS if f"{name}(" in text]
    types = sorted(
        {"Field" for _ in [0] if "Field(" in text} | {kind for kind in _TYPES.values() if f", {kind})" in text}
    )
    lines = [docstring(_ABOUT), "", "from datetime import UTC, datetime, timedelta", ""]
    lines += [f"from tecton import {', '.join(parts)}"] if parts else []
    lines += [f"from tecton.types import {', '.join(types)}"] if types else []
    return "\n".join([*lines, "", ""])


def _block(start: str, words: Mapping[str, str]) -> str:
    told = {word: text for word, text in words.items() if text not in ('""', "{}")}
    short = call(start, told)
    if "\n" not in short and len(told) < 5:
        return short + "\n"
    lines = (
        call(f"{word}=[", text[1:-1].split("\x00"), "],", indent="    ") if text[:1] == "[" else f"    {word}={text},"
        for word, text in told.items()
    )
    return f"{start}\n" + "".join(f"{line}\n" for line in lines) + ")\n"


def _items(texts: Iterable[str]) -> str:
    return "[" + "\x00".join(texts) + "]"


def _entity(names: Mapping[tuple[str, str], str], entity: Entity) -> str:
    kind = _TYPES[entity.value_type]
    words = {
        "name": literal(entity.name),
        "join_keys": _items(f"Field({literal(key)}, {kind})" for key in entity.join_keys or ()),
        "description": literal(entity.description),
    }
    return _block(f"{names['entity', entity.name]} = Entity(", words).replace("\x00", ", ") + "\n"


def _source(names: Mapping[tuple[str, str], str], view: FeatureView) -> str:
    rows = names["rows", view.name]
    words = {
        "name": literal(f"{view.name}_rows"),
        "batch_config": rows,
        "description": literal(view.source.description),
    }
    function = (
        f"\n@pandas_batch_config()\ndef {rows}():\n    from os import environ\n    from pathlib import Path\n\n"
        f"    from pandas import read_parquet\n\n"
        f'    return read_parquet(Path(environ["MLOPS_LAB_ROWS"]) / {literal(view.name + ".parquet")})\n\n\n'
    )
    return function + _block(f"{names['source', view.name]} = BatchSource(", words) + "\n"


def _view(names: Mapping[tuple[str, str], str], view: FeatureView) -> str:
    columns = [*view.join_keys, view.source.timestamp_field, *view.features]
    words = {
        "name": literal(view.name),
        "description": literal(view.description),
        "tags": literal(dict(view.tags or {})),
        "mode": '"pandas"',
        "sources": f"[{names['source', view.name]}]",
        "entities": _items(names["entity", entity.name] for entity in view.entities),
        "timestamp_field": literal(view.source.timestamp_field),
        "features": _items(f"Attribute({literal(one.name)}, {_TYPES[one.dtype]})" for one in view.schema),
        **({} if view.ttl is None else {"ttl": duration(view.ttl)}),
        "batch_schedule": duration(_SCHEDULE),
        "feature_start_time": moment(_SINCE),
        "online": "True",
        "offline": "True",
    }
    chosen = call("return rows[[", [literal(column) for column in columns], "]]", indent="    ")
    if "\n" in chosen:
        inner = "".join(f"            {literal(column)},\n" for column in columns)
        chosen = f"    return rows[\n        [\n{inner}        ]\n    ]"
    head = _block("@batch_feature_view(", words)
    return f"\n{head}def {names['view', view.name]}(rows):\n{chosen}\n\n\n"


def _service(names: Mapping[tuple[str, str], str], service: FeatureService, views: Mapping[str, FeatureView]) -> str:
    parts = []
    for part in service.features:
        name = names["view", part.name]
        listed = [literal(feature) for feature in part.features]
        chosen = f"{name}[[{', '.join(listed)}]]"
        if len(chosen) > 110:
            inner = "".join(f"                {each},\n" for each in listed)
            chosen = f"{name}[\n            [\n{inner}            ]\n        ]"
        parts.append(name if part.features == views[part.name].features else chosen)
    words = {
        "name": literal(service.name),
        "description": literal(service.description),
        "tags": literal(dict(service.tags or {})),
        "features": _items(parts),
    }
    return _block(f"{names['service', service.name]} = FeatureService(", words).replace("\x00", ", ") + "\n"


def _tests(views: list[str]) -> str:
    listed = "".join(f"    features.{name},\n" for name in views)
    return f'''"""Does each transformation give what is declared? For `tecton test --default-compute-mode rift`."""

from datetime import UTC, datetime

import pytest

import features

VIEWS = [
{listed}]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_transformation_gives_the_declared_columns(view):
    rows = view.run_transformation(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC)).to_pandas()

    assert {{*view.join_keys, *view.get_feature_columns()}} <= set(rows.columns)
'''
