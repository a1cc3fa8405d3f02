"""Evidence of one version does not let another into Production, whoever hands it to the tasks."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.models.gates import Floor, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import Registry
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.dag import DAG, run_dag, task
from mlops_lab.pipeline.flights import flights_pipeline, outcome, run_flights
from mlops_lab.pipeline.problem import delivery, get_json, get_training_set, put_json, put_training_set
from mlops_lab.pipeline.problem.delivery import evaluate, gate, promote
from mlops_lab.pipeline.problem.steps import train

DATE = "2013-06-02"
SHORT = {"train_from": "2013-05-01", "holdout_days": 10}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A refused leak (v1), and an honest model that waits for an approval (v2)."""
    home = tmp_path_factory.mktemp("home")
    leak = run_flights(home, date=DATE, params={**SHORT, "features": "daily_averages"}, clock=FakeClock())
    honest = run_flights(home, date=DATE, params={**SHORT, "approval": True}, clock=FakeClock())
    return home, leak, honest


def played(home, function, *, features="as_known", **arguments):
    """The shipped task in a DAG of somebody's own, with what they hand it."""
    with DAG("harmless", params=flights_pipeline().params) as dag:
        handed = {name: task(lambda value=value: value, task_id=name)() for name, value in arguments.items()}
        function(**handed)
    params = {**SHORT, "features": features}
    return run_dag(dag, params=params, logical_date=DATE, clock=FakeClock(), home=home)


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


def test_what_was_known_cannot_be_handed_in_as_what_was_served(home):
    place, leak, _ = home
    rows = dict(leak.result("build_training_set"))

    run = played(place, train, features="daily_averages", build_training_set={**rows, "served": rows["known"]})

    assert "was stored as known rows, and served rows are wanted" in run.task("train").why


