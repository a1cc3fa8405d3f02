"""The main job from the command line: promoted, refused, waiting, failed, interrupted and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_lab.base.clock import SystemClock
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker

ROOT = Path(__file__).resolve().parents[2]
SHORT = (
    *("--date", "2013-06-01", "--param", "train_from=2013-05-01"),
    *("--param", "holdout_days=10", "--param", "watch_days=3"),
)


class Stranger:
    """A type that no model of ours is made of."""

    def __init__(self) -> None:
        self.luggage = 1


def test_the_honest_features_are_promoted(runs):
    _, honest, _ = runs

    assert honest.code == 0
    told = honest.out
    assert "promoted; stage Production" in told
    assert "✓ gate: passed 11 of 11 rules" in told
    assert "v1, logistic on as_known" in told
    assert "rollout: finished at 100 %" in told
    assert max(map(len, told.splitlines())) <= 100


def test_progress_goes_to_standard_error_task_by_task(runs):
    _, honest, _ = runs

    lines = honest.err.splitlines()

    assert [line.split()[:2] for line in lines[:3]] == [
        ["✓", "check_data"],
        ["✓", "build_training_set"],
        ["✓", "train"],
    ]
    assert "\x1b" not in honest.err


def test_the_leaking_features_are_refused_because_their_served_figure_collapses(runs):
    _, _, leaking = runs

    told = leaking.json
    assert (leaking.code, told["exit_code"], told["outcome"]) == (2, 2, "refused")
    assert told["figures"]["offline.roc_auc"] > told["champion"]["offline.roc_auc"]
    assert told["figures"]["served.roc_auc"] < told["champion"]["served.roc_auc"]
    assert [r["rule"] for r in told["gate"]["results"] if not r["passed"]].count("served_skew") == 1
    assert (told["version"]["stage"], told["production"]) == ("None", 1)


def test_the_object_of_a_run_has_stable_keys(runs):
    _, _, leaking = runs

    assert sorted(leaking.json) == [
        *(
            "approval",
            "champion",
            "engines",
            "exit_code",
            "figures",
            "gate",
            "home",
            "logical_date",
            "outcome",
            "params",
        ),
        *("production", "rollout", "run_id", "state", "tasks", "version"),
    ]


@pytest.mark.slow
def test_a_run_waits_for_somebody_else_and_goes_on_when_he_agrees(terminal):
    waiting = terminal("run", *SHORT, "--author", "ada", "--param", "approval=true", "-q")
    itself = terminal("registry", "approve", "latest", "--by", " ADA ")
    too_early = terminal("registry", "promote", "latest", "--by", "ada")
    agreed = terminal("registry", "approve", "late_flights", "latest", "--by", "grace")
    done = terminal("run", "--resume", "last", "--json", "-q")

    assert waiting.code == 3
    assert "registry approve late_flights 3 --by WHO" in waiting.out
    assert (itself.code, "cannot approve" in itself.line) == (1, True)
    assert too_early.code == 3
    assert agreed.code == 0
    assert (done.code, done.json["outcome"], done.json["production"]) == (0, "promoted", 3)


def test_a_promoted_run_has_nothing_left_to_do_when_it_is_resumed(terminal):
    first = terminal("dag", "list", "--json").json["runs"][0]["run_id"]
    before = terminal("registry", "verify", "--json").json["events"]

    again = terminal("run", "--resume", first, "-q")

    assert again.code == 0
    assert terminal("registry", "verify", "--json").json["events"] == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--features", "daily_average"], "Did you mean 'daily_averages'?"),
        (["--model", "logistik"], "Did you mean 'logistic'?"),
        (["--param", "holdot_days=10"], "Did you mean 'holdout_days'?"),
        (["--param", "features=daily_average"], "Did you mean 'daily_averages'?"),
        (["--param", "holdout_days=ten"], "a whole number"),
        (["--param", "holdout_days=1"], "at least 7"),
        (["--param", "holdout_days"], "name=value"),
        (["--param", "seed=1", "--param", "seed=2"], "twice"),
        (["--features", "as_known", "--param", "features=as_known"], "twice"),
        (["--author", " "], "blank"),
        (["--date", "2013-06-01T06:00:00"], "no time zone"),
        (["--date", "yesterday"], "not a date"),
        (["--resume", "last"], "no run"),
        (["--resume", "manual__2013"], "no run"),
    ],
)
def test_a_wrong_word_is_one_line_and_nothing_is_made(words, told, empty):
    answer = empty("run", *words)

    assert (answer.code, answer.out) == (1, "")
    assert told in answer.line
    assert not empty.home.exists()


def test_a_date_before_the_data_is_a_failed_task_with_its_reason(empty):
    answer = empty("run", "--date", "2012-06-01", "--json", "-q")

    assert (answer.code, answer.json["outcome"], answer.json["exit_code"]) == (1, "failed", 1)
    assert "task 'build_training_set' failed after 1 attempt" in answer.line
    assert answer.json["version"] is None


def test_a_home_that_is_a_file_is_one_line(tmp_path, empty):
    (tmp_path / "file").write_text("not a folder")

    answer = type(empty)(tmp_path / "file")("run")

    assert answer.code == 1
    assert "--home DIR" in answer.line
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.nightly
def test_a_champion_of_untrusted_types_is_never_loaded(empty):
    tracker, registry = Tracker(empty.home), Registry(empty.home)
    run = tracker.log_run(
        "late_flights",
        metrics={"auc": 0.7},
        artifact=tracker.artifacts.save_model(Stranger()),
        author="mallory",
        params={"feature_service": "as_known", "threshold": 0.5},
    )
    version = registry.register_model(run, "late_flights")
    rule = RuleResult("floor", True, 0.9, 0.6, "0.9 is at least 0.6.")
    report = GateReport(
        name="late_flights", version=1, artifact=version.artifact, results=(rule,), champion=None,
        holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7}, evaluated_at=SystemClock().now(),
    )  # fmt: skip
    registry.promote(report, actor="mallory", why="look, a model")

    answer = empty("run", *SHORT, "-q")

    assert answer.code == 1
    assert "Stranger" in answer.line
    assert registry.get_production("late_flights").version == 1


@pytest.mark.slow
def test_changed_bytes_of_the_champion_end_the_run(terminal):
    artifact = terminal("registry", "show", "1", "--json").json["version"]["artifact"]
    path = Tracker(terminal.home).artifacts.path(artifact)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"!")

    run, verify = terminal("run", *SHORT, "-q", "--features", "schedule_only"), terminal("registry", "verify")

    assert (run.code, verify.code) == (1, 1)
    assert "damaged or was changed" in run.line
    assert "damaged or was changed" in verify.line


def begun(home, how):
    """A run in a process of its own, stopped by a signal as soon as the training set is built."""
    command = [sys.executable, "-m", "mlops_lab", "run", *SHORT, "--home", str(home), "--author", "ada"]
    settings = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        for line in process.stderr:
            if "build_training_set" in line:
                break
        process.send_signal(how)
        rest = process.stderr.read()
        process.stdout.read()
        return process.wait(), rest


KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has none


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (KILL, -KILL)])
def test_a_run_that_was_stopped_in_the_middle_goes_on(how, code, empty):
    ended, told = begun(empty.home, how)

    listed = empty("dag", "list", "--json").json["runs"]
    resumed = empty("run", "--resume", "last", "--json", "-q")

    assert ended == code
    assert ("mlops-lab run --resume last" in told) == (how == signal.SIGINT)
    assert [run["outcome"] in ("failed", "running or killed") for run in listed] == [True]
    assert (resumed.code, resumed.json["outcome"]) == (0, "promoted")
    assert [each["attempts"] for each in resumed.json["tasks"][:2]] == [1, 1]
    assert json.loads(resumed.out)["run_id"] == listed[0]["run_id"]
