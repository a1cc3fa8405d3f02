"""How far the learner has come, where that is written down, and the hints that were asked for.

One small file an exercise: two notebooks open at once never overwrite each other, a crash spoils nothing (the file is
replaced whole), and a damaged file costs one line of the table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path

from mlops_lab.base.display import html_table, page, text_table
from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.base.storage import write_atomically
from mlops_lab.teaching.checks.exercise import all_exercises, all_predictions, all_quizzes, find_exercise

_STATUS = ("not attempted", "not yet", "passed")


@dataclass(frozen=True)
class Standing:
    """How one exercise or quiz stands: its best status so far, the tries, the hints looked at; what was predicted."""

    status: str = _STATUS[0]
    attempts: int = 0
    hints: int = 0
    said: str = ""


def course_home() -> Path:
    """`MLOPS_LAB_HOME`, else `.mlops_lab` in the nearest folder upwards that has one or holds the project."""
    if named := os.environ.get("MLOPS_LAB_HOME"):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".mlops_lab").is_dir() or (folder / "pyproject.toml").is_file():
            return folder / ".mlops_lab"
    return here / ".mlops_lab"


def _file(entry: str) -> Path:
    return course_home() / "progress" / f"{entry}.json"


def read_standing(entry: str) -> tuple[Standing, str]:
    """How this exercise stands, with what there is to say about its file: nothing, usually.

    A file that cannot be understood is moved aside, so it is spoken of once.
    """
    path = _file(entry)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Standing(), ""
    except OSError as error:
        return Standing(), f"Progress could not be read ({error.strerror})."
    try:
        return _parsed(text), ""
    except (ValueError, TypeError, KeyError, RecursionError):
        return Standing(), _put_aside(path)


def _parsed(text: bytes) -> Standing:
    fields = json.loads(text)
    status, attempts, hints = fields["status"], fields["attempts"], fields["hints"]
    whole = all(type(count) is int and count >= 0 for count in (attempts, hints))
    if status not in _STATUS or not whole:
        raise ValueError
    return Standing(status, attempts, hints, str(fields.get("said", "")))


def _put_aside(path: Path) -> str:
    aside = path.with_suffix(".damaged")
    try:
        os.replace(path, aside)
    except OSError as error:
        return f"The progress file {path.name} is damaged and could not be moved aside ({error.strerror})."
    return f"The progress file {path.name} was damaged; it is kept as {aside.name}, and this exercise starts anew."


def record(entry: str, change: Callable[[Standing], Standing]) -> tuple[Standing, str]:
    """Write down what `change` makes of the standing; what was passed once stays passed. Never raises OSError."""
    before, note = read_standing(entry)
    after = change(before)
    if _STATUS.index(before.status) > _STATUS.index(after.status):
        after = replace(after, status=before.status)
    try:
        _write(_file(entry), asdict(after))
    except OSError as error:
        note = note or f"Progress could not be kept ({error.strerror}); the answer counts all the same."
    return after, note


def _write(path: Path, content: object) -> None:
    write_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


@dataclass(frozen=True, repr=False)
class ProgressTable:
    """What is done and what is left, a row for every exercise and quiz."""

    rows: tuple[tuple[str, str, Standing], ...]
    notes: tuple[str, ...] = ()
    predictions: tuple[int, int, int] = (0, 0, 0)

    @property
    def passed(self) -> int:
        """How many are passed."""
        return sum(standing.status == "passed" for _, _, standing in self.rows)

    _columns = ("exercise", "kind", "status", "tries", "hints")

    @property
    def _cells(self) -> list[tuple[object, ...]]:
        seen = "solution seen"  # it comes after the third hint
        return [(e, kind, one.status, one.attempts, seen if one.hints > 3 else one.hints) for e, kind, one in self.rows]

    @property
    def _summary(self) -> str:
        made, right, of = self.predictions
        told = f"; {made} of {of} predictions made, {right} came as predicted" if of else ""
        return f"{self.passed} of {len(self.rows)} passed{told}"

    def __repr__(self) -> str:
        return "\n".join([self._summary, text_table(self._columns, self._cells), *self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return page(html_table(self._summary, self._columns, self._cells) + notes)


def progress() -> ProgressTable:
    """The table of all exercises and quizzes, and the count of predictions, read from the learner's own folder."""
    entries = [(one.id, str(one.kind)) for one in all_exercises()] + [(one.id, "quiz") for one in all_quizzes()]
    rows, notes = [], []
    for entry, kind in sorted(entries):
        standing, note = read_standing(entry)
        rows.append((entry, kind, standing))
        if note:
            notes.append(note)
    said = _predictions()
    right = {one.id: one.options[one.right] for one in all_predictions()}
    came = sum(right[entry] == words for entry, words in said.items())
    return ProgressTable(tuple(rows), tuple(notes), (len(said), came, len(right)))


