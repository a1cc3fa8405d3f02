"""`mlops-lab workflow`: what GitHub would do with a file of any repository, with exit codes a script can trust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_lab.cli import main
from mlops_lab.cli.linting import _program

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
PROMOTION = ("--input", "run-id=7", "--input", "version=3", "--input", "digest=abc", "--actor", "ada")
GUARDED = (*PROMOTION, "--reviewers", "production=ada,grace", "--prevent-self-review")

SMALL = """\
name: nightly
on: [push, workflow_dispatch]
jobs:
  train:
    runs-on: ubuntu-24.04
    outputs: {auc: "${{ steps.fit.outputs.auc }}"}
    steps:
      - id: fit
        run: echo "auc=0.7" >> "$GITHUB_OUTPUT"
      - name: gate
        run: python -c "raise SystemExit(2)" | tee report.txt
  ship:
    needs: train
    runs-on: ubuntu-24.04
    environment: production
    steps:
      - if: needs.train.outputs.auc == '0.7'
        run: echo shipped
"""
SOUND = SMALL.replace("name: nightly", "name: nightly\ndefaults: {run: {shell: bash}}")


@pytest.fixture
def say(capsys):
    def called(*words):
        code = main(["workflow", *(str(word) for word in words)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


@pytest.fixture
def written(tmp_path):
    def write(text, name="nightly.yml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_real_workflow_is_drawn_with_the_one_it_calls(say):
    code, out, err = say("draw", WORKFLOWS / "train.yml")

    assert (code, err) == (0, "")
    assert out.startswith("train\ntrain.yml, on workflow_dispatch")
    assert "○ promote / production  ← promote / staging\n    environment: production\n" in out


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", "<svg"), (".dot", "digraph"), (".txt", "nightly")])
def test_a_drawing_goes_into_a_file(suffix, begins, say, written, tmp_path):
    target = tmp_path / f"drawn{suffix}"

    code, out, _ = say("draw", written(SMALL), "--out", target)

    assert (code, out) == (0, f"drawn into {target}\n")
    assert target.read_text("utf-8").startswith(begins)


def test_a_drawing_as_json_has_jobs_and_levels(say, written):
    code, out, _ = say("draw", written(SMALL), "--json")

    told = json.loads(out)
    assert (code, told["on"], told["levels"]) == (0, ["push", "workflow_dispatch"], [["train"], ["ship"]])
    assert told["jobs"]["ship"] == {"needs": ["train"], "uses": None, "steps": ["Run echo shipped"]}


def test_a_run_that_succeeds_is_exit_code_0(say, written):
    code, out, err = say("simulate", written(SMALL), "--output", "train/fit.auc=0.7")

    assert (code, err) == (0, "")
    assert out.startswith("nightly (nightly.yml) on push: success\n  train: success")
    assert "    Run echo shipped: success" in out


def test_a_failed_gate_is_exit_code_1_and_nothing_after_it_runs(say):
    code, out, err = say("simulate", WORKFLOWS / "train.yml", "--outcome", "train/pipeline=failure")

    assert code == 1
    assert err == "mlops-lab: .github/workflows/train.yml: failure in train and gate\n"
    assert "promote after train and gate, attest: skipped" in out
    assert "promote / production" not in out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 3, "production asks for a review by one of ada, grace"),
        (("--approve", "production=ada"), 3, "waiting"),
        (("--approve", "production=grace"), 0, "roll out (local) after production: success"),
        (("--approve", "Production=Grace"), 0, "roll out (local) after production: success"),
        (("--reject", "production=grace"), 1, "rejected by grace"),
        (("--reject", "production=grace", "--approve", "production=grace"), 1, "rejected by grace"),
        (("--waited", "29"), 3, "waiting"),
        (("--waited", "31"), 1, "nobody reviewed it within 30 days"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_approval_decides_how_promote_ends(words, code, told, say):
    got, out, err = say("simulate", WORKFLOWS / "promote.yml", *GUARDED, *words)

    assert got == code
    assert told in out
    assert bool(err) == (code == 1)


def test_json_is_one_object_with_the_reasons(say):
    code, out, err = say("simulate", WORKFLOWS / "promote.yml", *GUARDED, "--approve", "production=ada", "--json")

    told = json.loads(out)
    whys = [moment["why"] for moment in told["run"]["timeline"]]
    assert (code, err, told["exit_code"], told["run"]["status"]) == (3, "", 3, "waiting")
    assert "ada started this run and may not review it: production prevents self-review" in whys


def test_json_of_a_failed_run_is_one_object_too(say, written):
    code, out, err = say("simulate", written(SMALL), "--outcome", "train=failure", "--json")

    assert (code, json.loads(out)["run"]["conclusion"]) == (1, "failure")
    assert err.count("\n") == 1


def test_a_workflow_that_does_not_start_is_not_green(say):
    code, _, err = say("simulate", WORKFLOWS / "train.yml", "--event", "pull_request", "--changed", "README.md")

    assert code == 1
    assert err == "mlops-lab: .github/workflows/train.yml does not start: no changed file matches paths.\n"


def test_the_drawing_of_a_run_shows_its_states(say, written, tmp_path):
    target = tmp_path / "run.txt"

    say("simulate", written(SMALL), "--outcome", "train/gate=failure", "--out", target)

    assert "✗ failure  train\n– skipped  ship   ← train" in target.read_text("utf-8")


def test_execute_asks_for_a_yes_before_anything_runs(say, written, tmp_path):
    marker = tmp_path / "ran"

    code, out, err = say("execute", written(SMALL.replace("echo shipped", f"touch {marker}")))

    assert (code, out) == (1, "")
    assert "--yes" in err
    assert not marker.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the steps are for bash")
@pytest.mark.parametrize(("text", "code"), [(SMALL, 0), (SOUND, 1)], ids=["pipe hides it", "pipefail shows it"])
def test_execute_tells_a_pipe_that_hides_a_failure_from_one_that_does_not(text, code, say, written):
    got, out, _ = say("execute", written(text), "--yes")

    assert got == code
    assert ("Run echo shipped: success" in out) == (code == 0)


@pytest.mark.skipif(sys.platform == "win32", reason="the steps are for bash")
def test_execute_prints_the_log_of_a_failed_step_and_hides_secrets(say, written, monkeypatch):
    monkeypatch.setenv("TOKEN", "hush-hush-42")
    step = "{env: {T: '${{ secrets.TOKEN }}'}, run: 'echo I hold $T; exit 1'}"
    path = written(f"on: push\njobs: {{a: {{runs-on: x, steps: [{step}]}}}}\n")

    code, out, _ = say("execute", path, "--secret", "TOKEN", "--yes")

    assert code == 1
    assert "I hold ***" in out
    assert "hush" not in out


@pytest.mark.skipif(sys.platform == "win32", reason="the steps are for bash")
def test_a_hostile_input_reaches_a_step_as_data(say, written, tmp_path):
    marker = tmp_path / "ran"
    text = "on: {workflow_dispatch: {inputs: {who: {type: string}}}}\njobs: {a: {runs-on: x, steps: [{env: {W: "
    path = written(text + "'${{ inputs.who }}'}, run: 'echo \"hello $W\"'}]}}\n")

    code, out, _ = say("execute", path, "--input", f'who="; touch {marker}; $(touch {marker})', "--yes", "--logs")

    assert code == 0
    assert "hello " in out
    assert not marker.exists()


FAULTS = {
    "broken YAML": ("on: push\njobs: {a: [", "nightly.yml:2:"),
    "unknown key": (SMALL.replace("runs-on", "run-on", 1), "nightly.yml:5:5: "),
    "unknown need": (SMALL.replace("needs: train", "needs: tain"), "nightly.yml:13:12: "),
    "cycle": (SMALL.replace("  train:\n", "  train:\n    needs: ship\n"), "train"),
    "bad expression": (SMALL.replace("== '0.7'", "=== 0.7"), "nightly.yml:17:"),
    "not UTF-8": (None, "not UTF-8"),
    "empty": ("", "nightly.yml:1:1"),
}


@pytest.mark.parametrize("command", ["draw", "simulate", "execute", "lint"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_told_with_file_line_and_column(fault, command, say, written):
    text, told = FAULTS[fault]
    path = written(text or "x")
    if text is None:
        path.write_bytes(b"on: \xff")

    code, out, err = say(command, path, *(["--ours-only"] if command == "lint" else []))

    assert code == 1
    assert err.count("\n") == 1
    assert told in (out if command == "lint" else err)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--event", "pus"), "no event 'pus'"),
        (("--outcome", "tran=failure"), "Did you mean 'train'?"),
        (("--outcome", "train=fail"), "one of success, failure, cancelled"),
        (("--outcome", "train"), "NAME=VALUE"),
        (("--outcome", "train=failure", "--outcome", "train=success"), "twice"),
        (("--output", "train.auc=1"), "JOB/STEP.NAME=VALUE"),
        (("--input", "date=1"), "the event push has no inputs"),
        (("--approve", "production=ada"), "--reviewers production=ada"),
        (("--reviewers", "prod=ada"), "Did you mean 'production'?"),
        (("--reviewers", "production="), "names nobody"),
        (("--reviewers", "production=a,b,c,d,e,f,g"), "GitHub allows 6"),
        (("--prevent-self-review",), "--reviewers"),
        (("--secret", "SURELY_NOT_SET"), "no environment variable"),
        (("--payload", "nowhere.json"), "nowhere.json"),
        (("--root", "nowhere"), "is no folder"),
        (("--waited", "-1"), "--waited"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_option_is_one_line(words, told, say, written):
    code, out, err = say("simulate", written(SMALL), *words)

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert told in err


@pytest.mark.parametrize("payload", ["[1]", "{", '{"a":' * 100_000])
def test_a_payload_that_is_no_object_is_one_line(payload, say, written):
    path = written(payload, "event.json")

    code, _, err = say("simulate", written(SMALL), "--payload", path)

    assert (code, err.count("\n")) == (1, 1)


@pytest.mark.parametrize("name", ["nowhere.yml", ".", "x" * 300, "a\0b"])
@pytest.mark.parametrize("command", ["draw", "simulate", "lint"])
def test_a_file_that_cannot_be_read_is_one_line(command, name, say, tmp_path):
    code, out, err = say(command, name)

    assert (code, out, err.count("\n")) == (1, "", 1)


def test_lint_tells_all_problems_and_conditions_that_are_always_true(say, written):
    trap = SMALL.replace("if: needs.train.outputs.auc == '0.7'", "if: ${{ needs.train.result }} == 'failure'")
    both = SMALL.replace("runs-on", "run-on").replace("needs: train", "needs: tain")

    first = say("lint", written(trap), "--ours-only")
    second = say("lint", written(both), "--ours-only")

    assert first[0] == second[0] == 1
    assert "nightly.yml:17:13: mlops-lab: ship: Run echo shipped: the `if`" in first[1]
    assert len(second[1].splitlines()) >= 3


def test_a_matrix_that_cannot_be_is_found_before_it_runs(say, written):
    matrix = f"    strategy: {{matrix: {{leg: {list(range(300))}}}}}\n"
    path = written(SMALL.replace("  train:\n", "  train:\n" + matrix))

    linted, drawn = say("lint", path, "--ours-only"), say("draw", path)

    assert linted[0] == 1
    assert linted[1].startswith(f"{path}:5:24: mlops-lab: train: The matrix makes 300 jobs")
    assert "The matrix makes 300 jobs" in drawn[1]


def test_a_name_made_of_an_input_cannot_forge_a_line_nor_move_the_cursor(say, written):
    text = "on: {workflow_dispatch: {inputs: {who: {type: string}}}}\njobs: {a: {name: 'for ${{ inputs.who }}', "
    path = written(text + "runs-on: x, steps: [{run: x}]}}\n")

    code, out, _ = say("simulate", path, "--input", "who=me\n  deploy: success\x1b[2J\u2028", "--outcome", "a=failure")

    assert code == 1
    assert "  for me   deploy: success\\x1b[2J : failure\n" in out
    assert "\x1b" not in out


@pytest.mark.skipif(_program("zizmor") is None, reason="zizmor is not installed")
def test_lint_asks_the_linters_that_are_installed(say, written):
    text = SMALL.replace("echo shipped", 'echo "${{ github.event.pull_request.title }}"')

    code, out, _ = say("lint", written(text), "--json")

    told = json.loads(out)
    found = {(each["by"], each["rule"].rpartition("/")[2], each["line"]) for each in told["findings"]}
    assert (code, told["linters"]) == (1, ["mlops-lab", "jactionlint", "zizmor"])
    assert {("zizmor", "template-injection", 18), ("jactionlint", "template-injection", 18)} <= found
    assert ("jactionlint", "pipeline-without-pipefail", 11) in found


def test_our_own_workflows_have_nothing_to_say(say):
    code, out, err = say("lint", *sorted(WORKFLOWS.glob("*.yml")))

    assert (code, err) == (0, ""), out
    assert out.startswith("nothing is wrong")


def test_it_works_in_a_repository_that_is_not_ours(tmp_path):
    folder = tmp_path / "theirs" / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_text(SMALL, encoding="utf-8")
    command = [sys.executable, "-m", "mlops_lab", "workflow", "simulate", "ci.yml"]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nightly (.github/workflows/ci.yml) on push: success")


def test_a_chain_names_each_run_that_follows(say, tmp_path):
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_text("name: ci\non: push\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n", encoding="utf-8")
    on = "{push: , workflow_run: {workflows: [ci], types: [completed]}}"
    (folder / "ship.yml").write_text(f"on: {on}\njobs: {{b: {{runs-on: x, steps: [{{run: b}}]}}}}\n", encoding="utf-8")

    code, _, err = say("simulate", folder / "ci.yml", "--chain")

    assert code == 0
    assert err.splitlines() == [
        "1. .github/workflows/ci.yml on push: success",
        "2. .github/workflows/ship.yml on workflow_run: success",
    ]
