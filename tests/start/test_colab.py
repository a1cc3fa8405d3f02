"""Colab opens a copy of each notebook, and what it has preinstalled is enough: nothing of it is changed.

`colab.txt` holds facts, of all that the course needs, from googlecolab/backend-info (`pip-freeze.txt`).
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from build_notebooks import COLAB, for_colab
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from update_constraints import uv

ROOT = Path(__file__).resolve().parents[2]
FACTS = Path(__file__).with_name("colab.txt")
DEPENDENCIES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]


def changed(asked: list[str], facts: str) -> list[str]:
    """The requirements that what is there does not meet; what is not there is installed beside it."""
    there = dict(line.split("==") for line in facts.splitlines() if not line.startswith("#"))
    wanted = [Requirement(line) for line in asked]
    return [str(one) for one in wanted if not one.specifier.contains(there.get(canonicalize_name(one.name), "999"))]


def test_nothing_that_is_preinstalled_is_changed():
    assert changed([line.replace(",<4", "") for line in DEPENDENCIES], FACTS.read_text("utf-8")) == []


def test_a_requirement_that_would_change_it_is_seen():
    assert changed(["scikit-learn>=1.8", "skops>=0.13"], FACTS.read_text("utf-8")) == ["scikit-learn>=1.8"]


@pytest.mark.nightly
@pytest.mark.skipif(not uv(), reason="uv is not here")
def test_everything_else_is_found_beside_it(tmp_path):
    call = ["pip", "compile", "--quiet", "--python-version", "3.13", "--constraint", str(FACTS)]
    platform = ["--python-platform", "x86_64-manylinux_2_28", "--output-file", str(tmp_path / "found.txt")]

    subprocess.run([*uv(), *call, *platform, "pyproject.toml"], cwd=ROOT, check=True, timeout=300)

    found = (tmp_path / "found.txt").read_text("utf-8")
    assert {"scikit-learn==1.6.1", "pandas==2.2.3", "ipywidgets==7.7.1"} <= set(found.split())


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_the_copy_for_colab_is_that_of_the_notebook(path):
    copy = path.parent / "colab" / path.name

    assert copy.read_bytes() == for_colab(path.read_bytes())


def run(modules: dict[str, object]) -> list[str]:
    """What the first cell does where these modules are loaded."""
    did: list[str] = []
    shell = SimpleNamespace(run_line_magic=lambda name, line: did.append(f"%{name} {line}"))
    output = SimpleNamespace(enable_custom_widget_manager=lambda: did.append("widgets"))
    code = ast.parse(TransformerManager().transform_cell(COLAB))
    kept = {name: sys.modules.get(name) for name in ("google", "google.colab")}
    sys.modules.update({name: SimpleNamespace(colab=SimpleNamespace(output=output), output=output) for name in modules})
    try:
        exec(compile(code, "first cell", "exec"), {"get_ipython": lambda: shell})  # noqa: S102  our own cell
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update({name: module for name, module in kept.items() if module})
    return did


def test_the_first_cell_installs_on_colab_and_does_nothing_elsewhere():
    assert run({}) == []
    assert run({"google": None, "google.colab": None}) == ["%pip install --quiet mlops-lab", "widgets"]


def test_a_copy_holds_no_output_and_no_link_to_a_neighbour():
    text = for_colab((ROOT / "notebooks" / "00_start_here.ipynb").read_bytes()).decode()

    assert '"output_type"' not in text
    assert re.findall(r"\]\((?!https?:|#)", text) == []
