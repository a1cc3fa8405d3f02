"""Feast's own objects, its own `feast apply`, and nothing that leaves this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from mlops_lab.adapters.exports import to_feast_repository
from mlops_lab.base.errors import InvalidDefinition, MissingExtra
from mlops_lab.data.features import Entity, FeatureService, FeatureView, Field, Source
from mlops_lab.pipeline.flights import flight_objects

needs_feast = pytest.mark.skipif(
    "feast-mlflow" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines feast-mlflow runs it",
)
ROUTE = Entity("route", join_keys=["origin", "dest"], description="from here to there")


def route_view(**more):
    return FeatureView(
        "routes",
        entities=[ROUTE],
        schema=[Field("flights", "int64"), Field("busy", "bool"), Field("last", "timestamp")],
        ttl=timedelta(days=4),
        source=Source("daily", "rows.parquet", created_timestamp_column="landed", timestamp_field="day"),
        description="how busy a route is",
        tags={"team": "network"},
        **more,
    )


@needs_feast
def test_a_view_becomes_feasts_own_objects_with_everything_it_says():
    from feast.types import Bool, Int64, String, UnixTimestamp

    from mlops_lab.adapters.feast.objects import to_feast

    view = route_view()

    origin, dest, made, service = to_feast([view, FeatureService("busy", [view[["busy"]]], tags={"model": "late"})])

    assert [(each.name, each.join_key) for each in (origin, dest)] == [
        ("route__origin", "origin"),
        ("route__dest", "dest"),
    ]
    assert {field.name: field.dtype for field in made.schema} == {
        "origin": String,
        "dest": String,
        "flights": Int64,
        "busy": Bool,
        "last": UnixTimestamp,
    }
    assert (made.ttl, made.description, made.tags) == (timedelta(days=4), "how busy a route is", {"team": "network"})
    source = made.batch_source
    assert (source.timestamp_field, source.created_timestamp_column) == ("day", "landed")
    assert Path(source.path).name == "rows.parquet"
    assert [feature.name for feature in service.feature_view_projections[0].features] == ["busy"]
    assert service.tags == {"model": "late"}


@needs_feast
def test_feast_apply_accepts_the_exported_repository_and_knows_what_to_feast_builds(tmp_path):
    """The command line in a process of its own, then both registries beside each other."""
    import feast

    from mlops_lab.adapters.feast.objects import to_feast

    for name, text in to_feast_repository(flight_objects()).items():
        (tmp_path / name).write_text(text, "utf-8")
    program = [sys.executable, "-c", "from feast.cli.cli import cli; cli()"]

    done = subprocess.run([*program, "apply"], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    store = feast.FeatureStore(repo_path=str(tmp_path))
    built = {type(each).__name__ + each.name: each for each in to_feast(flight_objects())}
    known = [*store.list_entities(), *store.list_feature_views(), *store.list_feature_services()]
    known = {type(each).__name__ + each.name: each for each in known if each.name != "__dummy"}
    assert sorted(known) == sorted(built)
    for name, ours in built.items():
        theirs = known[name]
        assert (theirs.description, dict(theirs.tags)) == (ours.description, dict(ours.tags)), name
        if isinstance(ours, feast.FeatureView):
            assert (theirs.ttl, theirs.schema, theirs.entities) == (ours.ttl, ours.schema, ours.entities), name
            assert theirs.batch_source.created_timestamp_column == ours.batch_source.created_timestamp_column, name
        elif isinstance(ours, feast.FeatureService):
            parts = [
                [(part.name, [feature.name for feature in part.features]) for part in each.feature_view_projections]
                for each in (theirs, ours)
            ]
            assert parts[0] == parts[1], name


@needs_feast
def test_the_repository_in_the_home_folder_opens_with_feasts_command_line(tmp_path):
    from mlops_lab.adapters.feast.store import FeastStore

    store = FeastStore(tmp_path)
    store.apply([route_view()])
    program = [sys.executable, "-c", "from feast.cli.cli import cli; cli()"]

    done = subprocess.run(
        [*program, "feature-views", "list"],
        cwd=tmp_path / "feast" / "duckdb",
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "routes" in done.stdout


@needs_feast
def test_nothing_leaves_this_machine_and_nothing_is_printed(tmp_path, monkeypatch, capfd):
    from mlops_lab.adapters.feast.store import FeastStore

    def refuse(_, address):
        raise AssertionError(f"something wants to talk to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    rows = pd.DataFrame({"origin": ["EWR"], "event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"]), "wind": [1.5]})
    airport = Entity("airport", join_keys=["origin"])
    view = FeatureView(
        "weather", entities=[airport], schema=[Field("wind", "float64")], ttl=None, source=Source("weather", rows)
    )

    store = FeastStore(tmp_path)
    store.apply(view)
    store.get_historical_features(rows[["origin", "event_timestamp"]], features=["weather:wind"])
    store.materialize("2013-01-01T07:00Z")
    store.get_online_features([{"origin": "EWR"}], features=["weather:wind"])

    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif("feast" in sys.modules, reason="Feast is installed")
def test_without_feast_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    from mlops_lab.adapters.feast.store import FeastStore

    monkeypatch.setitem(sys.modules, "feast", None)  # makes the import fail as if nothing were installed

    with pytest.raises(
        MissingExtra, match=r"feast is not installed; install it with: pip install 'mlops-lab\[feast\]'"
    ):
        FeastStore(tmp_path)


def test_the_export_says_all_that_feast_has_words_for_and_needs_no_feast():
    files = to_feast_repository([route_view(), FeatureService("busy", [route_view()[["busy"]]])])

    text = files["features.py"]
    assert sorted(files) == ["feature_store.yaml", "features.py"]
    assert 'routes_view[["busy"]]' in text
    assert 'created_timestamp_column="landed"' in text
    assert "ttl=timedelta(days=4)" in text
    compile(text, "features.py", "exec")


@pytest.mark.parametrize("text", ['"; import os; "', "line\nbreak", "\\", "ünïcode", '"""'])
def test_no_text_of_a_definition_becomes_code(text):
    view = FeatureView(
        "v",
        entities=[Entity("class", description=text)],
        schema=[Field("a", "int64")],
        ttl=None,
        source=Source("s", "rows.parquet", timestamp_field=text, description=text),
        description=text,
        tags={text: text},
    )

    found = {}
    exec(to_feast_repository([view])["features.py"].replace("from feast", "from fakes"), stand_ins(found))  # noqa: S102

    assert found["FeatureView"][0]["description"] == text
    assert found["FeatureView"][0]["tags"] == {text: text}
    assert found["FileSource"][0]["timestamp_field"] == text
    assert found["Entity"][0] == {"name": "class", "join_keys": ["class"], "value_type": None, "description": text}


def stand_ins(found):
    """A namespace in which the file runs without Feast, noting each call."""
    from types import ModuleType, SimpleNamespace

    fakes, types = ModuleType("fakes"), ModuleType("fakes.types")
    for name in ("Entity", "FeatureService", "FeatureView", "Field", "FileSource"):
        setattr(
            fakes,
            name,
            lambda name=name, _kind=name, **words: found.setdefault(_kind, []).append({"name": name, **words}),
        )
    fakes.ValueType = SimpleNamespace(STRING=None, INT64=None)
    for name in ("Bool", "Float64", "Int64", "String", "UnixTimestamp"):
        setattr(types, name, name)
    known = {"fakes": fakes, "fakes.types": types}
    real = __import__
    return {
        "__builtins__": {
            "__import__": lambda name, *rest: known[name] if name in known else real(name, *rest),
        }
    }


def test_a_ttl_of_zero_is_refused():
    view = FeatureView(
        "v", entities=[], schema=[Field("a", "int64")], ttl=timedelta(0), source=Source("s", "rows.parquet")
    )

    with pytest.raises(InvalidDefinition, match="ttl of zero, which Feast reads as for ever"):
        to_feast_repository([view])
