"""A room of the package imports only from the floors below it; nobody imports the top floor."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mlops_lab"
FLOORS = (
    ("errors", "clock", "fingerprint", "storage", "datasets"),
    ("features", "tracking", "dag", "actions"),
    ("training", "registry"),
    ("gates", "lineage", "backends", "drift"),
    ("rollout", "serving", "manifests", "targets"),
    ("drawing", "checks", "pipeline", "exports", "fleet"),
    ("classroom",),
    ("panels", "engines", "cli"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ROOF = len(FLOORS)  # the package's own __init__ and __main__ stand above every room
GROUND = FLOORS[0]  # rooms of the ground floor build on each other in the order given


def may_import(room: str, other: str) -> bool:
    if room in GROUND and other in GROUND:
        return GROUND.index(other) < GROUND.index(room)
    return FLOOR[other] < FLOOR.get(room, ROOF)


def imported(tree: ast.AST, package: tuple[str, ...]) -> set[tuple[str, int]]:
    """Each name below mlops_lab that a module of `package` imports, with its line; anywhere in it, also for types."""
    found = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += (node.module or "").split(".") if node.module else []
            names = [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [part.value for part in node.args[:1] if isinstance(part, ast.Constant)]
        parts = [name.split(".") for name in names]
        found |= {(part[1], node.lineno) for part in parts if part[0] == "mlops_lab" and len(part) > 1}
    return found


def faults(package: Path) -> list[str]:
    """Every import that goes sideways or upwards, and every room that has no floor."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).with_suffix("").parts
        room = inside[0]
        where = f"mlops_lab/{path.relative_to(package).as_posix()}"
        if room not in FLOOR and room not in ("__init__", "__main__"):
            found.append(f"{where}: room {room!r} stands on no floor")
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for name, line in sorted(imported(tree, ("mlops_lab", *inside[:-1]))):
            if name in FLOOR and name != room and not may_import(room, name):
                found.append(f"{where}:{line}: {room} imports {name}")
            elif name not in FLOOR and not name.startswith("__") and room in FLOOR:
                found.append(f"{where}:{line}: {name} comes from no room")
    return found


@pytest.mark.slow
def test_every_import_goes_downstairs():
    assert faults(PACKAGE) == []


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("features/store.py", "import mlops_lab.models.registry", "features imports registry"),
        ("features/store.py", "from mlops_lab.models.registry import Registry", "features imports registry"),
        ("features/store.py", "from mlops_lab import tracking", "features imports tracking"),
        ("features/store.py", "from ..tracking import Run", "features imports tracking"),
        ("features/store.py", "from .. import dag", "features imports dag"),
        ("features/__init__.py", "from ..dag import DAG", "features imports dag"),
        ("features/store.py", "def f():\n    from mlops_lab.ci import Workflow", "features imports actions"),
        (
            "features/store.py",
            "if TYPE_CHECKING:\n    from mlops_lab.models.gates import GateReport",
            "features imports gates",
        ),
        ("features/store.py", "importlib.import_module('mlops_lab.cli')", "features imports cli"),
        ("features/store.py", "from mlops_lab import FeatureStore", "FeatureStore comes from no room"),
        ("panels/gate.py", "from mlops_lab.adapters.engines import feast", "panels imports engines"),
        ("cli.py", "from mlops_lab.teaching.panels import GatePanel", "cli imports panels"),
        ("drawing.py", "from mlops_lab.teaching.checks import check", "drawing imports checks"),
        ("errors.py", "from mlops_lab.base.clock import Clock", "errors imports clock"),
        ("utils.py", "", "room 'utils' stands on no floor"),
    ],
)
def test_a_planted_import_is_seen(tmp_path, path, source, told):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(source)

    found = faults(tmp_path)

    assert any(told in fault for fault in found), found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("features/store.py", "from mlops_lab.base.errors import InvalidData\nfrom .views import FeatureView"),
        ("features/store.py", "from mlops_lab import errors, __version__\nfrom mlops_lab.data.features import views"),
        ("datasets/loading.py", "from mlops_lab.base.fingerprint import fingerprint_file\nimport mlops_lab"),
        ("cli.py", "from mlops_lab.pipeline.flights import run\nimport pandas"),
        ("__main__.py", "from mlops_lab.cli import main"),
    ],
)
def test_an_import_from_below_is_welcome(tmp_path, path, source):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(source)

    assert faults(tmp_path) == []
