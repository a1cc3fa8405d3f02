"""features.Source over a Parquet file: a join reads what it needs and finds what it would in the whole frame."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

ROWS = pd.DataFrame(
    {
        "airport": ["JFK", None, "LGA", "JFK", "É"],
        "gate": [1, 2, 3, 4, 5],
        "event_timestamp": pd.date_range("2013-01-01", periods=5, freq="h", tz="UTC"),
        "sky": ["clear", "fog", None, "rain", "snow"],
        "never_asked_for": ["x"] * 5,
    }
)
ASKED = pd.DataFrame({"airport": ["JFK", "É", None, "LGA"], "event_timestamp": pd.Timestamp("2013-01-02", tz="UTC")})


def view_of(data, key="airport", **more):
    schema = [Field("sky", "string"), Field("gate", "int64")]
    source = Source("rows", data)
    return FeatureView("weather", entities=[Entity(key)], schema=schema, ttl=timedelta(days=9), source=source, **more)


def joined(home, data):
    store = FeatureStore(home)
    store.apply(view_of(data))
    return store.get_historical_features(ASKED, features=["weather:sky", "weather:gate"]).frame


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_a_file_gives_what_its_frame_gives(tmp_path, kind):
    rows = ROWS.astype({"airport": kind, "sky": kind})
    rows.to_parquet(tmp_path / "rows.parquet")

    found = joined(tmp_path / "file", tmp_path / "rows.parquet")

    pd.testing.assert_frame_equal(found, joined(tmp_path / "frame", rows))
    assert found["gate"].tolist()[:2] == [4, 5]


def test_only_the_columns_of_the_view_are_read(tmp_path):
    ROWS.to_parquet(tmp_path / "rows.parquet")

    found = Source("rows", tmp_path / "rows.parquet").columns(["sky", "airport"])

    assert list(found.columns) == ["sky", "airport"]


def test_what_the_file_lacks_is_said_beside_all_that_it_has(tmp_path):
    ROWS.rename(columns={"sky": "skies"}).to_parquet(tmp_path / "rows.parquet")

    with pytest.raises(InvalidData, match=r"no column 'sky' .*skies, never_asked_for"):
        joined(tmp_path, tmp_path / "rows.parquet")


def test_a_key_that_is_the_index_of_the_frame_is_no_column(tmp_path):
    ROWS.set_index("airport").to_parquet(tmp_path / "rows.parquet")

    with pytest.raises(InvalidData, match="no column 'airport'"):
        joined(tmp_path, tmp_path / "rows.parquet")


def test_a_file_that_is_none_is_one_line(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"no Parquet")

    with pytest.raises(InvalidData, match=r"source 'rows' cannot be read from .*rows\.parquet"):
        joined(tmp_path, tmp_path / "rows.parquet")


def test_a_folder_of_files_is_one_table(tmp_path):
    (tmp_path / "rows").mkdir()
    for place in range(2):
        ROWS.iloc[place::2].to_parquet(tmp_path / "rows" / f"{place}.parquet", index=False)

    found = joined(tmp_path, tmp_path / "rows")

    assert found["sky"].tolist()[0] == "rain"
