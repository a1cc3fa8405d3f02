"""How far the learner has come, and where that is written down.

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

from mlops_lab.base.display import html_table, page
from mlops_lab.base.errors import InvalidData
from mlops_lab.base.storage import write_atomically
from mlops_lab.teaching.checks.catalogue import all_exercises, all_predictions, all_quizzes

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

    @property
    def _summary(self) -> str:
        made, right, of = self.predictions
        told = f"; {made} of {of} predictions made, {right} came as predicted" if of else ""
        return f"{self.passed} of {len(self.rows)} passed{told}"

    def __repr__(self) -> str:
        lines = [self._summary]
        for entry, kind, standing in self.rows:
            tries, hints = _counts(standing)
            lines.append(f"{entry:5} {kind:8} {standing.status:13}  {tries:7}  {hints}".rstrip())
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        rows = [(entry, kind, one.status, one.attempts, _helped(one)) for entry, kind, one in self.rows]
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        columns = ("exercise", "kind", "status", "tries", "hints")
        return page(html_table(self._summary, columns, rows) + notes)


def _counts(standing: Standing) -> tuple[str, str]:
    def said(count: int, one: str, more: str) -> str:
        return "" if not count else f"{count} {one if count == 1 else more}"

    helped = _helped(standing)
    return said(standing.attempts, "try", "tries"), helped if standing.hints > 3 else said(
        standing.hints, "hint", "hints"
    )


def _helped(standing: Standing) -> str:
    return "solution seen" if standing.hints > 3 else str(standing.hints)  # it comes after the third hint


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
    """What was predicted, by prediction."""
    found = {one.id: read_standing(one.id)[0].said for one in all_predictions()}
    return {entry: said for entry, said in found.items() if said}


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
