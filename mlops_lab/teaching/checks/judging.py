"""The verdict on an answer: right, or what is wrong with it, whatever the answer does while it is asked."""

from __future__ import annotations

import builtins
import ctypes
import dis
import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from types import FunctionType, ModuleType, TracebackType
from typing import Any, Literal

from mlops_lab.base.display import page, tint
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.teaching.checks.exercise import Exercise, NotYet, all_exercises, expect, find_exercise, plain
from mlops_lab.teaching.checks.progress import Standing, record

Status = Literal["not attempted", "not yet", "passed"]
_MARK = {"passed": "✓", "not yet": "…", "not attempted": "–"}


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
        kind = f"lab-verdict{tint(_MARK[self.status])}"
        return page(f'<div class="{kind}" role="status">{said}{folded}{note}</div>')


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
    outcome: list[Verdict | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_judged(exercise, answer))
        except BaseException as error:  # also what ends a thread: the caller decides
            outcome.append(error)

    in_time = _within(exercise.seconds, work)
    found = outcome[0] if in_time and outcome else _TooSlow()  # what an interrupted answer ends in says nothing
    if type(found) is Verdict:  # not isinstance: an answer may have put something else in its place
        return found
    assert isinstance(found, BaseException)  # noqa: S101  what else came out
    if isinstance(found, KeyboardInterrupt):
        raise found
    said = (
        f"after {exercise.seconds:g} seconds it was still at work, and the check stopped it: is there a loop without "
        "an end, or one over much more than it needs?"
        if isinstance(found, _TooSlow)
        else _raised(found, exercise)
    )
    return Verdict(exercise.id, "not yet", said, exercise.hints)


def _judged(exercise: Exercise, answer: object) -> Verdict:
    if is_untouched(answer) and not (answer is None and exercise.kind == "predict"):  # None can be what one believes
        found = "the answer is None: " if answer is None else ""
        said = f"{found}replace the ... with your answer, then run this cell again."
        return Verdict(exercise.id, "not attempted", said)
    if left := _still_open(answer):
        return Verdict(exercise.id, "not yet", f"there is still a ... at {left}.", exercise.hints)
    try:
        wanted = re.search(rf"^def {exercise.answer}\(.*\)", exercise.stub, re.MULTILINE)
        expect(not wanted or callable(answer), f"write a function: {wanted[0]}." if wanted else "")
        _expect_own(exercise, answer)
        expect_as_delivered()
        exercise.test(plain(answer))
        expect_as_delivered()
    except NotYet as wrong:
        return Verdict(exercise.id, "not yet", str(wrong), exercise.hints)
    return Verdict(exercise.id, "passed", exercise.lesson)


class _TooSlow(BaseException):
    """Ends an answer that has no end; not an Exception, so that an answer that catches those does not catch it."""


def _within(seconds: float, work: Callable[[], None]) -> bool:
    """Do the work in a thread of its own, and go on without it when the time is up: a cell must come to its end.

    Returns whether the work was done in time.
    """
    thread = threading.Thread(target=work, name="check", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # in a browser there are no threads
        work()
        return True
    try:
        thread.join(seconds)
        return not thread.is_alive()
    finally:
        if thread.is_alive():
            _stop(thread)


def _stop(thread: threading.Thread) -> None:
    """Raise `_TooSlow` in the thread, again and again: an answer may catch everything.

    Where it meets a callback of a weak reference or a `__del__`, Python drops it and prints it as "ignored": no word
    of that belongs in a learner's cell, and the next one meets the answer itself.
    """
    told = sys.unraisablehook

    def quiet(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not _TooSlow:
            told(unraisable)

    sys.unraisablehook = quiet
    try:
        for _ in range(100):
            if not thread.is_alive():
                break
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_TooSlow))
            thread.join(0.01)
    finally:
        sys.unraisablehook = told


def _expect_own(exercise: Exercise, answer: object) -> None:
    """A function to be built is the learner's own: not the package's, and not one that only calls it."""
    if exercise.kind != "build" or not callable(answer):
        return
    names = [] if exercise.id.startswith("09.") else sorted(_names(getattr(answer, "__code__", None)))
    for name, one in [("it", answer), *((name, getattr(answer, "__globals__", {}).get(name)) for name in names)]:
        home = one.__name__ if isinstance(one, ModuleType) else getattr(one, "__module__", "")
        if str(home).split(".")[0] == "mlops_lab" or name.split(".")[0] == "mlops_lab":
            if isinstance(one, (FunctionType, type, ModuleType, type(None))):
                raise NotYet(f"that is the package's own {getattr(one, '__name__', name)}; write one yourself.")
            raise NotYet(f"it reads `{name}` of your notebook; let it use what it is given and no more.")


def _names(code: Any) -> set[str]:
    """What a function takes from outside by name, the functions inside it included; an attribute is no such name."""
    if code is None:
        return set()
    outside = {"LOAD_GLOBAL", "LOAD_NAME", "IMPORT_NAME"}
    own = {each.argval for each in dis.get_instructions(code) if each.opname in outside}
    return own.union(*(_names(one) for one in code.co_consts if inspect.iscode(one)))


