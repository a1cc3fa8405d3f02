"""The exercises of notebook 06: conditions, a check that nobody gets around, a matrix, and a file with holes."""

from __future__ import annotations

from typing import Any

from mlops_lab.ci import evaluate, expand_matrix
from mlops_lab.teaching.checks.ci_holes import HOLES, repair, summarise
from mlops_lab.teaching.checks.exercise import Exercise, Mistake, expect, mapped

_SURPRISES = {
    "'' == 0": "a text is made a number before it is compared with one, and the empty text is made 0.",
    "'Main' == 'main'": "GitHub compares texts without looking at capital letters.",
    "'false' && true": "'false' in quotes is a text that is not empty, so it counts as true.",
    "contains('refs/heads/main-2', 'main')": "in a text, contains looks for a part of it.",
    "contains(fromJSON('[\"main-2\"]'), 'main')": "in a list, contains looks for a whole entry.",
}


def _guess(guesses: Any) -> None:
    guesses = mapped(guesses, "give a dict: expression to True or False.")
    missing = [text for text in _SURPRISES if text not in guesses]
    expect(not missing, f"no guess yet for {', '.join(missing)}.")
    for text, why in _SURPRISES.items():
        guess, value = guesses[text], evaluate(text)
        expect(isinstance(guess, bool), f"for {text} say True or False.")
        expect(guess is value, f"{text} is {str(value).lower()}: {why}")


_MATRIX: dict[str, Any] = {
    "model": ["logistic", "boosted"],
    "airport": ["EWR", "JFK", "LGA"],
    "exclude": [{"model": "boosted", "airport": "LGA"}],
    "include": [
        {"model": "logistic", "penalty": "l1"},
        {"model": "baseline"},
    ],
}


def _count_legs(legs: Any) -> None:
    expect(isinstance(legs, int | float) and not isinstance(legs, bool), "give a whole number.")
    expect(legs != 8, "penalty contradicts nothing in the legs of logistic, so it joins them and makes no new one.")
    expect(legs != 7, "exclude takes one of the six away.")
    expect(legs != 5, "there is no leg with the model baseline, so that entry makes one of its own.")
    expect(legs == len(expand_matrix(_MATRIX)), f"not {legs}: write the six pairs down and strike one out.")


_FIXED = {
    6: "    continue-on-error: false",
    9: "      - run: set -o pipefail; bash gate.sh | tee report.txt",
    10: '      - {env: {TITLE: "${{ github.event.pull_request.title }}"}, run: \'echo "judged $TITLE"\'}',
    14: "    if: ${{ !cancelled() && needs.gate.result == 'success' }}",
    15: "    environment: production",
}


def _without(number: int, **other: str) -> str:
    left = {line: text for line, text in _FIXED.items() if line != number}
    return f"repairs = {left | {int(line[1:]): text for line, text in other.items()}!r}"


def _guesses(*values: bool) -> str:
    return f"guesses = {dict(zip(_SURPRISES, values, strict=True))!r}"


EXERCISES = (
    Exercise(
        id="06.1",
        kind="predict",
        question="Which of these conditions are true?",
        answer="guesses",
        stub="""\
guesses = {
    "'' == 0": ...,
    "'Main' == 'main'": ...,
    "'false' && true": ...,
    "contains('refs/heads/main-2', 'main')": ...,
    "contains(fromJSON('[\\"main-2\\"]'), 'main')": ...,
}""",
        test=_guess,
        solution=_guesses(True, True, True, True, False),
        mistakes=(
            Mistake(_guesses(False, True, True, True, False), "the empty text is made 0"),
            Mistake(_guesses(True, False, True, True, False), "capital letters"),
            Mistake(_guesses(True, True, False, True, False), "a text that is not empty"),
        ),
        hints=(
            "evaluate(...) takes any of them; guess before you look.",
            "Things of different kinds are made numbers first. Everything that is not empty, null, 0 or false is true.",
            "Only one of the five is false.",
        ),
        lesson="conditions convert what they compare, so compare like with like.",
    ),
    Exercise(
        id="06.2",
        kind="change",
        question="Which two conditions make passed a check that nobody can get around?",
        answer="conditions",
        stub='conditions = {"job": ..., "step": ...}',
        test=summarise,
        solution="""\
conditions = {
    "job": "always()",
    "step": "needs.lint.result != 'success' || needs.test.result != 'success'",
}""",
        mistakes=(
            Mistake('conditions = {"job": "success()", "step": "failure()"}', "test is failure, passed is skipped"),
            Mistake(
                'conditions = {"job": "always()", "step": "contains(needs.*.result, \'failure\')"}',
                "test is cancelled, passed ends as success",
            ),
            Mistake(
                'conditions = {"job": "always()", "step": "failure() || cancelled()"}',
                "failure, passed ends as success",
            ),
        ),
        hints=(
            "The job has to run whatever became of the others.",
            "The step has to refuse in every case but one; think of cancelled and of skipped.",
            "Compare needs.lint.result and needs.test.result with 'success'.",
        ),
        lesson="ask for the one good case, and let everything else be bad.",
    ),
    Exercise(
        id="06.3",
        kind="predict",
        question="How many jobs does this matrix make?",
        answer="legs",
        stub="legs = ...",
        test=_count_legs,
        solution="legs = 6",
        mistakes=(
            Mistake("legs = 8", "joins them"),
            Mistake("legs = 7", "takes one of the six away"),
            Mistake("legs = 5", "one of its own"),
        ),
        hints=(
            "First all pairs, then exclude, then include, entry by entry.",
            "An entry of include joins every leg that it does not contradict.",
            "Three legs take the penalty; no leg can take the model baseline.",
        ),
        lesson="exclude comes first; include joins where it can, and makes a leg of its own where it cannot.",
    ),
    Exercise(
        id="06.4",
        kind="build",
        question="Close the five holes in release.yml, line by line.",
        answer="repairs",
        stub="""\
repairs = {
    1: ...,  # the number of a line: the line as it should be
}""",
        seconds=120,
        test=repair,
        solution=f"repairs = {_FIXED!r}",
        mistakes=(
            Mistake(_without(6), "counts as a success"),
            Mistake(_without(9), "nobody notices"),
            Mistake(_without(10), "a command of its own"),
        ),
        hints=(
            "Go through the file from the top and ask of every line: what if the answer is no?",
            "Two holes forget the gate's no, one lets deploy start, one asks the wrong people, one is for strangers.",
            "Look at the lines 6, 9, 10, 14 and 15. A whole step fits one line: {env: {…}, run: …}.",
        ),
        lesson="each of these five lines has been merged somewhere with a green tick beside it.",
        setup=f"release = {HOLES!r}",
    ),
)
