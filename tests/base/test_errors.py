"""Every error of the package comes through pickle and copy with its text and its facts."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor

import pytest

import mlops_lab
from mlops_lab.base.errors import MlopsLabError, NotAllowed, UnknownName

PLAIN = {"bool": True, "int": 3, "float": 0.5, "Sequence[str]": ["a", "b"], "Iterable[object]": ["a", "b"]}


class Anything:
    """What stands for an object of another package's making: it has every attribute, and each of them is 1."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return 1

    def __eq__(self, other):
        return isinstance(other, Anything)

    __hash__ = None


def value_for(parameter):
    """A value of the kind that a parameter takes."""
    kind = str(parameter.annotation)
    if kind.startswith("Mapping["):
        return {3: "wind"}
    if kind.startswith(("Sequence[", "Iterable[", "tuple[")) and kind not in PLAIN:
        return [Anything()]
    if kind.startswith(("Mapping[", "dict[")) and kind not in PLAIN:
        return {7: "wind"}
    return PLAIN.get(kind, "wind" if "str" in kind or kind == "object" else Anything())


def family():
    """The classes that raise: everything below MlopsLabError in every module that imports without an extra."""
    for module in pkgutil.walk_packages(mlops_lab.__path__, "mlops_lab."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError:
                continue
    found, waiting = [], [MlopsLabError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        found.append(kind)
    return sorted(set(found), key=lambda kind: kind.__qualname__)


def example(kind):
    """One of it, made by its own constructor from values of the kinds that it takes."""
    if not inspect.isfunction(kind.__init__):  # a builtin's constructor, which takes any text
        return kind("wind")
    needed = list(inspect.signature(kind).parameters.values())
    given = [value_for(each) for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD]
    named = {each.name: value_for(each) for each in needed if each.kind is each.KEYWORD_ONLY}
    return kind(*given, **named)


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])  # noqa: S301
@pytest.mark.parametrize("kind", family(), ids=lambda kind: kind.__qualname__)
def test_an_error_comes_through_with_its_text_and_its_facts(kind, again):
    error = example(kind)

    found = again(error)

    assert type(found) is kind
    assert str(found) == str(error)
    assert vars(found) == vars(error)


def raise_unknown(_):
    raise UnknownName("feature", "visibilty", ["visibility"])


def test_a_worker_that_raises_tells_whoever_waits_for_it():
    with ProcessPoolExecutor(1) as pool, pytest.raises(UnknownName, match="Did you mean 'visibility'") as told:
        list(pool.map(raise_unknown, [1]))

    assert told.value.meant == "visibility"


def test_a_note_and_the_builtin_kind_stay():
    error = NotAllowed("no report", waiting=True)
    error.add_note("ask grace")

    found = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert isinstance(found, PermissionError)
    assert (found.waiting, found.__notes__) == (True, ["ask grace"])
