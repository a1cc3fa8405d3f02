"""Can somebody who may install nothing take part: a dev container, Codespaces, Binder?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
BINDER = (".binder/environment.yml", "environment.yml")
CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"

# The part of https://containers.dev/implementors/json_reference/ that the file uses; anything else is a typing error.
SCHEMA = {
    "type": "object",
    "required": ["name", "image", "postCreateCommand"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string", "pattern": r"^mcr\.microsoft\.com/devcontainers/python:3\.1[1-9]-\w+$"},
        "hostRequirements": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cpus": {"type": "integer", "minimum": 1},
                "memory": {"type": "string", "pattern": r"^\d+([tgmk]b)?$"},
                "storage": {"type": "string", "pattern": r"^\d+([tgmk]b)?$"},
            },
        },
        "containerEnv": {"type": "object", "additionalProperties": {"type": "string"}},
        "postCreateCommand": {"type": "string"},
        "forwardPorts": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
        "portsAttributes": {"type": "object", "additionalProperties": {"$ref": "#/$defs/port"}},
        "otherPortsAttributes": {"$ref": "#/$defs/port"},
        "customizations": {"type": "object"},
    },
    "$defs": {
        "port": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "label": {"type": "string"},
                "onAutoForward": {
                    "enum": ["notify", "openBrowser", "openBrowserOnce", "openPreview", "silent", "ignore"]
                },
            },
        }
    },
}


def container():
    """The file without its comments, which the format allows on lines of their own."""
    lines = CONTAINER.read_text("utf-8").splitlines()
    return json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))


def test_the_dev_container_is_one():
    jsonschema.validate(container(), SCHEMA)


@pytest.mark.parametrize(
    "change",
    [{"images": "x"}, {"image": "python"}, {"forwardPorts": ["8888"]}, {"portsAttributes": {"8888": {"x": 1}}}],
)
def test_a_planted_fault_is_seen(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**container(), **change}, SCHEMA)


def test_the_dev_container_starts_the_course_as_the_readme_does():
    words = container()["postCreateCommand"].split()

    assert words[:2] == ["python", "start.py"]
    assert (ROOT / words[1]).is_file()
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    image = re.search(r"python:3\.(\d+)-", container()["image"])
    assert int(image.group(1)) >= int(oldest.group(1))
    settings = container()["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")


def test_binder_makes_the_environment_of_the_course_and_not_the_model_server():
    """repo2docker looks in .binder, where there is one, and then at nothing else; pip runs in that folder."""
    assert not (ROOT / "binder").exists()
    binder, root = (YAML(typ="safe").load((ROOT / path).read_text("utf-8")) for path in BINDER)
    ours = root["dependencies"].pop()["pip"]

    theirs = binder["dependencies"].pop()["pip"]

    assert binder == root
    assert theirs == [line.replace("--editable .", "--editable ..") for line in ours]
    assert "--editable .." in theirs


def test_binder_signs_the_notebooks_so_that_their_pictures_show():
    path = ROOT / ".binder" / "postBuild"

    assert path.stat().st_mode & 0o111 or os.name == "nt"
    assert path.read_text("utf-8").startswith("#!/usr/bin/env bash\n")
    assert b"\r" not in path.read_bytes()
    for pattern in ("notebooks/[0-9]*.ipynb", "notebooks/teacher/*.ipynb"):
        assert pattern in path.read_text("utf-8")
        assert list(ROOT.glob(pattern))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Binder's machines run Linux")
def test_binders_last_step_works_from_an_empty_home(tmp_path):
    variables = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}

    done = subprocess.run([ROOT / ".binder" / "postBuild"], cwd=ROOT, env=variables, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("nbsignatures.db"))
