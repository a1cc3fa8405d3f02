""".ci/run: each step runs and is told, and one red step makes the whole red."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt" or shutil.which("flock") is None, reason="CI's script is for Linux")
# What stands in for everything that CI starts: it says what it was asked for, and fails where it is told to.
PROGRAM = """#!/bin/bash
case "$*" in
  "-c import sys"*) echo 3.11 ;;
  "-m venv "*) mkdir -p "$3/bin"; for name in python nox uv; do cp "$0" "$3/bin/$name"; done ;;
  *) echo "asked for: $(basename "$0") $*" ;;
esac
[ -z "$RED" ] || [[ "$(basename "$0") $*" != *"$RED"* ]]
"""


@pytest.fixture
def ci(tmp_path):
    """.ci/run in a folder of its own, with everything that it needs on the path; Python 3.12 is pyenv's."""
    (tmp_path / "clone" / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", tmp_path / "clone" / ".ci" / "run")
    places = ["bin/python3", "pyenv/versions/3.12.1/bin/python3.12"]
    places += [f"bin/{name}" for name in ("chromium", "java", "npm", "apt-get", "id", "python3.11", "python3.14")]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("#!/bin/sh\nexit 127\n" if place == "bin/python3.14" else PROGRAM)
        (tmp_path / place).chmod(0o755)

    def run(red: str = "") -> subprocess.CompletedProcess[str]:
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}"
        variables = {"PATH": path, "PYENV_ROOT": str(tmp_path / "pyenv"), "RED": red, "HOME": str(tmp_path)}
        command = ["bash", str(tmp_path / "clone" / ".ci" / "run")]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_the_tests_the_other_pythons_and_the_engines_run_and_are_told(ci):
    done = ci()

    assert (done.returncode, done.stderr) == (0, "")
    steps = done.stdout.partition("===== what ran =====")[2]
    for asked in (
        "python3 start.py test\n",
        "python3 start.py test -m nightly tests/house\n",
        "python3 start.py test-engines airflow prefect\n",
        "python3 start.py test-engines feast-mlflow\n",
        "python3 start.py test-engines tecton cloud serving playground\n",
    ):
        assert f"asked for: {asked}" in done.stdout
        assert asked in steps
    assert "asked for: nox --session fast-3.12" in done.stdout
    assert "fast-3.14" not in done.stdout  # a shim without a Python behind it
    assert "skipped      fast_on 3.14: there is no such Python on this machine" in steps


@pytest.mark.parametrize(
    "red",
    [
        "start.py test",
        "start.py test -m nightly",
        "engines airflow",
        "engines feast",
        "playground",
        "fast-3.12",
        "uv nox",
    ],
)
def test_a_red_step_makes_the_whole_red_and_the_rest_runs_all_the_same(ci, red):
    done = ci(red)

    assert done.returncode == 1
    assert "exit code 1" in done.stdout
    assert "asked for: python3 start.py test-engines tecton cloud serving playground\n" in done.stdout
    assert "asked for: python3 start.py test-engines airflow prefect\n" in done.stdout
