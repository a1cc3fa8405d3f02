"""What is shipped: the facts of the original files, conversions that physics confirms, and damage that is noticed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_lab.base.errors import DuplicateName, IntegrityError, InvalidData, MlopsLabError, UnknownName
from mlops_lab.base.fingerprint import fingerprint_bytes
from mlops_lab.data.flights import (
    describe,
    load_flights,
    load_table,
    load_weather,
    verify_data,
)
from mlops_lab.data.flights import tables as shipped

LOADERS = {
    "airlines": partial(load_table, "airlines"),
    "airports": partial(load_table, "airports"),
    "flights": load_flights,
    "planes": partial(load_table, "planes"),
    "weather": load_weather,
}


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return load_flights()


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files that a test may damage."""
    folder = tmp_path / "data"
    shutil.copytree(shipped.DATA, folder)
    monkeypatch.setattr(shipped, "DATA", folder)
    return folder


def test_the_shipped_files_are_those_of_the_provenance() -> None:
    tables = describe()["tables"]

    found = {path.stem: fingerprint_bytes(path.read_bytes()) for path in shipped.DATA.glob("*.parquet")}

    assert found == {name: entry["sha256"] for name, entry in tables.items()}
    assert verify_data() == found


@pytest.mark.parametrize("table", sorted(LOADERS))
def test_each_table_has_the_rows_columns_and_types_of_the_provenance(table: str) -> None:
    entry = describe(table)
    kinds = {"whole": "int64", "number": "float64", "flag": "bool", "moment": "datetime64[us, UTC]"}

    frame = LOADERS[table]()

    assert len(frame) == entry["rows"]
    text = str(pd.DataFrame({"inferred": ["text"]})["inferred"].dtype)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        name: kinds.get(column["type"], text) for name, column in entry["columns"].items()
    }


def test_the_counts_are_those_of_the_original_files(flights: pd.DataFrame) -> None:
    counts = {
        "flights": len(flights),
        "cancelled": int(flights["cancelled"].sum()),
        "diverted": int(flights["diverted"].sum()),
        "no tail number": int(flights["tailnum"].isna().sum()),
        "arrived": int(flights["arr_delay"].notna().sum()),
        "EWR JFK LGA": flights["origin"].value_counts().sort_index().tolist(),
        "longest delay": float(flights["dep_delay"].max()),
    }

    assert counts == {
        "flights": 336_776,
        "cancelled": 8_255,
        "diverted": 1_175,
        "no tail number": 2_512,
        "arrived": 327_346,
        "EWR JFK LGA": [120_835, 111_279, 104_662],
        "longest delay": 1301.0,
    }


