"""The tasks of a contributor, on every system and every Python that is found.

    pip install nox         once, anywhere; with uv: uv tool install nox
    nox                     lint and the fast tier, on every Python of this machine that the course promises
    nox --list              what else there is; what stands after -- goes to pytest: nox -s newest -- tests/dag

`python start.py test` is the proof and needs nothing but Python. What is here asks the same of other Pythons and of
other versions of the packages, each in an environment of its own below .nox.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
PYTHONS = nox.project.python_versions({"project": PROJECT}, max_version="3.14")
# a new pyarrow demands a new NumPy, and says so only on import; an old scikit-learn warns of what a new SciPy drops
BOUND = ("numpy", "pandas", "scikit-learn", "scipy", "pyarrow")
COURSE = "--editable=.[serve,teach,test]"
PINNED = ("--constraint", "constraints.txt")
BESIDE = ("-n", str(min(os.cpu_count() or 1, 4)))

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "fast"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"


def lower_bounds() -> list[str]:
    """The lowest versions that pyproject.toml allows of what the course computes with, as exact pins."""
    found = [re.match(r"([\w-]+)\s*>=\s*([\d.]+)", line) for line in PROJECT["dependencies"]]
    return [f"{match[1]}=={match[2]}" for match in found if match and match[1] in BOUND]


def pytest(session: nox.Session, *options: str) -> None:
    """Run pytest, side by side where nobody said otherwise."""
    session.run("python", "-m", "pytest", *options, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format, lint and types, the workflows and the notebooks' rules: once, on one Python."""
    session.install(*PINNED, COURSE)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("jactionlint")
    session.run("python", "scripts/workflow_policies.py")
    session.run("python", "scripts/notebook_rules.py")


@nox.session(python=PYTHONS)
def fast(session: nox.Session) -> None:
    """What one runs while writing, on every Python that is promised and found."""
    session.install(*PINNED, COURSE)
    pytest(session, "-m", "fast", "-q", *BESIDE, "tests")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The default tier: everything that a change must pass."""
    session.install(*PINNED, COURSE)
    pytest(session, "-q", *BESIDE)


@nox.session
def lowest(session: nox.Session) -> None:
    """The tests on the lowest versions that pyproject.toml allows of what the course computes with."""
    if sys.version_info >= (3, 13):
        session.error("the lowest versions have no wheels for this Python; use nox -P 3.11 or nox -P 3.12")
    _versions(session, lower_bounds())


@nox.session
def newest(session: nox.Session) -> None:
    """The tests on the newest release of everything."""
    _versions(session, [])


@nox.session
def mutants(session: nox.Session) -> None:
    """Do the tests notice a changed line of what decides? After --: a word of the paths, how many of each, a seed."""
    word, count, seed = [*session.posargs, *["", "10", "14"][len(session.posargs) :]]
    session.install(*PINNED, COURSE)
    session.install("mutmut==3.8.1")  # the sampling asks it for the mutants alone
    session.run("python", "scripts/sample_mutants.py", count, word, seed)
    session.run("python", "scripts/mutation_table.py")


def _versions(session: nox.Session, pins: list[str]) -> None:
    """Notebooks and house rules stay out: they hold for the versions in constraints.txt."""
    constraints = Path(session.create_tmp(), "pins.txt")
    constraints.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    session.install("--upgrade", "--constraint", str(constraints), "--editable=.[bench,serve,test]")
    say = f"import importlib.metadata as m; print(*(f'{{n}} {{m.version(n)}}' for n in {BOUND}), sep=', ')"
    session.run("python", "-c", say)
    places = [] if any(Path(each.split("::")[0]).exists() for each in session.posargs) else ["tests", "mlops_lab"]
    out = ["--ignore=tests/notebooks", "--ignore=tests/house", "-m", "not browser and not nightly"]
    pytest(session, *out, "-q", "-p", "no:cacheprovider", *places)


@nox.session
def lock(session: nox.Session) -> None:
    """Write everything that is made from pyproject.toml anew: constraints, environments, the image's requirements."""
    session.install("uv", "ruamel.yaml")
    session.run("python", "scripts/update_constraints.py", *session.posargs)
