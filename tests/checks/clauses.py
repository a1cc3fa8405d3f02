"""A solution as clauses, each with its mutants: what the tables of the mutant tests are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from mlops_lab.teaching.checks import Exercise, find_exercise, judging
from mlops_lab.teaching.checks.judging import Verdict

#: How often each exercise gave each verdict: the table that conftest.py prints.
VERDICTS: Counter[tuple[str, str]] = Counter()
LONG = ("07.3", "09.1", "09.2", "09.3")  # their checks run whole rollouts and weeks of flights


@dataclass(frozen=True)
class Clauses:
    """A solution with `<name>` for each clause: each as it should be, and its mutants with words of their message."""

    exercise: str
    source: str
    right: dict[str, str]
    wrong: dict[str, dict[str, str]]
    styles: tuple[str, ...] = ()

    def written(self, text: str | None = None, **changed: str) -> str:
        text = self.source if text is None else text
        for name, clause in (self.right | changed).items():
            text = text.replace(f"<{name}>", clause)
        return text


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """As the package's own, and counted."""
    verdict = judging.judge(exercise, answer)
    VERDICTS[exercise.id, verdict.status] += 1
    return verdict


def judged(exercise_id: str, source: str) -> Verdict:
    """The verdict on a cell with this source, after the exercise's setup."""
    exercise = find_exercise(exercise_id)
    names: dict[str, Any] = {}
    exec(compile(exercise.setup, "<string>", "exec"), names)  # noqa: S102 - the course's own sources
    exec(compile(source, "<string>", "exec"), names)  # noqa: S102
    return judge(exercise, names[exercise.answer])


def _marks(table: Clauses) -> Any:
    return pytest.mark.nightly if table.exercise in LONG else ()


def mutants(tables: Iterable[Clauses]) -> list[Any]:
    """One parameter set a mutant: table, name of the clause, the clause and the words of its message.

    By day the first mutant of each clause, at night all.
    """
    return [
        pytest.param(
            table,
            name,
            clause,
            says,
            id=f"{table.exercise}-{name}-{number}",
            marks=_marks(table) if number == 1 else pytest.mark.nightly,
        )
        for table in tables
        for name, changed in table.wrong.items()
        for number, (clause, says) in enumerate(changed.items(), 1)
    ]


def whole(tables: Iterable[Clauses]) -> list[Any]:
    """One parameter set a table."""
    return [pytest.param(table, id=table.exercise, marks=_marks(table)) for table in tables]


def expect_refused(table: Clauses, name: str, clause: str, says: str) -> None:
    verdict = judged(table.exercise, table.written(**{name: clause}))

    assert verdict.status == "not yet", f"{name}: {clause!r} passes for {table.right[name]!r}"
    assert says in verdict.message
    assert "it raised" not in verdict.message


def expect_accepted(table: Clauses) -> None:
    verdicts = [judged(table.exercise, table.written(source)) for source in (table.source, *table.styles)]

    assert [verdict.status for verdict in verdicts] == ["passed"] * len(verdicts), verdicts
