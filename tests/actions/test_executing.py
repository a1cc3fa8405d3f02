"""Executed workflows: the shell that runs, the files a step writes, what the log hides, and what cannot get out."""

# ruff: noqa: E501 (steps are written on one line each)

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci import Environment, ExpressionError, Outcome, Trigger, execute, load_workflow, parse_workflow
from mlops_lab.ci.expressions.functions import hash_files
from mlops_lab.ci.runner_commands import LogReader, Masks, command_line, parse_assignments

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the steps are bash scripts")


def steps(text: str, folder: Path, **more):
    """Run one job with these steps; its StepRuns."""
    indented = "\n".join("      " + line for line in text.strip().splitlines())
    job = f"on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n{indented}\n"
    return execute(parse_workflow(job, root=folder), more.pop("event", "push"), **more).job("a").steps


def test_the_shells_are_githubs_command_lines():
    assert command_line(None, "s") == ["bash", "-e", "s"]
    assert command_line("bash", "s") == ["bash", "--noprofile", "--norc", "-eo", "pipefail", "s"]
    assert command_line("sh", "s") == ["sh", "-e", "s"]
    assert command_line("bash -x {0} 'a b'", "s") == ["bash", "-x", "s", "a b"]
    with pytest.raises(UnknownName, match="Did you mean 'bash'"):
        command_line("bsh", "s")
    with pytest.raises(InvalidData, match="cannot be read"):
        command_line("bash '{0}", "s")


def test_without_a_shell_a_failure_inside_a_pipe_is_not_noticed(tmp_path):
    found = steps("- run: 'false | cat'\n- {run: 'false | cat', shell: bash}", tmp_path)

    assert [step.conclusion for step in found] == ["success", "failure"]
    assert found[1].reason == "Process completed with exit code 1."