def test_what_was_served_on_other_days_is_no_exam(home, tmp_path):
    place, leak, _ = home
    rows = dict(leak.result("build_training_set"))
    with closing(Tracker(place, clock=FakeClock())) as tracker:
        served = get_training_set(tracker.artifacts, rows["served"], role="served")
        half = replace(served, frame=served.frame.iloc[: len(served.frame) // 2])
        easier = put_training_set(tracker.artifacts, half, role="served")

    run = played(place, train, features="daily_averages", build_training_set={**rows, "served": easier})

    assert "the served rows are of other decisions" in run.task("train").why


@pytest.mark.parametrize(
    "swapped", [("register",), ("evaluate",), ("train", "evaluate"), ("train", "register", "gate")]
)
def test_a_run_store_edited_by_hand_brings_no_refused_version_into_production(home, tmp_path, swapped):
    place = tmp_path / "home"
    shutil.copytree(home[0], place)
    with closing(sqlite3.connect(place / "dag_runs.db")) as file, file:
        for name in swapped:  # the leak's run is told that its tasks did what those of the honest one did
            file.execute(
                "UPDATE steps SET state = 'success', result = (SELECT result FROM steps AS other"
                " WHERE other.task_id = ? AND result IS NOT NULL ORDER BY step DESC LIMIT 1)"
                " WHERE task_id = ? AND run = 1",
                (name, name),
            )

    again = run_flights(place, date=DATE, resume=home[1].run_id, clock=FakeClock())

    with closing(Registry(place)) as registry:
        assert registry.get_production("late_flights") is None or registry.get_production("late_flights").version == 2
        assert registry.get_model_version("late_flights", 1).stage == "None"
        assert again.state == "failed" or registry.get_gate_report("late_flights", 2).passed
        registry.verify()


@pytest.mark.nightly
def test_a_run_that_waited_while_another_champion_came_measures_and_asks_again(home, tmp_path):
    place = tmp_path / "home"
    shutil.copytree(home[0], place)
    waited = home[2]
    with closing(Registry(place, clock=FakeClock())) as registry:
        registry.approve("late_flights", 2, by="grace")
        registry.set_policy("late_flights", requires_approval=False, actor="grace")
    other = run_flights(place, date=DATE, params={**SHORT, "seed": 1}, clock=FakeClock())
    with closing(Registry(place, clock=FakeClock())) as registry:
        registry.set_policy("late_flights", requires_approval=True, actor="grace")

    again = run_flights(place, resume=waited.run_id, date=DATE, clock=FakeClock())

    assert outcome(other) == "promoted"
    assert again.result("evaluate")["champion"] == 3
    assert len(again.task("evaluate").attempts) == 2
    with closing(Registry(place, clock=FakeClock())) as registry:
        report = registry.get_gate_report("late_flights", 2)
        assert report.champion == 3
        approval = registry.get_approval("late_flights", 2)
    assert report.passed
    assert outcome(again) == "waiting"  # the yes of before was to another comparison
    assert approval.state == "pending"


def test_a_report_by_another_policy_does_not_promote(home, tmp_path):
    place = tmp_path / "home"
    shutil.copytree(home[0], place)
    with closing(Registry(place, clock=FakeClock())) as registry, closing(Tracker(place, clock=FakeClock())) as tracker:
        version = registry.get_model_version("late_flights", 1)
        figures = tracker.get_run(version.run_id).metrics
        easy = GatePolicy([Floor("offline.roc_auc", 0.5)])
        at = FakeClock().now()
        registry.record_gate_report(evaluate_gates(version, None, easy, measured=Measured(figures), at=at))

    run = played(place, promote, register={"name": "late_flights", "version": 1})

    assert "was judged by policy" in run.task("promote").why


@pytest.mark.parametrize("what", ["a rule that failed", "a rule left out", "no policy"])
def test_a_verdict_that_its_own_figures_contradict_does_not_promote(home, tmp_path, what):
    place = tmp_path / "home"
    shutil.copytree(home[0], place)
    with closing(Registry(place, clock=FakeClock())) as registry:
        refused = registry.get_gate_report("late_flights", 1)
        results = tuple(
            replace(each, passed=True) for each in refused.results if what != "a rule left out" or each.passed
        )
        policy = "" if what == "no policy" else refused.policy
        forged = replace(refused, results=results, policy=policy, evaluated_at=FakeClock().now())
        registry.record_gate_report(forged)

    run = played(place, promote, register={"name": "late_flights", "version": 1})

    told = "was judged by policy" if what == "no policy" else "passed, and it did not"
    assert told in run.task("promote").why
    assert Registry(place).get_production("late_flights") is None


@pytest.fixture(scope="module")
def beaten(tmp_path_factory):
    """A champion (v1), and a version that it beats (v2), refused."""
    home = tmp_path_factory.mktemp("home")
    champion = run_flights(home, date=DATE, params=SHORT, clock=FakeClock())
    worse = run_flights(home, date=DATE, params={**SHORT, "features": "schedule_only"}, clock=FakeClock())
    return home, champion, worse


def _forged(place, run):
    """The artifact of what was measured, written anew with a champion that is easily beaten."""
    with closing(Tracker(place, clock=FakeClock())) as tracker:
        found = get_json(tracker.artifacts, run.result("evaluate")["measured"])
        worst = {name: 1.0 if "log_loss" in name or "brier" in name else 0.1 for name in found["champion"]}
        return put_json(tracker.artifacts, found | {"champion": worst})


def test_a_champion_made_worse_by_hand_is_measured_again(beaten, tmp_path, monkeypatch):
    place, worse = tmp_path / "home", beaten[2]
    shutil.copytree(beaten[0], place)
    assert (outcome(beaten[1]), outcome(worse)) == ("promoted", "refused")
    monkeypatch.setattr(delivery, "_MEASURED_HERE", set())  # as in a process of the attacker's own
    with closing(sqlite3.connect(place / "dag_runs.db")) as file, file:
        file.execute(
            "UPDATE steps SET result = json_set(result, '$.measured', ?) WHERE task_id = 'evaluate' AND run = 2",
            (_forged(place, worse),),
        )

    again = run_flights(place, date=DATE, resume=worse.run_id, clock=FakeClock())

    assert "of the champion late_flights v1 was handed in as" in again.task("gate").why
    with closing(Registry(place)) as registry:
        assert registry.get_production("late_flights").version == 1
        assert not registry.get_gate_report("late_flights", 2).passed


def test_a_report_with_a_champion_made_worse_by_hand_does_not_promote(beaten, tmp_path, monkeypatch):
    place = tmp_path / "home"
    shutil.copytree(beaten[0], place)
    monkeypatch.setattr(delivery, "_MEASURED_HERE", set())
    with closing(Registry(place, clock=FakeClock())) as registry:
        refused = registry.get_gate_report("late_flights", 2)
        forged = replace(
            refused,
            champion_metrics=dict.fromkeys(refused.champion_metrics, 0.1),
            results=tuple(replace(each, passed=True) for each in refused.results),
            evaluated_at=FakeClock().now(),
        )
        registry.record_gate_report(forged)

    run = played(place, promote, register={"name": "late_flights", "version": 2})

    assert "late_flights" in run.task("promote").why
    assert Registry(place).get_production("late_flights").version == 1


def test_an_honest_measurement_of_another_process_still_holds(beaten, tmp_path, monkeypatch):
    place, worse = tmp_path / "home", beaten[2]
    shutil.copytree(beaten[0], place)
    monkeypatch.setattr(delivery, "_MEASURED_HERE", set())

    again = run_flights(place, date=DATE, resume=worse.run_id, clock=FakeClock())

    assert "the gate refused late_flights v2" in again.task("gate").why


def _logged_by_hand(place, honest, **changed):
    """A run that nobody made: the leak's model, said to have learnt and been examined as the honest one."""
    with closing(Tracker(place, clock=FakeClock())) as tracker:
        run = tracker.get_run(honest.result("train")["run_id"])
        leak = next(each for each in tracker.search_runs() if each.params["feature_service"] == "daily_averages")
        told = {"params": leak.params, "metrics": run.metrics, "tags": run.tags, "inputs": run.inputs} | changed
        return tracker.log_run(run.name, **told, artifact=leak.artifact, author="mallory")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, r"of run .* was handed in as 0\.\d+, and it is 0\.\d+ on these rows"),
        ({"params": {}}, "does not say which days it was examined on"),
        ({"params": {"split_at": "2013-06-01T20:00:00Z", "feature_service": "as_known"}}, "7 days are the fewest"),
    ],
    ids=["another's figures", "no exam", "an exam of hours"],
)
def test_figures_that_were_logged_by_hand_are_measured_before_they_are_believed(home, tmp_path, changed, why):
    place, honest = tmp_path / "home", home[2]
    shutil.copytree(home[0], place)
    run = _logged_by_hand(place, honest, **changed)
    rows = dict(honest.result("build_training_set"))

    played_run = played(
        place, evaluate, build_training_set=rows, train={"run_id": run.run_id, "artifact": run.artifact}
    )

    assert re.search(why, played_run.task("evaluate").why)


def test_a_report_on_figures_that_were_logged_by_hand_does_not_promote(home, tmp_path):
    place = tmp_path / "home"
    shutil.copytree(home[0], place)
    run = _logged_by_hand(place, home[2])
    with closing(Registry(place, clock=FakeClock())) as registry:
        version = registry.register_model(run, "late_flights")
        honest = registry.get_gate_report("late_flights", 2)
        registry.record_gate_report(
            replace(honest, version=version.version, artifact=version.artifact, evaluated_at=FakeClock().now())
        )

    promoted = played(place, promote, register={"name": "late_flights", "version": version.version})

    assert re.search(r"of late_flights v3 was handed in as 0\.\d+, and it is", promoted.task("promote").why)
    assert Registry(place).get_production("late_flights") is None
