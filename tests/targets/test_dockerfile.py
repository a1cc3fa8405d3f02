"""What the image is made of: locked by hash, complete for what runs in it, nobody's root, and told about itself."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
LOCK = "".join((ROOT / "deploy" / f"{name}.lock").read_text("utf-8") for name in ("requirements", "pipeline"))
# What of the package does not run in the image, and libraries that it imports only where somebody installed them.
OUTSIDE = ("teaching", "adapters")
NOT_IN_IT = {
    "graphviz",
    "anywidget",
    "ipywidgets",
    "IPython",
    "matplotlib",
    "nbformat",
    "fsspec",
    "cupy",
    "xgboost",
    "jupyter_client",
    "packaging",
}
DISTRIBUTION = {"sklearn": "scikit-learn", "ruamel": "ruamel-yaml", "prometheus_client": "prometheus-client"}
INSTALLED_WITH = {
    "pydantic": "fastapi",
    "starlette": "fastapi",
    "pydantic_core": "fastapi",
    "anyio": "fastapi",
    "dateutil": "pandas",
    "joblib": "skops",
    "threadpoolctl": "scikit-learn",
}


def imported():
    """Each library that a module of the image imports, anywhere in it, and where."""
    found = {}
    for path in (ROOT / "mlops_lab").rglob("*.py"):
        if path.relative_to(ROOT / "mlops_lab").parts[0] in OUTSIDE:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], path.relative_to(ROOT).as_posix())
    return {name: where for name, where in found.items() if name not in sys.stdlib_module_names | {"mlops_lab"}}


def locked(text):
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\\n]+)", text, flags=re.MULTILINE))


def test_whatever_a_module_of_the_image_imports_is_installed_in_it():
    asked = ((ROOT / "deploy" / f"{name}.txt").read_text().splitlines() for name in ("requirements", "pipeline"))
    wanted = {line.strip() for lines in asked for line in lines}
    missing = {
        name: where
        for name, where in imported().items()
        if name not in NOT_IN_IT
        and INSTALLED_WITH.get(name, DISTRIBUTION.get(name, name)).replace("ruamel-yaml", "ruamel.yaml") not in wanted
    }

    assert missing == {}


def test_each_file_of_the_image_is_locked_by_its_hash_at_the_version_of_the_course():
    pinned, found = locked((ROOT / "constraints.txt").read_text("utf-8")), locked(LOCK)
    blocks = re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.MULTILINE)[1:]

    assert {name: version for name, version in found.items() if pinned.get(name) != version} == {}
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "http" not in re.sub(r"^http\S*==.*$", "", LOCK, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "line",
    [
        "--require-hashes \\\n    --requirement requirements.lock",
        "--require-hashes --requirement pipeline.lock",
        "FROM scratch AS",
        "venv --without-pip",
        "USER 10001:10001",
        "STOPSIGNAL SIGTERM",
        "HEALTHCHECK",
        'org.opencontainers.image.revision="${REVISION}"',
        'io.mlops-lab.model="${MODEL}"',
        "sbom.cdx.json",
        "ARG BASE=docker.io/library/python:3.11-slim-bookworm@sha256:",
    ],
)
def test_the_image_is_locked_nobody_s_root_watched_and_told_about_itself(line):
    assert line in DOCKERFILE


def test_who_builds_the_image_says_of_which_revision_and_model_it_is():
    action = (ROOT / ".github" / "actions" / "image" / "action.yml").read_text("utf-8")

    assert '--build-arg REVISION="$GITHUB_SHA" --build-arg MODEL="late_flights:v$VERSION"' in action


def test_the_bill_of_materials_names_every_package_once():
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "sbom.py")], capture_output=True, text=True, check=True, timeout=120
    )

    found = json.loads(done.stdout)
    names = [one["name"].lower() for one in found["components"]]
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert {"numpy", "scikit-learn", "fastapi"} <= set(names)
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9.-]+@\S+", one["purl"]) for one in found["components"])
