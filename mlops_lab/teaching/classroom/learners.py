"""How far a class has come, read from the files that learners exported, whatever else lies in the folder."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import InvalidData, MlopsLabError, UnknownName
from mlops_lab.teaching.checks import all_exercises, all_quizzes
from mlops_lab.teaching.drawing.words import plain, shortened, width

#: How an exercise stands, and its mark: told without colour.
MARKS: Mapping[str, str] = {"passed": "✓", "not yet": "…", "not attempted": "–"}

_MOST_BYTES, _LONGEST_NAME = 256 * 1024, 24
_PACKED = (".zip", ".gz", ".tar", ".7z", ".rar")


def handed_in(place: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """The `*.json` of a folder and of the folders in it, and what else was meant to be handed in, with why it is not.

    Raises:
        InvalidData: the folder cannot be read.
    """
    paths: list[Path] = []
    left_out: list[tuple[str, str]] = []
    try:
        for path in sorted(place.iterdir()):
            if path.suffix.lower() == ".json":
                paths.append(path)
            elif path.is_dir() and not path.is_symlink():
                paths += _in_folder(path, left_out)
            elif not path.name.startswith(".") and path.suffix.lower() != ".svg":  # a class drawn before
                packed = path.suffix.lower() in _PACKED
                left_out.append((path.name, "it is packed; unpack it" if packed else "its name does not end in .json"))
    except OSError as error:
        raise InvalidData(f"cannot read the folder {str(place)!r}: {error.strerror or error}.") from None
    return paths, left_out


def _in_folder(folder: Path, left_out: list[tuple[str, str]]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json")
    except OSError as error:
        left_out.append((folder.name, f"the folder cannot be read ({error.strerror})"))
        return []


class NotCountedError(MlopsLabError):
    """Why a file is not a learner."""


def read_standings(path: Path, entries: list[str]) -> tuple[dict[str, tuple[str, int, int]], int]:
    """What a file says of every entry of the course, and how many others it has.

    Raises:
        NotCountedError: it is no progress file.
    """
    exercises = _exercises(path)
    found = {}
    for entry in entries:
        one = exercises.get(entry, {"status": "not attempted", "attempts": 0, "hints": 0})
        if not isinstance(one, dict) or one.get("status") not in list(MARKS):  # it may be a list
            raise NotCountedError(f"what it says of {entry} is damaged")
        counts = [one.get("attempts"), one.get("hints")]
        if any(type(count) is not int or not 0 <= count < 10**6 for count in counts):
            raise NotCountedError(f"what it says of {entry} is damaged")
        found[entry] = (str(one["status"]), int(one["attempts"]), int(one["hints"]))
    return found, len(set(exercises) - set(entries))


def _exercises(path: Path) -> dict[str, Any]:
    try:
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            raise NotCountedError("it is a link, and links are not followed")
        if not stat.S_ISREG(about.st_mode):
            raise NotCountedError("it is no file")
        if about.st_size > _MOST_BYTES:
            raise NotCountedError(f"it has {about.st_size:,} bytes, and a progress file has some thousand")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if data.startswith(b"PK\x03\x04"):
            raise NotCountedError("it is packed; unpack it")
        content = json.loads(data.decode("utf-8-sig"))  # editors on Windows put a mark in front
    except OSError as error:
        raise NotCountedError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise NotCountedError("it is no JSON text") from None
    exercises = content.get("exercises") if isinstance(content, dict) else None
    if not isinstance(exercises, dict) or content.get("course") != "MLOps Lab":
        raise NotCountedError("it is no progress file of this course")
    return exercises


def shown(name: str) -> str:
    r"""A file's name as it may be printed: no line breaks, no control characters, not too long."""
    text = " ".join(plain(name.encode("utf-8", "replace").decode()).split())
    length = _LONGEST_NAME
    while width(short := shortened(text, length)) > _LONGEST_NAME * 0.62:  # letters beyond Latin are wider
        length -= 1
    return short


_MOST_FILES, _MOST_REMARKS = 1000, 10
#: The points of the capstone's steps, as notebook 09 says; any other exercise and a quiz count one.
POINTS: Mapping[str, int] = {"09.1": 40, "09.2": 20, "09.3": 25, "09.4": 15}
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

    @property
    def solutions_seen(self) -> list[str]:
        """The exercises of which the solution was looked at."""
        return [entry for entry, (_, _, hints) in self.standings.items() if hints >= _SOLUTION]

    @property
    def impossible(self) -> list[str]:
        """What is passed without a try: no file that the course wrote says so."""
        return [entry for entry, (status, tries, _) in self.standings.items() if status == "passed" and not tries]

    def points(self, entry: str) -> int:
        """The points of one exercise or quiz: those of the capstone's table, one for any other."""
        return POINTS.get(entry, 1) if self.standings[entry][0] == "passed" else 0

    def __repr__(self) -> str:
        return f"Learner({self.name!r}, {self.passed} of {len(self.standings)} passed)"


