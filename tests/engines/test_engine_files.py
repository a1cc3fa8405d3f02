"""What goes with the exports is accepted too: Airflow's factory, Prefect's deployment, a flow that serves itself."""

from __future__ import annotations

import os

import pytest
from engine_runs.asking import ask
from engine_runs.planted import nothing, start

from mlops_lab.adapters.exports import to_airflow_factory, to_prefect, to_prefect_yaml
from mlops_lab.pipeline.dag import DAG, Task, to_yaml
from mlops_lab.pipeline.flights import flights_pipeline

NAMED = os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",")
airflow = pytest.mark.skipif("airflow" not in NAMED, reason="python start.py test-engines airflow runs it")
prefect = pytest.mark.skipif("prefect" not in NAMED, reason="python start.py test-engines prefect runs it")


def nightly() -> DAG:
    settings = {"schedule": "30 6 * * 1-5", "timezone": "Europe/Berlin", "start_date": "2013-09-01"}
    dag = DAG("nightly", **settings, params={"size": 3, "day": "2013-09-01"}, description="Two tasks", tags=["course"])
    dag.add(start)
    dag.add(Task("done", nothing.function), upstream=["start"])
    return dag


@airflow
def test_airflow_builds_its_dags_from_the_yaml_beside_the_factory_and_runs_one(tmp_path):
    yaml = {f"{dag.dag_id}.dag.yaml": to_yaml(dag) for dag in (nightly(), flights_pipeline())}
    both = DAG("both")
    for number, task in enumerate([*nightly().tasks.values(), *flights_pipeline().tasks.values()]):
        both.add(task.override(task_id=f"t{number}"))
    run = {
        "text": to_airflow_factory(both),
        "files": yaml,
        "dag_id": "nightly",
        "logical_date": "2013-10-01T00:00:00+00:00",
        "params": {"size": 4},
        "home": str(tmp_path),
    }

    answer = ask("airflow", {"runs": [run]}, timeout=900)["runs"][0]

    assert answer["dags"] == ["flights", "nightly"]
    assert (answer["state"], answer["edges"]) == ("success", [["start", "done"]])
    assert answer["states"] == {"start": "success", "done": "success"}
    assert answer["schedule"] == "30 6 * * 1-5"


@prefect
def test_prefect_deploys_the_flow_by_its_yaml_and_serves_it_by_its_own_file(tmp_path):
    dag = nightly()
    job = {
        "text": to_prefect(dag),
        "prefect_yaml": to_prefect_yaml(dag),
        "flow_file": "nightly_flow.py",
        "params": {"size": 4},
        "home": str(tmp_path),
    }

    answer = ask("prefect", {"deploy": job}, timeout=900)["deployed"]

    (deployed,) = answer["deployed"]
    for each in (deployed, answer["served"]):
        assert (each["name"], each["tags"], each["paused"]) == ("nightly", ["course"], False)
        (schedule,) = each["schedules"]
        assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("30 6 * * 1-5", "Europe/Berlin")
    assert deployed["entrypoint"] == "nightly_flow.py:nightly"
    assert answer["state"] == "COMPLETED"
    assert answer["parameters"]["size"] == 4
