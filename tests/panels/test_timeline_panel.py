"""The join timeline: every place of both sliders agrees with the feature store and with the slow, obvious loop."""

from __future__ import annotations

import re
from datetime import timedelta

import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source
from mlops_lab.teaching.drawing.plots import plot_join_timeline
from mlops_lab.teaching.drawing.plots.timeline import BAD, GOOD
from mlops_lab.teaching.panels import JoinTimelinePanel
from mlops_lab.teaching.panels.timeline import _TTLS

ROWS = [
    ("a", "06:51", "07:00", 4.0),
    ("b", "07:51", "08:40", 8.0),
    ("late", "07:51", "09:20", 9.0),
    ("c", "08:51", "09:05", 15.0),
    ("twin", "08:51", "09:05", 16.0),
    ("d", "09:51", "10:30", 23.0),
]


def rows():
    return [
        {"name": n, "event_timestamp": f"2013-07-01T{e}Z", "created_timestamp": f"2013-07-01T{c}Z", "wind": wind}
        for n, e, c, wind in ROWS
    ]


def panel(**more):
    return JoinTimelinePanel(rows(), decision="2013-07-01T09:00Z", feature="wind", step=timedelta(minutes=10), **more)


def obvious(moment, ttl):
    """The slow loop on the rule as it is promised."""
    best = None
    for name, event, created, wind in ROWS:
        at, known = parse_utc(f"2013-07-01T{event}Z"), parse_utc(f"2013-07-01T{created}Z")
        visible = at <= moment and known <= moment and (ttl is None or moment - at <= ttl)
        if visible and (best is None or (at, known) >= best[0]):
            best = ((at, known), name, wind)
    return best and best[1:]


def test_every_place_of_both_sliders_agrees_with_the_obvious_loop():
    shown = panel()
    wrong = []

    for decision in range(len(shown._places)):
        for ttl in range(len(_TTLS)):
            wanted = obvious(shown._places[decision], _TTLS[ttl])
            view = shown.render({"decision": decision, "ttl": ttl})
            line = f"wind is {wanted[1]}, from row {wanted[0]}" if wanted else "no row was visible: wind is null"
            used = [words.split()[0] for words in view.words.splitlines() if "✓ used" in words]
            if view.line != line or used != ([wanted[0]] if wanted else []):
                wrong.append((shown._places[decision], _TTLS[ttl], view.line, used))

    assert wrong == []


def test_the_feature_store_gives_the_same_values(tmp_path):
    shown = panel()
    frame = pd.DataFrame(rows()).assign(thing="it")
    for name in ("event_timestamp", "created_timestamp"):
        frame[name] = pd.to_datetime(frame[name])
    asked = pd.DataFrame({"thing": "it", "event_timestamp": pd.to_datetime(shown._places)})
    source = Source("wind", frame, created_timestamp_column="created_timestamp")
    view = FeatureView(
        "wind", entities=[Entity("thing")], schema=[Field("wind", "float64")], ttl=timedelta(hours=2), source=source
    )
    store = FeatureStore(tmp_path, clock=FakeClock())
    store.apply([Entity("thing"), view])

    wanted = store.get_historical_features(asked, features=["wind:wind"]).frame["wind"]

    two_hours = _TTLS.index(timedelta(hours=2))
    places = [shown.used({"decision": place, "ttl": two_hours}) for place in range(len(asked))]
    assert [None if place is None else ROWS[place][3] for place in places] == [
        None if pd.isna(value) else value for value in wanted
    ]


def test_reasons_are_those_of_the_plot():
    shown = panel()
    shown.set(ttl=1)

    lines = shown.view.words.splitlines()

    outline = plot_join_timeline(rows(), "2013-07-01T09:00Z", timedelta(hours=1)).outline.splitlines()
    reasons = [line.split("created ")[1][6:].strip() for line in lines[1:7]]
    assert reasons == [line.split("created ")[1][12:].strip() for line in outline[2:8]]


