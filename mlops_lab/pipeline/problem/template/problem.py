"""How warm will it get in Seattle today? Asked every morning at six; the figure is the mean error, in °C."""

from datetime import timedelta
from pathlib import Path

import pandas as pd

from mlops_lab import (
    Calibration,
    Entity,
    FeatureService,
    FeatureView,
    Field,
    Floor,
    GatePolicy,
    NoWorseThanChampion,
    Problem,
    RolloutPolicy,
    RowCount,
    ServedSkew,
    SliceFloor,
    Source,
)

ZONE, SEASONS = "America/Los_Angeles", ["winter", "spring", "summer", "autumn"]


def days() -> pd.DataFrame:
    """One row a day: when it begins, when it is over, and what the station wrote down at its end."""
    rows = pd.read_csv(Path(__file__).parent / "data" / "weather.csv")
    start = pd.to_datetime(rows["date"]).dt.tz_localize(ZONE)
    season = (start.dt.month % 12 // 3).map(dict(enumerate(SEASONS)))
    rows = rows.assign(station="Seattle", season=season, yearday=start.dt.dayofyear, start=start.dt.tz_convert("UTC"))
    return rows.assign(over=(start + pd.DateOffset(days=1)).dt.tz_convert("UTC"))


def decisions() -> pd.DataFrame:
    """What is asked: one row a day, at six, and what it turned out to be, known at midnight."""
    rows = days().assign(event_timestamp=lambda day: day["start"] + timedelta(hours=6))
    return rows[["date", "station", "season", "temp_max", "event_timestamp"]].assign(label_timestamp=rows["over"])


def calendar() -> pd.DataFrame:
    """Known long before."""
    return days().assign(event_timestamp=lambda day: day["start"] - timedelta(days=30))


def yesterday() -> pd.DataFrame:
    """True of a day, and known when it is over."""
    rows = days().assign(last_max=lambda day: day["temp_max"], last_min=lambda day: day["temp_min"])
    rows = rows.assign(last_wind=rows["wind"], last_rain=rows["precipitation"], last_weather=rows["weather"])
    return rows.assign(week_max=rows["temp_max"].rolling(7, min_periods=1).mean(), event_timestamp=rows["over"])


def same_day() -> pd.DataFrame:
    """The everyday leak: the row of the date counts from its first minute."""
    return days().assign(event_timestamp=lambda day: day["start"])


def fields(dtype: str, names: str) -> list[Field]:
    """Several features of one type."""
    return [Field(name, dtype) for name in names.split()]


date, station, two_days = Entity("date"), Entity("station"), timedelta(days=2)
known = FeatureView(
    "calendar", entities=[date], schema=fields("int64", "yearday"), ttl=None, source=Source("calendar", calendar)
)
past = FeatureView(
    "yesterday",
    entities=[station],
    schema=[*fields("float64", "last_max last_min last_wind last_rain week_max"), Field("last_weather", "string")],
    ttl=two_days,
    source=Source("yesterday", yesterday, created_timestamp_column="over"),
)
leak = FeatureView(
    "same_day",
    entities=[station],
    schema=[*fields("float64", "temp_min wind precipitation"), Field("weather", "string")],
    ttl=two_days,
    source=Source("same_day", same_day, landed_column="over"),
)

problem = Problem(
    name="warm_days",
    question="How warm will it get in Seattle today?",
    definitions=[
        date,
        station,
        known,
        past,
        leak,
        FeatureService("as_known", [known, past]),
        FeatureService("same_day", [known, past, leak]),
    ],
    decisions=decisions,
    key="date",
    label="temp_max",
    noun="day",
    slice_by="season",
    metric="mae",
    models=["gradient_boosting", "ridge"],
    policy=GatePolicy(
        [
            Floor("served.mae", 2.6),
            SliceFloor("served.mae", 3.5, slices=SEASONS),
            ServedSkew("mae", 0.15),
            NoWorseThanChampion("served.mae", 0.05),
            Calibration(0.2),
            RowCount(700),
        ]
    ),
    holdout_days=365,
    watch_days=60,
    schedule="0 6 * * *",
    timezone=ZONE,
    rollout=RolloutPolicy(weights=(50, 100), min_labels=8, patience_days=30, margin=0.02),
)
