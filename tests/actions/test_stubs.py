"""What stands in for the best-known actions does what they do, or says what it did not."""

# ruff: noqa: E501 (workflows in one line)

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from mlops_lab.ci import execute, parse_workflow, simulate


def done(steps: str, root: Path, runs_on: str = "ubuntu-24.04", scratch: Path | None = None):
    text = f"on: push\njobs:\n  a:\n    runs-on: {runs_on}\n    steps:\n{steps}"
    return execute(parse_workflow(text, root=root), scratch=scratch)


def kept(scratch: Path, name: str = "n") -> list[str]:
    folder = scratch / "artifacts" / name
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


MADE = "      - run: mkdir -p a/in b .h; for f in a/x.xml a/in/x.xml b/x.xml b/secret.txt a/.env .h/y; do echo $f > $f; done\n"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a", "b"], ["a/in/x.xml", "a/x.xml", "b/secret.txt", "b/x.xml"]),
        (["a"], ["in/x.xml", "x.xml"]),
        (["a/x.xml"], ["x.xml"]),
        (["b", "!b/secret.txt"], ["x.xml"]),
        (["b", "!**/*.txt"], ["x.xml"]),
        (["b/x.xml", ".h"], ["b/x.xml"]),  # a hidden folder is hidden where it is named, too
        (["**.xml"], []),
        (["**/*.xml"], ["a/in/x.xml", "a/x.xml", "b/x.xml"]),
        (["a/*.xml", "b/x.xml"], ["a/x.xml", "b/x.xml"]),
        (["${{ runner.temp }}/t.xml"], ["t.xml"]),
        (["${{ runner.temp }}/*.xml"], ["t.xml"]),
    ],
)
def test_upload_keeps_what_the_patterns_choose_below_their_common_folder(tmp_path, paths, names):
    path = "".join(f"              {one}\n" for one in paths)
    steps = f'{MADE}      - run: echo t > "$RUNNER_TEMP/t.xml"\n      - uses: actions/upload-artifact@v4\n'
    steps += f"        with:\n          name: n\n          path: |\n{path}"

    run = done(steps, tmp_path / "none", scratch=tmp_path / "s")

    assert run.conclusion == "success"
    assert kept(tmp_path / "s") == names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("{name: m1, path: d}", ["x"]),
        ("{pattern: m*, path: d}", ["m1/x", "m2/y"]),
        ("{pattern: m*, path: d, merge-multiple: true}", ["x", "y"]),
        ("{path: d}", ["m1/x", "m2/y", "o/z"]),
    ],
)
def test_download_takes_a_pattern_and_merges_where_asked(tmp_path, given, names):
    steps = "      - run: touch x y z\n"
    for name, path in (("m1", "x"), ("m2", "y"), ("o", "z")):
        steps += f"      - {{uses: actions/upload-artifact@v4, with: {{name: {name}, path: {path}}}}}\n"
    steps += f"      - {{uses: actions/download-artifact@v4, with: {given}}}\n"

    done(steps, tmp_path / "none", scratch=tmp_path / "s")

    folder = tmp_path / "s" / "work" / "job1" / "d"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == names


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{uses: actions/setup-python@v5, with: {python-version: '2.5'}}", "Python 2.5 was asked for and is not here"),
        ("{uses: actions/setup-python@v5, with: {python-version: '>=2.3 <2.6'}}", "Python >=2.3 <2.6 was asked for"),
        ('{uses: actions/setup-python@v5, with: {python-version: "3\\n2.5"}}', "Python 2.5 was asked for"),
        ("{uses: actions/setup-python@v5, with: {python-version-file: .python}}", "Python .python was asked for"),
        ("{uses: actions/checkout@v4, with: {repository: other/one}}", "other/one is another repository"),
        ("{uses: actions/checkout@v4, with: {ref: v1}}", "not those of v1"),
    ],
)
def test_what_a_stand_in_did_not_do_is_said(tmp_path, step, said):
    (tmp_path / "file").touch()

    run = done(f"      - {step}\n", tmp_path)

    assert run.job("a").steps[0].stubbed
    assert any(said in note for note in run.notes)


