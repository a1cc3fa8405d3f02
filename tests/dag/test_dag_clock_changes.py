"""Schedules round a doubled and a skipped hour, and what a schedule refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.pipeline.dag import Schedule

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


@pytest.mark.parametrize(("zone", "night"), NIGHTS)
@pytest.mark.parametrize("cron", ["0 1 * * *", "30 2 * * *", "0 */2 * * *", "0,30 1-3 * * *"])
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
