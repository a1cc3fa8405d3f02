"""The panels of the day's row, of the embargo and of peeking agree with the slow, obvious counts."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from mlops_lab.base.errors import InvalidData
from mlops_lab.models.rollout import least
from mlops_lab.teaching.panels import DailyRowPanel, EmbargoPanel, PeekingPanel
from mlops_lab.teaching.panels import moments as module


def utc(*times):
    return pd.to_datetime([f"2013-07-{time}Z" for time in times])


@pytest.fixture
def day():
    flights = pd.DataFrame({"departs": utc("08T10:00", "08T15:00", "08T23:00")})
    flights = flights.assign(known_at=utc("08T12:00", "08T21:30", "09T02:00"), late=[False, True, True])
    rows = pd.DataFrame({"event_timestamp": utc("06T04:00", "07T04:00", "08T04:00")})
    rows = rows.assign(landed_timestamp=rows["event_timestamp"] + pd.Timedelta("28h"))
    return flights, rows.assign(route_day_late_share=[0.25, 0.5, 0.67])


def test_at_each_place_of_the_day_the_unknown_outcomes_are_counted_and_the_landed_row_is_used(day):
    flights, rows = day
    panel = DailyRowPanel(flights, rows, day="2013-07-08T04:00Z")
    wrong = []

    for place, moment in enumerate(panel._axis.places):
        panel.set(decision=place)
        unknown = sum(known > moment for known in flights["known_at"])
        landed = rows[rows["landed_timestamp"] <= moment].iloc[-1:]
        told = f"{landed['route_day_late_share'].iloc[0]:.0%} late".replace("%", " %") if len(landed) else "no row"
        ripe = moment >= pd.Timestamp("2013-07-09T08:00Z")
        line = "all its 3 outcomes are known" if ripe else f"{unknown} of its 3 outcomes are still to come"
        if line not in panel.view.line or told not in panel.view.words.splitlines()[1]:
            wrong.append((moment, panel.view.line, panel.view.words))

    assert wrong == []


def test_a_row_used_before_it_landed_is_seen(day, monkeypatch):
    """The planted fault: the join that uses a row from its own event time on, as the date's join does."""
    flights, rows = day
    panel = DailyRowPanel(flights, rows, day="2013-07-08T04:00Z")
    early = rows.assign(landed_timestamp=rows["event_timestamp"])

    assert panel.honest(panel._axis.places[8])[1] == 0.5
    leaking = DailyRowPanel(flights, pd.concat([early.iloc[:2], rows.iloc[2:]]), day="2013-07-08T04:00Z")
    assert leaking.honest(leaking._axis.places[0])[1] == 0.5 != (panel.honest(panel._axis.places[0]) or (0, 0.25))[1]


def decided(many=24 * 14):
    times = pd.date_range("2013-07-01", periods=many, freq="h", tz="UTC")
    wait = pd.to_timedelta(np.arange(many) % 7 + 1, unit="h")
    return pd.DataFrame({"event_timestamp": times, "label_timestamp": times + wait, "late": np.arange(many) % 3 == 0})


@pytest.mark.parametrize("delay", [0, 5, 24])
def test_at_each_place_of_the_split_the_sides_are_those_of_the_rule(delay):
    frame = decided()
    panel = EmbargoPanel(frame, "2013-07-07T04:00Z")
    known = frame["label_timestamp"] + pd.Timedelta(hours=delay)

    for place, split in list(enumerate(panel._axis.places))[::7]:
        panel.set(split=place, delay=delay)
        before = frame["event_timestamp"] < split
        wanted = [(before & (known <= split)).sum(), (before & (known > split)).sum(), (~before).sum()]
        found = [int(line.split()[-2].replace(",", "")) for line in panel.view.words.splitlines()[1:]]
        assert found == wanted, split


def test_a_split_that_forgets_the_outcomes_is_seen(monkeypatch):
    """The planted fault: `known` is not looked at, so that no row is left out."""
    from mlops_lab.models import training

    monkeypatch.setattr(training, "time_split", lambda frame, at: _forgetful(frame, at))

    assert ": 0 rows on neither side" in EmbargoPanel(decided(), "2013-07-07T04:00Z").view.line


def _forgetful(frame, at):
    from mlops_lab.models.training.fit import time_split

    return time_split(frame, at, known=None)


