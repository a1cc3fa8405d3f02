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
)
