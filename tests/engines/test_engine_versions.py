"""Each engine's own versions: all that is asked for is pinned, and what a model depends on is as in the course."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from engine_tests import ENGINES, pinned
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from update_constraints import SAME

ROOT = Path(__file__).resolve().parents[2]
OWN = [name for name, engine in ENGINES.items() if engine.extras]  # those with an environment of their own
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def pins(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def written(found: list[Requirement], package: str) -> list[str]:
    return sorted(str(pin) for pin in found if canonicalize_name(pin.name) == package)


@pytest.mark.parametrize("engine", OWN)
def test_everything_that_is_asked_for_is_pinned_to_a_version_that_it_admits(engine):
    found = pins(pinned(engine))

    extras = [line for extra in ENGINES[engine].extras for line in PROJECT["optional-dependencies"][extra]]
    for line in [*PROJECT["dependencies"], *extras]:
        wanted = Requirement(line)
        versions = [
            next(iter(pin.specifier)).version
            for pin in found
            if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
        ]
        assert versions, f"nothing is pinned for {line}"
        assert all(wanted.specifier.contains(version) for version in versions), line


@pytest.mark.parametrize(
    ("engine", "package"),
    [(name, package) for name in OWN for package in SAME if package not in ENGINES[name].own],
)
def test_what_a_model_depends_on_has_the_version_of_the_course(engine, package):
    assert written(pins(pinned(engine)), package) == written(pins("constraints.txt"), package)


@pytest.mark.parametrize("engine", OWN)
def test_every_line_is_one_exact_version_and_no_address(engine):
    found = pins(pinned(engine))

    assert [str(pin) for pin in found if pin.url or [clause.operator for clause in pin.specifier] != ["=="]] == []
