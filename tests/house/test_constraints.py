"""The lock has a fitting version of everything that pyproject.toml can ask for; the other lists are read off it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from locked import LOCK, MARK, requirements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from update_constraints import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKED_EXTRAS = EXTRAS
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


def names(text: str) -> dict[str, str]:
    """The packages of a lock with their versions."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def test_each_file_of_the_lock_has_a_hash_an_extra_and_no_host():
    blocks = LOCK.read_text("utf-8").split(MARK)[1:]

    assert len(blocks) == len(PINS)
    assert [
        block
        for block in blocks
        if not re.match(r"[a-z ]+\n\S+==.*\\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", block)
    ] == []


def test_what_an_installer_without_hashes_and_the_image_read_is_read_off_the_lock():
    blocks = LOCK.read_text("utf-8").split(MARK)[1:]
    plain = [re.sub(r" \\\n *--hash=\S+", "", each.partition("\n")[2]).strip() for each in blocks]
    of_image = [each.partition("\n")[2].strip() for each in blocks if "image" in each.partition("\n")[0].split()]

    assert plain == [line for line in LINES if not line.startswith("#")]
    assert "\n".join(of_image) == (ROOT / "deploy/requirements.lock").read_text("utf-8").partition("\n")[2].strip()


@pytest.mark.parametrize("extras", [(), *((each,) for each in EXTRAS), EXTRAS], ids=" ".join)
def test_the_part_of_an_extra_holds_what_it_asks_for_and_less_than_the_whole(extras):
    wanted = [*PROJECT["dependencies"], *(line for each in extras for line in PROJECT["optional-dependencies"][each])]

    found = names(requirements(extras))

    assert [each for each in wanted if canonicalize_name(Requirement(each).name) not in found] == []
    assert "hatchling" in found
    assert len(found) < len(names(LOCK.read_text("utf-8"))) or extras == EXTRAS


def test_an_extra_that_the_lock_does_not_know_is_told():
    with pytest.raises(ValueError, match="nothing for the extra airflow"):
        requirements(["airflow"])
