"""Executed workflows do what they do in act: the same jobs and steps run, with the same results and the same words."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sysconfig
from pathlib import Path

import pytest

from mlops_lab.ci import WorkflowRun, execute, load_workflow

ORACLE = Path(__file__).parent / "oracle"
spec = importlib.util.spec_from_file_location("acted_workflows", ORACLE / "acted.py")
acted = importlib.util.module_from_spec(spec)
spec.loader.exec_module(acted)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bash") is None, reason="the steps are bash scripts"),
]


def ours(text: str, folder: Path) -> WorkflowRun:
    return execute(
        load_workflow(acted.write(text, folder)), "push", secrets={"KEY": "s3cret"}, variables={"REGION": "eu"}
    )


def shown(run: WorkflowRun) -> dict:
    """Our run in the words of act's: jobs that ran, results, outcomes of steps, OUT lines."""
    jobs = {}
    for job in run.jobs:
        if job.conclusion == "skipped" or (not job.steps and job.started):  # skipped, or the caller of a workflow
            continue
        logs = [line for step in job.steps for line in lines(step)]
        jobs[acted.key_of(job.id, plain(job.matrix))] = {
            "result": job.conclusion,
            "steps": {step.id: step.outcome for step in job.steps if not step.id.startswith("__")},
            "out": logs,
        }
    return jobs


def lines(step) -> list[str]:
    inner = [line for one in step.steps for line in lines(one)]
    return [line for line in step.log.splitlines() if line.startswith("OUT")] + inner


def plain(matrix) -> dict:
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in matrix.items()
    }


def theirs(answer: dict, run: dict) -> dict:
    """Act's run without what it names differently: steps without an id, steps it does not mention because skipped."""
    jobs = {}
    for key, job in answer.items():
        if job["result"] is None:  # a caller, or a job that never ran
            continue
        steps = {name: result for name, result in job["steps"].items() if not name.isdigit()}
        for name in run.get(key, {}).get("steps", {}):
            steps.setdefault(name, "skipped")
        jobs[key] = {"result": job["result"], "steps": steps, "out": [" ".join(line.split()) for line in job["out"]]}
    return jobs


def normal(jobs: dict) -> dict:
    return {key: {**job, "out": [" ".join(line.split()) for line in job["out"]]} for key, job in jobs.items()}


RECORDS = [json.loads(line) for line in acted.RECORDED.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "record",
    [pytest.param(one, marks=[] if at % 3 == 0 else pytest.mark.nightly, id=str(at)) for at, one in enumerate(RECORDS)],
)
def test_recorded_runs_of_act_are_ours(record, tmp_path):
    run = normal(shown(ours(record["workflow"], tmp_path)))

    assert run == theirs(record["jobs"], run)


def act_program() -> str | None:
    return (
        os.environ.get("MLOPS_LAB_ACT")
        or shutil.which("act", path=sysconfig.get_path("scripts"))
        or shutil.which("act")
    )


@pytest.mark.slow
@pytest.mark.skipif(act_program() is None, reason="act is not installed; MLOPS_LAB_ACT may say where it is")
@pytest.mark.parametrize(
    "seed", [1000, 1001, *(pytest.param(one, marks=pytest.mark.nightly) for one in range(1002, 1006))]
)
def test_fresh_runs_of_act_are_ours(seed, tmp_path):
    text = acted.generate(seed + int(os.environ.get("MLOPS_LAB_SEED", "0")))
    answer = acted.ask(text, act_program())

    run = normal(shown(ours(text, tmp_path)))

    assert answer["error"] == ""
    assert run == theirs(answer["jobs"], run)


def test_the_comparison_sees_a_difference(tmp_path):
    record = RECORDS[0]
    first = next(iter(record["jobs"]))
    lie = {**record["jobs"], first: {**record["jobs"][first], "out": ["OUT nonsense"], "result": "failure"}}

    run = normal(shown(ours(record["workflow"], tmp_path)))

    assert run != theirs(lie, run)
