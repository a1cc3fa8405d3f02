"""Are the moments of a schedule those of Airflow and of croniter, on the days of daylight saving too?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, product

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, UnknownName
from mlops_lab.pipeline.dag import DAG, PRESETS, Schedule

# What CronTriggerTimetable of Airflow 3.2.2 gave for these, with catchup, from the start on. (1,500 random expressions
# over twelve zones, 90,000 moments, were compared with it the same way, without a difference.)
AIRFLOW = [
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2013-03-30T00:00:00Z",
        "2013-03-30T01:30:00Z 2013-03-31T01:30:00Z 2013-04-01T00:30:00Z",
    ),
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2013-10-26T00:00:00Z",
        "2013-10-26T00:30:00Z 2013-10-27T01:30:00Z 2013-10-28T01:30:00Z",
    ),
    (
        "0 * * * *",
        "Europe/Berlin",
        "2013-10-26T23:00:00Z",
        "2013-10-26T23:00:00Z 2013-10-27T00:00:00Z 2013-10-27T01:00:00Z 2013-10-27T02:00:00Z",
    ),
    (
        "0 * * * *",
        "Europe/Berlin",
        "2013-03-31T00:00:00Z",
        "2013-03-31T00:00:00Z 2013-03-31T01:00:00Z 2013-03-31T02:00:00Z",
    ),
    (
        "0 */2 * * *",
        "Europe/Berlin",
        "2013-10-26T22:00:00Z",
        "2013-10-26T22:00:00Z 2013-10-27T01:00:00Z 2013-10-27T03:00:00Z 2013-10-27T05:00:00Z",
    ),
    (
        "30 1,2,3 * * *",
        "Europe/Berlin",
        "2013-03-31T00:00:00Z",
        "2013-03-31T00:30:00Z 2013-03-31T01:30:00Z 2013-03-31T23:30:00Z 2013-04-01T00:30:00Z",
    ),
    ("30 2 * * *", "America/New_York", "2013-03-09T12:00:00Z", "2013-03-10T07:30:00Z 2013-03-11T06:30:00Z"),
    ("30 1 * * *", "America/New_York", "2013-11-02T12:00:00Z", "2013-11-03T06:30:00Z 2013-11-04T06:30:00Z"),
    (
        "0 2 * * *",
        "Australia/Lord_Howe",
        "2013-04-05T12:00:00Z",
        "2013-04-05T15:00:00Z 2013-04-06T15:30:00Z 2013-04-07T15:30:00Z",
    ),
    (
        "0 0 * * *",
        "America/Sao_Paulo",
        "2013-10-18T12:00:00Z",
        "2013-10-19T03:00:00Z 2013-10-20T03:00:00Z 2013-10-21T02:00:00Z",
    ),
    (
        "0 0 * * *",
        "Pacific/Apia",
        "2011-12-28T12:00:00Z",
        "2011-12-29T10:00:00Z 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z 2012-01-01T10:00:00Z",
    ),
    ("@weekly", "Asia/Kathmandu", "2013-09-01T00:00:00Z", "2013-09-07T18:15:00Z 2013-09-14T18:15:00Z"),
    ("@quarterly", "UTC", "2013-01-01T00:00:01Z", "2013-04-01T00:00:00Z 2013-07-01T00:00:00Z 2013-10-01T00:00:00Z"),
    ("0 0 29 2 *", "UTC", "2013-01-01T00:00:00Z", "2016-02-29T00:00:00Z 2020-02-29T00:00:00Z"),
    (
        "0 6 13 * 5",
        "UTC",
        "2013-09-01T00:00:00Z",
        "2013-09-06T06:00:00Z 2013-09-13T06:00:00Z 2013-09-20T06:00:00Z 2013-09-27T06:00:00Z",
    ),
    ("30 4 * * 1-5", "UTC", "2013-09-06T04:30:00Z", "2013-09-06T04:30:00Z 2013-09-09T04:30:00Z"),
    ("0 12 * * * 30", "UTC", "2013-09-01T00:00:00Z", "2013-09-01T12:00:30Z 2013-09-02T12:00:30Z"),
    ("0 0 L * *", "UTC", "2013-02-01T00:00:00Z", "2013-02-28T00:00:00Z 2013-03-31T00:00:00Z"),
    ("0 0 * * 5#2", "UTC", "2013-09-01T00:00:00Z", "2013-09-13T00:00:00Z 2013-10-11T00:00:00Z"),
]


@pytest.mark.parametrize(("cron", "zone", "start", "moments"), AIRFLOW, ids=lambda each: str(each)[:24])
def test_the_moments_are_those_of_airflow(cron: str, zone: str, start: str, moments: str) -> None:
    expected = [datetime.fromisoformat(each) for each in moments.split()]

    found = list(islice(Schedule(cron, zone).iterate(start), len(expected)))

    assert found == expected


@pytest.mark.parametrize(
    ("cron", "zone", "start", "moments"),
    [
        # Airflow 3.2 begins the day at 23:00Z, an hour late, because the clocks changed since the last moment.
        ("0 * 1 * *", "Europe/Berlin", "2013-03-30T00:00:00Z", "2013-03-31T22:00:00Z 2013-03-31T23:00:00Z"),
        # Airflow goes from 03:00Z, the first moment of a left-out hour, to 09:00Z.
        ("*/30 */7 20 * *", "America/Sao_Paulo", "2013-10-19T06:00:00Z", "2013-10-20T03:00:00Z 2013-10-20T03:30:00Z"),
        # Airflow has 15:15Z, 01:45 on the clock, between the two.
        ("15 * * * *", "Australia/Lord_Howe", "2024-04-06T14:00:00Z", "2024-04-06T14:15:00Z 2024-04-06T15:45:00Z"),
    ],
)
def test_no_moment_is_lost_or_made_up_where_airflow_does_so(cron: str, zone: str, start: str, moments: str) -> None:
    expected = [datetime.fromisoformat(each) for each in moments.split()]

    found = list(islice(Schedule(cron, zone).iterate(start), len(expected)))

    assert found == expected


@given(
    st.sampled_from([*PRESETS.values(), "*/7 3,9 * * *", "15 10 1-7 * 1", "0 0 31 * *", "59 23 * 2,12 *"]),
    st.datetimes(datetime(2012, 1, 1), datetime(2015, 1, 1)),  # noqa: DTZ001
)
def test_in_utc_the_moments_are_those_of_croniter(cron: str, start: datetime) -> None:
    start = start.replace(tzinfo=UTC)
    oracle = croniter(cron, start - timedelta(microseconds=1))
    expected = [oracle.get_next(datetime) for _ in range(5)]

    found = list(islice(Schedule(cron).iterate(start), 5))

    assert found == expected


@given(
    st.sampled_from(["0 * * * *", "30 2 * * *", "*/20 1-3 * * *", "0 0 1 * *"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
    st.datetimes(datetime(2013, 1, 1), datetime(2014, 1, 1)),  # noqa: DTZ001
)
def test_time_only_goes_forward(cron: str, zone: str, moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    schedule = Schedule(cron, zone)

    following = schedule.next(moment)

    assert schedule.previous(moment) < moment < following < schedule.next(following)


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    schedule = Schedule("0 6 * * *")
    moment = datetime(2013, 9, 1, 6, tzinfo=UTC)

    assert schedule.next(moment.astimezone(timezone(timedelta(hours=5)))) == schedule.next(moment)


@pytest.mark.parametrize(
    ("catchup", "last", "days"),
    [
        (True, None, [2, 3, 4, 5]),
        (True, "2013-09-03", [4, 5]),
        (True, "2013-09-05", []),
        (False, None, [5]),
        (False, "2013-09-02", [5]),
        (False, "2013-09-05", []),
    ],
)
def test_what_is_due_follows_catchup(catchup: bool, last: str | None, days: list[int]) -> None:
    dag = DAG("nightly", schedule="@daily", start_date="2013-09-01T12:00:00Z", catchup=catchup)

    due = dag.due("2013-09-05T06:00:00Z", last=last)

    assert [moment.day for moment in due] == days


def test_nothing_is_due_before_the_start_and_without_a_start_nothing_was_missed() -> None:
    assert DAG("a", schedule="@daily", start_date="2013-09-02").due("2013-09-01T12:00:00Z") == []
    assert DAG("a", schedule="@daily", catchup=True).due("2013-09-01T12:00:00Z") == []


def test_a_backfill_holds_both_ends_and_needs_a_schedule() -> None:
    dag = DAG("nightly", schedule="0 0 * * *")

    assert [moment.day for moment in dag.backfill("2013-09-01", "2013-09-03")] == [1, 2, 3]
    assert dag.backfill("2013-09-01T00:00:01Z", "2013-09-01T23:00:00Z") == []
    with pytest.raises(InvalidData, match="before the start"):
        dag.backfill("2013-09-02", "2013-09-01")
    with pytest.raises(InvalidDefinition, match="no schedule"):
        DAG("by_hand").backfill("2013-09-01", "2013-09-03")


@pytest.mark.parametrize(
    "cron",
    ["", "often", "* * * *", "61 * * * *", "0 0 31 2 *", "@dialy", "@once", "H H * * *", "R * * * *", "0 R(1-5) * * *"],
)
def test_an_expression_that_is_none_or_never_comes_is_refused(cron: str) -> None:
    with pytest.raises(MlopsLabError, match=r"cron|schedule"):
        DAG("a", schedule=cron)


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../../etc/passwd", "/etc/localtime", "+02:00", 3])
def test_a_time_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(UnknownName, match=f"^no time zone {re.escape(repr(str(zone)))}"):
        DAG("a", schedule="@daily", timezone=zone)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(InvalidData, match="no time zone"):
        Schedule("@daily").next(datetime(2013, 9, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("preset", "moments"),
    [
        ("@hourly", "2013-01-01T00:00 2013-01-01T01:00"),
        ("@daily", "2013-01-01T00:00 2013-01-02T00:00"),
        ("@weekly", "2013-01-06T00:00 2013-01-13T00:00"),
        ("@monthly", "2013-01-01T00:00 2013-02-01T00:00"),
        ("@quarterly", "2013-01-01T00:00 2013-04-01T00:00"),
        ("@yearly", "2013-01-01T00:00 2014-01-01T00:00"),
    ],
)
def test_each_preset_means_what_airflow_means_by_it(preset, moments):
    schedule = Schedule(preset)

    first = schedule.at_or_after("2013-01-01T00:00:00Z")

    assert [f"{each:%Y-%m-%dT%H:%M}" for each in (first, schedule.next(first))] == moments.split()


@pytest.mark.parametrize(
    ("cron", "error", "told"),
    [
        (5, InvalidDefinition, "must be a cron expression such as '0 6 \\* \\* \\*', not 5"),
        (timedelta(days=1), InvalidDefinition, "must be a cron expression"),
        ("  ", InvalidDefinition, "must be a cron expression"),
        ("@montly", UnknownName, "Did you mean '@monthly'"),
        ("0 6 * *", InvalidDefinition, "five fields"),
    ],
    ids=repr,
)
def test_what_is_no_schedule_is_told_with_what_one_is(cron, error, told):
    with pytest.raises(error, match=told):
        Schedule(cron)


def test_due_is_what_a_list_of_all_moments_says() -> None:
    schedule = Schedule("0 6 * * *")
    moments = schedule.between("2013-08-20", "2013-09-20")
    asked = ["2013-09-03T05:59:00Z", "2013-09-03T06:00:00Z", "2013-09-03T06:01:00Z"]
    bounds = [None, "2013-09-01T06:00:00Z", "2013-09-03T06:00:00Z", "2013-09-04T06:00:00Z", "2013-09-01T07:00:00Z"]
    for now, start, last, catchup in product(asked, bounds, bounds, (False, True)):
        there = [each for each in moments if each <= parse_utc(now)]
        if last is not None:
            there = [each for each in there if each > parse_utc(last)]
        if start is not None and not (catchup and last):  # what ran already began later than any start
            there = [each for each in there if each >= parse_utc(start)]
        if not catchup:
            there = there[-1:]
        elif start is None and last is None:
            there = []
        assert schedule.due(now, start=start, last=last, catchup=catchup) == there, (now, start, last, catchup)
    assert schedule.due(asked[2], start=bounds[1]) == moments[14:15]  # without a word about it, nothing is caught up
