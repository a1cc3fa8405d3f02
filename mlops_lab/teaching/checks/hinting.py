"""Hints for somebody who is stuck, one at a time, and the solution when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.teaching.checks.catalogue import find_exercise
from mlops_lab.teaching.checks.progress import course_home, read_standing, record

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
