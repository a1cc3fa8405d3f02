"""Every function and class that a room offers shows itself at work: a doctest in its docstring, run with the rest."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mlops_lab"
WITHOUT_EXAMPLE = {"Protocol", "Enum", "StrEnum", "TypedDict"}  # nothing of their own to run
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def rooms(package: Path) -> list[Path]:
    """The files and folders that stand in the package: a module is a room, and so is a package in it."""
    found = [path for path in package.glob("*.py") if path.stem not in ("__init__", "__main__")]
    return sorted(found + [path.parent for path in package.glob("*/__init__.py")])


def parts(room: Path) -> list[Path]:
    return sorted(room.rglob("*.py")) if room.is_dir() else [room]


def offered(room: Path) -> set[str]:
    """The names of the room's own `__all__`; what its modules offer one another needs no example."""
    tree = ast.parse((room / "__init__.py" if room.is_dir() else room).read_text("utf-8"))
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return set(ast.literal_eval(lists[0])) if lists else set()


def is_exempt(node: Definition, exempt: set[str]) -> bool:
    bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in getattr(node, "bases", [])]
    return any(base in exempt or base.endswith(("Error", "Exception")) for base in bases)


def silent(room: Path, exempt: set[str]) -> list[str]:
    """The functions and classes that a room offers and whose docstring has no example."""
    names = offered(room)
    found = []
    for path in parts(room):
        for node in ast.parse(path.read_text("utf-8")).body:
            overloaded = any(ast.unparse(line).endswith("overload") for line in getattr(node, "decorator_list", []))
            if isinstance(node, Definition) and node.name in names and not overloaded and not is_exempt(node, exempt):
                found += [] if ">>>" in (ast.get_docstring(node) or "") else [f"{path.name}: {node.name}"]
    return found


def exempt() -> set[str]:
    tree = ast.parse((PACKAGE / "errors.py").read_text("utf-8"))
    return WITHOUT_EXAMPLE | {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("room", rooms(PACKAGE), ids=lambda room: room.stem)
def test_every_name_that_a_room_offers_has_an_example(room):
    assert silent(room, exempt()) == []


@pytest.mark.parametrize("room", rooms(PACKAGE), ids=lambda room: room.stem)
def test_every_module_declares_what_it_offers(room):
    modules = [path for path in parts(room) if not path.name.startswith("_")]

    assert [path.name for path in modules if "__all__" not in path.read_text("utf-8")] == []


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ('__all__ = ["f"]\ndef f():\n    """No example."""', ["room.py: f"]),
        ('__all__ = ["C"]\nclass C:\n    """No example."""\n    def m(self):\n        """>>> 1"""', ["room.py: C"]),
        ('__all__ = ["f"]\ndef f():\n    pass', ["room.py: f"]),
        ('__all__ = ["f"]\ndef f():\n    """>>> f()"""', []),
        ('__all__ = []\ndef f():\n    """Private."""', []),
        ('__all__ = ["E"]\nclass E(UnknownName):\n    """An error."""', []),
        ('__all__ = ["P"]\nclass P(Protocol[T]):\n    """A seam."""', []),
    ],
)
def test_a_planted_silence_is_seen(tmp_path, source, seen):
    (tmp_path / "room.py").write_text(source)

    assert silent(tmp_path / "room.py", exempt()) == seen


def test_a_name_is_found_in_whichever_module_of_its_room_defines_it(tmp_path):
    (tmp_path / "__init__.py").write_text('from .a import f\n__all__ = ["f"]')
    (tmp_path / "a.py").write_text('__all__ = ["f", "g"]\ndef f(): ...\ndef g(): ...')

    assert silent(tmp_path, exempt()) == ["a.py: f"]
