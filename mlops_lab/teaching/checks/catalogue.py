"""Which exercises and quizzes are there?"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TypeVar

from mlops_lab.base.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.teaching.checks.exercise import Exercise, Prediction, Quiz

__all__ = ["all_exercises", "all_predictions", "all_quizzes", "find_exercise", "find_prediction", "find_quiz"]

_Entry = TypeVar("_Entry", Exercise, Quiz)


@cache
def _read() -> tuple[dict[str, Exercise], dict[str, Quiz]]:
    exercises: dict[str, Exercise] = {}
    quizzes: dict[str, Quiz] = {}
    package = import_module("mlops_lab.teaching.checks")
    names = (found.name for found in iter_modules(package.__path__))
    for name in sorted(name for name in names if re.fullmatch(r"nb\d\d|built_by_hand", name)):
        module = import_module(f"mlops_lab.teaching.checks.{name}")
        _enter(exercises, getattr(module, "EXERCISES", ()), name)
        _enter(quizzes, getattr(module, "QUIZZES", ()), name)
    return exercises, quizzes


def _enter(known: dict[str, _Entry], more: tuple[_Entry, ...], module: str) -> None:
    for one in more:
        if one.id in known:
            raise DuplicateName(type(one).__name__.lower(), one.id, where=f"mlops_lab.teaching.checks.{module}")
        if module.startswith("nb") and not one.id.startswith(module[2:] + "."):
            raise InvalidDefinition(
                f"{one!r} stands in mlops_lab.teaching.checks.{module}; its id must begin {module[2:]}."
            )
        known[one.id] = one


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course, in order.

    >>> "01.1" in [exercise.id for exercise in all_exercises()]
    True
    """
    return tuple(sorted(_read()[0].values(), key=lambda one: one.id))


def all_quizzes() -> tuple[Quiz, ...]:
    """Every quiz of the course, in order.

    >>> "01.q1" in [quiz.id for quiz in all_quizzes()]
    True
    """
    return tuple(_read()[1].values())


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise of this id.

    >>> find_exercise("01.1")
    Exercise('01.1', predict)

    Raises:
        UnknownName: there is no such exercise.
    """
    exercises = _read()[0]
    if exercise_id not in exercises:
        raise UnknownName("exercise", exercise_id, exercises)
    return exercises[exercise_id]


def find_quiz(quiz_id: str) -> Quiz:
    """The quiz of this id.

    >>> find_quiz("01.q1")
    Quiz('01.q1')

    Raises:
        UnknownName: there is no such quiz.
    """
    quizzes = _read()[1]
    if quiz_id not in quizzes:
        raise UnknownName("quiz", quiz_id, quizzes)
    return quizzes[quiz_id]


@cache
def _predictions() -> dict[str, Prediction]:
    """`predictions.toml`: the `question`, its `options`, the place of the `right` one, what `came` and why."""
    found = tomllib.loads(Path(__file__).with_name("predictions.toml").read_text("utf-8"))
    return {
        entry: Prediction(entry, one["question"], tuple(one["options"]), one["right"], one["came"])
        for entry, one in sorted(found.items())
    }


def all_predictions() -> tuple[Prediction, ...]:
    """Every prediction of the course, in order.

    >>> all_predictions()[0].id
    '00.p1'
    """
    return tuple(_predictions().values())


def find_prediction(prediction_id: str) -> Prediction:
    """The prediction of this id.

    Raises:
        UnknownName: there is no such prediction.
    """
    if prediction_id not in _predictions():
        raise UnknownName("prediction", prediction_id, _predictions())
    return _predictions()[prediction_id]
