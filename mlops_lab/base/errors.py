"""What can go wrong, and what a person needs to know to put it right.

Every error of the package is a `MlopsLabError` and also the builtin a Python programmer would expect::

    MlopsLabError
    ├── UnknownName          (LookupError)      a feature, task, model, stage … that does not exist
    ├── InvalidDefinition    (ValueError)       a definition that contradicts itself
    │   ├── DuplicateName
    │   └── CycleError                          with the cycle as a path
    ├── InvalidData          (ValueError)       a frame, a key or a figure that cannot be used
    ├── IllegalMove          (ValueError)       a stage move that the registry does not know
    ├── NotAllowed           (PermissionError)  evidence or an approval is missing
    ├── IntegrityError       (RuntimeError)     bytes on disk are not the bytes that were stored
    ├── HomeError            (OSError)          the home folder cannot be read or written
    ├── TaskFailed           (RuntimeError)     a task of a run failed for good
    └── MissingExtra         (ImportError)      an optional engine is not installed

The message says what was asked, why not, what exists and what was probably meant; the same facts are attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

__all__ = [
    "CycleError",
    "DuplicateName",
    "HomeError",
    "IllegalMove",
    "IntegrityError",
    "InvalidData",
    "InvalidDefinition",
    "MissingExtra",
    "MlopsLabError",
    "NotAllowed",
    "TaskFailed",
    "UnknownName",
    "closest",
    "expect",
]

_Kind = TypeVar("_Kind")
_SHOWN = 8  # more names than this are a wall of text, and the closest match is said anyway


def closest(name: str, options: Iterable[str]) -> str | None:
    """The option that was probably meant, or None when nothing is near.

    >>> closest("visibilty", ["visibility", "wind_speed"])
    'visibility'
    >>> closest("daily", ["as_known", "daily_averages"])
    'daily_averages'
    >>> closest("zebra", ["visibility", "wind_speed"]) is None
    True
    """
    by_lower = {option.lower(): option for option in options}
    asked = name.lower()
    found = get_close_matches(asked, by_lower, n=1, cutoff=0.6)
    if not found and len(asked) >= 3:  # "daily" for "daily_averages" is too short a match for difflib
        found = [option for option in sorted(by_lower) if asked in option]
    return by_lower[found[0]] if found else None


def _listed(options: Sequence[str]) -> str:
    shown = ", ".join(options[:_SHOWN]) or "none"
    left = len(options) - _SHOWN
    return f"{shown} and {left} more" if left > 0 else shown


class MlopsLabError(Exception):
    """Anything this package refuses to do; it goes to another process, or into a copy, with its text and its facts."""

    def __reduce__(self) -> tuple[Any, ...]:
        # A builtin error is made again by calling its class with `args`, which is the text and not what ours take.
        return _made_again, (type(self), self.args, dict(vars(self)))


def _made_again(kind: type[MlopsLabError], args: tuple[Any, ...], facts: dict[str, Any]) -> MlopsLabError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(facts)
    return error


class UnknownName(MlopsLabError, LookupError):
    """A name that does not exist among its kind.

    Attributes: `kind` (what sort of thing), `name` (what was asked), `options` (what exists), `meant` (the closest).

    >>> print(UnknownName("feature", "visibilty", ["wind_speed", "visibility"], where="view airport_weather"))
    no feature 'visibilty' in view airport_weather; there is: visibility, wind_speed. Did you mean 'visibility'?
    """

    def __init__(self, kind: str, name: object, options: Iterable[object] = (), *, where: str = "") -> None:
        self.kind = kind
        self.name = str(name)
        self.options = sorted(str(option) for option in options)
        self.meant = closest(self.name, self.options)
        self.where = where
        message = f"no {kind} {self.name!r}" + (f" in {where}" if where else "")
        message += f"; there is: {_listed(self.options)}."
        super().__init__(message + (f" Did you mean {self.meant!r}?" if self.meant else ""))


class InvalidDefinition(MlopsLabError, ValueError):
    """A definition (view, service, task, DAG, workflow, policy) that contradicts itself."""


class DuplicateName(InvalidDefinition):
    """Two things of one kind under one name. Attributes: `kind`, `name`.

    >>> print(DuplicateName("task", "train", where="DAG flights"))
    task 'train' is defined twice in DAG flights; names are unique, so rename one of the two.
    """

    def __init__(self, kind: str, name: str, *, where: str = "") -> None:
        self.kind = kind
        self.name = name
        place = f" in {where}" if where else ""
        super().__init__(f"{kind} {name!r} is defined twice{place}; names are unique, so rename one of the two.")


class CycleError(InvalidDefinition):
    """Things that wait for each other. Attribute `cycle`: the path, its first name again at its end.

    >>> print(CycleError(["train", "gate", "train"]))
    a cycle: train → gate → train. None of them can ever start; remove one of these edges.
    """

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = list(cycle)
        super().__init__(f"a cycle: {' → '.join(self.cycle)}. None of them can ever start; remove one of these edges.")


class InvalidData(MlopsLabError, ValueError):
    """A frame, key, parameter or figure that cannot be used as it is. Attribute `column` where one is at fault."""

    def __init__(self, message: str, *, column: str | None = None) -> None:
        self.column = column
        super().__init__(message)


class IllegalMove(MlopsLabError, ValueError):
    """A stage move the registry does not know. Attributes: `source`, `target`, `allowed`.

    >>> print(IllegalMove("None", "Production", ["Staging", "Archived"]))
    a version in stage None cannot move to Production; from None it can move to: Staging, Archived.
    """

    def __init__(self, source: str, target: str, allowed: Sequence[str]) -> None:
        self.source = source
        self.target = target
        self.allowed = list(allowed)
        options = ", ".join(self.allowed) or "nowhere"
        super().__init__(
            f"a version in stage {source} cannot move to {target}; from {source} it can move to: {options}."
        )


class NotAllowed(MlopsLabError, PermissionError):
    """Evidence, an approval or a right is missing. Attribute `waiting`: would an approval change the answer?"""

    def __init__(self, message: str, *, waiting: bool = False) -> None:
        self.waiting = waiting
        super().__init__(message)


class IntegrityError(MlopsLabError, RuntimeError):
    """Stored bytes or history are not what was stored. Attributes: `what`, `expected`, `found`."""

    def __init__(self, what: str, *, expected: str, found: str) -> None:
        self.what = what
        self.expected = expected
        self.found = found
        told = " ".join(found.split())  # what SQLite finds may have lines of its own
        super().__init__(f"{what} is damaged or was changed: expected {expected}, found {told}. Nothing was loaded.")


def expect(value: object, kind: type[_Kind], what: str) -> _Kind:
    """The value itself, if it is what a call takes; each step takes the result of the one before it whole.

    >>> expect("late_flights", int, "the number of a version")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: the number of a version is an int, not str: 'late_flights'.

    Raises:
        InvalidData: it is something else.
    """
    if isinstance(value, kind):
        return value
    shown = repr(value) if len(repr(value)) <= 60 else ""
    told = f": {shown}" if shown and "\n" not in shown else ""
    article = "an" if kind.__name__[0] in "aeiouAEIOU" else "a"
    raise InvalidData(f"{what} is {article} {kind.__name__}, not {type(value).__name__}{told}.")


def expect_fields(record: object, error: type[MlopsLabError] = InvalidData, /, **kinds: Any) -> None:
    """Raise the error unless each of these fields is of its kind; a truth is no number, a blank no name.

    >>> expect_fields(DuplicateName("task", "train"), kind=str, name=int | None)
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: name of DuplicateName is 'train'; it takes int | None.
    """
    for name, kind in kinds.items():
        value = getattr(record, name)
        blank = name in ("name", "metric", "rule") and isinstance(value, str) and not value.strip()
        if blank or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            taken = "text that is not blank" if blank else getattr(kind, "__name__", str(kind))
            raise error(f"{name} of {type(record).__name__} is {value!r}; it takes {taken}.")


class HomeError(MlopsLabError, OSError):
    """The home folder cannot be used. Attributes: `path`, `why`."""

    def __init__(self, path: object, why: str) -> None:
        self.path = str(path)
        self.why = why
        super().__init__(f"the home folder {self.path} cannot be used: {why}. Choose another with --home DIR.")


class TaskFailed(MlopsLabError, RuntimeError):
    """A task failed for good. Attributes: `task`, `attempts`, `why`."""

    def __init__(self, task: str, *, attempts: int, why: str) -> None:
        self.task = task
        self.attempts = attempts
        self.why = why
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(f"task {task!r} failed after {times}: {why}")


class MissingExtra(MlopsLabError, ImportError):
    """An optional engine is not installed. Attributes: `extra`, `install`.

    >>> print(MissingExtra("feast"))
    feast is not installed; install it with: pip install 'mlops-lab[feast]'
    """

    def __init__(self, extra: str) -> None:
        self.extra = extra
        self.install = f"pip install 'mlops-lab[{extra}]'"
        super().__init__(f"{extra} is not installed; install it with: {self.install}")


def place_in(text: str, error: Any) -> tuple[int, int]:
    """Line and column, from 1, of a YAML reader's error; what is never closed ends behind the text: where it began."""
    lines = text.splitlines() or [""]
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark]
    inside = [(mark.line + 1, mark.column + 1) for mark in marks if mark.line < len(lines)]
    return inside[0] if inside else (len(lines), len(lines[-1]) + 1) if marks else (1, 1)
