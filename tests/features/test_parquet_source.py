"""features.Source over a Parquet file: a join reads what it needs and finds what it would in the whole frame."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

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

    found = Source("rows", tmp_path / "rows.parquet").columns({"sky": "string", "airport": "string"})

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


NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
EXACT = 2**53 + 1  # no float is this number


def values_of(home, data, dtype, *, key="int64", asked=(1, 2), **more):
    """The offline and the online values of one feature for some keys."""
    store, source = FeatureStore(home), Source("rows", data, **more)
    entity, schema = Entity("k", value_type=key), [Field("v", dtype)]
    store.apply(FeatureView("view", entities=[entity], schema=schema, ttl=None, source=source))
    frame = pd.DataFrame({"k": asked, "event_timestamp": NEW_YEAR})
    offline = store.get_historical_features(frame, features=["view:v"]).frame["v"]
    store.materialize(NEW_YEAR)
    online = store.get_online_features([{"k": each} for each in asked], features=["view:v"]).to_dict()["v"]
    assert [None if pd.isna(each) else each for each in offline] == online
    return online


def written(folder, values, keys=(1, 2), moments=(NEW_YEAR, NEW_YEAR)):
    columns = {"k": pa.array(keys), "v": values, "event_timestamp": pa.array(moments)}
    parquet.write_table(pa.table(columns), folder / "rows.parquet")
    return folder / "rows.parquet"


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (pa.array([Decimal("1.5"), None]), "float64", [1.5, None]),
        (pa.array([Decimal(EXACT), None]), "int64", [EXACT, None]),
        (pa.array([EXACT, None]), "int64", [EXACT, None]),
        (pa.array([EXACT, None]).dictionary_encode(), "int64", [EXACT, None]),
        (pa.array([1.5, None]).dictionary_encode(), "float64", [1.5, None]),
        (pa.array(["é", None]).dictionary_encode(), "string", ["é", None]),
        (pa.array(["é", None], pa.string_view()), "string", ["é", None]),
        (pa.array([2**63 + 5, None], pa.uint64()), "float64", [float(2**63 + 5), None]),
        (pa.array([True, None]), "bool", [True, None]),
        (pa.nulls(2), "float64", [None, None]),
        (pa.array([1, None], pa.timestamp("ns", "UTC")), "timestamp", [pd.Timestamp(1, tz="UTC"), None]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_file_may_have_any_type_that_says_the_value_exactly(tmp_path, values, dtype, expected):
    assert values_of(tmp_path, written(tmp_path, values), dtype) == expected


@pytest.mark.parametrize(
    ("values", "dtype", "words"),
    [
        (pa.array([Decimal("1.5"), None]), "int64", "must be int64, not decimals. Some have decimals"),
        (pa.array([2**63, None], pa.uint64()), "int64", "Some values are too large"),
        (pa.array([[1], [2]]), "float64", "not values of type ndarray"),
        (pa.array([{"a": 1}, None]), "string", "not values of type dict"),
        (pa.array([time(1), None], pa.time32("s")), "timestamp", "not times of day"),
        (pa.array([timedelta(1), None]), "float64", "not durations"),
        (pa.array([b"a", None]), "string", "not bytes"),
        (pa.array([date(2024, 1, 1), None]), "timestamp", "not dates. Dates, and text as"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_another_type_is_refused_in_plain_words(tmp_path, values, dtype, words):
    with pytest.raises(InvalidData) as refusal:
        values_of(tmp_path, written(tmp_path, values), dtype)

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "moments"),
    [
        (pa.array([pd.Timestamp("2023-12-31T05:00"), None]), [pd.Timestamp("2023-12-31T19:00")] * 2),
        (pa.array([date(2023, 12, 31), None]), [date(2023, 12, 31)] * 2),
        (pa.array(["2023-12-31T00:00", None]), ["2023-12-31T19:00"] * 2),
    ],
    ids=["naive", "dates", "text"],
)
def test_the_zone_of_a_source_holds_for_its_times_and_for_features_that_are_times(tmp_path, values, moments):
    hours = 10 if values[0].as_py() == pd.Timestamp("2023-12-31T05:00") else 5

    found = values_of(tmp_path, written(tmp_path, values, moments=moments), "timestamp", timezone="America/New_York")

    assert found == [pd.Timestamp(2023, 12, 31, hours, tz="UTC"), None]


def test_what_a_view_calls_text_is_no_number_in_a_csv_file_and_an_empty_field_is_null(tmp_path):
    rows = "k,v,event_timestamp\n007,0012,2024-01-01T00:00Z\n7,,2024-01-01T00:00Z\n,NA,2024-01-01T00:00Z\n"
    (tmp_path / "rows.csv").write_text(rows, "utf-8")

    found = values_of(tmp_path, tmp_path / "rows.csv", "string", key="string", asked=["007", "7", ""])

    assert found == ["0012", None, None]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_that_has_a_column_twice_is_refused_by_its_name(tmp_path, ending):
    if ending == "csv":
        (tmp_path / "rows.csv").write_text("k,v,v,event_timestamp\n1,1.5,2,2024-01-01T00:00Z\n", "utf-8")
    else:
        columns = [pa.array([1]), pa.array([1.5]), pa.array([2]), pa.array([NEW_YEAR])]
        table = pa.Table.from_arrays(columns, names=["k", "v", "v", "event_timestamp"])
        parquet.write_table(table, tmp_path / "rows.parquet")

    with pytest.raises(InvalidData, match="source 'rows' has 2 columns 'v'; rename one"):
        values_of(tmp_path, tmp_path / f"rows.{ending}", "float64")


def test_a_link_that_points_elsewhere_and_a_file_of_a_folder_that_is_written_again_are_read_anew(tmp_path):
    (tmp_path / "days").mkdir()
    for name, value in (("one", 1.0), ("two", 2.0)):
        written(tmp_path, pa.array([value] * 2)).rename(tmp_path / f"{name}.parquet")
    newest = tmp_path / "newest.parquet"
    newest.symlink_to(tmp_path / "one.parquet")
    store, found = FeatureStore(tmp_path), []
    for name, data in (("link", newest), ("folder", tmp_path / "days")):
        entity, schema = Entity("k", value_type="int64"), [Field("v", "float64")]
        store.apply(FeatureView(name, entities=[entity], schema=schema, ttl=None, source=Source(name, data)))
    for name in ("one", "two"):
        newest.unlink()
        newest.symlink_to(tmp_path / f"{name}.parquet")
        (tmp_path / "days" / "rows.parquet").write_bytes((tmp_path / f"{name}.parquet").read_bytes())
        os.utime(tmp_path / "days" / "rows.parquet", (len(found), len(found)))  # as if a second had passed
        asked = pd.DataFrame({"k": [1], "event_timestamp": NEW_YEAR})
        features = ["link:v", "folder:v"]
        frame = store.get_historical_features(asked, features=features, full_feature_names=True).frame
        found.append(frame[["link__v", "folder__v"]].values.tolist()[0])

    assert found == [[1.0, 1.0], [2.0, 2.0]]
