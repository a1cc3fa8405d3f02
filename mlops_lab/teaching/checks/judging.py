"""Is this answer right, and if not, what is wrong with it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from types import FunctionType, TracebackType
from typing import Literal

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.teaching.checks.catalogue import find_exercise
from mlops_lab.teaching.checks.exercise import Exercise, NotYet, plain
from mlops_lab.teaching.checks.progress import Standing, record

__all__ = ["Status", "Verdict", "check", "is_untouched", "judge"]

Status = Literal["not attempted", "not yet", "passed"]
_MARK = {"passed": "✓", "not yet": "…", "not attempted": "–"}
_EDGE = {"passed": "#009E73", "not yet": "#E69F00", "not attempted": "#808080"}  # Okabe-Ito; the word says it too


@dataclass(frozen=True, repr=False)
class Verdict:
    """What `check` has to say: a line of text, and a card in Jupyter with the hints folded under a wrong answer.

    >>> Verdict("01.1", "passed", "What has not arrived is not known.")
    01.1 passed: What has not arrived is not known.
    """

    exercise: str
    status: Status
    message: str
    hints: tuple[str, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        """Is the exercise done?"""
        return self.status == "passed"

    def __repr__(self) -> str:
        text = f"{self.exercise} {self.status}: {self.message}"
        return f"{text}\n{self.note}" if self.note else text

    def _repr_html_(self) -> str:
        said = f"<strong>{_MARK[self.status]} {escape(self.exercise)} {self.status}:</strong> {escape(self.message)}"
        folded = "".join(
            f"<details><summary>Hint {number} of {len(self.hints)}</summary>{escape(hint)}</details>"
            for number, hint in enumerate(self.hints, 1)
        )
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        style = f"border-left:4px solid {_EDGE[self.status]};padding:.3em .8em"
        return f'<div class="lab-verdict" role="status" style="{style}">{said}{folded}{note}</div>'


def check(exercise_id: str, answer: object = ...) -> Verdict:
    """Judge an answer, keep the progress, and say it kindly. Raises nothing, whatever the answer does.

    >>> check("01.1", ...)
    01.1 not attempted: replace the ... with your answer, then run this cell again.
    >>> check("01.l", 5).message.startswith("no exercise '01.l'; there is: ")
    True
    """
    if not isinstance(exercise_id, str):
        return Verdict("??", "not attempted", 'the exercise comes first, in quotes: check("01.1", answer).')  # type: ignore[unreachable]
    try:
        exercise = find_exercise(exercise_id)
    except MlopsLabError as error:
        return Verdict(exercise_id, "not attempted", str(error))
    verdict = judge(exercise, answer)
    if verdict.status == "not attempted":
        return verdict

    def tried(before: Standing) -> Standing:
        return replace(before, status=verdict.status, attempts=before.attempts + 1)

    _, note = record(exercise.id, tried)
    return replace(verdict, note=note)


def judge(exercise: Exercise, answer: object) -> Verdict:
    """The verdict alone; nothing is written down."""
    if is_untouched(answer) and not (answer is None and exercise.kind == "predict"):  # None can be what one believes
        found = "the answer is None: " if answer is None else ""
        return Verdict(
            exercise.id, "not attempted", f"{found}replace the ... with your answer, then run this cell again."
        )
    left = _still_open(answer)
    if left:
        return Verdict(exercise.id, "not yet", f"there is still a ... at {left}.", exercise.hints)
    try:
        exercise.test(plain(answer))
    except NotYet as wrong:
        return Verdict(exercise.id, "not yet", str(wrong), exercise.hints)
    except (Exception, SystemExit) as error:  # the learner's own code runs in there and may raise anything
        return Verdict(exercise.id, "not yet", _raised(error), exercise.hints)
    return Verdict(exercise.id, "passed", exercise.lesson)


def is_untouched(answer: object) -> bool:
    """Is this what the stub left: nothing, `...`, a container of only those, or a function that does nothing?

    >>> is_untouched(...), is_untouched([..., ...]), is_untouched({"a": ...}), is_untouched([])
    (True, True, True, False)
    """
    if answer is None or answer is ...:
        return True
    if type(answer) is FunctionType:
        code = answer.__code__
        constants = code.co_consts[1:] if answer.__doc__ is not None else code.co_consts
        does_nothing = any(code.co_code == empty.__code__.co_code for empty in _EMPTY)
        return does_nothing and all(constant is None or constant is ... for constant in constants)
    if type(answer) is dict:
        return bool(answer) and all(is_untouched(value) for value in answer.values())
    if type(answer) in (list, tuple):
        return bool(answer) and all(is_untouched(value) for value in answer)  # type: ignore[attr-defined]
    return False


def _bare() -> None: ...


def _bare_documented() -> None:
    """Its docstring moves the constant that is returned by one place."""


def _ellipsis() -> object:
    return ...


def _ellipsis_documented() -> object:
    """As above."""
    return ...


_EMPTY = (_bare, _bare_documented, _ellipsis, _ellipsis_documented)


def _still_open(answer: object) -> str:
    """Where in a container a `...` was left, in words."""
    if type(answer) is dict:
        return ", ".join(_safe(key) for key, value in answer.items() if value is ...)
    if type(answer) in (list, tuple):
        return ", ".join(f"place {place}" for place, value in enumerate(answer, 1) if value is ...)  # type: ignore[arg-type, var-annotated]
    return ""


def _raised(error: BaseException) -> str:
    said = _safe(error)
    where = _learners_line(error.__traceback__)
    return f"it raised {type(error).__name__}{where}{': ' + said if said else ''}"


def _learners_line(traceback: TracebackType | None) -> str:
    """Which line of the learner's own code was the last to run; cells are the files that are not on disk."""
    line = None
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if "ipykernel_" in name or name.startswith(("<string", "<stdin", "<ipython")):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return "" if line is None else f" in line {line} of your cell"


def _safe(thing: object) -> str:
    try:
        return str(thing)
    except Exception:  # a text that cannot be made must not hide what it would have said
        return f"(a {type(thing).__name__} that cannot be printed)"
