"""The seasons of a real model: May's flights are what it learnt, and summer is another country."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def months(filled):
    return filled("drift", "--until", "2013-08-31", "--rows", "300", "--json").json


def test_each_month_since_it_learnt_is_told_with_what_its_outcomes_said(months):
    told = {month["period"]: month for month in months["months"]}

    assert list(told) == ["2013-05", "2013-06", "2013-07", "2013-08"]
    assert all(0 <= month["late"] <= 1 and 0 <= month["said"] <= 1 for month in told.values())
    assert all(month["rows"] == 300 for month in told.values())


def test_the_weather_moves_from_may_to_july_and_the_airports_stay_where_they_are(months):
    july = next(month for month in months["months"] if month["period"] == "2013-07")
    columns = {each["column"]: each for each in july["columns"]}

    assert columns["temp"]["state"] == "drifted"
    assert columns["airport"]["state"] == "stable"


def test_a_month_that_asks_for_retraining_names_the_command_that_does_it(months):
    asking = [month["period"] for month in months["months"] if month["retrain"]]

    assert months["retrain"] == bool(asking)
    assert (months["command"] is None) == (not asking)
    assert months["command"] is None or months["command"].startswith("mlops-lab run --date 2013-0")


def test_nothing_after_the_end_is_one_line(filled):
    answer = filled("drift", "--until", "2013-05-02")

    assert answer.code == 1
    assert "nothing later is watched" in answer.line