@pytest.mark.parametrize(
    ("move", "line"),
    [
        ({"ttl": 0}, "no row was visible: wind is null"),
        ({"decision": 0}, "no row was visible: wind is null"),
        ({"decision": 16}, "wind is 16.0, from row twin"),
    ],
)
def test_each_control_moves_the_verdict_and_the_picture(move, line):
    shown = panel()
    before = shown.view

    shown.set(**move)

    assert shown.view.line == line
    assert shown.view.svg != before.svg


def test_rows_appear_as_they_arrive_and_vanish_as_they_grow_old():
    shown = panel()
    shown.set(ttl=2)

    seen = []
    for place in range(len(shown._places)):
        shown.set(decision=place)
        seen.append(sum("✓ used" in line or "– visible" in line for line in shown.view.words.splitlines()))

    assert seen[0] == 0
    assert max(seen) >= 3
    assert seen[-1] < max(seen)


def test_it_moves_to_a_moment_and_names_the_nearest_place():
    shown = panel()

    shown.move_to("2013-07-01T09:10Z")

    assert shown.view.line == "wind is 16.0, from row twin"
    with pytest.raises(InvalidData, match="the nearest is 2013-07-01 09:10"):
        shown.move_to("2013-07-01T09:13Z")


def test_reset_brings_the_first_picture_back():
    shown = panel()
    first = shown.view
    shown.set(decision=3, ttl=6)

    shown.reset()

    assert shown.view == first


@pytest.mark.parametrize(
    ("given", "more", "told"),
    [
        ([], {}, "no row to look at"),
        ([{"name": "x"}], {}, "row 1 has no event_timestamp"),
        ([{"event_timestamp": "2013-07-01T08:00Z"}], {"step": timedelta(seconds=1)}, "places for the decision"),
        ([{"event_timestamp": "2013-07-01T08:00"}], {}, "zone"),
        ([{"event_timestamp": "2013-07-01T08:00Z"}], {"feature": "temp"}, "no row has 'temp'"),
        ([{"event_timestamp": "2013-07-01T08:00Z"}], {"ttl": timedelta(hours=4)}, "no ttl of 4:00:00"),
    ],
)
def test_what_cannot_be_shown_is_said(given, more, told):
    with pytest.raises(InvalidData, match=told):
        JoinTimelinePanel(given, decision="2013-07-01T09:00Z", **more)


def test_the_ttl_begins_where_it_is_told_to_and_rows_have_the_colours_of_the_plot():
    shown = panel(ttl=timedelta(hours=6))

    assert shown.view.words.startswith("decision 2013-07-01 09:00 UTC; ttl 6 h")
    assert {GOOD, BAD} == set(re.findall(r'<circle[^>]*stroke="(#\w+)"', shown.view.svg))


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_row_that_holds_nothing_is_told_as_null(missing):
    row = {"name": "a", "event_timestamp": "2013-07-01T08:00Z", "temp": missing}

    assert (
        JoinTimelinePanel([row], decision="2013-07-01T09:00Z", feature="temp").view.line == "temp is null, from row a"
    )


def test_a_hostile_name_stays_text():
    shown = JoinTimelinePanel(
        [{"name": "<script>x</script>", "event_timestamp": "2013-07-01T08:00Z"}], decision="2013-07-01T09:00Z"
    )

    bundle = shown._repr_mimebundle_()

    assert "<script>" not in bundle["image/svg+xml"] + shown.view.picture_html + shown.view.words_html


def test_the_axis_is_marked_at_round_times():
    marks = re.findall(r'text-anchor="middle"[^>]*>(\d\d:\d\d)<', panel().view.svg)

    assert len(marks) >= 3
    assert all(mark.endswith(("00", "15", "30", "45")) for mark in marks), marks


def test_days_are_marked_by_their_date():
    rows = [{"event_timestamp": f"2013-07-{day:02}T00:00Z", "wind": day} for day in range(1, 8)]

    svg = JoinTimelinePanel(rows, decision="2013-07-05T12:00Z", step=timedelta(hours=2)).view.svg

    assert ">07-04<" in svg
