"""The public list: every name loads, costs nothing until it is asked for, and is all that notebooks and README need."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import mlops_lab

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = set(mlops_lab.__all__)


def python(code: str, *options: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def faults(package: object, name: str) -> list[str]:
    """What is wrong with a name of the list: nothing there, another thing's name, or not a word about it."""
    try:
        value = getattr(package, name)
    except (AttributeError, ImportError) as error:
        return [f"{name}: {error}"]
    called = getattr(value, "__name__", name).rpartition(".")[2]
    wrong = [f"{name}: is {called}"] if callable(value) and called not in (name, "flights") else []
    described = not (callable(value) or inspect.ismodule(value)) or inspect.getdoc(value)
    return wrong if described else [*wrong, f"{name}: has no docstring"]


def test_each_name_of_the_list_is_what_its_package_calls_so_and_has_a_docstring():
    assert [fault for name in sorted(PUBLIC) for fault in faults(mlops_lab, name)] == []


def test_a_planted_name_is_seen():
    def silent():
        pass

    planted = SimpleNamespace(silent=silent, renamed=faults, ours=7)

    found = [fault for name in ("silent", "renamed", "ours", "gone") for fault in faults(planted, name)]

    assert [fault.split(":")[0] for fault in found] == ["silent", "renamed", "gone"]


def test_the_list_is_told_before_anything_is_loaded():
    told = python(
        "import mlops_lab, sys; names = dir(mlops_lab);"
        "print({'FeatureStore', 'Registry', 'run_flights'} <= set(names),"
        "      sorted({'pandas', 'numpy', 'mlops_lab.data'} & set(sys.modules)))"
    )

    assert told == "True []"


def test_a_name_that_is_not_in_the_list_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="FeaturStore"):
        _ = mlops_lab.FeaturStore


def test_an_old_path_leads_to_the_same_module_and_says_so():
    told = python(
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    from mlops_lab.features.definitions import Entity\n"
        "from mlops_lab import Entity as same\n"
        "print(Entity is same, seen[0].category.__name__, 'mlops_lab.data.features' in str(seen[0].message))"
    )

    assert told == "True DeprecationWarning True"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_path_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="nope"):
        __import__("mlops_lab.features.nope")


def imports_of(source: str) -> list[tuple[str, str]]:
    """Each (module, name) that a notebook imports from the package."""
    tree = ast.parse("\n".join("" if line.startswith(("%", "!")) else line for line in source.splitlines()))
    return [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlops_lab"
        for alias in node.names
    ]


def deep(source: str) -> list[str]:
    """The imports that do not come from the public list."""
    return [f"{module}: {name}" for module, name in imports_of(source) if module != "mlops_lab" or name not in PUBLIC]


def test_notebooks_import_from_the_public_list_only():
    seen = {path.name: deep(path.read_text("utf-8")) for path in (ROOT / "notebooks" / "src").glob("*.py")}

    assert len(seen) > 9
    assert {name: wrong for name, wrong in seen.items() if wrong} == {}


@pytest.mark.parametrize("planted", ["from mlops_lab.models.registry import Registry", "from mlops_lab import nope"])
def test_a_deep_import_is_seen(planted):
    assert len(deep(planted)) == 1


def test_a_public_name_of_the_version_before_leads_to_its_new_one_and_says_so():
    with pytest.warns(DeprecationWarning, match="load_predictor now"):
        assert mlops_lab.open_desk is mlops_lab.load_predictor
