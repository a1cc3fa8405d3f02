"""Whoever knows Python can catch our errors: each one is also the builtin that fits, and stands in the family tree."""

from __future__ import annotations

import ast
import builtins
import inspect
from pathlib import Path

from mlops_lab.base import errors

PACKAGE = Path(__file__).resolve().parents[2] / "mlops_lab"
FAMILY = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.MlopsLabError)]
SIGNALS = {
    "SkipTask",
    "FailTask",
    "NotYet",
    "NotNewest",
}  # raised by the reader's own code to steer ours: requests, not errors
CHILDREN = [cls for cls in FAMILY if cls is not errors.MlopsLabError]


def builtin_of(cls: type[BaseException]) -> type[BaseException] | None:
    plain = (Exception, BaseException, object)
    return next((base for base in cls.__mro__ if base.__module__ == "builtins" and base not in plain), None)


def faults(cls: type[BaseException], tree: list[str]) -> list[str]:
    """What is wrong with an error, given the lines of the family tree."""
    line = next((line for line in tree if f" {cls.__name__} " in f"{line} "), None)
    if line is None:
        return ["missing from the docstring of mlops_lab.base.errors"]
    if builtin_of(cls) is None:
        return ["no builtin"]
    return [line] if "(" in line and f"({builtin_of(cls).__name__})" not in line else []


def test_each_error_is_also_the_builtin_that_its_family_tree_names():
    tree = inspect.getdoc(errors).split("MlopsLabError\n", 1)[1].splitlines()

    assert {cls.__name__: wrong for cls in CHILDREN if (wrong := faults(cls, tree))} == {}


def test_each_error_is_public():
    assert {cls.__name__ for cls in FAMILY} - set(errors.__all__) == set()


def test_an_error_without_a_builtin_is_seen():
    class Lonely(errors.MlopsLabError):
        """Only ours."""

    assert faults(Lonely, [" Lonely (ValueError)"]) == ["no builtin"]
    assert faults(Lonely, []) == ["missing from the docstring of mlops_lab.base.errors"]
    assert faults(errors.UnknownName, [" UnknownName (ValueError)"]) == [" UnknownName (ValueError)"]
    assert builtin_of(errors.UnknownName) is LookupError


def foreign(source: str) -> list[str]:
    """Errors of a module that are defined outside the family: their base is a builtin alone."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.bases:
            bases = [getattr(builtins, ast.unparse(base), None) for base in node.bases]
            only_builtin = all(isinstance(base, type) and issubclass(base, BaseException) for base in bases)
            if only_builtin and not node.name.startswith("_"):
                found.append(node.name)
    return found


def test_no_public_error_stands_outside_the_family():
    outside = {(path.name, name) for path in PACKAGE.rglob("*.py") for name in foreign(path.read_text("utf-8"))}

    assert {each for each in outside if each[1] not in {"MlopsLabError", *SIGNALS}} == set()


def test_a_planted_outsider_is_seen():
    assert foreign("class Odd(ValueError): ...\nclass _Inner(Exception): ...\nclass Fine(UnknownName): ...") == ["Odd"]
