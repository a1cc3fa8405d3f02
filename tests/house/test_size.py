"""A module holds one concept, said in its first line, in at most 600 lines."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CEILING = 600
FORBIDDEN = ("utils.py", "util.py", "core.py", "helpers.py", "misc.py", "common.py")


def modules() -> list[Path]:
    return sorted([ROOT / "start.py", *(ROOT / "mlops_lab").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])


def faults(path: Path) -> list[str]:
    source = path.read_text("utf-8")
    lines = len(source.splitlines())
    first = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    found = [f"{lines} lines, and {CEILING} is the ceiling"] if lines > CEILING else []
    found += [] if first.endswith((".", "?", ":")) else ["the first docstring line is no sentence"]
    return found + ([f"{path.name} says nothing of what is in it"] if path.name in FORBIDDEN else [])


def test_each_module_is_small_and_says_what_is_in_it():
    assert {path.relative_to(ROOT).as_posix(): wrong for path in modules() if (wrong := faults(path))} == {}


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("long.py", '"""What is too long?"""\n' + "x = 1\n" * 600, "601 lines"),
        ("silent.py", "x = 1\n", "no sentence"),
        ("utils.py", '"""What is left over?"""\n', "says nothing"),
    ],
)
def test_a_planted_fault_is_seen(tmp_path, name, source, told):
    (tmp_path / name).write_text(source)

    assert told in faults(tmp_path / name)[0]


def test_exactly_the_ceiling_is_allowed(tmp_path):
    (tmp_path / "full.py").write_text('"""What just fits?"""\n' + "x = 1\n" * 599)

    assert faults(tmp_path / "full.py") == []
