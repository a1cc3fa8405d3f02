"""What does the notebook on feature views ask?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlops_lab.checks.exercise import Exercise, Mistake, Option, Quiz, expect

__all__ = ["EXERCISES", "QUIZZES"]

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
    expect(isinstance(answer, int | float) and not isinstance(answer, bool), "give one wind speed, a number in mph.")
    expect(answer != 23.0, "the 10:00 row is after the decision: using it is looking into the future.")
    expect(answer != 15.0, "the 09:00 row was measured in time but arrived at 09:50: at 09:30 nobody had it.")
    expect(answer == 8.0, "that wind speed is not in the table; read down the column created_timestamp.")


_ROWS = (  # event, created, value; minutes since midnight, so that nobody has to count days
    (480, 490, 1.0),
    (540, 600, 2.0),
    (600, 605, 3.0),
    (600, 610, 4.0),
    (660, 661, 5.0),
)


def _oracle(rows: Any, at: int, ttl: int) -> float | None:
    """The slow, obvious loop: newest event, then newest arrival, among what is neither future, late nor stale."""
    seen = [row for row in rows if row["event"] <= at and row["created"] <= at and at - row["event"] <= ttl]
    return max(seen, key=lambda row: (row["event"], row["created"]))["wind"] if seen else None


def _build_latest(latest: Callable[..., Any]) -> None:
    expect(callable(latest), "write a function: def latest(rows, at, ttl).")
    rows = [{"event": event, "created": created, "wind": wind} for event, created, wind in _ROWS]

    def given(some: list[dict[str, float]], at: int, ttl: int) -> Any:
        return latest([dict(row) for row in some], at, ttl)

    expect(given(rows, 595, 600) == 1.0, "at 595 the row of 540 had not arrived (created 600): look at created too.")
    expect(given(rows, 615, 600) == 4.0, "two rows of 600 had arrived at 615: the one created last is the one to use.")
    expect(given(rows[:1], 900, 60) is None, "at 900 the row of 480 is older than ttl 60: nothing is known, so None.")
    expect(given(rows[:1], 540, 60) == 1.0, "a row exactly ttl old still counts: both ends are inclusive.")
    expect(given(rows[:1], 490, 60) == 1.0, "a row that arrives at the very moment of the decision is known.")
    expect(given([], 500, 60) is None, "without any row the answer is None.")
    for at in range(470, 700, 5):
        for ttl in (0, 30, 60, 600):
            for order in (rows, rows[::-1]):
                wanted = _oracle(rows, at, ttl)
                expect(given(order, at, ttl) == wanted, f"at {at} with ttl {ttl} the slow way gives {wanted}.")


def _fresh() -> Any:
    """Three days of one route; each day's row lands at seven in the next morning."""
    import pandas as pd

    days = pd.to_datetime(["2013-03-04T05:00Z", "2013-03-05T05:00Z", "2013-03-06T05:00Z"])
    return pd.DataFrame(
        {
            "origin": "LGA",
            "dest": "ATL",
            "event_timestamp": days,
            "landed_timestamp": days + pd.Timedelta(hours=26),
            "route_day_flights": [20, 21, 22],
            "route_day_dep_delay": [5.0, 15.0, 25.0],
            "route_day_arr_delay": [4.0, 14.0, 24.0],
            "route_day_late_share": [0.1, 0.5, 0.9],
            "route_day_cancelled_share": [0.0, 0.1, 0.2],
        }
    )


def _change_view(honest: Any) -> None:
    import tempfile
    from dataclasses import replace

    import pandas as pd

    from mlops_lab.features import FeatureStore, FeatureView, Source

    expect(not isinstance(honest, Source), "that is the source alone; put it into leaking with replace.")
    expect(isinstance(honest, FeatureView), "give a FeatureView: leaking, with another source.")
    rows = _fresh()
    source = honest.source
    expect(
        honest.join_keys == ("origin", "dest") and set(honest.features) == set(rows.columns[4:]),
        "keep the entities and the features of leaking; only the source has to say more.",
    )
    expect(
        source.timestamp_field == "event_timestamp",
        "the row still speaks of its own day: leave timestamp_field alone and say the arrival in a column of its own.",
    )
    created = source.created_timestamp_column
    expect(
        created is None or created in rows.columns,
        f"the daily table has no column {created!r}; its columns of time are event_timestamp and landed_timestamp.",
    )
    expect(
        created is not None,
        "the view still shows a day's row from its first minute: no part of it says when the row arrived.",
    )
    expect(created != "event_timestamp", "that says that a row arrives at the midnight it is stamped with: too early.")
    view = replace(honest, source=replace(source, data=rows))
    moments = pd.to_datetime(["2013-03-05T23:00Z", "2013-03-06T06:59Z", "2013-03-06T07:00Z"])
    asked = pd.DataFrame({"origin": "LGA", "dest": "ATL", "event_timestamp": moments})
    with tempfile.TemporaryDirectory() as home:
        store = FeatureStore(home)
        store.apply(view)
        found = store.get_historical_features(asked, features=[f"{view.name}:route_day_late_share"]).frame
    seen = found["route_day_late_share"].tolist()
    expect(seen[0] == seen[0], "a row landed this morning must be there in the evening; is the ttl too short?")
    expect(seen == [0.1, 0.1, 0.5], f"before, and at, the landing of a row, 0.1, 0.1, 0.5 should be seen, not {seen}.")


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
        test=_build_latest,
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
            Mistake(
                """\
def latest(rows, at, ttl):
    known = [row for row in rows if row["created"] <= at and at - row["event"] < ttl]
    return max(known, key=lambda row: (row["event"], row["created"]))["wind"] if known else None""",
                "exactly ttl old",
            ),
            Mistake("latest = 8.0", "write a function"),
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
        test=_change_view,
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
            Mistake(
                """\
source = replace(leaking.source, created_timestamp_column="created_timestamp")
honest = replace(leaking, source=source)""",
                "has no column 'created_timestamp'",
            ),
            Mistake(
                """\
source = replace(leaking.source, created_timestamp_column="landed_timestamp")
honest = replace(leaking, source=source, ttl=timedelta(hours=12))""",
                "ttl too short",
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

from mlops_lab.pipeline import flight_objects

leaking = next(one for one in flight_objects() if one.name == "daily_route")
""",
    ),
)

QUIZZES = (
    Quiz(
        id="01.q1",
        question="Why is it a leak to join a flight with the average delay of its own day?",
        options=(
            Option("The average is rounded.", "rounding loses detail; it does not tell the future."),
            Option(
                "A day's average holds flights that leave after this one.",
                "the morning's rows carry the afternoon's delays, which nobody knows in the morning.",
                right=True,
            ),
            Option("Dates are joined as text.", "a join on text can go wrong, but then rows are missing, not leaking."),
        ),
    ),
    Quiz(
        id="01.q2",
        question="A colleague's feature 'no tail number' is never wrong in the records. What do you say to it?",
        options=(
            Option(
                "Fine: the replay shows the same figure as the chart.",
                "the replay uses the keys of the record, so it shares their knowledge of what came later.",
            ),
            Option(
                "No: the record was written afterwards, and the number is missing because the flight was cancelled.",
                "the cause runs backwards, and two hours before departure the column would have said something else.",
                right=True,
            ),
            Option(
                "Fine, with a ttl of two hours.",
                "a ttl limits how old a row may be; it cannot know that a key was filled in later.",
            ),
        ),
    ),
)