def _predictions() -> dict[str, str]:
    """What was predicted, by prediction; what is no option of it was said when the number was another question's."""
    found = ((one, read_standing(one.id)[0].said) for one in all_predictions())
    return {one.id: said for one, said in found if said in one.options}


def export_progress(path: str | os.PathLike[str]) -> Path:
    """Write the table as one JSON file, to hand in or to keep; a file of that name is replaced.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     export_progress(Path(folder, "mine.json")).name
    'mine.json'

    Raises:
        InvalidData: the file cannot be written there.
    """
    target = Path(path)
    if target.is_dir():
        raise InvalidData(f"{str(target)!r} is a folder; name the file to be made in it, such as mine.json.")
    table = progress()
    content = {
        "course": "MLOps Lab",
        "passed": table.passed,
        "of": len(table.rows),
        "exercises": {
            entry: {"kind": kind, "status": one.status, "attempts": one.attempts, "hints": one.hints}
            for entry, kind, one in table.rows
        },
        "predictions": _predictions(),
    }
    try:
        _write(target, content)
    except OSError as error:
        raise InvalidData(f"cannot write {str(target)!r}: {error.strerror or error}.") from None
    return target


_asked: dict[tuple[str, str], int] = {}  # for a home folder that cannot be written: asking again still leads on


@dataclass(frozen=True, repr=False)
class Hints:
    """The hints asked for so far, the newest open, and at last the solution, folded.

    >>> Hints("01.1", ("Look at both columns.",), of=3)
    01.1 hint 1 of 3: Look at both columns.
    """

    exercise: str
    shown: tuple[str, ...]
    of: int
    solution: str = ""
    note: str = ""

    def __repr__(self) -> str:
        if self.solution:
            text = f"{self.exercise} solution:\n{self.solution}"
        elif self.shown:
            text = f"{self.exercise} hint {len(self.shown)} of {self.of}: {self.shown[-1]}"
        else:
            text = self.exercise
        return f"{text}\n{self.note}".strip() if self.note else text

    def _repr_html_(self) -> str:
        parts = []
        for number, text in enumerate(self.shown, 1):
            is_newest = number == len(self.shown) and not self.solution
            parts.append(
                f"<details{' open' if is_newest else ''}><summary>Hint {number} of {self.of}</summary>"
                f"{escape(text)}</details>"
            )
        if self.solution:
            parts.append(
                f"<details><summary>Solution of {escape(self.exercise)}</summary>"
                f"<pre>{escape(self.solution)}</pre></details>"
            )
        if self.note:
            parts.append(f"<p>{escape(self.note)}</p>")
        return f'<div class="lab-hints">{"".join(parts)}</div>'


def hint(exercise_id: str, *, solution: bool = False) -> Hints:
    """The next hint of an exercise. After the third, `solution=True` shows its solution, folded. Raises nothing.

    >>> hint("01.l").note.startswith("no exercise '01.l'; there is: ")
    True
    """
    if not isinstance(exercise_id, str):
        return Hints("??", (), of=0, note='name the exercise in quotes: hint("01.1").')  # type: ignore[unreachable]
    try:
        exercise = find_exercise(exercise_id)
    except MlopsLabError as error:
        return Hints(exercise_id, (), of=0, note=str(error))
    of = len(exercise.hints)
    key = (str(course_home()), exercise.id)
    before = max(read_standing(exercise.id)[0].hints, _asked.get(key, 0))
    wanted = of + 1 if before > of or (solution and before == of) else min(before + 1, of)
    standing, note = record(exercise.id, lambda known: replace(known, hints=max(known.hints, wanted)))
    _asked[key] = max(standing.hints, wanted)
    if wanted > of:
        return Hints(exercise.id, exercise.hints, of=of, solution=exercise.solution.strip(), note=note)
    if solution and wanted < of:
        note = f"{note} The solution comes after the hints: there are {of - wanted} more.".strip()
    elif before == of:
        note = f'{note} There is no other hint. Do you want to see the solution? hint("{exercise.id}", solution=True)'
    return Hints(exercise.id, exercise.hints[:wanted], of=of, note=note.strip())
