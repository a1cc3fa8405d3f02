"""What every test of the course may rely on."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# While writing and before a change lands: the same examples on every machine. At night: others each time, and many; the
# seed is printed, and what it finds is kept as a test of its own. None fails because a slow machine is slow.
CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("course", derandomize=True, max_examples=30, **CALM)
settings.register_profile("nightly", derandomize=False, max_examples=500, database=None, **CALM)
settings.load_profile("course")

# A worker of pytest-xdist is told the width of the terminal, and lines would break there. So is every program that a
# test starts once pytest has imported readline, which tells the system and not os.environ.
os.environ.pop("COLUMNS", None)
os.unsetenv("COLUMNS")

# Whatever a shell starts with & is deaf to Ctrl-C, and so would be every program that a test wants to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is not among the fast, whoever marks what: they need a browser, an engine, a kernel, a server, a whole run of the
# pipeline, an environment of their own or the linters of workflows.
NOT_FAST = {
    *("benchmarks", "browser", "classroom", "cli", "cloud", "conformance", "engines", "feast", "mlflow", "notebooks"),
    *("pipeline", "playground", "problem", "serving", "site", "start", "tecton", "workflows"),
}


@pytest.hookimpl(tryfirst=True)  # before Hypothesis looks for its seed
def pytest_configure(config):
    """At night, draw a seed that can be named."""
    if getattr(config.option, "hypothesis_profile", None) == "nightly" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_report_header(config):
    """The seed of the property tests, so that a night can be had again with `--hypothesis-seed`."""
    seed = getattr(config.option, "hypothesis_seed", None)
    return None if seed is None else f"property tests: --hypothesis-seed={seed}"


def pytest_collection_modifyitems(items):
    """Mark as fast what is; the tiers are told in .github/CONTRIBUTING.md."""
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else item.path.suffix
        slower = any(item.get_closest_marker(name) for name in ("slow", "nightly", "browser"))
        if not slower and folder not in {*NOT_FAST, ".ipynb"}:
            item.add_marker("fast")


@pytest.fixture(scope="session")
def place_for_others():
    """A function that gives a temporary place where another user can get to; this user's own may be closed to all."""

    def find() -> str:
        for place in (tempfile.gettempdir(), "/var/tmp"):  # noqa: S108  mkdtemp makes a name of its own in it
            path = Path(place).resolve()
            if all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents)):
                return place
        return pytest.skip("no temporary folder here is open to other users")

    return find
