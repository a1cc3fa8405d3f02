"""No answer of a strange kind passes, hangs or breaks a check; each is told in plain words what is wrong with it."""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlops_lab
from mlops_lab.teaching.checks import Exercise, all_exercises, find_exercise, judging
from mlops_lab.teaching.checks.exercise import NotYet
from mlops_lab.teaching.checks.judging import Verdict, expect_as_delivered, judge

EXERCISES = pytest.mark.parametrize("exercise", all_exercises(), ids=lambda exercise: exercise.id)
CALLED = (
    "00.2",
    "01.2",
    "02.3",
    "03.2",
    "04.3",
    "07.1",
    "08.2",
    "09.1",
    "01.3",
    "02.2",
    "07.5",
    "03.4",
    "07.6",
)  # their answer is a function


class Equal:
    """Equal to everything, contained in everything."""

    __hash__ = None

    def __eq__(self, other):
        return True

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__

    def __contains__(self, other):
        return True


class EqualText(str):
    def __eq__(self, other):
        return True

    __ne__ = __eq__
    __hash__ = str.__hash__


class EqualNumber(float):
    def __eq__(self, other):
        return True

    __ne__ = __le__ = __ge__ = __eq__
    __hash__ = float.__hash__


class Posing:
    """Says that it is of another class, whichever is asked for."""

    __class__ = property(lambda self: (_ for _ in ()).throw(RuntimeError("ask me not")))


class Hollow:
    """Has every attribute that is asked for, and none of them is what it should be."""

    def __getattr__(self, name):
        return Hollow()


def _generator(*_: object):
    yield True


def _catching(*_: object):
    try:
        raise ValueError
    except BaseException:
        return True


def _printing(*arguments: object) -> None:
    print("8.0")


def _emptying(*arguments: Any) -> Any:
    """Takes away what it is given, and what an oracle would look at."""
    for one in arguments:
        if isinstance(one, list | dict):
            one.clear()
        elif isinstance(one, np.ndarray):
            one[...] = False
        elif isinstance(one, pd.DataFrame):
            one.drop(index=one.index, inplace=True)
    return arguments[0] if arguments else None


