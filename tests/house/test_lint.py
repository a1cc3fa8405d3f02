"""Format, lint and types are part of the proof, with the settings of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, folder: Path = ROOT) -> tuple[int, str]:
    answer = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True)
    return answer.returncode, answer.stdout + answer.stderr


TYPES = pytest.param(("mypy",), marks=pytest.mark.nightly)  # a minute from nothing; .ci/run and CI ask it once


@pytest.mark.slow
@pytest.mark.parametrize("command", [("ruff", "check"), ("ruff", "format", "--check"), TYPES], ids=" ".join)
def test_the_repository_is_clean(command):
    code, words = run(*command)

    assert code == 0, words


@pytest.mark.parametrize(
    ("command", "source", "told"),
    [
        (("ruff", "check"), "import os\n", "F401"),
        (("ruff", "format", "--check"), "x = {  'a':1 }\n", "would be reformatted"),
        pytest.param(("mypy", "fault.py"), "def f(x):\n    return x\n", "no-untyped-def", marks=pytest.mark.nightly),
    ],
    ids=["ruff check", "ruff format", "mypy"],
)
def test_a_planted_fault_is_seen(tmp_path, command, source, told):
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "fault.py").write_text(source)

    code, words = run(*command, folder=tmp_path)

    assert code != 0
    assert told in words
