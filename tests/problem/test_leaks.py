"""Every planted kind of leak is found, with its view and its name; no honest table is accused."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_lab.base.errors import InvalidData
from mlops_lab.cli import main
from mlops_lab.data.features import Entity
from mlops_lab.pipeline.flights import FLIGHTS
from mlops_lab.pipeline.problem import find_leaks, new_project, past_means, run_problem
from tests.problem.made import CREATED, ORDER, PLANTED, SHOP, Made


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_leak_is_found_and_nothing_else(planted, kind):
    plant, view, called = PLANTED[planted]

    found = find_leaks(plant(Made(1, kind=kind)))

    assert [(leak.view, leak.kind) for leak in found.leaks] == [(view, called)]


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(3, 20))])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_an_honest_table_is_not_accused(seed, kind):
    found = find_leaks(Made(100 + seed, kind=kind).problem())

    assert found.leaks == ()
    assert found.warnings == ()
    assert len(found.pictures) == 5


def shops(made, *, at_once):
    """The mean of each shop's last outcomes; `at_once`: it counts from the very moment of the decision."""
    rows = made.rows.assign(label_timestamp=made.rows["event_timestamp"])
    past = past_means(rows, "shop", "returned", last=3 if made.kind == "classification" else 1)
    if at_once:
        past = past.assign(**{name: past[name].dt.floor("ms") for name in ("event_timestamp", "created_timestamp")})
    made.rows = rows.assign(event_timestamp=rows["event_timestamp"].dt.floor("ms"))
    made.rows["label_timestamp"] = made.rows["event_timestamp"]
    return made.view("last", SHOP, past, ["shop_past"], created_timestamp_column="created_timestamp")


def test_a_price_that_is_nearly_its_last_is_no_leak_and_its_copy_is():
    made = Made(5, kind="regression")
    steps = made.chance.normal(0, 1, len(made.rows))
    made.rows["returned"] = 100.0 + made.rows.assign(step=steps).groupby("shop")["step"].cumsum()
    made.views = [made.amount, shops(made, at_once=False)]
    copy = made.order("copy", paid=made.rows["returned"] * 1.19)

    honest = find_leaks(made.problem())
    assert honest.leaks == ()
    assert not any("known when?" in each for each in honest.warnings)
    assert [leak.view for leak in find_leaks(made.problem(copy)).leaks] == ["copy"]


@pytest.mark.parametrize(("at_once", "found"), [(True, [("last", "its own outcome")]), (False, [])])
def test_a_mean_that_holds_the_outcome_of_its_own_decision_is_found(at_once, found):
    made = Made(8)
    made.views = [made.amount, shops(made, at_once=at_once)]

    assert [(leak.view, leak.kind) for leak in find_leaks(made.problem()).leaks] == found


def hours(made):
    """What is filled in afterwards, and follows the outcome without being it."""
    late = made.rows["returned"].astype("float64")
    return made.order(
        "after", hours=late * (1.6 if late.max() == 1 else 2 / late.std()) + made.chance.normal(0, 0.8, len(late))
    )


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_feature_that_nearly_gives_the_answer_is_to_be_explained_and_not_accused(kind):
    made = Made(4, kind=kind)

    found = find_leaks(made.problem(hours(made)))

    assert found.leaks == ()
    assert [each.split(" tells")[0] for each in found.warnings] == ["after: known when? hours alone"]
    assert "the next best column with 0." in found.warnings[0]


def test_a_view_that_is_empty_at_decision_time_is_told_and_not_learnt_from(tmp_path):
    made = Made(4, rows=800)
    frame = made.amount.source.read().assign(created=made.rows["label_timestamp"])
    made.views = [made.view("order", ORDER, frame, ["amount"], **CREATED), made.views[1]]
    said = "every value of order is missing at decision time"

    found = find_leaks(made.problem())
    with pytest.raises(InvalidData, match=said):
        run_problem(made.problem(), tmp_path / "home")

    assert [each for each in found.warnings if said in each]
    assert not (tmp_path / "home").exists()


def test_the_leak_that_is_there_for_practice_does_not_decide_the_exit_code(tmp_path, capsys):
    new_project(tmp_path / "warm")
    page = tmp_path / "warm" / "problem.py"

    practice = main(["leaks", str(page), "--rows", "500"])
    said = capsys.readouterr().out
    page.write_text(page.read_text("utf-8").replace(', tags={"practice": "yes"}', ""), "utf-8")

    assert (practice, main(["leaks", str(page), "--rows", "500"])) == (0, 2)
    assert "same_day, joined on the date (here for practice)" in said or "same_day, landed late (here for" in said


def test_rows_that_are_alike_by_chance_are_not_the_same_rows():
    made = Made(12, rows=6000)
    made.views = [
        made.order("sensor", vibration=made.chance.gamma(2, 1, 6000).round(2), firmware=["1.0", "1.1"] * 3000)
    ]

    assert find_leaks(made.problem()).leaks == ()


def test_what_the_calendar_says_is_no_leak():
    made = Made(6)
    days = pd.date_range("2023-12-20", "2024-04-20", freq="D", tz="UTC")
    weekdays = pd.DataFrame({"place": "here", "event_timestamp": days, "weekday": days.day_of_week})
    made.rows["place"] = "here"
    made.rows["returned"] = made.rows["event_timestamp"].dt.day_of_week.isin([5, 6]) | (made.chance.random(3000) < 0.1)
    made.views = [made.amount, made.view("calendar", Entity("place"), weekdays, ["weekday"])]

    assert find_leaks(made.problem()).leaks == ()


@pytest.mark.nightly
def test_of_the_flights_exactly_the_views_that_leak_are_named():
    found = find_leaks(FLIGHTS, rows=8000)

    assert found.views == ("daily_airport", "daily_carrier", "daily_route", "daily_weather")
    assert {leak.kind for leak in found.leaks} == {"joined on the date"}
