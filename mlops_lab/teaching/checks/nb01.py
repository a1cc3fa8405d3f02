"""The exercises of notebook 01: what was known at a moment, as a number, as a loop and as a feature view."""

from __future__ import annotations

from typing import Any

from mlops_lab.teaching.checks.exercise import Exercise, Mistake, expect
from mlops_lab.teaching.checks.joining import build_latest, change_view

_TABLE = """\
import pandas as pd

weather = pd.DataFrame(
    {
        "event_timestamp": pd.to_datetime(["2013-07-01 08:00", "2013-07-01 09:00", "2013-07-01 10:00"], utc=True),
        "created_timestamp": pd.to_datetime(["2013-07-01 08:20", "2013-07-01 09:50", "2013-07-01 10:05"], utc=True),
        "wind_speed": [8.0, 15.0, 23.0],
    }
)
"""


def _predict_wind(answer: Any) -> None:
    expect(answer is not None, "your answer is None, as if no report had come in by 09:30: look again, one had.")
    expect(isinstance(answer, int | float) and not isinstance(answer, bool), "give one wind speed, a number in mph.")
    expect(answer != 23.0, "the 10:00 row is after the decision: using it is looking into the future.")
    expect(answer != 15.0, "the 09:00 row was measured in time but arrived at 09:50: at 09:30 nobody had it.")
    expect(answer == 8.0, "that wind speed is not in the table; read down the column created_timestamp.")


EXERCISES = (
    Exercise(
        id="01.1",
        kind="predict",
        question="A flight is decided on at 09:30. Which wind speed may its training row carry?",
        answer="wind",
        stub="wind = ...",
        test=_predict_wind,
        solution="wind = 8.0",
        mistakes=(
            Mistake("wind = 15.0", "arrived at 09:50"),
            Mistake("wind = 23.0", "into the future"),
            Mistake('wind = "08:00"', "a number in mph"),
        ),
        hints=(
            "Each row has two times: when the wind blew, and when the report came in.",
            "Cross out every row that came in after 09:30.",
            "Only the first row is left.",
        ),
        lesson="what had not arrived was not known, however early it was measured.",
        setup=_TABLE,
    ),
    Exercise(
        id="01.2",
        kind="build",
        question="Write the join for one flight: the newest wind that was known at the moment `at` and is not stale.",
        answer="latest",
        stub='''\
def latest(rows, at, ttl):
    """The wind of the row to use at minute `at`, or None; each row has event, created and wind."""
    ...''',
        test=build_latest,
        solution="""\
def latest(rows, at, ttl):
    known = [row for row in rows if row["event"] <= at and row["created"] <= at and at - row["event"] <= ttl]
    newest = max(known, key=lambda row: (row["event"], row["created"]), default=None)
    return newest and newest["wind"]""",
        mistakes=(
            Mistake(
                """\
def latest(rows, at, ttl):
    known = [row for row in rows if row["event"] <= at and at - row["event"] <= ttl]
    return max(known, key=lambda row: (row["event"], row["created"]))["wind"] if known else None""",
                "look at created too",
            ),
            Mistake(
                """\
def latest(rows, at, ttl):
    known = [row for row in rows if row["created"] <= at and at - row["event"] <= ttl]
    return max(known, key=lambda row: row["event"])["wind"] if known else None""",
                "created last",
            ),
            Mistake(
                """\
def latest(rows, at, ttl):
    known = [row for row in rows if row["created"] <= at]
    return max(known, key=lambda row: (row["event"], row["created"]))["wind"] if known else None""",
                "older than ttl",
            ),
        ),
        hints=(
            "Three questions to every row: has it happened, has it arrived, is it fresh enough?",
            "Keep the rows with event <= at, created <= at and at - event <= ttl.",
            "Of those take the greatest (event, created), and None when there are none: max has a default.",
        ),
        lesson="that is a point-in-time join; a feature store does it for every row and every view.",
    ),
    Exercise(
        id="01.3",
        kind="change",
        question="Make a view of the daily table in which a row is not visible before it landed.",
        answer="honest",
        stub="""\
source = ...  # leaking.source, with one thing more said
honest = ...  # leaking, with that source""",
        test=change_view,
        solution="""\
source = replace(leaking.source, created_timestamp_column="landed_timestamp")
honest = replace(leaking, source=source)""",
        mistakes=(
            Mistake("honest = replace(leaking, ttl=timedelta(days=1))", "from its first minute"),
            Mistake(
                'honest = replace(leaking, source=replace(leaking.source, timestamp_field="landed_timestamp"))',
                "speaks of its own day",
            ),
            Mistake(
                'honest = replace(leaking.source, created_timestamp_column="landed_timestamp")',
                "that is the source alone",
            ),
        ),
        hints=(
            "Which of the two times of a row is missing from the source?",
            "dataclasses.replace(thing, name=value) gives a copy of a frozen thing with one part changed.",
            "Replace the source's created_timestamp_column by the name of the column that says when a row landed.",
        ),
        lesson="a source that says when its rows arrive cannot leak, however tempting its dates are.",
        setup="""\
from dataclasses import replace
from datetime import timedelta

from mlops_lab.pipeline.flights import flight_objects

leaking = next(one for one in flight_objects() if one.name == "daily_route")
""",
    ),
)
