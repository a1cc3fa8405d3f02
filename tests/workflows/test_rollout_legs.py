"""The Kubernetes leg of rollout.yml, really run: neutral without a cluster, step by step with one, and taken back."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from mlops_lab.ci import WorkflowRun, execute, load_workflow

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("bash") is None, reason="the steps and what stands in for kubectl are bash"
)

# A cluster of two Deployments: it writes down what it is asked, and remembers how many pods each has.
KUBECTL = """
import json, os, pathlib, sys
words, calls = sys.argv[1:], pathlib.Path(os.environ["CALLS"])
with calls.open("a") as lines:
    print(*words, file=lines)
if os.environ["FAIL_AT"] in " ".join(words):
    sys.exit("no room")
kept = calls.with_suffix(".json")
pods = json.loads(kept.read_text()) if kept.exists() else {"late-flights": 4, "late-flights-canary": 0}
if words[0] == "scale":
    pods[words[1].split("/")[1]] = int(words[2].split("=")[1])
    kept.write_text(json.dumps(pods))
if words[:2] == ["get", "deployment"]:
    print(json.dumps({"metadata": {}, "spec": {"replicas": pods[words[2]]}}))
elif words[0] != "get":
    print("{}")
"""
PROGRAMS = {
    "python": f'case "$1 $2" in "-m pip") exit 0 ;; esac\nPYTHONPATH={ROOT} exec {sys.executable} "$@"',
    "kubectl": f'exec {sys.executable} - "$@" <<"PY"\n{KUBECTL}\nPY',
    "gcloud": "exit 0",
    "docker": "exit 0",
    "sleep": "exit 0",
}
CLUSTER = {"KUBE_NAMESPACE": "flights", "IMAGE_REPOSITORY": "example.org/late-flights"}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch) -> Path:
    """A repository with the real `.github`, on a machine where nothing is real but bash and the course."""
    shutil.copytree(ROOT / ".github", tmp_path / "repo" / ".github")
    (tmp_path / "bin").mkdir()
    for name, script in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("FAIL_AT", "nothing fails")
    (tmp_path / "calls").touch()
    return tmp_path / "repo"


def rolled_out(repo: Path, variables: dict[str, str], weights: str = "25 100") -> tuple[WorkflowRun, list[str]]:
    run = execute(
        load_workflow(repo / ".github/workflows/rollout.yml"),
        "workflow_call",
        inputs={"target": "kubernetes", "run-id": "1", "version": "3", "digest": "any", "weights": weights},
        actions={"actions/download-artifact": packed},
        variables=variables,
        inherit=["CALLS", "FAIL_AT"],
    )
    return run, (repo.parent / "calls").read_text(encoding="utf-8").splitlines()


def packed(call) -> None:
    """An empty home folder, as actions/keep packs it."""
    target = call.workspace / call.argument("path")
    shutil.make_archive(str(target / "home"), "gztar", call.workspace / ".github")


def states(run: WorkflowRun) -> dict[str, str | None]:
    return {step.name: step.conclusion for step in run.job("kubernetes").steps}


def test_without_a_cluster_the_leg_says_so_changes_nothing_and_is_green(repo):
    run, calls = rolled_out(repo, {})

    canary = next(step for step in run.job("kubernetes").steps if step.id == "canary")
    assert (run.conclusion, canary.outputs, calls) == ("success", {"reached": "false"}, [])
    assert "There is no target to reach here" in canary.steps[0].log


def test_with_a_cluster_the_challenger_grows_becomes_the_champion_and_leaves(repo):
    run, calls = rolled_out(repo, CLUSTER)

    scaled = [words.split()[1:3] for words in calls if words.startswith("scale")]
    images = [words for words in calls if "set image" in words]
    assert run.conclusion == "success"
    assert scaled == [
        ["deployment/late-flights-canary", "--replicas=1"],
        ["deployment/late-flights", "--replicas=3"],
        ["deployment/late-flights-canary", "--replicas=4"],
        ["deployment/late-flights", "--replicas=0"],
        ["deployment/late-flights", "--replicas=4"],
        ["deployment/late-flights-canary", "--replicas=0"],
    ]
    assert [words.split()[-2:] for words in images] == [
        ["deployment/late-flights-canary", "server=example.org/late-flights:v3"],
        ["deployment/late-flights", "server=example.org/late-flights:v3"],
    ]
    assert states(run)["Roll back"] == "skipped"


def test_when_a_step_of_the_canary_fails_everything_goes_back_to_the_champion(repo, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "canary --replicas=4")

    run, calls = rolled_out(repo, CLUSTER)

    assert run.conclusion == "failure"
    assert (states(run)["Canary"], states(run)["Roll back"]) == ("failure", "success")
    assert states(run)["Make it the champion"] == "skipped"
    assert [words.split()[1:3] for words in calls if words.startswith("scale")][-2:] == [
        ["deployment/late-flights", "--replicas=4"],
        ["deployment/late-flights-canary", "--replicas=0"],
    ]


@pytest.mark.parametrize(
    "weights", ["25 5 100", "5 25", "", "0 100", "*", "5 $(touch pwned) 100", "5;touch pwned;100", "1e2"]
)
def test_weights_that_do_not_rise_to_100_are_refused_before_anything_is_changed(repo, weights):
    run, calls = rolled_out(repo, CLUSTER, weights)

    assert states(run)["Canary"] == "failure"
    assert not [
        words for words in calls if "scale" in words and "canary --replicas=0" not in words and "=4" not in words
    ]
    assert not list(repo.parent.rglob("pwned"))


@pytest.mark.parametrize(("digest", "outcome"), [("any", "failure"), ("ANY", "failure"), ("0" * 64, "failure")])
def test_nobody_can_switch_off_the_digest_of_a_trained_home(repo, digest, outcome):
    run = execute(
        load_workflow(repo / ".github/workflows/promote.yml"),
        "workflow_dispatch",
        inputs={"run-id": "1", "version": "1", "digest": digest},
        actions={"actions/download-artifact": packed},
    )

    brought = next(step for step in run.job("staging").steps if step.name == "Bring the trained version")
    assert brought.outcome == outcome
