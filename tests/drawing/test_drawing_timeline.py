"""The timeline gives each row the verdict that the feature store's join gives it."""

from __future__ import annotations

from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source
from mlops_lab.teaching.drawing.plots import plot_join_timeline

MORNING = pd.Timestamp("2013-01-01T06:00Z")
minutes = st.integers(0, 12).map(lambda count: timedelta(minutes=30 * count))


@given(rows=st.lists(st.tuples(minutes, minutes), min_size=1, max_size=7), ttl=st.none() | minutes, after=minutes)
def test_the_timeline_uses_the_row_that_the_feature_store_joins(
    rows: list[tuple[timedelta, timedelta]], ttl: timedelta | None, after: timedelta
) -> None:
    frame = pd.DataFrame(
        {
            "origin": "EWR",
            "event_timestamp": [MORNING + event for event, _ in rows],
            "created_timestamp": [MORNING + event + late for event, late in rows],
            "number": range(len(rows)),
        }
    )
    source = Source("rows", frame, created_timestamp_column="created_timestamp")
    airport = Entity("airport", join_keys=["origin"])
    view = FeatureView("view", entities=[airport], schema=[Field("number", "int64")], ttl=ttl, source=source)
    asked = pd.DataFrame({"origin": ["EWR"], "event_timestamp": [MORNING + after]})
    with TemporaryDirectory() as home:
        store = FeatureStore(home)
        store.apply([view])
        joined = store.get_historical_features(asked, features=["view:number"]).frame["number"][0]

    plot = plot_join_timeline(frame.rename(columns={"number": "name"}).to_dict("records"), MORNING + after, ttl)

    used = [line.split()[0] for line in plot.outline.splitlines() if "✓ used" in line]
    assert used == ([] if pd.isna(joined) else [str(joined)])
    assert ("no row was visible" in plot.outline) == (not used)


def test_each_reason_is_told_with_both_ends_of_the_ttl_included() -> None:
    times = {
        "just too old": ("06:59", None),
        "exactly ttl old": ("07:00", None),
        "exactly now": ("10:00", "10:00"),
        "late": ("09:51", "10:05"),
        "future": ("10:30", "10:30"),
    }
    rows = [
        {
            "name": name,
            "event_timestamp": f"2013-01-01T{event}Z",
            "created_timestamp": created and f"2013-01-01T{created}Z",
        }
        for name, (event, created) in times.items()
    ]

    plot = plot_join_timeline(rows, "2013-01-01T05:00:00-05:00", timedelta(hours=3), title="weather")

    assert [line.split("  ")[-1] for line in plot.outline.splitlines()[2:]] == [
        "✗ not visible: too old by 1 min",
        "– visible: an older one",
        "✓ used: the newest of 2 visible rows",
        "✗ not visible: not yet arrived: created 5 min too late",
        "✗ not visible: after the decision, by 30 min",
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "row 1 has no event_timestamp; it has: nothing"),
        ({"time": 3}, "it has: time"),
        ({"event_timestamp": "yesterday"}, "is not a date or time"),
        ({"event_timestamp": 7}, "event_timestamp of row 1 is 7, which is no time"),
        ({"event_timestamp": pd.NaT}, "is NaT, which is no time"),
        ({"event_timestamp": pd.Timestamp("2013-01-01T06:00")}, "has no time zone"),
    ],
)
def test_a_row_without_a_proper_time_is_refused(row: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        plot_join_timeline([row], MORNING, None)


@pytest.mark.parametrize("span", [1, 5, 119, 125, 170, 181, 240, 299, 1439, 2000, 5000, 60_000, 900_000])
def test_an_axis_is_marked_whatever_time_it_spans(span: int) -> None:
    rows = [{"event_timestamp": MORNING - timedelta(minutes=span)}]

    picture = plot_join_timeline(rows, MORNING, None).png

    assert picture.startswith(b"\x89PNG")
