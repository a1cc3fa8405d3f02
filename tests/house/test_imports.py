"""Importing the package costs nothing: what is heavy or optional is imported by the function that needs it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mlops_lab"
HEAVY = ("pandas", "numpy", "sklearn", "scipy", "matplotlib", "pyarrow")
LAYERS = ("mlops_lab", *(f"mlops_lab.{name}" for name in ("base", "data", "data.features", "models", "pipeline")))
ENGINES = (
    *("feast", "mlflow", "airflow", "prefect", "dagster", "zenml", "kedro", "metaflow", "flyte", "flytekit", "kfp"),
    *("duckdb", "polars", "bentoml", "mlserver", "kserve", "fastapi", "uvicorn", "boto3", "google", "kubernetes"),
)


def loaded_by(statement: str) -> set[str]:
    """The heavy packages that a fresh interpreter holds after `statement`."""
    code = f"import sys\n{statement}\nprint(*sorted(set(sys.modules) & set(sys.argv[1:])))"
    command = [sys.executable, "-c", code, *HEAVY]
    return set(subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True).stdout.split())


def engines_at_the_top(source: str) -> set[str]:
    """The optional packages that a module imports outside functions and `TYPE_CHECKING`."""
    found, waiting = set(), list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        waiting += ast.iter_child_nodes(node)
    return found & set(ENGINES)


def test_the_package_and_its_lower_layers_load_nothing_heavy():
    assert loaded_by(f"import {', '.join(LAYERS)}") == set()


def test_a_heavy_import_is_seen():
    assert "numpy" in loaded_by("import numpy")


def test_engines_are_imported_where_they_are_used():
    seen = {path: engines_at_the_top(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}

    # Uvicorn's protocol has a subclass of ours, in a module of its own that is imported when a server starts.
    found = {path.relative_to(PACKAGE).as_posix(): engines for path, engines in seen.items() if engines}
    assert found == {"delivery/server/polite.py": {"uvicorn"}}


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import feast", {"feast"}),
        ("from mlflow.tracking import MlflowClient", {"mlflow"}),
        ("try:\n    import prefect\nexcept ImportError:\n    prefect = None", {"prefect"}),
        ("class A:\n    import airflow", {"airflow"}),
        ("def f():\n    import feast", set()),
        ("if TYPE_CHECKING:\n    import feast", set()),
        ("from .feast import adapter", set()),
    ],
)
def test_a_planted_engine_is_seen(source, seen):
    assert engines_at_the_top(source) == seen