def test_outputs_variables_paths_and_summary_go_through_files(tmp_path):
    text = """
- id: one
  run: |
    echo "auc=0.70" >> "$GITHUB_OUTPUT"
    printf 'report<<X\\na=b\\n\\nc\\nX\\n' >> "$GITHUB_OUTPUT"
    echo "WHERE=there" >> "$GITHUB_ENV"
    mkdir tools && printf '#!/bin/sh\\necho tool' > tools/mytool && chmod +x tools/mytool
    echo "$PWD/tools" >> "$GITHUB_PATH"
    echo "# Summary" >> "$GITHUB_STEP_SUMMARY"
    test -z "$WHERE"
- run: 'echo "$WHERE ${{ env.WHERE }} $(mytool) ${{ steps.one.outputs.auc }}"'
- {run: 'echo "$WHERE"', env: {WHERE: here}}
"""

    found = steps(text, tmp_path)

    assert found[0].outputs == {"auc": "0.70", "report": "a=b\n\nc"}
    assert [step.log for step in found[1:]] == ["there there tool 0.70", "here"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\nb=2=3\na=4\n", {"a": "4", "b": "2=3"}),
        ("a<<E\nE\n", {"a": ""}),
        ("a<<E\n<<\nb=1\nE\nc=", {"a": "<<\nb=1", "c": ""}),
        ("a=x<<y\n", {"a": "x<<y"}),
        ("a<<E=F\nv\nE=F\n", {"a": "v"}),
        ("\r\na=1\r\n", {"a": "1"}),
        ("", {}),
    ],
)
def test_assignments_are_read_as_github_reads_them(text, expected):
    assert parse_assignments(text, kind="output") == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("just words", "Invalid format 'just words'"),
        ("=x", "Name must not be empty"),
        ("a<<END\nb", "Matching delimiter not found 'END'"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_step_in_githubs_words(tmp_path, line, reason):
    [step] = steps(
        f"- run: |\n    cat >> \"$GITHUB_OUTPUT\" <<'Q'\n    {line.replace(chr(10), chr(10) + '    ')}\n    Q", tmp_path
    )

    assert step.conclusion == "failure"
    assert reason in step.reason
    assert step.reason.startswith("Unable to process file command 'output' successfully.")


def test_secrets_and_masked_words_never_show(tmp_path):
    text = """
- id: one
  env: {KEY: '${{ secrets.KEY }}'}
  run: |
    echo "::add-mask::hidden word"
    echo "$KEY and hidden word and ${KEY:0:3}"
    echo "first line second line"
    echo "k=$KEY" >> "$GITHUB_OUTPUT"
    echo "$KEY" >> "$GITHUB_STEP_SUMMARY"
"""
    job = "on: push\njobs:\n  a:\n    runs-on: x\n    outputs: {k: '${{ steps.one.outputs.k }}', n: ok}\n    steps:\n"
    job += "\n".join("      " + line for line in text.strip().splitlines())

    run = execute(parse_workflow(job, root=tmp_path), secrets={"KEY": "hunter2", "PEM": "first line\nsecond line"})

    assert run.job("a").steps[0].log == "*** and *** and hun\n*** ***"
    assert run.summary == "***\n"
    assert run.job("a").outputs == {"n": "ok"}
    assert "a: Skip output 'k' since it may contain secret." in run.notes


def test_workflow_commands_are_obeyed_and_can_be_stopped():
    reader = LogReader(Masks())

    for line in ["::warning file=a.py,line=3::careful%0Anow", "::set-output name=x::1", "::stop-commands::TOKEN",
                 "::add-mask::plain", "::TOKEN::", "::unknown::x", "plain", "::error::bad"]:  # fmt: skip
        reader.read(line)

    assert reader.kept == ["Warning: careful\nnow", "::add-mask::plain", "::unknown::x", "plain", "Error: bad"]
    assert reader.outputs == {"x": "1"}


HOSTILE = "a'; echo INJECTED; echo 'b"


def test_an_expression_inside_a_script_lets_its_text_run_and_an_env_does_not(tmp_path):
    text = """
- run: "echo 'title: ${{ github.event.title }}'"
  continue-on-error: true
- run: 'echo "title: $TITLE"'
  env: {TITLE: '${{ github.event.title }}'}
"""

    found = steps(text, tmp_path, event=Trigger("push", payload={"title": HOSTILE}))

    assert "INJECTED" in found[0].log.splitlines()
    assert found[1].log == f"title: {HOSTILE}"


def test_a_step_sees_nothing_of_this_process_but_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_CLOUD_KEY", "real")
    monkeypatch.setenv("ALLOWED", "yes")
    text = '- run: \'echo "[$MY_CLOUD_KEY] [$ALLOWED] $CI $GITHUB_ACTOR $GITHUB_REF"; test "$HOME" != ~root\''

    [step] = steps(text, tmp_path, inherit=["ALLOWED"], event=Trigger("push", actor="mona"))

    assert step.log == "[] [yes] true mona refs/heads/main"


def test_the_repository_is_copied_and_never_changed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file.txt").write_text("original")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("secret")
    text = """
- run: 'test ! -e data'
- uses: actions/checkout@v4
- run: 'cat file.txt; echo changed > file.txt; cat file.txt; ls -A .. | sort | tr "\\n" " "'
  working-directory: data
- run: 'echo ${{ hashFiles(''data/*'') != '''' }}'
"""

    found = steps(text, tmp_path)

    assert [step.conclusion for step in found] == ["success"] * 4
    assert found[2].log.split() == ["originalchanged", "data"]
    assert found[3].log == "true"
    assert (tmp_path / "data/file.txt").read_text() == "original"


def test_a_working_directory_that_is_not_there_fails_the_step(tmp_path):
    [step] = steps("- {run: x, working-directory: nowhere}", tmp_path)

    assert step.reason.startswith("An error occurred trying to start process with working directory")


def is_gone(process: int) -> bool:
    """Ended, or a zombie that nobody has buried yet."""
    status = Path(f"/proc/{process}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks at /proc")
def test_a_step_that_hangs_is_ended_with_all_it_started(tmp_path):
    pid = tmp_path / "pid"
    text = (
        f"- run: 'sleep 300 & echo $! > {pid}; sleep 300'\n  timeout-minutes: 0.01\n- {{run: echo after, if: always()}}"
    )

    found = steps(text, tmp_path / "none")

    assert found[0].reason.endswith("has timed out after 0.01 minutes.")
    assert [step.conclusion for step in found] == ["failure", "success"]
    assert is_gone(int(pid.read_text()))


def test_what_a_step_leaves_in_the_background_does_not_hold_the_run_up(tmp_path):
    found = steps("- run: 'sleep 300 & echo started'", tmp_path)

    assert (found[0].conclusion, found[0].log) == ("success", "started")


def test_python_steps_run_and_a_huge_log_is_cut(tmp_path):
    found = steps(
        '- {shell: python, run: \'print("x" * 100 + chr(10), end="") if 0 else [print("y" * 999) for _ in range(3000)]\'}',
        tmp_path,
    )

    assert found[0].conclusion == "success"
    assert len(found[0].log) < 1_200_000
    assert found[0].log.endswith("(the rest of the log was left out)")


def test_remote_actions_are_stood_in_for_or_marked_as_stubs(tmp_path):
    def deploy(call):
        return {"url": f"https://{call.argument('Target')}"}

    def broken(call):
        raise OSError("no network")

    text = """
- {id: one, uses: my/deploy@v2, with: {target: prod}}
- {run: 'echo ${{ steps.one.outputs.url }}'}
- {uses: other/thing@v1}
- {uses: docker://alpine}
- {uses: my/broken@v1}
"""

    found = steps(text, tmp_path, actions={"my/deploy": deploy, "my/broken@v1": broken})

    assert found[1].log == "https://prod"
    assert [step.stubbed for step in found[2:4]] == [True, True]
    assert found[4].reason == "the stub of my/broken@v1 failed: no network"


def test_a_stand_in_may_decide_the_outcome(tmp_path):
    found = steps("- {uses: a/b@v1}", tmp_path, actions={"a/b": lambda call: Outcome("failure", reason="as told")})

    assert (found[0].conclusion, found[0].reason) == ("failure", "as told")


def test_artifacts_go_from_job_to_job_and_not_out_of_their_folder(tmp_path):
    workflow = parse_workflow(
        """
on: push
jobs:
  make:
    runs-on: x
    steps:
      - run: 'mkdir -p out/deep && echo model > out/deep/m.bin'
      - {id: up, uses: actions/upload-artifact@v4, with: {name: model, path: out/}}
      - {uses: actions/upload-artifact@v4, with: {name: ../../evil, path: out/}, continue-on-error: true, id: evil}
      - {uses: actions/upload-artifact@v4, with: {name: none, path: nothing, if-no-files-found: error}, continue-on-error: true}
      - {run: 'echo ${{ steps.up.outputs.artifact-digest }} ${{ steps.evil.outcome }}', id: say}
  use:
    needs: make
    runs-on: x
    steps:
      - {uses: actions/download-artifact@v4, with: {name: model, path: got}}
      - run: cat got/deep/m.bin
      - {uses: actions/download-artifact@v4, with: {name: nope}}
""",
        root=tmp_path,
    )

    run = execute(workflow)

    assert run.job("make").steps[4].log.split()[1] == "failure"
    assert len(run.job("make").steps[4].log.split()[0]) == 64
    assert run.job("make").steps[3].outcome == "failure"
    assert run.job("use").steps[1].log == "model"
    assert run.job("use").steps[2].reason == "Unable to download artifact(s): Artifact not found for name: nope"


def test_local_actions_need_the_checkout_unless_named_by_dollar(tmp_path):
    files = {
        ".github/workflows/w.yml": (
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n"
            "      - {id: early, uses: ./act, continue-on-error: true}\n      - {id: dollar, uses: $/act}\n"
            "      - uses: actions/checkout@v4\n      - {id: late, uses: ./act}\n"
        ),
        "act/action.yml": (
            "runs:\n  using: composite\n  steps:\n"
            '    - {run: \'cat "$GITHUB_ACTION_PATH/text"; touch "$GITHUB_ACTION_PATH/new"\', shell: bash}\n'
        ),
        "act/text": "from the action",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    found = execute(load_workflow(tmp_path / ".github/workflows/w.yml")).job("a").steps

    assert [step.outcome for step in found] == ["failure", "success", "success", "success"]
    assert "Did you forget to run actions/checkout before running your local action?" in found[0].reason
    assert found[3].steps[0].log == "from the action"
    assert not (tmp_path / "act/new").exists()


def test_a_job_that_waits_for_approval_does_not_run(tmp_path):
    marker = tmp_path / "marker"
    workflow = parse_workflow(
        f"on: push\njobs: {{a: {{runs-on: x, environment: p, steps: [{{run: 'touch {marker}'}}]}}}}",
        root=tmp_path / "none",
    )

    run = execute(workflow, environments={"p": Environment("p", reviewers=("ana",))})

    assert (run.status, marker.exists()) == ("waiting", False)


def test_a_step_cannot_set_what_github_forbids(tmp_path):
    [step] = steps("- run: 'echo NODE_OPTIONS=--x >> \"$GITHUB_ENV\"'", tmp_path)

    assert step.reason == "Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command."


def test_a_scratch_folder_that_is_given_is_kept(tmp_path):
    workflow = parse_workflow(
        "on: push\njobs: {a: {runs-on: x, steps: [{run: 'echo hi > kept.txt'}]}}", root=tmp_path / "none"
    )

    execute(workflow, scratch=tmp_path / "scratch")

    assert [path.read_text() for path in (tmp_path / "scratch/work").rglob("kept.txt")] == ["hi\n"]
    assert os.listdir(tmp_path) == ["scratch"]


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_cancelled_and_its_cleaning_steps_still_run(tmp_path):
    text = (
        "on: push\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 0.02\n    steps:\n      - {id: s, run: sleep 60}\n"
    )
    text += "      - {id: t, run: 'true'}\n      - {id: u, if: always(), run: 'true'}\n"

    job = execute(parse_workflow(text, root=tmp_path)).job("a")

    assert (job.conclusion, job.reason) == (
        "cancelled",
        "The job has exceeded the maximum execution time of 0.02 minutes.",
    )
    assert [step.conclusion for step in job.steps] == ["cancelled", "skipped", "success"]


def test_a_scratch_folder_inside_the_repository_is_not_copied_into_itself(tmp_path):
    (tmp_path / "file").write_text("x")
    text = "on: push\njobs: {a: {runs-on: x, steps: [{uses: actions/checkout@v4}, {run: ls}]}}"

    run = execute(parse_workflow(text, root=tmp_path), scratch=tmp_path / "scratch")

    assert run.job("a").steps[1].log == "file"


def in_git(folder: Path, *names: str) -> None:
    """A git repository with these files tracked."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    settings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for command in (["git", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=folder, check=True, env=settings)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_git_ignores_is_not_copied_and_what_is_new_is(tmp_path):
    in_git(tmp_path, "kept.txt", "gone.txt", "sub/kept.txt", ".venv-tracked")
    (tmp_path / ".gitignore").write_text("*.log\nbig/\n")
    for name in ("a.log", "big/file", "new.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "link").symlink_to("kept.txt")
    in_git(tmp_path / "inner", "own.txt")

    found = steps("- uses: actions/checkout@v4\n- run: find . -type f -o -type l | sort", tmp_path)

    assert found[1].log.split() == [
        "./.gitignore", "./.venv-tracked", "./inner/own.txt", "./kept.txt", "./link", "./new.txt", "./sub/kept.txt"
    ]  # fmt: skip


def test_without_git_what_tools_can_make_again_is_not_copied(tmp_path):
    for name in (".git/HEAD", ".venv-x/a", "env/pyvenv.cfg", "env/a", "cache/CACHEDIR.TAG", "node_modules/a", "kept"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    found = steps("- uses: actions/checkout@v4\n- run: find . -type f", tmp_path)

    assert found[1].log.split() == ["./kept"]


def test_the_workspace_is_known_wherever_the_runner_reads_it(tmp_path):
    text = """
on: push
env: {HOME_FOLDER: '${{ github.workspace }}/home'}
jobs:
  a:
    name: a [${{ github.workspace }}]
    runs-on: x
    env: {OWN: '${{ github.workspace }}'}
    steps:
      - run: '[ "$HOME_FOLDER" = "$PWD/home" ] && [ "$OWN" = "$GITHUB_WORKSPACE" ] && [ "$T" = "$RUNNER_TEMP" ]'
        env: {T: '${{ runner.temp }}'}
"""

    job = execute(parse_workflow(text, root=tmp_path / "none")).job("a")

    assert (job.conclusion, job.name) == ("success", "a []")  # GitHub names a job before there is a machine


def test_files_are_hashed_without_environments_and_an_unreadable_one_is_told(tmp_path, monkeypatch):
    for name in ("kept.lock", ".git/x.lock", "env/pyvenv.cfg", "env/x.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    alone = hashlib.sha256(hashlib.sha256(b"kept.lock").digest()).hexdigest()

    assert hash_files(tmp_path, ["**/*.lock"]) == alone

    monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(ExpressionError, match=r"hashFiles\('\*\*/\*.lock'\) cannot read kept.lock: Permission denied"):
        hash_files(tmp_path, ["**/*.lock"])
