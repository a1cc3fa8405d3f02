"""The exercises of notebook 01: what was known at a moment, as a number, as a loop and as a feature view."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from mlops_lab.teaching.checks.exercise import asked, expect, is_number, read_exercises

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


def build_latest(latest: Callable[..., Any]) -> None:
    """Does the learner's join agree with the slow loop? Its commonest mistakes are named first."""
    rows = [{"event": event, "created": created, "wind": wind} for event, created, wind in _ROWS]

    def given(some: list[dict[str, float]], at: int, ttl: int) -> Any:
        wind = asked(latest, some, at, ttl)
        said = f"return the wind of the row, a number, or None; not a {type(wind).__name__}."
        expect(wind is None or is_number(wind), said)
        return wind

    first = given(rows[:1], 500, 60)
    expect(first is not None, "of one row that had arrived in time the function returns nothing: return its wind.")
    expect(given(rows, 595, 600) == 1.0, "at 595 the row of 540 had not arrived (created 600): look at created too.")
    expect(given(rows, 615, 600) == 4.0, "two rows of 600 had arrived at 615: the one created last is the one to use.")
    expect(given(rows[:1], 900, 60) is None, "at 900 the row of 480 is older than ttl 60: nothing is known, so None.")
    expect(given(rows[:1], 540, 60) == 1.0, "a row exactly ttl old still counts: both ends are inclusive.")
    expect(given(rows[:1], 490, 60) == 1.0, "a row that arrives at the very moment of the decision is known.")
    expect(given([], 500, 60) is None, "without any row the answer is None.")
    expect(
        given([{"event": 480, "created": 560, "wind": 1.0}], 570, 60) is None,
        "a row of 480 that arrived at 560 is 90 minutes old at 570: ttl counts from event, not from created.",
    )
    for (cases, at, ttl), wanted, said in _CASES:
        told = [dict(zip(("event", "created", "wind"), row, strict=True)) for row in cases]
        expect(given(told, at, ttl) == wanted and given(told[::-1], at, ttl) == wanted, said)
    for some, at, ttl in _searched():
        wanted = _oracle(some, at, ttl)
        shown = "; ".join(f"event {row['event']}, created {row['created']}, wind {row['wind']:g}" for row in some)
        for order in (some, some[::-1]):
            got = given(order, at, ttl)
            expect(got == wanted, f"at {at} with ttl {ttl} it should be {wanted}, not {got}, for the rows {shown}.")


_CASES: tuple[tuple[tuple[tuple[tuple[int, int, float], ...], int, int], float | None, str], ...] = (
    (
        (((480, 490, 9.0), (540, 545, 2.0)), 550, 600),
        2.0,
        "at 550 the row of 540 is the newest, and its wind is 2, not 9: the newest row counts, not the strongest wind.",
    ),
    (
        (((480, 560, 3.0), (540, 545, 7.0)), 570, 600),
        7.0,
        "at 570 the row of 480 arrived last, and the row of 540 is newer: event decides first, created among equals.",
    ),
    (
        (((540, 545, 7.0), (600, 550, 4.0)), 560, 600),
        7.0,
        "at 560 a row about 600 is there already, as a forecast is: it has not happened yet, so look at event too.",
    ),
    (
        (((600, 605, 8.0), (600, 610, 1.0)), 620, 600),
        1.0,
        "two rows of 600 had arrived at 620: the one created last counts, whichever wind is stronger.",
    ),
    ((((600, 605, 0.0),), 620, 600), 0.0, "a calm, wind 0, is known: the answer is 0, and None is for no row at all."),
)


def _searched() -> Iterator[tuple[list[dict[str, Any]], int, int]]:
    """Small tables in which event, arrival and wind have nothing to do with each other, drawn once and for all."""
    draw = random.Random(1)  # noqa: S311  no secret: the same tables for everybody
    for _ in range(400):
        pairs = {(draw.randrange(480, 600, 20), draw.randrange(480, 660, 20)) for _ in range(draw.randint(1, 4))}
        rows = [{"event": event, "created": created, "wind": float(draw.randint(0, 9))} for event, created in pairs]
        rows.sort(key=lambda row: row["wind"])
        yield rows, draw.randrange(480, 680, 10), draw.choice((0, 20, 60, 90, 600))


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


