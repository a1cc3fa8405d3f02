"""Exercises, quizzes and predictions: their parts, those that there are, and the plain values that a test looks at."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from mlops_lab.base.errors import InvalidDefinition, UnknownName

Kind = Literal["predict", "change", "build"]
_MANY = 100_000  # values; no answer of the course is longer


class NotYet(Exception):
    """What is wrong with an answer, in a sentence to the learner."""


def expect(condition: object, otherwise: str) -> None:
    """Go on when the condition holds; else say what is wrong with the answer.

    Raises:
        NotYet: the condition does not hold.
    """
    if not condition:
        raise NotYet(otherwise)


def plain(value: Any) -> Any:
    """A single value as Python's own: NumPy's, or a subclass with ideas of its own about what is equal.

    >>> import numpy as np
    >>> plain(np.int64(8)), plain(np.bool_(True)), plain([8])
    (8, True, [8])
    """
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        value = value.item()
    for kind, bare in ((bool, bool), (int, int.__int__), (float, float.__float__), (str, str.__str__)):
        if issubclass(type(value), kind):
            return bare(value)
    return value


def listed(value: Any, otherwise: str) -> list[Any]:
    """The values of anything that can be gone through in order, a generator or an array too, each of them plain.

    >>> listed((number for number in (1, 2)), "give a list.")
    [1, 2]
    """
    ordered = hasattr(value, "__iter__") and not isinstance(value, str | bytes | dict | set | frozenset)
    expect(ordered and getattr(value, "ndim", 1) == 1, otherwise)
    found = [plain(one) for one in islice(value, _MANY + 1)]
    expect(len(found) <= _MANY, f"it has no end: after {_MANY:,} values there is still another one.")
    return found


def mapped(value: Any, otherwise: str) -> dict[Any, Any]:
    """The keys and values of a dict, or of what is made like one, each of them plain."""
    expect(callable(getattr(value, "keys", None)) and hasattr(value, "__getitem__"), otherwise)
    return {plain(key): plain(value[key]) for key in islice(value.keys(), _MANY)}


def asked(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the learner's function returns for these, as a plain value; it gets copies and may not change them."""
    given = [[*map(copy, one)] if type(one) is list else copy(one) for one in arguments]
    returned = plain(function(*given))
    for one, before in zip(given, arguments, strict=True):
        said = "it changes what it is given, and others still need that: work on a copy."
        expect(_sorted(one) == _sorted(before), said)
    return returned


def yes_or_no(said: Any) -> bool:
    """What a function said, if it is True or False."""
    said = plain(said)
    expect(said is not None, "the function returns nothing: return True or False.")
    expect(isinstance(said, bool), f"the function returns {named(said)}; return True or False.")
    return bool(said)


def is_number(value: Any) -> bool:
    """A number, and neither True nor False."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class OtherProcess(str):
    """A text whose built-in hash is not that of its text, as the same text's is not in another process."""

    def __hash__(self) -> int:
        return str.__hash__(self[::-1] + "another process")


def named(value: Any) -> str:
    """A value in a message: itself where it is short and plain, else what it is."""
    return repr(value) if type(value) in (bool, int, float, str) and len(repr(value)) < 40 else type(value).__name__


