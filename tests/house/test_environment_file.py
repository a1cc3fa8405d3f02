"""environment.yml: it is made from pyproject.toml, each line is one that conda reads, and its solver finds a solution.

The channel itself cannot be reached from a test: conda's own solver is given a channel made of the pinned versions.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from ruamel.yaml import YAML
from update_constraints import ON_CONDA, conda, conda_files

rattler = pytest.importorskip("rattler", reason="py-rattler has no release for this Python")
ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "environment.yml").read_text("utf-8")


def pinned() -> dict[str, str]:
    """The versions of constraints.txt that hold on this machine."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = {**default_environment(), "extra": ""}
    return {pin.name: str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate(here)}


def solve(text: str, folder: Path) -> dict[str, str]:
    """What conda's solver picks on a channel that holds the pinned versions alone."""
    specs = [line for line in YAML(typ="safe").load(text)["dependencies"] if isinstance(line, str)]
    locked = {"python": "3.11.9", "pip": "26.0", "graphviz": "13.0"}
    for name, version in pinned().items():
        locked[{"ruamel-yaml": "ruamel.yaml", **ON_CONDA}.get(name, name)] = version
    packages = {
        f"{name}-{version}-0.tar.bz2": {
            "name": name, "version": version, "build": "0", "build_number": 0, "subdir": "noarch", "noarch": "generic",
            "depends": [], "size": 1, "md5": "0" * 32, "sha256": "0" * 64,
        }
        for name, version in locked.items()
    }  # fmt: skip
    for subdir in ("noarch", "linux-64"):
        (folder / subdir).mkdir()
        index = {"info": {"subdir": subdir}, "packages": packages if subdir == "noarch" else {}, "packages.conda": {}}
        (folder / subdir / "repodata.json").write_text(json.dumps(index), "utf-8")
    channel = rattler.Channel(folder.as_uri())
    picked = asyncio.run(
        rattler.solve(
            sources=[channel],
            specs=specs,
            platforms=["linux-64", "noarch"],
            gateway=rattler.Gateway(cache_dir=folder / "cache"),
        )
    )
    return {package.name.normalized: str(package.version) for package in picked}


def test_the_files_are_those_that_pyproject_toml_makes():
    assert {name: (ROOT / name).read_text("utf-8") for name in conda_files()} == conda_files()


def test_each_requirement_has_its_conda_name_and_its_range():
    text = conda(["tzdata>=2024.1", "pandas>=2.2.2,<4", "graphviz-pure>=0.2.2"], "# head\n", "..")

    document = YAML(typ="safe").load(text)
    lines = ["python >=3.11", "pip", "graphviz", "pandas >=2.2.2,<4", "python-tzdata >=2024.1"]
    assert document["dependencies"] == [*lines, {"pip": ["graphviz-pure>=0.2.2", "--editable .."]}]
    assert (document["name"], document["channels"]) == ("mlops-lab", ["conda-forge", "nodefaults"])
    assert [str(rattler.MatchSpec(line, strict=True).name.normalized) for line in lines] == [
        line.split()[0] for line in lines
    ]


def test_the_solver_of_conda_finds_the_pinned_versions_consistent(tmp_path):
    picked = solve(TEXT, tmp_path)

    assert picked["numpy"] == pinned()["numpy"]
    assert {"python", "graphviz", "python-graphviz", "scikit-learn"} <= set(picked)


def test_the_solver_sees_a_range_that_nothing_can_meet(tmp_path):
    with pytest.raises(Exception, match=r"(?s)numpy.*") as refused:
        solve(re.sub("numpy >=1.26.4", "numpy >=99", TEXT), tmp_path)

    assert "99" in str(refused.value)
