"""Schedules round a doubled and a skipped hour, and what a schedule refuses."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.pipeline.dag import Schedule


def at_night(*values):
    return pytest.param(*values, marks=pytest.mark.nightly)


NIGHTS = [("America/New_York", "2024-03-10"), ("America/New_York", "2024-11-03"), ("Australia/Lord_Howe", "2024-04-06")]


def test_a_doubled_hour_is_neither_skipped_nor_foreseen():
    one, moment = Schedule("0 1 * * *", "America/New_York"), "2024-11-03T05:30:00Z"

    assert one.previous(moment) == datetime(2024, 11, 2, 5, tzinfo=UTC)
    assert one.next(moment) == datetime(2024, 11, 3, 6, tzinfo=UTC)
    assert one.due(moment, start="2024-10-01") == one.due(moment, start="2024-10-01", last="2024-11-01T05:00:00Z")
    assert one.due(moment, start="2024-10-01") == [datetime(2024, 11, 2, 5, tzinfo=UTC)]


def test_a_skipped_hour_has_its_moment_once():
    two = Schedule("0 2 * * *", "America/New_York")

    assert two.previous("2024-03-10T07:00:00Z") == datetime(2024, 3, 9, 7, tzinfo=UTC)
    assert two.at_or_before("2024-03-10T07:00:00Z") == datetime(2024, 3, 10, 7, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "night"), NIGHTS)
@pytest.mark.parametrize("cron", ["30 2 * * *", *map(at_night, ["0 1 * * *", "0 */2 * * *", "0,30 1-3 * * *"])])
def test_before_is_before_and_after_is_after_all_night(zone, night, cron):
    schedule = Schedule(cron, zone)
    start = datetime.fromisoformat(night).replace(tzinfo=UTC)
    moments = [start + timedelta(minutes=30 * step) for step in range(40)]

    for moment in moments:
        before, after = schedule.previous(moment), schedule.next(moment)
        assert before < moment < after
        assert schedule.at_or_before(moment) <= moment <= schedule.at_or_after(moment)
        assert schedule.due(moment, start=start - timedelta(days=9)) == [schedule.at_or_before(moment)]
        assert schedule.next(before) in (moment, after)


def test_a_seventh_field_is_refused_in_our_words():
    with pytest.raises(InvalidDefinition, match="more than six fields"):
        Schedule("0 0 1 1 * 0 2099")


CHANGES = [
    *(("America/New_York", "2024-03-10"), ("America/New_York", "2024-11-03"), ("Europe/Berlin", "2013-03-31")),
    *(("Europe/Berlin", "2013-10-27"), ("Australia/Lord_Howe", "2024-04-06"), ("Australia/Lord_Howe", "2024-10-05")),
    *(("America/Sao_Paulo", "2013-10-20"), ("America/Sao_Paulo", "2018-02-18"), ("Pacific/Apia", "2011-12-30")),
    *(("Africa/Casablanca", "2013-07-07"), ("America/St_Johns", "2011-11-06"), ("Africa/Cairo", "2014-05-15")),
]
CRONS = [
    *("15 * * * *", "45 * * * *", "*/20 * * * *", "0 * 16 * *", "*/7 */7 20 * *", "30 2 * * *", "0 1 * * *"),
    *("0 0 * * *", "59 23 * * *", "0,30 1-3 * * *", "20 */4 * * *", "0 6 1 * *", "15 1 * * 0", "*/30 0 * * *"),
]


def every_moment(cron: str, zone: ZoneInfo, first: datetime, last: datetime) -> list[datetime]:
    """The promise of `Schedule`, read slowly: each wall-clock time and what it means."""
    walls, found = croniter(cron, start_time=(first - timedelta(days=3)).replace(tzinfo=None)), set()
    while (wall := walls.get_next(datetime)) < (last + timedelta(days=3)).replace(tzinfo=None):
        before, after = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        left_out = before.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != wall
        if left_out or cron.split()[1] == "*":
            found.add(before.astimezone(UTC))
        if not left_out:
            found.add(after.astimezone(UTC))
    return sorted(each for each in found if first <= each <= last)


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize("cron", [*CRONS[:2], *map(at_night, CRONS[2:])])
def test_the_moments_round_a_change_are_those_of_a_slow_reading(cron, zone, day):
    first = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=30)
    last = first + timedelta(hours=60)
    schedule, chance = Schedule(cron, zone), random.Random(f"{cron}{day}")  # noqa: S311  a seeded example, not a secret
    asked = [first + timedelta(seconds=chance.randrange(60 * 3600)) for _ in range(5)]
    known = every_moment(cron, ZoneInfo(zone), first - timedelta(days=32), last)
    expected = [each for each in known if each >= first]

    moments = schedule.between(first, last)

    assert moments == expected
    assert [schedule.previous(each) for each in moments[1::7]] == expected[:-1:7]
    for moment in asked:
        assert schedule.at_or_before(moment) == max(each for each in known if each <= moment)