def _expect_own_arrival(source: Any, created: str) -> None:
    """A column that the learner made says no earlier, and no later, than the landing when a row arrived."""
    table = source.read()
    said = f"the daily table has no column {created!r}; its columns of time are event_timestamp and landed_timestamp."
    expect(created in table.columns, said)
    landed, own = _in_order(_leaking().source.read())["landed_timestamp"], _in_order(table)[created]
    said = f"your column {created!r} has rows known before their landed_timestamp: nobody had them by then."
    expect(not (own < landed).any(), said)
    expect((own == landed).all(), f"your column {created!r} is not when a row landed: that is landed_timestamp.")


def _leaking() -> Any:
    from mlops_lab.pipeline.flights import flight_objects

    return next(one for one in flight_objects() if one.name == "daily_route")


def _in_order(rows: Any) -> Any:
    return rows.sort_values(["origin", "dest", "event_timestamp"]).reset_index(drop=True)


def _expect_rows(honest: Any) -> None:
    """Are the rows of the view those of leaking, whatever was said about their arrival?"""
    leaking = _leaking()
    if honest.source.data is leaking.source.data:
        return
    columns = ["origin", "dest", "event_timestamp", *leaking.features]
    table = honest.source.read()
    lost = [name for name in columns if name not in table.columns]
    expect(not lost, f"the rows of leaking have a column {lost[:1]}, and yours have not.")
    same = _in_order(table)[columns].equals(_in_order(leaking.source.read())[columns])
    expect(same, "your view has other rows than leaking: only when they are known may change, no row and no figure.")


def change_view(honest: Any) -> None:
    """Does the learner's view hide a row until it has landed, on rows it has never seen?"""
    from dataclasses import replace

    import pandas as pd

    from mlops_lab.data.features import FeatureView, Source
    from mlops_lab.teaching.checks.capstone_flights import store_with

    expect(not isinstance(honest, Source), "that is the source alone; put it into leaking with replace.")
    expect(isinstance(honest, FeatureView), "give a FeatureView: leaking, with another source.")
    rows = _fresh()
    source = honest.source
    said = "keep the entities and the features of leaking; only the source has to say more."
    expect(honest.join_keys == ("origin", "dest") and set(honest.features) == set(rows.columns[4:]), said)
    expect(
        source.timestamp_field == "event_timestamp",
        "the row still speaks of its own day: leave timestamp_field alone and say the arrival in a column of its own.",
    )
    created = source.created_timestamp_column
    _expect_rows(honest)
    expect(
        created is not None,
        "the view still shows a day's row from its first minute: no part of it tells the join when the row arrived. "
        "(landed_column is read by the replay alone.)",
    )
    expect(honest.ttl is not None, "keep the ttl of leaking too: without one a row lives for ever.")
    expect(created != "event_timestamp", "that says that a row arrives at the midnight it is stamped with: too early.")
    _expect_own_arrival(source, created)
    rows = rows.assign(**{created: rows["landed_timestamp"]})
    view = replace(honest, source=replace(source, data=rows))
    moments = pd.to_datetime(["2013-03-05T23:00Z", "2013-03-06T06:59Z", "2013-03-06T07:00Z"])
    asked = pd.DataFrame({"origin": "LGA", "dest": "ATL", "event_timestamp": moments})
    with store_with(view) as store:
        found = store.get_historical_features(asked, features=[f"{view.name}:route_day_late_share"]).frame
    seen = found["route_day_late_share"].tolist()
    expect(seen[0] == seen[0], "a row landed this morning must be there in the evening; is the ttl too short?")
    expect(seen == [0.1, 0.1, 0.5], f"before, and at, the landing of a row, 0.1, 0.1, 0.5 should be seen, not {seen}.")


def _predict_wind(answer: Any) -> None:
    expect(answer is not None, "your answer is None, as if no report had come in by 09:30: look again, one had.")
    expect(is_number(answer), "give one wind speed, a number in mph.")
    expect(answer != 23.0, "the 10:00 row is after the decision: using it is looking into the future.")
    expect(answer != 15.0, "the 09:00 row was measured in time but arrived at 09:50: at 09:30 nobody had it.")
    expect(answer == 8.0, "that wind speed is not in the table; read down the column created_timestamp.")


EXERCISES = read_exercises("nb01.toml", {"01.1": _predict_wind, "01.2": build_latest, "01.4": change_view})