def test_every_flight_has_one_id_made_of_its_new_york_date(flights: pd.DataFrame) -> None:
    day = flights["sched_dep"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")

    expected = day + "-" + flights["carrier"] + "-" + flights["flight"].astype(str) + "-" + flights["origin"]

    assert flights["flight_id"].is_unique
    assert (flights["flight_id"] == expected).all()


def test_flights_come_by_scheduled_departure(flights: pd.DataFrame) -> None:
    order = flights.sort_values(["sched_dep", "carrier", "flight", "origin"]).index

    assert (order == flights.index).all()


def test_moments_and_delays_agree_and_nothing_is_known_of_what_did_not_happen(flights: pd.DataFrame) -> None:
    minute = pd.Timedelta(minutes=1)

    departure = (flights["dep_at"] - flights["sched_dep"]) / minute
    arrival = (flights["arr_at"] - flights["sched_arr"]) / minute

    pd.testing.assert_series_equal(departure, flights["dep_delay"], check_names=False)
    pd.testing.assert_series_equal(arrival, flights["arr_delay"], check_names=False)
    assert (flights["dep_at"].isna() == flights["cancelled"]).all()
    assert (flights["arr_at"].isna() == (flights["cancelled"] | flights["diverted"])).all()
    assert not (flights["cancelled"] & flights["diverted"]).any()


def test_time_on_the_ground_proves_the_time_zones_right(flights: pd.DataFrame) -> None:
    # Gate to gate less time in the air is taxiing. One zone or one midnight wrong would show as an hour or a day.
    gate_to_gate = (flights["arr_at"] - flights["dep_at"]) / pd.Timedelta(minutes=1)

    taxiing = (gate_to_gate - flights["air_time"]).dropna()

    assert (taxiing.min(), taxiing.max()) == (5.0, 235.0)
    assert taxiing.groupby(flights["dest"]).median().between(15, 55).all()


def test_scheduled_flights_take_between_fifty_minutes_and_twelve_hours(flights: pd.DataFrame) -> None:
    scheduled = (flights["sched_arr"] - flights["sched_dep"]) / pd.Timedelta(minutes=1)

    assert (scheduled.min(), scheduled.max()) == (50.0, 700.0)


def test_the_hottest_hour_of_summer_is_in_the_early_afternoon_of_new_york() -> None:
    weather = load_weather()
    summer = weather[weather["time_hour"].dt.month.isin([6, 7, 8])]

    warmest = summer.groupby(summer["time_hour"].dt.tz_convert("America/New_York").dt.hour)["temp"].mean().idxmax()

    assert 12 <= warmest <= 16
    assert not weather.duplicated(["origin", "time_hour"]).any()


@pytest.mark.parametrize("month", [1, 3, 11, 12, [2], [7, 3], [5, 5], np.int64(6), (4, 9), range(1, 4), []])
def test_months_are_the_same_as_filtering_everything_by_the_local_month(month: object, flights: pd.DataFrame) -> None:
    asked = list(month) if hasattr(month, "__iter__") else [month]
    local = flights["sched_dep"].dt.tz_convert("America/New_York").dt.month

    some = load_flights(month=month)  # type: ignore[arg-type]

    pd.testing.assert_frame_equal(some, flights[local.isin(asked)].reset_index(drop=True))


def test_columns_come_in_the_order_asked_and_equal_to_those_of_the_whole(flights: pd.DataFrame) -> None:
    names = ["sched_dep", "flight_id", "cancelled"]

    some = load_flights(columns=names)

    pd.testing.assert_frame_equal(some, flights[names])
    assert load_flights(month=2, columns=[]).shape == (24_951, 0)


@pytest.mark.parametrize("month", [0, 13, -1, True, 1.0, "1", None, [1, 13], [None], "january", np.nan])
def test_what_is_no_month_is_refused_in_one_line(month: object) -> None:
    asked = [month] if month is None else month

    with pytest.raises(InvalidData, match="is not a month") as refused:
        load_flights(month=asked)  # type: ignore[arg-type]

    assert "\n" not in str(refused.value)


def test_an_unknown_column_is_met_with_the_closest_one() -> None:
    with pytest.raises(UnknownName) as refused:
        load_flights(columns=["flight_id", "arrival_delay"])

    assert refused.value.meant == "arr_delay"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        pytest.param(lambda: load_flights(columns="origin"), InvalidData, id="a-string-for-columns"),
        pytest.param(lambda: load_flights(columns=5), InvalidData, id="a-number-for-columns"),
        pytest.param(lambda: load_flights(columns=[["origin"]]), UnknownName, id="a-list-for-a-name"),
        pytest.param(lambda: load_flights(columns=["origin", "origin"]), DuplicateName, id="a-column-twice"),
        pytest.param(lambda: load_table("trains"), UnknownName, id="an-unknown-table"),
        pytest.param(lambda: load_table("../flights"), UnknownName, id="a-path-for-a-table"),
        pytest.param(lambda: load_table("weather", months=[1]), InvalidData, id="weather-by-month"),
        pytest.param(lambda: describe("trains"), UnknownName, id="describing-an-unknown-table"),
        pytest.param(lambda: describe(["flights"]), UnknownName, id="describing-a-list"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(call: object, error: type[MlopsLabError]) -> None:
    with pytest.raises(error) as refused:
        call()  # type: ignore[operator]

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("table", sorted(LOADERS))
def test_one_changed_byte_anywhere_is_noticed(copied: Path, table: str) -> None:
    path = copied / f"{table}.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(IntegrityError, match=f"{table}.parquet is damaged"):
        LOADERS[table]()
    with pytest.raises(IntegrityError, match=f"{table}.parquet is damaged"):
        verify_data()


@pytest.mark.parametrize(
    "content", [None, b"", b"PAR1", b"not parquet at all"], ids=["missing", "empty", "cut", "text"]
)
def test_a_missing_or_foreign_file_ends_in_one_line(copied: Path, content: bytes | None) -> None:
    path = copied / "flights.parquet"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(IntegrityError) as refused:
        load_flights(month=1)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"tables": []}',
        b'{"tables": {"flights": {}}}',
        b'{"tables": {"flights": 3}}',
        b"\xff",
    ],
)
def test_a_damaged_provenance_ends_in_one_line(copied: Path, content: bytes | None) -> None:
    path = copied / "provenance.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    for call in (describe, verify_data, load_weather):
        with pytest.raises(IntegrityError) as refused:
            call()
        assert "provenance.json" in str(refused.value)


def test_a_folder_in_the_place_of_a_file_ends_in_one_line(copied: Path) -> None:
    (copied / "planes.parquet").unlink()
    (copied / "planes.parquet").mkdir()

    with pytest.raises(IntegrityError, match=r"planes\.parquet"):
        load_table("planes")


def test_describe_hands_out_a_copy() -> None:
    describe()["tables"].clear()

    assert len(describe()["tables"]) == 5


def test_every_column_has_a_meaning_and_every_number_with_a_dimension_a_unit() -> None:
    columns = {
        (table, name): column
        for table, entry in describe()["tables"].items()
        for name, column in entry["columns"].items()
    }

    assert all(column["meaning"] for column in columns.values())
    assert all(column["unit"] for column in columns.values() if column["type"] in {"number", "moment"})
    json.dumps(describe(), allow_nan=False)


def test_importing_the_room_imports_no_heavy_library() -> None:
    program = "import sys, mlops_lab.data.flights; "
    program += "print(sorted({'pandas', 'numpy', 'pyarrow', 'sklearn'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
