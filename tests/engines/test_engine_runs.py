"""Airflow and Prefect really run the exported files, and do what our executor does: same tasks, tries and model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from compare_engines import DATES
from drawn_dags import hanging_dag
from engine_runs.running import Asked, run_all

PROBLEMS = ("passed", "refused", "weather passed", "weather refused")
REFUSED = {"approve", "promote", "materialize", "roll_out"}


def test_the_tasks_and_edges_are_ours(both):
    _, ours, other = both

    for name in (*PROBLEMS, "manners", "sequence"):
        assert set(other[name].tasks) == set(ours[name].tasks), name
        assert set(other[name].edges) == set(ours[name].edges), name


def test_every_task_ends_in_the_same_state_after_as_many_tries(both):
    _, ours, other = both

    for name in (*PROBLEMS, "manners", "sequence"):
        assert dict(other[name].states) == dict(ours[name].states), name
        assert dict(other[name].attempts) == dict(ours[name].attempts), name


def test_the_run_ends_in_the_same_state(both):
    _, ours, other = both

    for name in (*PROBLEMS, "manners", "sequence"):
        assert other[name].state == ours[name].state, name


def test_the_tasks_run_in_an_order_of_the_dag(both):
    _, _, other = both

    for name in (*PROBLEMS, "manners", "sequence"):
        place = {task: at for at, task in enumerate(other[name].order)}
        assert all(place[up] < place[down] for up, down in other[name].edges if up in place and down in place), name


def test_a_planted_failure_succeeds_on_the_third_try_after_the_waits_that_were_asked_for(both):
    _, ours, other = both

    assert other["manners"].attempts["flaky"] == ours["manners"].attempts["flaky"] == 3
    assert all(wait >= least - 0.1 for wait, least in zip(other["manners"].waits["flaky"], (1, 2), strict=True))


@pytest.mark.parametrize("name", ["passed", "weather passed"])
def test_the_same_model_passes_the_same_gate(both, name):
    _, ours, other = both

    assert other[name].verdict == ours[name].verdict
    assert (other[name].verdict.passed, other[name].verdict.stage) == (True, "Production")


@pytest.mark.parametrize("name", ["refused", "weather refused"])
def test_a_refused_gate_stops_the_same_tasks_and_leaves_the_same_model_outside(both, name):
    _, ours, other = both

    assert other[name].verdict == ours[name].verdict
    assert (other[name].verdict.passed, other[name].verdict.stage) == (False, "None")
    assert {task for task, tries in other[name].attempts.items() if not tries} == REFUSED


def test_wrong_params_are_refused_but_airflow_takes_one_that_does_not_exist(both):
    engine, ours, other = both
    wrong = [name for name in ours if ours[name].refused]

    accepted = [name for name in wrong if not other[name].refused]

    assert len(wrong) == 4
    assert accepted == ([name for name in wrong if "does not exist" in name] if engine == "airflow" else [])


def test_airflow_has_our_dates_and_prefect_has_its_own_when_the_clocks_change(both, answers):
    engine = both[0]

    dates, ours = answers(engine).dates, answers("ours").dates

    assert [len(each) for each in dates] == [count for *_, count in DATES]
    assert dates[0] == ours[0]
    assert (dates == ours) == (engine == "airflow")


def test_airflow_makes_up_for_what_we_make_up_for(both, answers):
    if both[0] == "airflow":
        assert dict(answers("airflow").missed) == dict(answers("ours").missed) == {"True": 10, "False": 1}


@pytest.mark.skipif(
    "prefect" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", ""), reason="python start.py test-engines prefect runs it"
)
def test_a_night_that_hangs_is_ended_and_the_next_one_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    nights = [Asked(hanging_dag(), f"2013-10-0{day}", home=tmp_path) for day in (1, 2)]

    first, second = run_all("prefect", nights, timeout=600).runs

    assert (first.state, second.state) == ("failed", "success")
