"""The layers: a package imports only from those above it in the table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mlops_lab"
LAYERS = (
    ("base",),
    ("data",),
    ("models",),
    ("pipeline",),  # the core ends here
    ("ci", "adapters", "delivery"),  # these do not know each other
    ("teaching",),
    ("cli",),
)
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages}
TOP = len(LAYERS)  # the package's own __init__ and __main__


def may_import(package: str, other: str) -> bool:
    return LAYER[other] < LAYER.get(package, TOP)


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
    """Every import that goes sideways or down the table, and every package that is not in it."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).with_suffix("").parts
        own = inside[0]
        where = f"mlops_lab/{path.relative_to(package).as_posix()}"
        if own not in LAYER and own not in ("__init__", "__main__", "_moved"):
            found.append(f"{where}: package {own!r} is in no layer")
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for name, line in sorted(imported(tree, ("mlops_lab", *inside[:-1]))):
            if name in LAYER and name != own and not may_import(own, name):
                found.append(f"{where}:{line}: {own} imports {name}")
            elif name not in LAYER and not name.startswith("_") and own in LAYER:
                found.append(f"{where}:{line}: {name} comes from no layer")
    return found


def test_every_import_goes_up_the_table():
    assert faults(PACKAGE) == []


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("data/features/store.py", "import mlops_lab.models.registry", "data imports models"),
        ("data/features/store.py", "from mlops_lab import pipeline", "data imports pipeline"),
        ("data/store.py", "from ..models import Run", "data imports models"),
        ("data/store.py", "from .. import pipeline", "data imports pipeline"),
        ("data/__init__.py", "from ..pipeline import DAG", "data imports pipeline"),
        ("models/gates.py", "def f():\n    from mlops_lab.ci import Workflow", "models imports ci"),
        ("models/gates.py", "if TYPE_CHECKING:\n    from mlops_lab.pipeline import DAG", "models imports pipeline"),
        ("pipeline/flights.py", "importlib.import_module('mlops_lab.adapters.feast')", "pipeline imports adapters"),
        ("ci/run.py", "from mlops_lab.delivery import serve", "ci imports delivery"),
        ("delivery/server.py", "from mlops_lab.teaching import check", "delivery imports teaching"),
        ("teaching/panels.py", "from mlops_lab.cli import main", "teaching imports cli"),
        ("data/store.py", "from mlops_lab import FeatureStore", "FeatureStore comes from no layer"),
        ("base/errors.py", "from mlops_lab.data import flights", "base imports data"),
        ("utils.py", "", "package 'utils' is in no layer"),
    ],
)
def test_a_planted_import_is_seen(tmp_path, path, source, told):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(source)

    found = faults(tmp_path)

    assert any(told in fault for fault in found), found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("data/store.py", "from mlops_lab.base.errors import InvalidData\nfrom .views import FeatureView"),
        ("data/store.py", "from mlops_lab import base, __version__\nfrom mlops_lab.data import views"),
        ("teaching/panels.py", "from mlops_lab.ci import simulate\nimport mlops_lab"),
        ("cli/run.py", "from mlops_lab.pipeline import run\nimport pandas"),
        ("__main__.py", "from mlops_lab.cli import main"),
    ],
)
def test_an_import_from_a_layer_above_is_welcome(tmp_path, path, source):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(source)

    assert faults(tmp_path) == []


def imports_of(folder: Path, package: str) -> dict[str, set[str]]:
    """Each module below a folder, and those of them that it imports, anywhere in it, also for types."""
    files = {}
    for path in folder.rglob("*.py"):
        parts = [*[package] * bool(package), *path.relative_to(folder).with_suffix("").parts]
        files[".".join(parts).removesuffix(".__init__")] = path
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        inside = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names} & set(files)
            elif isinstance(node, ast.ImportFrom):
                start = inside[: len(inside) - node.level + 1] if node.level else []
                base = ".".join([*start, *((node.module or "").split(".") if node.module else [])])
                inner = {f"{base}.{alias.name}" for alias in node.names} & set(files)
                found[module] |= inner | ({base} & set(files) if len(inner) < len(node.names) else set())
        found[module].discard(module)
    return found


def circles(imports: dict[str, set[str]]) -> set[str]:
    """The modules from which a way of imports leads back to themselves."""
    left = dict(imports)
    while ends := {module for module, others in left.items() if not others & set(left)}:
        left = {module: others for module, others in left.items() if module not in ends}
    while tops := set(left) - {other for others in left.values() for other in others}:
        left = {module: others for module, others in left.items() if module not in tops}
    return set(left)


@pytest.mark.parametrize(("folder", "package"), [(PACKAGE, "mlops_lab"), (PACKAGE.parent / "scripts", "")])
def test_no_import_goes_in_a_circle(folder, package):
    assert circles(imports_of(folder, package)) == set()


def test_a_planted_circle_is_seen(tmp_path):
    for name, source in (
        ("a", "def f():\n    import b"),
        ("b", "from c import x"),
        ("c", "import a"),
        ("d", "import a"),
    ):
        (tmp_path / f"{name}.py").write_text(source)

    assert circles(imports_of(tmp_path, "")) == {"a", "b", "c"}
