"""Homes that older versions of the package have written open after it, and nothing in them is lost.

Each was written by `mlops-lab run --date 2013-06-01 --param train_from=2013-05-15 --param holdout_days=7 --author ada`,
by the commit in its name; of the artifacts only the small ones are kept, of the online store five rows of each view.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData
from mlops_lab.models.lineage import training_rows
from mlops_lab.pipeline.dag import DAG, get_run, list_runs, run_dag, task
from mlops_lab.pipeline.engines import open_feature_store, open_registry, open_tracker
from mlops_lab.pipeline.flights import flights_pipeline
from mlops_lab.pipeline.problem import outcome
from mlops_lab.pipeline.problem.delivery import evaluate, gate

HEADS = {
    "15be83a": "sha256:b8eeacc49fc8c5cc4aa30ebee7fb140edf1fc96ce75df32616767396d656f308",
    "5f78421": "sha256:fe9a01c2ed5dcf9597bab4b9d3d26441352f288b4940b3553b47a4fc78ddd863",
}
CLOCK = FakeClock("2013-06-02")


@pytest.fixture(params=HEADS)
def home(request, tmp_path):
    with ZipFile(Path(__file__).with_name(f"home_of_{request.param}.zip")) as packed:
        packed.extractall(tmp_path)
    return request.param, tmp_path


def rows_of(folder: Path) -> dict[tuple[str, str], int]:
    """How many rows each table of each database has."""
    found = {}
    for file in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(file)) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[file.name, table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    return found


def test_the_registry_verifies_and_its_run_is_there(home):
    commit, folder = home
    registry, tracker = open_registry(folder, clock=CLOCK), open_tracker(folder, clock=CLOCK)

    assert registry.verify(head=HEADS[commit]) == len(registry.history()) == 2
    (version,) = registry.search(name="late_flights")
    report = registry.get_gate_report("late_flights", 1)
    assert (version.stage, version.author, report.passed) == ("None", "ada", False)
    assert [result.rule for result in report.failures] == ["calibration"]
    assert round(tracker.get_run(version.run_id).metrics["served.roc_auc"], 3) == 0.699
    registry.close(), tracker.close()


def test_the_trace_says_what_became_of_the_run(home):
    _, folder = home

    (run,) = list_runs(folder, dag_id="flights")

    assert run == get_run(folder, run.run_id, dag_id="flights")
    assert (outcome(run), run.states["gate"], run.states["promote"]) == ("refused", "failed", "upstream_failed")


def test_the_features_are_known_and_served_as_they_were(home):
    commit, folder = home
    store = open_feature_store(folder, clock=CLOCK)

    assert len(store.list_feature_views()) == 9
    assert len(store.list_feature_services()) == 3
    if commit == "15be83a":  # later ones leave the online store alone until the gate is passed
        answer = store.get_online_features([{"origin": "EWR"}], features=["airport_weather:temp"])
        assert answer.to_dict()["temp"] == [87.98]
        assert store.materialized_until("airport_weather").isoformat() == "2013-06-01T00:00:00+00:00"


def test_nothing_is_lost_by_opening(home):
    _, folder = home
    before = rows_of(folder)

    registry, tracker = open_registry(folder, clock=CLOCK), open_tracker(folder, clock=CLOCK)
    registry.set_policy("late_flights", requires_approval=False, actor="grace")
    store = open_feature_store(folder, clock=CLOCK)
    store.apply(store.list_entities())
    list_runs(folder, dag_id="flights")
    registry.close(), tracker.close()

    after = rows_of(folder)
    assert {table: many for table, many in before.items() if after[table] < many} == {}
    assert sum(before.values()) > 20


def test_a_run_whose_rows_are_gone_says_what_cannot_be_done_and_what_can(home):
    commit, folder = home
    told = {each.task_id: each.result for each in list_runs(folder, dag_id="flights")[0].task_instances}
    with DAG("again", params=flights_pipeline().params) as dag:
        results = ("build_training_set", "train", "register", "evaluate")
        made = {
            name: task(lambda value=value: value, task_id=name)() for name, value in told.items() if name in results
        }
        evaluate.override(task_id="measure")(made["build_training_set"], made["train"])
        gate(made["register"], made["evaluate"])

    again = run_dag(dag, params={"holdout_days": 7}, logical_date="2013-06-01", clock=CLOCK, home=folder)

    gone = "rows sha256:b553a10b2651… are not in this home folder any more, so nobody can measure anything on them"
    assert again.task("measure").why == f"the known {gone}; start a new run, without --resume."
    assert commit == "15be83a" or again.task("gate").why == again.task("measure").why
    with pytest.raises(InvalidData, match="late_flights v1 names rows that are gone from here"):
        training_rows(
            open_registry(folder, clock=CLOCK).get_model_version("late_flights", 1), open_tracker(folder, clock=CLOCK)
        )
