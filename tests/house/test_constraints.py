"""constraints.txt pins a fitting version of everything that pyproject.toml can ask for."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKED_EXTRAS = ("test", "bench", "teach", "serve")
LINES = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
PINS = [Requirement(line) for line in LINES if line and not line.startswith("#")]
ASKED = [
    *PROJECT["dependencies"],
    *(line for extra in LOCKED_EXTRAS for line in PROJECT["optional-dependencies"][extra]),
]


def faults(asked: str, pins: list[Requirement]) -> list[str]:
    wanted = Requirement(asked)
    found = [pin for pin in pins if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    versions = [next(iter(pin.specifier)).version for pin in found]
    wrong = [f"{version} is pinned for {asked}" for version in versions if not wanted.specifier.contains(version)]
    return wrong if found else [f"nothing is pinned for {asked}"]


def test_each_requirement_is_pinned_to_a_version_that_it_admits():
    assert [fault for asked in ASKED for fault in faults(asked, PINS)] == []


def test_every_line_is_one_exact_version():
    assert [str(pin) for pin in PINS if [clause.operator for clause in pin.specifier] != ["=="]] == []


def test_planted_faults_are_seen():
    assert faults("numpy>=99", PINS) != []
    assert faults("seaborn", PINS) == ["nothing is pinned for seaborn"]
