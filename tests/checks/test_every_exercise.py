"""Is every exercise of the course one that teaches: stub, mistakes and solution each get their own answer?"""

from __future__ import annotations

import ast
from typing import Any

import pytest

from mlops_lab.teaching.checks import Exercise, Quiz, all_exercises, all_quizzes
from mlops_lab.teaching.checks.judging import Verdict, judge

EXERCISES = pytest.mark.parametrize("exercise", all_exercises(), ids=lambda exercise: exercise.id)
QUIZZES = pytest.mark.parametrize("quiz", all_quizzes(), ids=lambda quiz: quiz.id)


def _run(exercise: Exercise, source: str) -> Any:
    """The answer after the cells before (setup) and a cell with this source have run."""
    names: dict[str, Any] = {}
    exec(compile(exercise.setup, "<string>", "exec"), names)  # noqa: S102 - the course's own sources
    exec(compile(source, "<string>", "exec"), names)  # noqa: S102
    return names[exercise.answer]


def _answer(exercise: Exercise, source: str) -> Verdict:
    return judge(exercise, _run(exercise, source))


@EXERCISES
def test_the_stub_is_not_attempted(exercise: Exercise) -> None:
    verdict = _answer(exercise, exercise.stub)

    assert verdict.status == "not attempted"


@pytest.mark.slow
@EXERCISES
def test_every_mistake_is_answered_with_its_own_message(exercise: Exercise) -> None:
    verdicts = [_answer(exercise, mistake.source) for mistake in exercise.mistakes]

    for mistake, verdict in zip(exercise.mistakes, verdicts, strict=True):
        assert verdict.status == "not yet", mistake.source
        assert mistake.says in verdict.message
        assert "it raised" not in verdict.message, "name the mistake instead of showing the exception"
    assert len({verdict.message for verdict in verdicts}) == len(verdicts)


@pytest.mark.slow
@EXERCISES
def test_the_solution_passes_as_often_as_asked_and_says_what_was_learnt(exercise: Exercise) -> None:
    answer = _run(exercise, exercise.solution)

    first, second = judge(exercise, answer), judge(exercise, answer)

    assert (first.status, first.message) == ("passed", exercise.lesson)
    assert second == first


@EXERCISES
def test_sentences_are_sentences_and_hints_differ(exercise: Exercise) -> None:
    sentences = [exercise.question, exercise.lesson, *exercise.hints]

    assert all(sentence.rstrip().endswith((".", "?")) for sentence in sentences)
    assert len(set(exercise.hints)) == len(exercise.hints)


@EXERCISES
def test_the_stub_defines_the_answer_and_fits_a_cell(exercise: Exercise) -> None:
    tree = ast.parse(exercise.stub)

    assert "..." in exercise.stub
    assert any(exercise.answer in ast.unparse(statement) for statement in tree.body)
    assert len(exercise.stub.splitlines()) <= 15


@pytest.mark.parametrize("garbage", [0, -1, "", "x", [], [1], {}, {"a": 1}, object(), float("nan"), b"", print])
@EXERCISES
def test_garbage_is_an_answer_too(exercise: Exercise, garbage: object) -> None:
    verdict = judge(exercise, garbage)

    assert verdict.status == "not yet"
    assert verdict.message


@QUIZZES
def test_every_option_of_a_quiz_says_something_of_its_own(quiz: Quiz) -> None:
    said = [option.feedback for option in quiz.options]

    assert all(said)
    assert len(set(said)) == len(said)
