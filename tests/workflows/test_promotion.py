"""promote.yml, really run: which trained version it takes, who has to agree, and what it says to those who wait."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.ci import (
    ConcurrencyGroups,
    Environment,
    Outcome,
    Review,
    Trigger,
    Workflow,
    WorkflowRun,
    execute,
    load_workflow,
    simulate,
)

ROOT = Path(__file__).resolve().parents[2]


def at_night(*values):
    """Each case runs a whole workflow: one of each kind by default, the rest at night."""
    return pytest.param(*values, marks=pytest.mark.nightly)


pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("bash") is None or shutil.which("jq") is None, reason="bash, jq"
)
# The registry agrees to everything: what is asked here is asked of GitHub.
PYTHON = """#!/bin/bash
echo "$*" >> "$CALLS"
case "$*" in
  *"registry show"*--json) echo "{\\"version\\": {\\"author\\": \\"$AUTHOR\\"}}" ;;
esac
"""


class Promotion:
    """The repository, its GitHub, and a trained home folder of run 7."""

    def __init__(self, folder: Path, github) -> None:
        self.repo = folder / "repo"
        shutil.copytree(ROOT / ".github", self.repo / ".github")
        self.github = github
        (folder / "bin/python").write_text(PYTHON, encoding="utf-8")
        (folder / "bin/python").chmod(0o755)
        self.calls = folder / "calls"
        home = folder / "home"
        home.mkdir()
        (home / "began-from").write_text("none\n", encoding="utf-8")
        self.packed = github.pack(home, folder)
        self.digest = self.github.attest(self.packed)
        self.github.approve("grace")

    def run(self, *, actor: str = "ada", digest: str | None = None, variables: dict[str, str] | None = None):
        def download(call) -> None:
            (call.workspace / call.argument("path")).mkdir(exist_ok=True)
            shutil.copy(self.packed, call.workspace / call.argument("path") / "home.tar.gz")

        return execute(
            only(load_workflow(self.repo / ".github/workflows/promote.yml"), "staging", "production"),
            Trigger("workflow_dispatch", actor=actor),
            inputs={"run-id": "7", "version": "3", "digest": digest or self.digest},
            actions={"actions/download-artifact": download},
            environments={"production": Environment("production", reviewers=("ada", "grace", "linus"))},
            approvals=[Review("production", by="grace")],
            variables=variables,
            inherit=["CALLS", "AUTHOR"],
        )

    def asked(self) -> list[str]:
        return self.calls.read_text("utf-8").splitlines() if self.calls.exists() else []


@pytest.fixture
def promotion(tmp_path, monkeypatch, github) -> Promotion:
    made = Promotion(tmp_path, github)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(made.calls))
    monkeypatch.setenv("AUTHOR", "ada")
    return made


def only(workflow: Workflow, *jobs: str) -> Workflow:
    kept = {name: replace(workflow.jobs[name], needs=jobs[:number]) for number, name in enumerate(jobs)}
    return replace(workflow, jobs=kept)


def steps(run: WorkflowRun, job: str) -> dict[str, str | None]:
    return {step.name: step.outcome for step in run.job(job).steps}


def log(run: WorkflowRun, job: str, step: str) -> str:
    return next(each for each in run.job(job).steps if each.name == step).log


def test_a_version_of_train_on_the_default_branch_is_promoted_by_whom_another_approved(promotion):
    run = promotion.run()

    assert (run.job("staging").conclusion, run.job("production").conclusion) == ("success", "success"), run.outline()
    approved, promoted = (line for line in promotion.asked() if "registry approve" in line or "promote" in line)
    assert "--by grace" in approved
    assert "--by ada" in promoted


@pytest.mark.parametrize(
    "changed",
    [
        {"path": ".github/workflows/evil.yml"},
        {"head_branch": "topic"},
        {"event": "pull_request"},
        *map(
            at_night,
            [
                {"path": "dynamic/evil/.github/workflows/train.yml"},
                {"head_repository": {"full_name": "eve/octo-repo"}},
                {"event": "push"},
            ],
        ),
    ],
    ids=str,
)
def test_a_run_of_anything_but_train_on_the_default_branch_is_refused(promotion, changed):
    promotion.github.trains(**changed)

    run = promotion.run()

    assert steps(run, "staging")["It is of a run of train on the default branch"] == "failure"
    assert run.job("production").conclusion == "skipped"


@pytest.mark.parametrize(
    "signed", [{"workflow": "ci.yml"}, None, *map(at_night, [{"ref": "refs/heads/topic"}, {"ref": "refs/tags/main"}])]
)
def test_bytes_that_train_on_the_default_branch_did_not_sign_are_refused(promotion, signed):
    if signed is None:
        promotion.github["attested"] = {}
    else:
        promotion.github.attest(promotion.packed, **signed)

    run = promotion.run()

    assert steps(run, "staging")["Bring the trained version"] == "failure"
    assert promotion.asked()[-1:] != ["-m mlops_lab registry verify"]


@pytest.mark.nightly
def test_only_the_variable_of_a_maintainer_switches_attestations_off(promotion):
    promotion.github["attested"] = {}

    run = promotion.run(variables={"ATTESTATIONS": "off"})

    assert run.job("production").conclusion == "success"


@pytest.mark.parametrize("digest", ["any", *map(at_night, ["0" * 64, "ANY", "", "sha256:any"])])
def test_nobody_can_switch_off_the_digest(promotion, digest):
    run = promotion.run(digest=digest or " ")

    assert steps(run, "staging")["Bring the trained version"] == "failure"


@pytest.mark.parametrize(
    ("author", "trained", "actor", "approved", "promoted"),
    [
        at_night("ada", "ada", "ada", ["grace"], True),
        ("ada", "ada", "ada", ["ada"], False),
        at_night("ada", "ada", "grace", ["ada"], False),
        at_night("ada", "ada", "grace", ["grace"], False),
        at_night("ada", "ada", "grace", ["linus"], True),
        ("nightly", "ada", "ada", ["Ada"], False),  # the nightly version: who starts its promotion agrees to it himself
        at_night("nightly", "ada", "ada", ["ada"], False),
        at_night("nightly", "", "ada", ["grace"], True),
        at_night("nightly", "grace", "ada", ["grace"], False),
        at_night("nightly", "", "ada", ["ada", "grace"], True),
        at_night("nightly", "", "ada", ["grace", "ada"], True),
        at_night("ada", "ada", "ada", [], False),
    ],
)
def test_four_eyes_are_those_of_two(promotion, monkeypatch, author, trained, actor, approved, promoted):
    monkeypatch.setenv("AUTHOR", author)
    promotion.github.trains(actor={"login": trained}, event="workflow_dispatch" if trained else "schedule")
    promotion.github.approve(*approved)

    run = promotion.run(actor=actor)

    assert (steps(run, "production")["Promote"] == "success") is promoted
    assert any("registry promote" in line for line in promotion.asked()) is promoted


def test_a_nightly_run_has_no_person_who_trained_it(promotion, monkeypatch):
    monkeypatch.setenv("AUTHOR", "nightly")
    promotion.github.trains(event="schedule", actor={"login": "grace"})  # GitHub names whoever last changed the cron

    assert promotion.run().job("production").conclusion == "success"


def test_a_version_that_was_compared_with_an_older_champion_is_refused(promotion):
    asset = {"name": "home.tar.gz", "state": "uploaded", "digest": "sha256:" + "1" * 64}
    release = {"tag_name": "home/v2-run6-local-1", "draft": False, "published_at": "2013-11-01", "assets": [asset]}
    promotion.github["releases"] = [release]

    run = promotion.run()

    assert steps(run, "production")["It was compared with the champion of today"] == "failure"
    assert steps(run, "production")["Promote"] == "skipped"


@pytest.mark.parametrize(
    "release",
    [
        {
            "draft": False,
            "tag_name": "home/v2-run6-local-1",
            "assets": [{"name": "x", "state": "uploaded", "digest": "y"}],
        },
        at_night({"draft": True, "tag_name": "home/v2-run6-local-1"}),
        at_night({"draft": False, "tag_name": "v1.0.0"}),
    ],
)
def test_what_is_no_kept_home_folder_is_no_champion(promotion, release):
    promotion.github["releases"] = [{"published_at": "2013", "assets": [], **release}]

    assert promotion.run().job("production").conclusion == "success"


def test_the_reviewer_reads_who_else_waits(promotion):
    promotion.github["waiting"] = [
        {
            "display_title": "promote v2",
            "html_url": "https://github.com/x",
            "run_started_at": "2013-11-20T09:00:00Z",
            "triggering_actor": {"login": "linus"},
        }
    ]

    run = promotion.run()

    assert "- [promote v2](https://github.com/x), since 2013-11-20T09:00:00Z, started by linus" in run.summary


def test_a_forgotten_promotion_is_ended_after_a_week_and_a_younger_one_is_not(promotion, monkeypatch):
    def waiting(number, since, path):
        title = {"display_title": f"promote v{number}", "triggering_actor": {"login": "ada"}}
        return {"id": number, "run_started_at": since, "path": f".github/workflows/{path}", **title}

    promotion.github["waiting"] = [
        waiting(1, "2013-01-01T00:00:00Z", "promote.yml"),
        waiting(2, "2013-01-01T00:00:00Z", "train.yml"),
        waiting(3, "2013-01-01T00:00:00Z", "other.yml"),
        waiting(4, "2999-01-01T00:00:00Z", "promote.yml"),
    ]

    workflow = load_workflow(promotion.repo / ".github/workflows/train.yml")
    run = execute(only(workflow, "expire"), "schedule")

    cancelled = [each.split("/runs/")[1] for each in promotion.github["asked"] if "POST" in each]
    assert cancelled == ["1/cancel", "2/cancel"]
    assert "'promote v1' of ada waits for a reviewer since 2013-01-01" in log(
        run, "end forgotten promotions", "Cancel what nobody reviewed"
    )


@pytest.mark.nightly
def test_a_rerun_of_what_was_delivered_says_to_rerun_the_failed_jobs_only(promotion):
    asset = {"name": "home.tar.gz", "state": "uploaded", "digest": "sha256:" + "1" * 64}
    release = {"tag_name": "home/v3-run1001-local-1", "draft": False, "published_at": "2013-11-01", "assets": [asset]}
    promotion.github["releases"] = [release]

    run = promotion.run()

    assert "re-run its failed jobs only" in log(run, "production", "It was compared with the champion of today")
    assert steps(run, "production")["Promote"] == "skipped"


def test_when_a_later_target_refuses_it_is_said_who_has_the_version(promotion):
    ends = {"local": "success", "kubernetes": "success", "sagemaker": "failure", "vertex": "cancelled"}
    promotion.github["jobs"] = [
        *({"name": f"roll out ({name}) / {name}", "conclusion": end} for name, end in ends.items()),
        {"name": "roll out (sagemaker) / vertex", "conclusion": "skipped"},
        {"name": "production", "conclusion": "success"},
    ]
    workflow = load_workflow(promotion.repo / ".github/workflows/promote.yml")
    alone = replace(only(workflow, "differ").jobs["differ"], condition=None)

    run = execute(replace(workflow, jobs={"differ": alone}), "workflow_dispatch", inputs=INPUTS)

    said = log(run, "say which targets differ", "Who has which version")
    assert "v3 was refused on: sagemaker; delivered before on: local kubernetes" in said
    assert run.conclusion == "failure"


@pytest.mark.parametrize(
    ("legs", "told"),
    [
        ({"cpu-3.11": (0.71, 0.412), "gpu-3.12": (0.7101, 0.41201)}, ""),
        ({"cpu-3.11": (0.71, 0.412), "gpu-3.12": (0.75, 0.412)}, "the AUC differs by 0.04"),
        ({"cpu-3.11": (0.7, 0.4), "cpu-3.12": (0.7, 0.4), "gpu-3.12": (0.7, 0.45)}, "the log loss of the fit"),
    ],
)  # fmt: skip
def test_devices_and_pythons_must_come_to_the_same_figures(promotion, legs, told):
    def download(call) -> None:
        for leg, (auc, loss) in legs.items():
            folder = call.workspace / call.argument("path") / f"figures-{leg}"
            folder.mkdir(parents=True)
            (folder / "verdict.json").write_text(json.dumps({"figures": {"offline.roc_auc": auc}}), encoding="utf-8")
            found = {"device": leg[:3].upper(), "log_loss": loss, "difference": 0.0}
            (folder / "refit.json").write_text(json.dumps(found), encoding="utf-8")

    workflow = load_workflow(promotion.repo / ".github/workflows/train.yml")
    alone = replace(only(workflow, "compare").jobs["compare"], needs=())

    run = execute(
        replace(workflow, jobs={"compare": alone}), "schedule", actions={"actions/download-artifact": download}
    )

    assert (run.conclusion == "failure", told in log(run, "compare", "The same figures on each")) == (bool(told), True)
    assert all(
        f"| {leg} | {auc:.4f} | {leg[:3].upper()} | {loss:.6f} |" in run.summary for leg, (auc, loss) in legs.items()
    )


INPUTS = {"run-id": "7", "version": "3", "digest": "0" * 64}
PRODUCTION = {"production": Environment("production", reviewers=("ada", "grace"), prevent_self_review=True)}
AGREED = [Review("production", by="grace")]
TRAINED = {
    "train/pipeline": Outcome(outputs={"version": "3"}),
    "train/keep": Outcome(outputs={"digest": "d"}),
}
DELIVERED = {f"promote / roll out ({t}) / {t}": "success" for t in ("local", "kubernetes", "sagemaker", "vertex")}


@pytest.mark.parametrize(
    ("trigger", "settings", "ends"),
    [
        pytest.param(
            {}, {"approvals": AGREED}, {"train and gate": "success", "promote / production": "success", **DELIVERED},
            id="honest",
        ),
        pytest.param(
            {}, {"outcomes": {"train/pipeline": "failure"}},
            {"train and gate": "failure", "attest": "skipped", "promote": "skipped"}, id="refused by the gate",
        ),
        pytest.param(
            {"event": "pull_request", "fork": True}, {},
            {
                "train and gate": "success",
                "report on the pull request": "skipped",
                "attest": "skipped",
                "promote": "skipped",
            },
            id="a fork",
        ),
        pytest.param({}, {}, {"promote / staging": "success", "promote / production": None}, id="nobody agreed yet"),
        pytest.param(
            {"actor": "grace"}, {"approvals": AGREED}, {"promote / production": None}, id="the actor himself agrees"
        ),
        pytest.param(
            {}, {"approvals": [Review("production", by="grace", approved=False)]},
            {"promote / production": "failure", "promote / roll out": "skipped"}, id="rejected",
        ),
        pytest.param(
            {}, {"waited": 31}, {"promote / production": "failure", "promote / roll out": "skipped"}, id="timed out"
        ),
        pytest.param(
            {}, {"approvals": AGREED, "outcomes": {"kubernetes/deliver": "failure"}},
            {
                "promote / roll out (local) / local": "success",
                "promote / roll out (kubernetes) / kubernetes": "failure",
                "promote / roll out (sagemaker)": "cancelled",
                "promote / say which targets differ": "success",
            },
            id="refused by a target",
        ),
    ],
)  # fmt: skip
def test_train_promote_and_rollout_together(trigger, settings, ends):
    workflow = load_workflow(ROOT / ".github/workflows/train.yml")
    event = {"event": "workflow_dispatch", "actor": "ada", **trigger}
    clock = FakeClock()
    began = clock.now()
    clock.advance(timedelta(days=settings.get("waited", 0)))
    told = {**TRAINED, **settings.get("outcomes", {})}

    run = simulate(
        workflow, Trigger(**event), environments=PRODUCTION, approvals=settings.get("approvals", ()), outcomes=told,
        clock=clock, started=began,
    )  # fmt: skip

    assert {job.name: job.conclusion for job in run.jobs if job.name in ends} == ends


def test_two_at_once_wait_for_the_rollout_one_after_the_other():
    groups = ConcurrencyGroups()
    groups.enter("promote-production", "another run")
    workflow = load_workflow(ROOT / ".github/workflows/promote.yml")

    run = simulate(
        workflow, Trigger("workflow_dispatch", actor="ada"), inputs=INPUTS, environments=PRODUCTION, approvals=AGREED,
        groups=groups,
    )  # fmt: skip

    assert run.job("production").conclusion == "success"
    assert {job.status for job in run.jobs if job.id == "rollout"} == {"pending", "queued"}