def test_a_foreign_system_is_said(tmp_path):
    assert any("windows-latest" in note for note in done("      - run: 'true'\n", tmp_path, "windows-latest").notes)


@pytest.mark.skipif(shutil.which("pwsh") is not None, reason="there is a pwsh, which runs the step")
def test_a_step_for_windows_without_its_shell_is_not_run_in_bash(tmp_path):
    steps = "      - run: 'exit 1'\n      - {run: 'exit 0', shell: bash}\n"

    ran = done(steps, tmp_path, "windows-latest").job("a").steps

    assert [(step.conclusion, step.stubbed) for step in ran] == [("success", True), ("success", False)]


def test_setup_python_puts_the_python_that_was_asked_for_first_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/python2.4"
    fake.write_text("#!/bin/sh\necho 2.4.9\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    steps = "      - {uses: actions/setup-python@v5, id: p, with: {python-version: '2.4'}}\n"
    steps += "      - run: test \"$(python --version) ${{ steps.p.outputs.python-version }}\" = '2.4.9 2.4.9'\n"

    run = done(steps, tmp_path)

    assert (run.conclusion, run.notes) == ("success", ()), run.outline()


def test_a_python_that_does_not_start_is_not_here(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python2.4").write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    (tmp_path / "bin/python2.4").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    run = done("      - {uses: actions/setup-python@v5, with: {python-version: '2.4'}}\n", tmp_path)

    assert run.job("a").steps[0].stubbed


@pytest.mark.parametrize("uses", ["$/nope", "./../../etc", "./../nope", "./nope"])
def test_a_local_action_that_is_not_there_fails(tmp_path, uses):
    assert done(f"      - uses: {uses}\n", tmp_path).conclusion == "failure"


def test_an_action_that_a_step_puts_beside_the_repository_is_found_there_and_is_a_note_where_nothing_is_executed(
    tmp_path,
):
    steps = "      - run: mkdir -p ../action/init && touch ../action/init/action.yml\n"
    steps += "      - uses: ./../action/init\n"

    run = done(steps, tmp_path)
    head = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n"
    simulated = simulate(parse_workflow(f"{head}{steps}", root=tmp_path))
    nobody = simulate(parse_workflow(f"{head}      - uses: ./../action/init\n", root=tmp_path))

    assert [(step.conclusion, step.stubbed) for step in run.job("a").steps] == [("success", False), ("success", True)]
    assert (simulated.conclusion, nobody.conclusion) == ("success", "failure")
    assert any("there is no local action ./../action/init" in note for note in simulated.notes)


def test_no_env_overwrites_what_github_says(tmp_path):
    steps = "      - run: 'test \"$GITHUB_REPOSITORY$GITHUB_ACTOR\" = octo-org/octo-repooctocat'\n"
    steps += "        env: {GITHUB_REPOSITORY: evil/evil, GITHUB_ACTOR: eve}\n"

    assert done(steps, tmp_path).conclusion == "success"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="what is left running is looked for in /proc")
def test_what_a_step_leaves_running_is_ended(tmp_path):
    steps = f"      - run: setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' & while [ ! -s {tmp_path}/pid ]; do sleep 0.05; done\n"

    run = done(steps, tmp_path / "none")
    pid = int((tmp_path / "pid").read_text())
    time.sleep(0.1)

    assert run.conclusion == "success"
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    assert pid != os.getpid()


@pytest.mark.parametrize(("miss", "conclusion"), [("true", "failure"), ("false", "success")])
def test_a_cache_that_must_be_there_is_missed(tmp_path, miss, conclusion):
    step = f"      - {{uses: actions/cache/restore@v4, with: {{key: k, path: p, fail-on-cache-miss: {miss}}}}}\n"

    assert done(step, tmp_path).conclusion == conclusion


def test_a_range_of_pythons_that_holds_this_one_is_this_one(tmp_path):
    run = done("      - {uses: actions/setup-python@v5, with: {python-version: '>=3.9'}}\n", tmp_path)

    assert not run.job("a").steps[0].stubbed
