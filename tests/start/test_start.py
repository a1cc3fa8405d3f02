"""start.py as a stranger meets it: each thing that can go wrong is planted and ends in one clear line."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLD = """
import runpy, sys
sys.version_info = {version}
sys.argv = ["start.py"]
runpy.run_path(sys.orig_argv[-1], run_name="__main__")
"""


@pytest.fixture
def clone(tmp_path):
    """The few files of a clone that start.py asks for, in a folder whose name has a space."""
    place = tmp_path / "my course"
    for name in (
        "start.py",
        "scripts/environment.py",
        "scripts/failures.py",
        "scripts/locked.py",
        "pyproject.toml",
        "requirements.lock",
        "README.md",
        "LICENSE",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    for name in ("mlops_lab/__init__.py", "notebooks/00_start_here.ipynb", "tests/test_nothing.py"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    return place


def start(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_", "PYTEST_"))}
    environment = {**kept, "PATH": os.path.dirname(sys.executable), **variables}
    command = [sys.executable, str(clone / "start.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_start_parses_on_pythons_that_are_far_too_old():
    source = (ROOT / "start.py").read_text("utf-8")

    tree = ast.parse(source, feature_version=(3, 5))

    strings = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    assert not strings
    assert source.isascii()


@pytest.mark.parametrize("version", ["(2, 7, 18)", "(3, 6, 15)", "(3, 10, 13)"])
def test_an_old_python_is_refused_in_one_line(clone, version):
    command = [sys.executable, "-c", OLD.format(version=version), str(clone / "start.py")]

    answer = subprocess.run(command, env={**os.environ, "PATH": ""}, capture_output=True, text=True)

    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "Python 3.11 or newer is needed" in answer.stderr


@pytest.mark.skipif(os.name == "nt", reason="plants a program as a shell script")
def test_an_old_python_names_a_newer_one_of_this_machine(clone, tmp_path):
    (tmp_path / "python3.13").write_text("#!/bin/sh\nexit 127\n")  # a shim for a version that is not there
    (tmp_path / "python3.12").write_text("#!/bin/sh\nexit 0\n")
    for name in ("python3.13", "python3.12"):
        (tmp_path / name).chmod(0o755)
    command = [sys.executable, "-c", OLD.format(version="(3, 9, 2)"), str(clone / "start.py")]

    answer = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True)

    assert answer.stderr.endswith("this is 3.9; run: python3.12 start.py\n")


@pytest.mark.parametrize("asked", ["--help", "-h", "help"])
def test_help_names_every_command(clone, asked):
    answer = start(clone, asked)

    assert answer.returncode == 0
    assert "start.py [lab]" in answer.stdout
    assert "start.py test" in answer.stdout
    assert "start.py test-engines" in answer.stdout


def test_an_unknown_command_is_one_line_and_exit_1(clone):
    answer = start(clone, "tets")

    assert answer.returncode == 1
    told = "there is no command 'tets'; there is: demo, lab, site, test, test-engines (see --help)."
    assert answer.stderr == f"start.py: {told}\n"


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock", "scripts/environment.py"])
def test_an_incomplete_clone_is_named(clone, name):
    (clone / name).unlink()

    answer = start(clone)

    assert answer.returncode == 1
    assert f"{name} is missing beside start.py" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_clone_without_the_first_notebook_can_still_be_tested(clone):
    (clone / "notebooks/00_start_here.ipynb").unlink()
    (clone / ".venv").write_text("in the way")  # stops it before it would install

    opened, tested = start(clone), start(clone, "test")

    assert "00_start_here.ipynb is missing" in opened.stderr
    assert "00_start_here.ipynb" not in tested.stderr


def test_a_file_in_the_place_of_the_environment_is_left_alone(clone):
    (clone / ".venv").write_text("mine")

    answer = start(clone)

    assert answer.returncode == 1
    assert "is a file, where the course needs a folder" in answer.stderr
    assert (clone / ".venv").read_text() == "mine"


@pytest.mark.slow
def test_without_a_network_there_is_one_clear_sentence(clone):
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}

    answer = start(clone, "test", **nowhere)

    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == (
        "start.py: the package index cannot be reached, and installing needs it; check the network and start again."
    )
    assert "127.0.0.1" in (clone / ".venv/start.log").read_text("utf-8")
    assert '"installing"' in (clone / ".venv/start.json").read_text("utf-8")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be written by root")
def test_a_folder_that_cannot_be_written_is_one_clear_sentence(clone):
    clone.chmod(0o555)

    answer = start(clone, "test")

    clone.chmod(0o755)
    assert answer.returncode == 1
    assert "cannot be written; copy the course into a folder of your own" in answer.stderr
