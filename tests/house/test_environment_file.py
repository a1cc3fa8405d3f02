"""environment.yml: could conda have made this environment, and is it the one that pyproject.toml describes?

The channel itself cannot be reached from a test. What can be proved is: every line is a strict MatchSpec, every range
admits the version that constraints.txt pins, every requirement is there with the same range, and conda's own solver
finds the whole consistent on a channel made of the pinned versions.
"""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from ruamel.yaml import YAML

rattler = pytest.importorskip("rattler", reason="py-rattler has no release for this Python")
ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "environment.yml").read_text("utf-8")
ON_CONDA = {"graphviz": "python-graphviz", "matplotlib": "matplotlib-base", "tzdata": "python-tzdata"}
ONLY_CONDA = {"python", "pip", "graphviz"}  # what pyproject.toml cannot ask for: Python, pip and the dot program
ONLY_PIP = {"graphviz-pure"}
SCHEMA = {
    "type": "object",
    "required": ["name", "channels", "dependencies"],
    "additionalProperties": False,
    "properties": {
        "name": {"const": "mlops-lab"},
        "channels": {"type": "array", "contains": {"const": "conda-forge"}, "not": {"contains": {"const": "defaults"}}},
        "dependencies": {
            "type": "array",
            "items": {
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "required": ["pip"],
                        "additionalProperties": False,
                        "properties": {"pip": {"type": "array", "items": {"type": "string"}}},
                    },
                ]
            },
        },
    },
}


def project() -> dict[str, Requirement]:
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def pinned() -> dict[str, str]:
    """The versions of constraints.txt that hold on this machine."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = {**default_environment(), "extra": ""}
    return {pin.name: str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate(here)}


def faults(text: str) -> list[str]:
    """Everything that is wrong with an environment file, each in one line."""
    document = YAML(typ="safe").load(text)
    found = [f"schema: {error.message}" for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(document)]
    if found:
        return found
    lines = [line for line in document["dependencies"] if isinstance(line, str)]
    by_pip = [line for part in document["dependencies"] if isinstance(part, dict) for line in part["pip"]]
    specs = {}
    for line in lines:
        try:
            specs[line.split()[0]] = rattler.MatchSpec(line, strict=True)
        except Exception as error:  # rattler's own family of errors is not public
            found.append(f"not a MatchSpec: {line!r}: {error}")
    locked = pinned()
    on_pypi = {there: here for here, there in ON_CONDA.items()}
    for name, spec in specs.items():
        version = locked.get(on_pypi.get(name, name).replace(".", "-"))
        if name not in ONLY_CONDA and version is None:
            found.append(f"{name} is not in constraints.txt")
        elif name not in ONLY_CONDA and not admits(spec, version):
            found.append(f"{name} {spec.version} does not admit the pinned {version}")
    for name, requirement in project().items():
        wanted = {str(clause) for clause in requirement.specifier}
        conda = ON_CONDA.get(name, name)
        line = next((line for line in by_pip if Requirement(line).name == name), "") if name in ONLY_PIP else ""
        given = specs.get(conda)
        if name in ONLY_PIP:
            if {str(clause) for clause in Requirement(line or "none").specifier} != wanted:
                found.append(f"{name}: pip is told {line!r} and pyproject.toml says {requirement}")
        elif given is None:
            found.append(f"{name} of pyproject.toml is missing (as {conda})")
        elif set(str(given.version or "").split(",")) != wanted:
            found.append(f"{name}: {given.version} here and {requirement.specifier} in pyproject.toml")
    known = {ON_CONDA.get(name, name) for name in project()} | ONLY_CONDA
    found += [f"{name} is not in pyproject.toml" for name in specs if name not in known]
    return found if "--editable ." in by_pip else [*found, "the package itself is not installed"]


def admits(spec: rattler.MatchSpec, version: str) -> bool:
    return spec.version is None or rattler.VersionSpec(str(spec.version)).matches(rattler.Version(version))


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


def test_the_environment_file_is_in_step_with_the_project():
    assert faults(TEXT) == []


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("name: mlops-lab", "name: other", "schema"),
        ("  - conda-forge\n", "  - defaults\n", "schema"),
        ("  - pip:\n", "  - npm:\n", "schema"),
        ("numpy >=1.26.4", "numpy => 1.26.4", "not a MatchSpec"),
        ("pandas >=2.2.2,<4", "pandas >=2.2.2;<4", "not a MatchSpec"),
        ("jupyterlab >=4.4", "jupyter lab >=4.4", "not a MatchSpec"),
        ("pandas >=2.2.2,<4", "pandas >=2.2.2,<3", "does not admit the pinned"),
        ("numpy >=1.26.4", "numpy >=1.26", "in pyproject.toml"),
        ("  - rich >=13.9\n", "", "rich of pyproject.toml is missing"),
        ("matplotlib-base", "matplotlib", "matplotlib-base"),
        ("  - pip\n", "  - pip\n  - seaborn >=0.13\n", "seaborn is not in"),
        ("graphviz-pure>=0.2.2", "graphviz-pure>=9", "graphviz-pure: pip is told"),
        ("      - --editable .\n", "", "the package itself"),
    ],
)
def test_a_planted_defect_is_seen(line, instead, told):
    assert line in TEXT

    found = faults(TEXT.replace(line, instead))

    assert any(told in fault for fault in found), found


def test_the_solver_of_conda_finds_the_pinned_versions_consistent(tmp_path):
    picked = solve(TEXT, tmp_path)

    assert picked["numpy"] == pinned()["numpy"]
    assert {"python", "graphviz", "python-graphviz", "scikit-learn"} <= set(picked)


def test_the_solver_sees_a_range_that_nothing_can_meet(tmp_path):
    with pytest.raises(Exception, match=r"(?s)numpy.*") as refused:
        solve(re.sub("numpy >=1.26.4", "numpy >=99", TEXT), tmp_path)

    assert "99" in str(refused.value)