def _peeking(*_: object) -> Any:
    """Looks for the right answer in the frames of whoever is asking."""
    frame = sys._getframe(1)
    while frame is not None:
        for name in ("wanted", "wanted_threshold", "allowed"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    return None


STRANGE = {
    "equal to all": Equal(),
    "a text equal to all": EqualText("x"),
    "a number equal to all": EqualNumber(-1.0),
    "a list of them": [EqualText("x")] * 4,
    "a set of them": {EqualText("x")},
    "a dict of them": dict.fromkeys(("job", "step", "v1", "v2", "promote", "alarm", "tidy_up"), EqualText("x")),
    "posing": Posing(),
    "hollow": Hollow(),
    "NA": pd.NA,
    "NaT": pd.NaT,
    "infinity": float("inf"),
    "a complex": 8j,
    "a frame": pd.DataFrame({"a": [1]}),
    "an empty frame": pd.DataFrame(),
    "a series": pd.Series([8.0]),
    "a matrix": np.zeros((4, 4)),
    "a list without end": itertools.count(),
    "a generator": _generator(),
    "a module": mlops_lab,
    "a class": int,
    "an error": ValueError("8.0"),
    "nothing said": "",
    "a letter": "x",
    "zero": 0,
    "a number": -1,
    "bytes": b"",
    "an empty list": [],
    "a list": [1],
    "an empty dict": {},
    "a dict": {"a": 1},
    "a bare object": object(),
    "nan": float("nan"),
    "print": print,
    "itself": (lambda one: one.append(one) or one)([]),
    "True": True,
    "constant True": lambda *_: True,
    "constant False": lambda *_: False,
    "constant 1": lambda *_: 1,
    "constant list": lambda *_: [True],
    "constant of numpy": lambda *_: np.bool_(True),
    "constant array": lambda *_: np.array([True, False]),
    "constant series": lambda *_: pd.Series([1.0]),
    "constant NA": lambda *_: pd.NA,
    "constant equal": lambda *_: Equal(),
    "its own argument": lambda *arguments: arguments[0] if arguments else 0,
    "no argument": lambda: True,
    "a function of a generator": _generator,
    "without end": lambda *_: itertools.count(),
    "prints": _printing,
    "catches everything": _catching,
    "empties its arguments": _emptying,
    "peeks": _peeking,
    "leaves": lambda *_: sys.exit(0),
    "says what check says": lambda *_: (_ for _ in ()).throw(NotYet("passed")),
}


def _in_plain_words(verdict: Verdict, exercise: Exercise) -> None:
    assert verdict.status == "not yet", verdict
    assert verdict.message.strip()
    for word in ("object at 0x", "Traceback", "<function", "<lambda>", "mlops_lab.teaching", "unhashable", "NoneType"):
        assert word not in verdict.message, verdict.message
    assert repr(verdict).startswith(exercise.id)
    assert verdict._repr_html_()


def _pairs() -> list[Any]:
    """Each exercise with each strange answer; by day every fourth, so that each answer meets a dozen exercises."""
    return [
        pytest.param(
            exercise, name, id=f"{exercise.id}-{name}", marks=[] if (row + column) % 4 == 0 else pytest.mark.nightly
        )
        for row, exercise in enumerate(all_exercises())
        for column, name in enumerate(STRANGE)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("exercise", "name"), _pairs())
def test_a_strange_answer_is_refused_in_plain_words(exercise: Exercise, name: str, monkeypatch) -> None:
    monkeypatch.setattr(judging, "expect_as_delivered", list)  # has tests of its own, and takes its time
    _in_plain_words(judge(exercise, STRANGE[name]), exercise)


def _for_ever(*_: object) -> None:
    while True:
        pass


def _for_ever_and_catching(*_: object) -> None:
    while True:
        try:
            time.sleep(0.001)
        except BaseException:  # noqa: S112
            continue


def _asleep(*_: object) -> None:
    time.sleep(3)


def _deeper(*arguments: object) -> object:
    return _deeper(*arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("exercise_id", "answer"),
    [  # each kind on one exercise, each exercise with one kind; all pairs at night
        pytest.param(one, kind, id=f"{one}-{kind.__name__}", marks=pytest.mark.nightly if number and turn else ())
        for number, one in enumerate(CALLED)
        for turn, kind in enumerate((_for_ever, _for_ever_and_catching, _asleep, _deeper))
    ],
)
def test_an_answer_without_end_is_stopped_and_told_so(exercise_id: str, answer: Any) -> None:
    exercise = replace(find_exercise(exercise_id), seconds=0.3)

    verdict = judge(exercise, answer)

    _in_plain_words(verdict, exercise)
    assert "still at work" in verdict.message or "RecursionError" in verdict.message


class _Callback:
    """A `__del__`, like the callback of a weak reference, is where Python drops what is raised and prints it."""

    def __del__(self) -> None:
        while True:
            pass


@pytest.mark.slow
def test_stopping_an_answer_prints_nothing_of_what_python_ignores() -> None:
    def answer(*_: object) -> None:
        _Callback()  # the first stop meets this one, and pytest makes an error of what its own hook is told
        _for_ever()

    assert "still at work" in judge(replace(find_exercise("01.3"), seconds=0.2), answer).message


_PATCHES = {
    "expect": "import mlops_lab.teaching.checks.exercise as m\nold = m.expect\nm.expect = lambda *a: None",
    "expect where it is used": "import mlops_lab.teaching.checks.nb01 as m\nold = m.expect\nm.expect = lambda *a: None",
    "an oracle": "import mlops_lab.teaching.checks.nb01 as m\nold = m._oracle\nm._oracle = lambda *a: 8.0",
    "a condition for a type": "import mlops_lab.teaching.checks.nb04 as m\nold = m.expect\nm.expect = print",
    "a table": "import mlops_lab.teaching.checks.nb02 as m\nold = m._THRESHOLDS\nm._THRESHOLDS = [0.5]",
    "a gate": (
        "import mlops_lab.teaching.checks.nb03 as m\nold = m.evaluate_gates\nm.evaluate_gates = lambda *a, **k: None"
    ),
    "a method": "from mlops_lab import GatePolicy as m\nold = m.__init__\nm.__init__ = lambda *a, **k: None",
    "a builtin": "import builtins as m\nold = m.isinstance\nm.isinstance = lambda *a: True",
    "a library": "import pandas as pd\nm = pd.DataFrame\nold = m.equals\nm.equals = lambda *a: True",
    "mathematics": "import math as m\nold = m.isfinite\nm.isfinite = lambda *a: True",
}
_PLACES = {"a gate": "evaluate_gates", "a method": "__init__", "a builtin": "isinstance", "a library": "equals",
           "mathematics": "isfinite", "an oracle": "_oracle", "a table": "_THRESHOLDS"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", _PATCHES)
def test_an_answer_that_replaces_its_judge_is_refused(name: str) -> None:
    expect_as_delivered()
    names: dict[str, Any] = {}
    place = _PLACES.get(name, "expect")
    exec(compile(_PATCHES[name], "<string>", "exec"), names)  # noqa: S102
    try:
        verdicts = [judge(find_exercise(one), answer) for one, answer in (("01.1", 9.0), ("04.2", 2))]
    finally:
        setattr(names["m"], place, names["old"])

    assert {verdict.status for verdict in verdicts} == {"not yet"}
    assert f"{place} was replaced" in verdicts[0].message or name == "a builtin"


def test_an_answer_that_replaces_its_judge_while_it_is_asked_is_refused() -> None:
    import mlops_lab.teaching.checks.nb01 as judge_of_01_2

    names: dict[str, Any] = {"m": judge_of_01_2, "old": judge_of_01_2.expect}
    source = "def latest(rows, at, ttl):\n    m.expect = lambda *a: None\n    return 1.0"
    exec(compile(source, "<string>", "exec"), names)  # noqa: S102
    try:
        verdict = judge(find_exercise("01.2"), names["latest"])
    finally:
        judge_of_01_2.expect = names["old"]

    assert verdict.status == "not yet"


@pytest.mark.slow
@EXERCISES
def test_the_judge_is_as_delivered_after_each_solution_was_read(exercise: Exercise) -> None:
    names: dict[str, Any] = {}
    exec(compile(exercise.setup, "<string>", "exec"), names)  # noqa: S102 - the course's own sources

    expect_as_delivered()