@dataclass(frozen=True, repr=False)
class ClassReport:
    """A class: its learners in the order of their files, and a line for every file that needs one."""

    learners: tuple[Learner, ...]
    notes: tuple[str, ...]

    @property
    def notebooks(self) -> list[str]:
        """The numbers of the notebooks that have something to pass."""
        return sorted({entry[:2] for learner in self.learners for entry in learner.standings})

    def table(self) -> str:
        """One line a learner: how many are passed of each notebook, and in all."""
        from rich.cells import cell_len  # 列 takes the room of two letters

        rows = [["learner", *self.notebooks, "passed"]]
        for one in self.learners:
            counts = [str(one.in_notebook(number)[0]) for number in self.notebooks]
            rows.append([one.name, *counts, f"{one.passed} of {len(one.standings)}"])
        names = max(cell_len(row[0]) for row in rows)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            numbers = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
            lines.append("  ".join([row[0] + " " * (names - cell_len(row[0])), *numbers, row[-1]]))
        return "\n".join(lines)

    def hardest(self) -> list[tuple[str, int, int, int, int]]:
        """Every exercise as (id, passed, not yet, not attempted, solutions seen); where most are stuck comes first."""
        found = []
        for entry in self.learners[0].standings if self.learners else ():
            seen = [learner.standings[entry] for learner in self.learners]
            passed, late, never = (sum(status == word for status, _, _ in seen) for word in MARKS)
            found.append((entry, passed, late, never, sum(hints >= _SOLUTION for _, _, hints in seen)))
        return sorted(found, key=lambda row: (-row[2], row[1], row[0]))

    def gradebook(self, platform: str) -> str:
        """The class as CSV, for the gradebook of a learning platform.

        `moodle` gets a column for each notebook, as Moodle's import takes them; `canvas` the columns and the line of
        points possible that Canvas asks for. Both end with what a teacher wants to look at: solutions that were seen,
        and passes without a try.

        Raises:
            UnknownName: another platform.
        """
        if platform not in ("moodle", "canvas"):
            raise UnknownName("learning platform", platform, ["moodle", "canvas"])
        entries = list(self.learners[0].standings) if self.learners else []
        inside = {number: [entry for entry in entries if entry.startswith(f"{number}.")] for number in self.notebooks}
        possible = {number: sum(POINTS.get(entry, 1) for entry in found) for number, found in inside.items()}
        names = [f"MLOps Lab {number}" for number in inside]
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        last = ["solutions seen", "passed without a try"]
        if platform == "moodle":
            rows.writerow(["Username", *names, *last])
        else:
            rows.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names, *last])
            rows.writerow(["    Points Possible", "", "", "", "", *possible.values(), "", ""])
        for one in self.learners:
            safe = f"'{one.name}" if one.name[:1] in "=+-@\t" else one.name  # a spreadsheet would run it
            points = [sum(map(one.points, found)) for found in inside.values()]
            who = [safe] if platform == "moodle" else [safe, "", "", safe, ""]
            rows.writerow([*who, *points, " ".join(one.solutions_seen), " ".join(one.impossible)])
        return text.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        words = ("status", "attempts", "hints")
        return {
            "learners": [
                {
                    "name": learner.name,
                    "passed": learner.passed,
                    "of": len(learner.standings),
                    "points": sum(map(learner.points, learner.standings)),
                    "solutions_seen": learner.solutions_seen,
                    "passed_without_a_try": learner.impossible,
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
        folder: where the exported files lie, one a learner, or one in a folder of each learner's, as learning platforms
            pack them.
        anonymous: number the learners in the order of their files, and name no file; otherwise a file's name is the
            learner's, or the name of its folder.

    Raises:
        InvalidData: the folder cannot be read, or there is no `*.json` in it, or more than 1,000.

    >>> import tempfile
    >>> from mlops_lab.teaching.checks import export_progress
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = export_progress(Path(folder, "mine.json"))
    ...     _ = Path(folder, "notes.json").write_text("[]")
    ...     report = read_class(folder)
    >>> [learner.name for learner in report.learners], report.notes
    (['mine'], ('notes.json: not counted: it is no progress file of this course.',))
    """
    place = Path(folder)
    paths, left_out = handed_in(place)
    if not paths:
        packed = " Unpack what is packed first." if left_out else ""
        raise InvalidData(
            f"there is no .json file in {place}; learners make one with: mlops-lab class export FILE{packed}"
        )
    if len(paths) > _MOST_FILES:
        raise InvalidData(f"{len(paths):,} .json files in {place} are more than a class; {_MOST_FILES:,} at most.")
    kinds = [one.id for one in all_exercises()] + [one.id for one in all_quizzes()]
    together = Counter(path.parent for path in paths)
    learners: list[Learner] = []
    notes, before = [], dict[tuple[Any, ...], str]()
    for number, path in enumerate(paths, 1):
        label = shown(path.relative_to(place).as_posix())
        try:
            standings, extra = read_standings(path, sorted(kinds))
        except NotCountedError as problem:
            notes.append(f"{f'file {number}' if anonymous else label}: not counted: {problem}.")
            continue
        own = path.parent.name if together[path.parent] == 1 else f"{path.parent.name}/{path.stem}"
        name = shown(path.stem if path.parent == place else own)
        if anonymous:
            name = label = f"learner {len(learners) + 1}"
        learners.append(Learner(name, standings))
        told = []
        if extra:
            told.append(f"what this course does not have is left out ({extra})")
        same = tuple(standings.values())
        if same in before and any(status != "not attempted" for status, _, _ in same):
            told.append(f"says the same as {before[same]}, and both are counted")
        before.setdefault(same, label)
        if odd := learners[-1].impossible:
            told.append(f"{len(odd)} of {len(same)} are passed without a single try, which the course never writes")
        if told:
            notes.append(f"{label}: {'; '.join(told)}.")
    for name, why in left_out[:_MOST_REMARKS]:
        notes.append(f"{'a file' if anonymous else shown(name)}: not counted: {why}.")
    if len(left_out) > _MOST_REMARKS:
        notes.append(f"{len(left_out) - _MOST_REMARKS} more: not counted either.")
    return ClassReport(tuple(learners), tuple(notes))