def _sorted(value: Any) -> Any:
    """The content of an argument, in an order of its own: sorting a list in place loses nothing."""
    return sorted(map(repr, value)) if hasattr(value, "__iter__") else repr(value)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer people give: its source, and words of the message that only it gets."""

    source: str
    says: str


@dataclass(frozen=True, repr=False)
class Exercise:
    """One exercise; the package's docstring says what each part is for.

    Raises:
        InvalidDefinition: the id is not of the form NN.k, or hints or mistakes are missing.
    """

    id: str
    kind: Kind
    question: str
    answer: str
    stub: str
    test: Callable[[Any], None]
    solution: str
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    lesson: str
    setup: str = ""
    seconds: float = 30.0  # how long it may take to judge

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d\d\.[1-9]\d*", self.id):
            raise InvalidDefinition(f"exercise id {self.id!r} is not of the form 01.2: notebook, dot, number.")
        if len(self.hints) != 3:
            raise InvalidDefinition(f"exercise {self.id} has {len(self.hints)} hints; it takes exactly three.")
        if len(self.mistakes) < 2:
            raise InvalidDefinition(f"exercise {self.id} needs at least two mistakes, each with its own message.")

    def __repr__(self) -> str:
        return f"Exercise({self.id!r}, {self.kind})"


def read_exercises(name: str, tests: Mapping[str, Callable[[Any], None]]) -> tuple[Exercise, ...]:
    """The exercises of a table in this folder; each test judges the one of its id.

    The table has the parts of an `Exercise`; a mistake is a pair, the words of its message and its source.

    >>> read_exercises("transfer.toml", {"00.3": print})
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidDefinition: transfer.toml and the tests differ in 01.5, 01.6, 02.4, ...

    Raises:
        InvalidDefinition: an exercise has no test, or a test no exercise.
    """
    found = tomllib.loads(Path(__file__).with_name(name).read_text("utf-8"))
    if odd := sorted(found.keys() ^ tests.keys()):
        raise InvalidDefinition(f"{name} and the tests differ in {', '.join(odd[:3])}{', ...' * (len(odd) > 3)}")
    return tuple(
        Exercise(
            entry,
            test=tests[entry],
            hints=tuple(one.pop("hints")),
            mistakes=tuple(Mistake(source, says) for says, source in one.pop("mistakes")),
            **one,
        )
        for entry, one in found.items()
    )


@dataclass(frozen=True)
class Option:
    """One answer to choose in a quiz, and what to say to whoever chooses it."""

    text: str
    feedback: str
    right: bool = False


@dataclass(frozen=True, repr=False)
class Quiz:
    """A question with options in a fixed order, exactly one of them right.

    Raises:
        InvalidDefinition: the id is not of the form NN.qk, or not exactly one option is right.
    """

    id: str
    question: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d\d\.q[1-9]\d*", self.id):
            raise InvalidDefinition(f"quiz id {self.id!r} is not of the form 01.q2: notebook, dot, q, number.")
        right = sum(option.right for option in self.options)
        if right != 1 or len(self.options) < 2:
            raise InvalidDefinition(f"quiz {self.id} has {right} right options of {len(self.options)}; it takes one.")
        texts = [option.text for option in self.options]
        if len(set(texts)) < len(texts):
            raise InvalidDefinition(f"quiz {self.id} offers the same option twice.")

    def __repr__(self) -> str:
        return f"Quiz({self.id!r})"


@dataclass(frozen=True)
class Prediction:
    """A question that is asked before its answer is on the screen.

    >>> one = Prediction("01.p9", "Heads or tails?", ("heads", "tails"), 1, "It was tails.")
    >>> print(one.text)
    01.p9 Heads or tails?
      (a) heads
      (b) tails
    Run this cell, choose and commit, then run on.

    Raises:
        InvalidDefinition: there are fewer than two options, two are the same, or the right one is none of them.
    """

    id: str
    question: str
    options: tuple[str, ...]
    right: int
    came: str
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (1 < len(self.options) == len(set(self.options)) and 0 <= self.right < len(self.options)):
            raise InvalidDefinition(f"prediction {self.id} needs two different options or more, one of them right.")

    def option(self, place: int) -> str:
        """An option with its letter."""
        return f"({'abcdefgh'[place]}) {self.options[place]}"

    @property
    def text(self) -> str:
        """The question where only text is shown."""
        options = [f"  {self.option(place)}" for place in range(len(self.options))]
        last = "Run this cell, choose and commit, then run on."
        return "\n".join([f"{self.id} {self.question}", *options, last])

    def compared(self, said: str) -> str:
        """What was said beside what came."""
        came = self.options[self.right]
        verdict = "It came as you said" if said == came else f"You said “{said}”. What came: “{came}”"
        return f"{verdict}. {self.came}"


@cache
def _exercises() -> dict[str, Exercise]:
    found: list[Exercise] = []
    for name in [
        "nb00",
        "nb01",
        "nb02",
        "nb03",
        "nb04",
        "nb05",
        "nb06",
        "nb07",
        "nb08",
        "built_by_hand",
        "capstone",
        "transfer",
    ]:
        try:
            found += import_module(f"mlops_lab.teaching.checks.{name}").EXERCISES
        except ModuleNotFoundError as missing:
            if missing.name != "pandas":  # in a browser alone: the exercises that need no frames are there
                raise
    return {one.id: one for one in sorted(found, key=lambda one: one.id)}


def _table(name: str) -> list[tuple[str, dict[str, Any]]]:
    return sorted(tomllib.loads(Path(__file__).with_name(name).read_text("utf-8")).items())


@cache
def _quizzes() -> dict[str, Quiz]:
    """`quizzes.toml`: the `question`, its `options`, each with what is said to it, and the place of the `right` one."""
    return {
        entry: Quiz(
            entry,
            one["question"],
            tuple(Option(text, said, place == one["right"]) for place, (text, said) in enumerate(one["options"])),
        )
        for entry, one in _table("quizzes.toml")
    }


@cache
def _predictions() -> dict[str, Prediction]:
    """`predictions.toml`: the `question`, its `options`, the place of the `right` one, what `came`, some `figures`."""
    return {
        entry: Prediction(entry, **(one | {"options": tuple(one["options"])}))
        for entry, one in _table("predictions.toml")
    }


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course, in order."""
    return tuple(_exercises().values())


def all_quizzes() -> tuple[Quiz, ...]:
    """Every quiz of the course, in order."""
    return tuple(_quizzes().values())


def all_predictions() -> tuple[Prediction, ...]:
    """Every prediction of the course, in order."""
    return tuple(_predictions().values())


_Entry = TypeVar("_Entry")


def _found(kind: str, entry: str, known: Mapping[str, _Entry]) -> _Entry:
    if entry not in known:
        raise UnknownName(kind, entry, known)
    return known[entry]


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise of this id.

    Raises:
        UnknownName: there is no such exercise.
    """
    return _found("exercise", exercise_id, _exercises())


def find_quiz(quiz_id: str) -> Quiz:
    """The quiz of this id, or UnknownName."""
    return _found("quiz", quiz_id, _quizzes())


def find_prediction(prediction_id: str) -> Prediction:
    """The prediction of this id, or UnknownName."""
    return _found("prediction", prediction_id, _predictions())
