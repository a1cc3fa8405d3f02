"""Our cron schedule gives the logical dates of Airflow's own timetable, in any zone and over every change of clocks."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from engine_runs.running import run_all

from mlops_lab.pipeline.dag import PRESETS, Schedule

pytestmark = pytest.mark.skipif(
    "airflow" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", ""), reason="python start.py test-engines airflow runs it"
)
ZONES = (
    *("UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/St_Johns"),
    *("Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu", "Africa/Casablanca", "Africa/Cairo", "Pacific/Apia"),
)
STARTS = (  # a day or two before clocks change somewhere, before a leap day, and when Samoa lost a date
    *("2013-03-09", "2013-03-30", "2013-10-26", "2013-11-02", "2013-04-05", "2013-10-04", "2011-12-29"),
    *("2013-02-15", "2016-02-27"),
)
COUNT, LENGTH = 400, 40


def field(chance: random.Random, least: int, most: int) -> str:
    kind = chance.random()
    if kind < 0.4:
        return "*"
    if kind < 0.55:
        return f"*/{chance.choice([2, 3, 5, 7])}"
    if kind < 0.65:
        first, last = sorted(chance.sample(range(least, most + 1), 2))
        return f"{first}-{last}"
    if kind < 0.75:
        return ",".join(map(str, sorted(chance.sample(range(least, most + 1), 3))))
    return str(chance.randint(least, most))


def cron(chance: random.Random) -> str:
    if chance.random() < 0.1:
        return chance.choice(list(PRESETS.values()))
    if chance.random() < 0.5:  # around the hours at which clocks change
        minute = chance.choice(["0", "15", "30", "59", "*/15", "0,30"])
        return f"{minute} {chance.choice(['0', '1', '2', '3', '1-3', '*', '*/2', '2,3', '0-4', '23'])} * * *"
    bounds = ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
    return " ".join(field(chance, *each) for each in bounds)


def change_of_clocks(zone: str, first: datetime, last: datetime) -> bool:
    """Do the zone's clocks change between the two, or within the day around them?"""
    day, there = timedelta(hours=26), ZoneInfo(zone)
    step = max(timedelta(hours=1), (last - first + 2 * day) / 400)
    moments = (first - day + step * n for n in range(1 + int((last - first + 2 * day) / step)))
    return len({each.astimezone(there).utcoffset() for each in moments}) > 1


def test_every_schedule_has_the_dates_of_airflows_timetable_unless_clocks_change_on_the_way():
    """Airflow steps on a clock without a zone, and so loses or makes up moments where the clocks change.

    That is known there (https://github.com/apache/airflow/pull/70089 mends a part of it); what we have instead is
    proved by the slow reading in tests/dag/test_dag_clock_changes.py. Every single step elsewhere is the same.
    """
    chance = random.Random(20130901)  # noqa: S311  a seeded example, not a secret
    asked = []
    for _ in range(COUNT):
        start = datetime.fromisoformat(chance.choice(STARTS)).replace(tzinfo=UTC)
        start += timedelta(seconds=chance.choice([0, 0, chance.randrange(3 * 86400)]))
        asked.append((cron(chance), chance.choice(ZONES), start.isoformat(), LENGTH))

    ours, theirs = run_all("ours", dates=asked).dates, run_all("airflow", dates=asked).dates

    different, excused = [], 0
    for (expression, zone, start, _), one, other in zip(asked, ours, theirs, strict=True):
        if one == other:
            continue
        excused += 1
        moments = [datetime.fromisoformat(each) for each in (start, *other)]
        for before, after in pairwise(moments):
            following = Schedule(expression, zone).next(before)
            if following != after and not change_of_clocks(zone, before, max(after, following)):
                different.append((expression, zone, before, following, after))
    assert different == []
    assert excused < COUNT // 20
    assert sum(map(len, theirs)) == COUNT * LENGTH