def expect_as_delivered() -> None:
    """Nobody has put a function of a cell where the package, or a library it trusts, has its own.

    Raises:
        NotYet: somebody has; says what it was.
    """
    for name, value in vars(builtins).items():  # before anything is asked with their help
        if type(value) is FunctionType and _is_of_a_cell(value):
            raise NotYet(_REPLACED.format(name))
    for place, value in _parts():
        kind = type(value)
        function = value.fget if kind is property else value.__func__ if kind in (staticmethod, classmethod) else value
        if type(function) is FunctionType and _is_of_a_cell(inspect.unwrap(function)):
            raise NotYet(_REPLACED.format(place))
    for place, text in _contents():
        if _delivered().get(place, text) != text:
            raise NotYet(_REPLACED.format(place))


_REPLACED = "{} was replaced, which the check relies on. Restart the kernel, leave it as it is, and answer again."
_TRUSTED = ("math", "numpy", "pandas", "random", "tempfile")


def _modules(*names: str) -> Iterator[tuple[str, ModuleType]]:
    for name, module in list(sys.modules.items()):
        if name in names or name.startswith(tuple(f"{one}." for one in names if one.startswith("mlops_lab"))):
            yield name, module


def _parts() -> Iterator[tuple[str, Any]]:
    for name, module in _modules("mlops_lab", *_TRUSTED):
        for key, value in list(vars(module).items()):
            yield f"{name}.{key}", value
            if isinstance(value, type) and str(value.__module__).split(".")[0] == name.split(".")[0]:
                yield from ((f"{name}.{key}.{own}", part) for own, part in list(vars(value).items()))
    yield from ((f"the test of {one.id}", one.test) for one in all_exercises())


def _is_of_a_cell(function: FunctionType) -> bool:
    """Was it written in a notebook's cell or at a prompt? What a dataclass writes for itself lives in its module."""
    name = str(function.__globals__.get("__name__"))
    if name.startswith("namedtuple_"):  # the standard library makes a module's worth of names for each of them
        return False
    home = sys.modules.get(name)
    if home is None or home.__name__ == "__main__" or home is builtins or vars(home) is not function.__globals__:
        return True
    return _is_cell(function.__code__.co_filename) and not function.__name__.startswith("__")


def _contents() -> Iterator[tuple[str, str]]:
    for name, module in _modules("mlops_lab.teaching.checks"):
        for key, value in list(vars(module).items()):
            if not key.startswith("__") and key != "_asked":  # which hints were asked for
                yield f"{name}.{key}", repr(value)


@cache
def _delivered() -> dict[str, str]:
    return dict(_contents())


def is_untouched(answer: object) -> bool:
    """Is this what the stub left: nothing, `...`, a container of only those, or a function that does nothing?"""
    if answer is None or answer is ...:
        return True
    if type(answer) is FunctionType:
        code = answer.__code__
        constants = code.co_consts[1:] if answer.__doc__ is not None else code.co_consts
        does_nothing = any(code.co_code == empty.__code__.co_code for empty in _EMPTY)
        return does_nothing and all(constant is None or constant is ... for constant in constants)
    if type(answer) is dict and any(value is not None for value in answer.values()):  # of None alone it is a set
        return all(is_untouched(value) for value in answer.values())
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


def _raised(error: BaseException, exercise: Exercise) -> str:
    said = _safe(error)
    where = _learners_line(error.__traceback__)
    if not where and isinstance(error, MlopsLabError):
        return said
    if not where and _is_ours(error.__traceback__) and not isinstance(error, SystemExit):
        return f"with what came as {exercise.answer} the check cannot do anything. The question is: {exercise.question}"
    return f"it raised {type(error).__name__}{where}{': ' + said if said else ''}"


def _learners_line(traceback: TracebackType | None) -> str:
    """Which line of the learner's own code was the last to run; cells are the files that are not on disk."""
    line = None
    while traceback is not None:
        if _is_cell(traceback.tb_frame.f_code.co_filename):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return "" if line is None else f" in line {line} of your cell"


def _is_ours(traceback: TracebackType | None) -> bool:
    """Was nothing of the answer at work, only the check that could not make sense of it?"""
    found, roots = traceback is not None, sys.stdlib_module_names | {"mlops_lab"}
    while traceback is not None:
        frame = traceback.tb_frame
        known = str(frame.f_globals.get("__name__")).split(".")[0] in roots
        found = found and (known or "site-packages" in frame.f_code.co_filename)
        traceback = traceback.tb_next
    return found


def _is_cell(filename: str) -> bool:
    return "ipykernel_" in filename or filename.startswith(("<string", "<stdin", "<ipython"))


def _safe(thing: object) -> str:
    try:
        return str(thing)
    except Exception:  # a text that cannot be made must not hide what it would have said
        return f"(a {type(thing).__name__} that cannot be printed)"
