"""ARCHITECTURE.md tells the truth: its reading path exists and is short, and its files and folders are there."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
MOST = 1500


def steps(text: str) -> list[tuple[str, str]]:
    """The files of the reading path, each with the name of a definition in it, or none."""
    return re.findall(r"^\d+\. `(mlops_lab/[\w/]+\.py)`(?: `(\w+)`)?:", text.partition("reading path")[2], re.MULTILINE)


def lines_of(file: str, name: str, root: Path = ROOT) -> int:
    source = (root / file).read_text("utf-8")
    if not name:
        return len(source.splitlines())
    (found,) = [node for node in ast.parse(source).body if getattr(node, "name", "") == name]
    return found.end_lineno - found.lineno + 1


def test_the_reading_path_exists_and_is_read_in_an_evening():
    path = steps(TEXT)

    sizes = {step: lines_of(*step) for step in path}

    assert len(path) >= 8
    assert all(sizes.values())
    assert sum(sizes.values()) <= MOST, sizes


def test_the_tree_names_every_package_and_the_table_only_what_is_there():
    tree = TEXT.partition("```\n")[2].partition("```")[0]
    packages = {path.parent.name for path in (ROOT / "mlops_lab").glob("*/__init__.py")}
    named = set(re.findall(r"^  (\w+)/", tree, re.MULTILINE))
    files = re.findall(r"`((?:models|pipeline|cli|data|adapters|teaching|tests|scripts|notebooks)/[\w/.]*)`", TEXT)
    absent = [each for each in files if not any((root / each).exists() for root in (ROOT, ROOT / "mlops_lab"))]

    assert named == packages
    assert [each for each in absent if "NN_name" not in each] == []


def test_the_picture_is_drawn_from_the_imports(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import draw_layers

    edges = draw_layers.imports()

    assert edges["models", "base"] > 5
    assert ("base", "models") not in edges
    assert '"models" -> "base"' in draw_layers.dot(edges)
    sys.modules.pop("draw_layers")


@pytest.mark.parametrize("step", [("mlops_lab/base/gone.py", ""), ("mlops_lab/pipeline/dag/rules.py", "gone")])
def test_a_step_that_is_gone_is_noticed(step):
    with pytest.raises((FileNotFoundError, ValueError)):
        lines_of(*step)
