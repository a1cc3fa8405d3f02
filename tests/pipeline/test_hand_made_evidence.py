"""Evidence of one version does not let another into Production, whoever hands it to the tasks."""

from __future__ import annotations

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.models.registry import Registry
from mlops_lab.pipeline.dag import DAG, run_dag, task
from mlops_lab.pipeline.flights import run_flights
from mlops_lab.pipeline.problem.delivery import evaluate, gate

DATE = "2013-06-02"
SHORT = {"train_from": "2013-05-01", "holdout_days": 10}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A refused leak (v1), and an honest model that waits for an approval (v2)."""
    home = tmp_path_factory.mktemp("home")
    leak = run_flights(home, date=DATE, params={**SHORT, "features": "daily_averages"}, clock=FakeClock())
    honest = run_flights(home, date=DATE, params={**SHORT, "approval": True}, clock=FakeClock())
    return home, leak, honest


def played(home, function, **arguments):
    """The shipped task in a DAG of somebody's own, with what they hand it."""
    with DAG("harmless", params={"features": "as_known"}) as dag:
        handed = {name: task(lambda value=value: value, task_id=name)() for name, value in arguments.items()}
        function(**handed)
    return run_dag(dag, logical_date=DATE, clock=FakeClock(), home=home)


def test_another_versions_measurement_is_no_evidence(home):
    place, _, honest = home

    run = played(place, gate, register={"name": "late_flights", "version": 1}, evaluate=dict(honest.result("evaluate")))

    assert run.state == "failed"
    assert "what was measured is not of late_flights v1" in run.task("gate").why
    assert not Registry(place).get_gate_report("late_flights", 1).passed


def test_a_champion_that_is_left_out_is_noticed(home):
    place, _, honest = home
    told = {**honest.result("evaluate"), "champion": 1}

    run = played(place, gate, register={"name": "late_flights", "version": 2}, evaluate=told)

    assert "what was measured is not of late_flights v2" in run.task("gate").why


def test_rows_that_a_run_has_not_learnt_from_are_no_exam_for_it(home):
    place, leak, honest = home

    run = played(
        place,
        evaluate,
        build_training_set=dict(leak.result("build_training_set")),
        train=dict(honest.result("train")),
    )

    assert "has not learnt from these rows" in run.task("evaluate").why
