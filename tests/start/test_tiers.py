"""The three tiers: a fault planted in one turns that one red, and a longer one runs what the shorter ones run."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIERS = runpy.run_path(str(ROOT / "start.py"))["TIERS"]
FAULTS = """
import pytest
from hypothesis import given, settings, strategies as st

def test_fast(): assert False

@pytest.mark.slow
def test_slow(): assert False

@pytest.mark.nightly
def test_nightly(): assert False

@pytest.mark.browser
def test_browser(): assert False

@given(st.integers())
def test_examples(number): assert settings().max_examples == 30  # and many more at night
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The project's own pytest settings and conftest.py over a file of faults."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "tests" / "house").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "tests")
    for name in ("mlops_lab", "notebooks", "scripts"):
        (folder / name).mkdir()
    (folder / "tests" / "house" / "test_faults.py").write_text(FAULTS)
    (folder / "tests" / "engines").mkdir()
    (folder / "tests" / "engines" / "test_engine.py").write_text("def test_engine(): assert False\n")
    return folder


def red(folder: Path, tier: str) -> set[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=no", *TIERS.get(tier, [])]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"^FAILED \S+::test_(\w+)", told, re.M))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tier", "faults"),
    [
        ("default", {"fast", "slow", "browser", "engine"}),
        pytest.param("fast", {"fast"}, marks=pytest.mark.nightly),
        pytest.param("nightly", {"nightly", "examples"}, marks=pytest.mark.nightly),
    ],
)
def test_a_fault_planted_in_a_tier_turns_it_red(planted, tier, faults):
    assert red(planted, tier) == faults
