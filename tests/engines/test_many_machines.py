"""Where one machine is not enough: the steps exchange references, so only the home folder has to be shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from compare_engines import questions
from engine_runs.running import Asked, run_all

from mlops_lab.base.clock import SystemClock
from mlops_lab.models.registry import Registry
from mlops_lab.pipeline.dag import resolve_params
from mlops_lab.pipeline.flights import MODEL_NAME, flights_pipeline

NAMED = os.environ.get("MLOPS_LAB_TEST_ENGINES", "")
pytestmark = pytest.mark.skipif(not NAMED, reason="python start.py test-engines runs it")
WORKER = Path(__file__).with_name("one_task.py")
LARGEST_RESULT = 10_000  # bytes: references, not frames


@pytest.fixture(scope="module")
def ours():
    return run_all("ours", [questions()["passed"]]).runs[0]


def run_elsewhere(folder: Path, number: int, job: dict) -> dict:
    """One task in a process, a working directory and a time zone of its own, which share nothing but the home."""
    place = folder / f"machine-{number}"
    place.mkdir()
    own = {"TZ": ["UTC", "Asia/Kathmandu", "America/St_Johns"][number % 3], "PYTHONHASHSEED": str(number)}
    answer = subprocess.run(
        [sys.executable, str(WORKER)],
        cwd=place,
        env={**os.environ, **own, "TMPDIR": str(place), "HOME": str(place)},
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert len(answer.stdout) < LARGEST_RESULT
    return json.loads(answer.stdout)


def test_every_task_in_a_process_and_a_folder_of_its_own_makes_the_same_model(tmp_path, ours):
    dag, asked, home, ended = flights_pipeline(), questions()["passed"], tmp_path / "home", {}
    home.mkdir()
    params = resolve_params(dag.params, asked.params)

    for number, task_id in enumerate(dag.topological_order()):
        results = {each: ended[each]["result"] for each in dag.upstream(task_id)}
        job = {"task_id": task_id, "logical_date": asked.logical_date, "params": params, "home": str(home)}
        ended[task_id] = run_elsewhere(tmp_path, number, {**job, "results": results})

    assert {task_id: each["state"] for task_id, each in ended.items()} == dict(ours.states)
    version = Registry(home, clock=SystemClock()).get_production(MODEL_NAME)
    assert version.artifact == ours.verdict.artifact == ended["train"]["result"]["artifact"]


@pytest.mark.nightly
@pytest.mark.skipif("prefect" not in NAMED, reason="python start.py test-engines prefect runs it")
def test_prefect_on_a_local_dask_cluster_makes_the_same_model(ours):
    asked = questions()["passed"]
    on_dask = Asked(asked.dag, asked.logical_date, asked.params, runner="dask")

    record = run_all("prefect", [on_dask], timeout=900).runs[0]

    assert dict(record.states) == dict(ours.states)
    assert record.verdict == ours.verdict