def test_what_is_dragged_is_where_the_slider_says(day):
    """The grip stands where the control's `drag` puts its value, at both ends and in between."""
    daily, embargo = DailyRowPanel(*day, day="2013-07-08T04:00Z"), EmbargoPanel(decided(), "2013-07-07T04:00Z")

    for panel, name in ((daily, "decision"), (embargo, "split")):
        control = panel.controls[name]
        for value in (0, 7, int(control.high)):
            panel.set(**{name: value})
            x = float(re.search(r'class="lab-grip">.*?<polyline points="([\d.]+),', panel.view.svg).group(1))
            start, end = control.drag
            assert x == pytest.approx(start + (end - start) * value / control.high, abs=0.01)


def traffic(*, shared=0.02, days=21):
    chance = np.random.default_rng(3)
    at = pd.date_range("2013-12-01", periods=days * 40, freq="36min", tz="UTC")
    truth = (chance.random(len(at)) < np.repeat(chance.uniform(0, 0.8, days), 40)).astype(float)
    storm = np.repeat(chance.normal(0, shared, days), 40)
    champion = chance.uniform(0.25, 0.35, len(at))
    return pd.DataFrame({"at": at, "truth": truth, "champion": champion, "challenger": champion + storm})


def test_peeking_is_counted_as_the_obvious_loop_counts_it(monkeypatch):
    monkeypatch.setattr("mlops_lab.teaching.panels.peeking._TIMES", 12)
    panel = PeekingPanel(traffic())
    for every, worse in ((0, 0.0), (2, 0.0), (3, 0.01)):
        plain, always = panel.taken_back({"every": every, "bound": 2.0}, worse=worse)
        wanted = np.zeros((2, 21))
        looks = [day for day in range(21) if (day + 1) % (1, 2, 3, 7)[every] == 0]
        for coins, order in zip(panel._coins, panel._orders, strict=True):
            parts = [coins[one] * panel._days[one] + worse for one in order]
            hit = [None, None]
            for look in looks:
                seen = np.concatenate(parts[: look + 1])
                days = pd.Series(np.repeat(range(look + 1), [len(one) for one in parts[: look + 1]]))
                if hit[0] is None and seen.mean() / (seen.std() / len(seen) ** 0.5) > 2:
                    hit[0] = look
                if hit[1] is None and least(pd.Series(seen), days) > 0:
                    hit[1] = look
            for which, first in enumerate(hit):
                if first is not None:
                    wanted[which, first:] += 1 / len(panel._coins)
        assert plain == pytest.approx(wanted[0])
        assert always == pytest.approx(wanted[1])
        panel = PeekingPanel(traffic(), seed=every + 1)


def test_daily_looks_take_back_equal_models_and_the_watch_does_not():
    panel = PeekingPanel(traffic())
    daily, watch = (one[-1] for one in panel.taken_back(panel.state, worse=0.0))
    panel.set(every=4)
    once = panel.taken_back(panel.state, worse=0.0)[0][-1]

    assert daily > 2 * once  # the planted fault is this panel's subject: the bound of one look, used at each
    assert watch <= 0.05
    assert panel.taken_back({"every": 0, "bound": 2.0}, worse=0.1)[1][-1] > 0.9


@pytest.mark.parametrize("make", ["day", "embargo", "peeking"])
def test_each_has_words_for_all_it_shows_and_a_picture_that_names_itself(make, day):
    panel = {
        "day": lambda: DailyRowPanel(*day, day="2013-07-08T04:00Z"),
        "embargo": lambda: EmbargoPanel(decided(), "2013-07-07T04:00Z"),
        "peeking": lambda: PeekingPanel(traffic()),
    }[make]()
    bundle = panel._repr_mimebundle_()

    ElementTree.fromstring(bundle["image/svg+xml"])  # noqa: S314  our own; an attribute given twice is no picture
    assert panel.view.line in bundle["text/plain"]
    assert 'role="img" aria-label="' in panel.view.svg
    assert "<svg" in bundle["image/svg+xml"]
    for number in re.findall(r"(\d+) %", panel.view.line):
        assert re.search(rf"\b{number}(\.\d)? ?%", panel.view.words)


def test_what_cannot_be_shown_is_said(day):
    flights, rows = day
    with pytest.raises(InvalidData, match="one row of 2013-07-10"):
        DailyRowPanel(flights, rows, day="2013-07-10T04:00Z")
    with pytest.raises(InvalidData, match="no place at 2013-07-08 04:10"):
        DailyRowPanel(flights, rows, day="2013-07-08T04:00Z").move_to("2013-07-08T04:10Z")
    with pytest.raises(InvalidData, match="at least three"):
        PeekingPanel(traffic(days=2))
    assert module._date(pd.Timestamp("2013-07-09T03:00Z")) == "8 July"
