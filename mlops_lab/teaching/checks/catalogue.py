"""The exercises, quizzes and predictions that there are."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from mlops_lab.base.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.teaching.checks.exercise import Exercise, Option, Prediction, Quiz


@cache
def _exercises() -> dict[str, Exercise]:
    known: dict[str, Exercise] = {}
    package = import_module("mlops_lab.teaching.checks")
    names = (found.name for found in iter_modules(package.__path__))
    for name in sorted(name for name in names if re.fullmatch(r"nb\d\d|built_by_hand|capstone|transfer", name)):
        module = f"mlops_lab.teaching.checks.{name}"
        try:
            found = import_module(module).EXERCISES
        except ModuleNotFoundError as missing:
            if missing.name == "pandas":  # in a browser alone: the exercises that need no frames are there
                continue
            raise
        for one in found:
            if one.id in known:
                raise DuplicateName("exercise", one.id, where=module)
            if name.startswith("nb") and not one.id.startswith(name[2:] + "."):
                raise InvalidDefinition(f"{one!r} stands in {module}; its id must begin {name[2:]}.")
            known[one.id] = one
    return known


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course, in order."""
    return tuple(sorted(_exercises().values(), key=lambda one: one.id))


@cache
def _quizzes() -> dict[str, Quiz]:
    """`quizzes.toml`: the `question`, its `options`, each with what is said to it, and the place of the `right` one."""
    return {
        entry: Quiz(
            entry,
            one["question"],
            tuple(Option(text, said, place == one["right"]) for place, (text, said) in enumerate(one["options"])),
        )
        for entry, one in _table("quizzes.toml").items()
    }


def _table(name: str) -> dict[str, dict[str, Any]]:
    found = tomllib.loads(Path(__file__).with_name(name).read_text("utf-8"))
    return dict(sorted(found.items()))


def all_quizzes() -> tuple[Quiz, ...]:
    """Every quiz of the course, in order."""
    return tuple(_quizzes().values())


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise of this id.

    Raises:
        UnknownName: there is no such exercise.
    """
    if exercise_id not in _exercises():
        raise UnknownName("exercise", exercise_id, _exercises())
    return _exercises()[exercise_id]


def find_quiz(quiz_id: str) -> Quiz:
    """The quiz of this id.

    Raises:
        UnknownName: there is no such quiz.
    """
    if quiz_id not in _quizzes():
        raise UnknownName("quiz", quiz_id, _quizzes())
    return _quizzes()[quiz_id]


@cache
def _predictions() -> dict[str, Prediction]:
    """`predictions.toml`: the `question`, its `options`, the place of the `right` one, what `came` and why."""
    return {
        entry: Prediction(entry, one["question"], tuple(one["options"]), one["right"], one["came"])
        for entry, one in _table("predictions.toml").items()
    }


def all_predictions() -> tuple[Prediction, ...]:
    """Every prediction of the course, in order."""
    return tuple(_predictions().values())


def find_prediction(prediction_id: str) -> Prediction:
    """The prediction of this id.

    Raises:
        UnknownName: there is no such prediction.
    """
    if prediction_id not in _predictions():
        raise UnknownName("prediction", prediction_id, _predictions())
    return _predictions()[prediction_id]
