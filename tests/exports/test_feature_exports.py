"""The flights' features as files for other feature stores: what they say, and the same text every time."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from mlops_lab.adapters.exports import to_feast_repository, to_tecton_repository
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.data.features import Entity, FeatureView, Field, Source
from mlops_lab.pipeline.flights import flight_objects

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "write"), [("flights.feast.txt", to_feast_repository), ("flights.tecton.txt", to_tecton_repository)]
)
def test_the_flights_are_written_as_they_always_were_without_the_other_store(name, write):
    """Exactly: whoever keeps the files under version control sees only what changed."""
    files = write(flight_objects())

    text = "".join(f"--- {path}\n{files[path]}" for path in sorted(files))

    assert text == (GOLDEN / name).read_text("utf-8")
    assert "feast" not in sys.modules
    assert "tecton" not in sys.modules


@pytest.mark.parametrize("write", [to_feast_repository, to_tecton_repository])
def test_every_view_and_service_is_there_once(write):
    text = write(flight_objects())["features.py"]

    for one in flight_objects():
        if not isinstance(one, Entity):
            assert len(re.findall(rf'\bname="{one.name}",', text)) >= 1, one.name


@pytest.mark.parametrize("quirk", ["no key", "ttl of zero"])
def test_what_tecton_cannot_say_is_refused(quirk):
    from datetime import timedelta

    entities = [] if quirk == "no key" else [Entity("k")]
    ttl = timedelta(0) if quirk == "ttl of zero" else None
    view = FeatureView("v", entities=entities, schema=[Field("a", "int64")], ttl=ttl, source=Source("s", "s.parquet"))

    with pytest.raises(InvalidDefinition, match=f"'v' has (a )?{quirk}, which Tecton cannot say"):
        to_tecton_repository([view])


def test_the_command_writes_a_repository_below_a_folder(tmp_path):
    from mlops_lab.cli.export import export

    done = CliRunner().invoke(export, ["feast", "--to", str(tmp_path)])

    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["feature_store.yaml", "features.py"]


@pytest.mark.parametrize(
    "words", [["airflow", "--rows"], ["feast", "--rows"], ["feast", "--image", "a:1"], ["tecton", "--file", "x.yaml"]]
)
def test_options_that_do_not_belong_together_are_refused(words):
    from mlops_lab.base.errors import InvalidData
    from mlops_lab.cli.export import export

    done = CliRunner().invoke(export, words)

    assert isinstance(done.exception, InvalidData)


@pytest.mark.parametrize(
    "source",
    [{"data": "s.csv"}, {"data": "s.parquet", "timezone": "UTC"}, {"data": "s.parquet", "field_mapping": {"b": "a"}}],
)
def test_rows_that_feast_would_read_otherwise_are_looked_for_where_they_are_written(source):
    fields = [Field("a", "int64")]
    view = FeatureView("v", entities=[], schema=fields, ttl=None, source=Source("s", source.pop("data"), **source))

    written = to_feast_repository([view])["features.py"]

    assert 'path="data/v.parquet"' in written


def test_a_ttl_that_feast_would_take_for_none_is_refused():
    ttl = pd.Timedelta(999, "ns")
    view = FeatureView("v", entities=[], schema=[Field("a", "int64")], ttl=ttl, source=Source("s", "s.parquet"))

    with pytest.raises(InvalidDefinition, match="nothing finer than a microsecond"):
        to_feast_repository([view])
