"""How far has a class come? Read from the files that learners exported, whatever else lies in the folder."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_lab.checks import all_exercises, all_quizzes
from mlops_lab.drawing.words import plain
from mlops_lab.errors import HomeError, InvalidData

__all__ = ["MARKS", "ClassReport", "Learner", "read_class"]

#: How an exercise stands, and its mark: told without colour.
MARKS: Mapping[str, str] = {"passed": "✓", "not yet": "…", "not attempted": "–"}

_MOST_BYTES, _MOST_FILES, _LONGEST_NAME = 256 * 1024, 1000, 24
_SOLUTION = 4  # a fourth look at the hints shows the solution


@dataclass(frozen=True, repr=False)
class Learner:
    """What one file says: for every exercise and quiz of this course its status, the tries, the hints looked at.

    >>> Learner("mine", {"01.1": ("passed", 2, 0), "01.2": ("not yet", 1, 4)})
    Learner('mine', 1 of 2 passed)
    """

    name: str
    standings: Mapping[str, tuple[str, int, int]]

    @property
    def passed(self) -> int:
        """How many exercises and quizzes are passed."""
        return sum(status == "passed" for status, _, _ in self.standings.values())

    def in_notebook(self, number: str) -> tuple[int, int]:
        """How many of a notebook are passed, and how many there are."""
        found = [status for entry, (status, _, _) in self.standings.items() if entry.startswith(f"{number}.")]
        return sum(status == "passed" for status in found), len(found)

    def __repr__(self) -> str:
        return f"Learner({self.name!r}, {self.passed} of {len(self.standings)} passed)"


@dataclass(frozen=True, repr=False)
class ClassReport:
    """A class: its learners in the order of their files, and a line for every file that needs one.

    >>> report = ClassReport((Learner("a", {"01.1": ("passed", 1, 0)}), Learner("b", {"01.1": ("not yet", 3, 4)})), ())
    >>> print(report.table())
    learner  01  passed
    a         1  1 of 1
    b         0  0 of 1
    >>> report.hardest()
    [('01.1', 1, 1, 0, 1)]
    """

    learners: tuple[Learner, ...]
    notes: tuple[str, ...]

    @property
    def notebooks(self) -> list[str]:
        """The numbers of the notebooks that have something to pass."""
        return sorted({entry[:2] for learner in self.learners for entry in learner.standings})

    def table(self) -> str:
        """One line a learner: how many are passed of each notebook, and in all."""
        rows = [["learner", *self.notebooks, "passed"]]
        for one in self.learners:
            counts = [str(one.in_notebook(number)[0]) for number in self.notebooks]
            rows.append([one.name, *counts, f"{one.passed} of {len(one.standings)}"])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            numbers = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *numbers, row[-1]]))
        return "\n".join(lines)

    def hardest(self) -> list[tuple[str, int, int, int, int]]:
        """Every exercise as (id, passed, not yet, not attempted, solutions seen); where most are stuck comes first."""
        found = []
        for entry in self.learners[0].standings if self.learners else ():
            seen = [learner.standings[entry] for learner in self.learners]
            passed, late, never = (sum(status == word for status, _, _ in seen) for word in MARKS)
            found.append((entry, passed, late, never, sum(hints >= _SOLUTION for _, _, hints in seen)))
        return sorted(found, key=lambda row: (-row[2], row[1], row[0]))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        words = ("status", "attempts", "hints")
        return {
            "learners": [
                {
                    "name": learner.name,
                    "passed": learner.passed,
                    "of": len(learner.standings),
                    "exercises": {
                        entry: dict(zip(words, found, strict=True)) for entry, found in learner.standings.items()
                    },
                }
                for learner in self.learners
            ],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return "\n".join([self.table(), *self.notes])


def read_class(folder: str | Path, *, anonymous: bool = False) -> ClassReport:
    """Read every `*.json` of a folder as a progress file; what is none costs a line and nothing else.

    The figures are counted anew from the exercises: what a file says of its own sum is not believed. Files are never
    run, followed when they are links, or read beyond 256 KB.

    Args:
        folder: where the exported files lie, one a learner; folders in it are not looked into.
        anonymous: number the learners in the order of their files; otherwise a file's name is the learner's.

    Raises:
        HomeError: the folder cannot be read.
        InvalidData: there is no `*.json` in it, or more than 1,000.

    >>> import tempfile
    >>> from mlops_lab.checks import export_progress
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = export_progress(Path(folder, "mine.json"))
    ...     _ = Path(folder, "notes.json").write_text("[]")
    ...     report = read_class(folder)
    >>> [learner.name for learner in report.learners], report.notes
    (['mine'], ('notes.json: not counted: it is no progress file of this course.',))
    """
    place = Path(folder)
    try:
        paths = sorted(path for path in place.iterdir() if path.suffix.lower() == ".json")
    except OSError as error:
        raise HomeError(place, error.strerror or str(error)) from None
    if not paths:
        raise InvalidData(f"there is no .json file in {place}; learners make one with: mlops-lab class export FILE")
    if len(paths) > _MOST_FILES:
        raise InvalidData(f"{len(paths):,} .json files in {place} are more than a class; {_MOST_FILES:,} at most.")
    kinds = [one.id for one in all_exercises()] + [one.id for one in all_quizzes()]
    learners: list[Learner] = []
    notes, before = [], dict[tuple[Any, ...], str]()
    for path in paths:
        shown = _shown(path.name)
        try:
            standings, extra = _standings(path, sorted(kinds))
        except _NotCountedError as problem:
            notes.append(f"{shown}: not counted: {problem}.")
            continue
        if extra:
            notes.append(f"{shown}: {extra} exercises that this course does not have are left out.")
        same = tuple(standings.values())
        if same in before and any(status != "not attempted" for status, _, _ in same):
            notes.append(f"{shown}: says the same as {before[same]}; both are counted.")
        before.setdefault(same, shown)
        name = f"learner {len(learners) + 1}" if anonymous else _shown(path.stem)
        learners.append(Learner(name, standings))
    return ClassReport(tuple(learners), tuple(notes))


class _NotCountedError(Exception):
    """Why a file is not a learner."""


def _standings(path: Path, entries: list[str]) -> tuple[dict[str, tuple[str, int, int]], int]:
    """What a file says of every entry of the course, and how many others it has."""
    exercises = _exercises(path)
    found = {}
    for entry in entries:
        one = exercises.get(entry, {"status": "not attempted", "attempts": 0, "hints": 0})
        if not isinstance(one, dict) or one.get("status") not in list(MARKS):  # it may be a list
            raise _NotCountedError(f"what it says of {entry} is damaged")
        counts = [one.get("attempts"), one.get("hints")]
        if any(type(count) is not int or not 0 <= count < 10**6 for count in counts):
            raise _NotCountedError(f"what it says of {entry} is damaged")
        found[entry] = (str(one["status"]), int(one["attempts"]), int(one["hints"]))
    return found, len(set(exercises) - set(entries))


def _exercises(path: Path) -> dict[str, Any]:
    try:
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            raise _NotCountedError("it is a link, and links are not followed")
        if not stat.S_ISREG(about.st_mode):
            raise _NotCountedError("it is no file")
        if about.st_size > _MOST_BYTES:
            raise _NotCountedError(f"it has {about.st_size:,} bytes, and a progress file has some thousand")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        content = json.loads(data.decode("utf-8"))
    except OSError as error:
        raise _NotCountedError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise _NotCountedError("it is no JSON text") from None
    exercises = content.get("exercises") if isinstance(content, dict) else None
    if not isinstance(exercises, dict) or content.get("course") != "MLOps Lab":
        raise _NotCountedError("it is no progress file of this course")
    return exercises


def _shown(name: str) -> str:
    """A file's name as it may be printed: no line breaks, no control characters, not too long."""
    text = " ".join(plain(name.encode("utf-8", "replace").decode()).split())
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
