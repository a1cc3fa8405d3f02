"""Of the answers that are chosen and not written, every other one is refused, with words about what is wrong in it.

The answers of these exercises are few: a number, a set, a dict, an order. So all of them are tried, and a rule of
a line or two says which are right. `pytest tests/checks/test_mutants_of_choices.py -s` prints the table.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_lab.teaching.checks import find_exercise
from tests.checks.clauses import judge


@dataclass(frozen=True)
class Choices:
    """All answers of an exercise with the words of which one must be said; none for those that are right."""

    exercise: str
    answers: Callable[[], Iterator[tuple[Any, tuple[str, ...]]]]
    styles: tuple[Any, ...] = ()


def _numbers(words: Mapping[Any, str], right: Any) -> Callable[[], Iterator[tuple[Any, tuple[str, ...]]]]:
    return lambda: iter([(right, ()), *((wrong, (says,)) for wrong, says in words.items())])


_TASKS = ("gate", "approve", "promote", "materialize", "roll_out", "report")
_NEVER = {"approve", "promote", "materialize", "roll_out"}


def _subsets() -> Iterator[tuple[Any, tuple[str, ...]]]:
    for size in range(1, 7):
        for names in map(set, itertools.combinations(_TASKS, size)):
            words = (
                {"the gate does run"} if "gate" in names else {"stands below report"} if "report" in names else set()
            )
            if not words and names != _NEVER:
                words = {"what leads to it"} if names == _NEVER - {"materialize"} else {"follow the arrows on"}
            yield names, tuple(words)


def _sides() -> Iterator[tuple[Any, tuple[str, ...]]]:
    right = ("train", "neither", "holdout", "train")
    about = ("A was decided", "B", "C is decided", "D's answer")
    for words in itertools.product(("train", "holdout", "neither"), repeat=4):
        pairs = zip(words, right, about, strict=True)
        yield list(words), tuple(said for word, wanted, said in pairs if word != wanted)


def _stages() -> Iterator[tuple[Any, tuple[str, ...]]]:
    moves = {"None": ("Staging", "Archived"), "Staging": ("Production", "Archived"), "Archived": ("Staging",)}
    moves["Production"] = ("Archived",)
    for length in range(1, 5):
        for path in map(list, itertools.product(moves, repeat=length)):
            steps = itertools.pairwise(["Archived", *path])
            cannot = [f"from {here} it cannot go to {there}" for here, there in steps if there not in moves[here]]
            words = ["the last stage of the list is Production"] if path[-1] != "Production" else cannot
            words += ["in Archived already"] if path[0] == "Archived" else []
            circle = [] if words or len(path) == 2 else ["goes round in a circle"]
            yield path, (*words, *circle)


_NEEDS = {"features": (), "train": ("features",), "evaluate": ("train",), "materialize": ("features",),
          "gate": ("evaluate",), "promote": ("gate", "materialize")}  # fmt: skip


def _orders() -> Iterator[tuple[Any, tuple[str, ...]]]:
    for order in itertools.permutations(_NEEDS):
        early = [(name, need) for name in order for need in _NEEDS[name] if order.index(need) > order.index(name)]
        yield list(order), tuple(f"{name} starts before {need} is done" for name, need in early)
    for name in _NEEDS:
        yield [one for one in _NEEDS if one != name], (f"missing is {name}",)
        yield [*_NEEDS, name], ("a name stands there twice",)


def _waits() -> Iterator[tuple[Any, tuple[str, ...]]]:
    """When a task asks again: worked out from the three settings, a line each."""
    for retries, delay, grows in itertools.product(range(13), (1, 5, 10, 20, 60, 120, 600), (False, True)):
        waits = [delay * (2**turn if grows else 1) for turn in range(retries)]
        asked = list(itertools.accumulate(waits, initial=0))
        words = [f"it asks {retries + 1} times"] if retries + 1 > 10 else []
        words += ["an hour is allowed"] if asked[-1] > 3600 else []
        words += ["the service is down for 10"] if asked[-1] < 600 else []
        short = next((at for at in asked if at >= 20), 0)
        words += ["after a hiccup of 20 seconds"] if short > 60 else []
        answer = {"retries": retries, "retry_delay": delay, "retry_exponential_backoff": grows}
        yield answer, tuple(words)


_EXPRESSIONS = {"'' == 0": True, "'Main' == 'main'": True, "'false' && true": True,
                "contains('refs/heads/main-2', 'main')": True,
                "contains(fromJSON('[\"main-2\"]'), 'main')": False}  # fmt: skip


def _guesses() -> Iterator[tuple[Any, tuple[str, ...]]]:
    for values in itertools.product((True, False), repeat=5):
        guess = dict(zip(_EXPRESSIONS, values, strict=True))
        yield guess, tuple(f"{text} is" for text in guess if guess[text] is not _EXPRESSIONS[text])


def _both_stages() -> Iterator[tuple[Any, tuple[str, ...]]]:
    for first, second in itertools.product(("None", "Staging", "Production", "Archived"), repeat=2):
        words = ["v2 was moved last"] if second != "Production" else []
        words += ["archiving the former" if first == "Archived" else "nothing has moved v1"] * (first != "Production")
        yield {"v1": first, "v2": second}, tuple(words)


_ENGINES = {"one person, one laptop, a course": "embedded", "a team of five that trains every night": "mlflow",
            "features for a thousand requests a second on three servers": "feast",
            "a history table of a terabyte": "spark"}  # fmt: skip


def _engines() -> Iterator[tuple[Any, tuple[str, ...]]]:
    for engines in itertools.product(_ENGINES.values(), repeat=4):
        choice = dict(zip(_ENGINES, engines, strict=True))
        yield choice, tuple(f"{name}: " for name, engine in choice.items() if engine != _ENGINES[name])


_ORDER = ["features", "materialize", "train", "evaluate", "gate", "promote"]
_PATIENT = {"retries": 7, "retry_delay": 10, "retry_exponential_backoff": True}
CHOICES = (
    Choices(
        "00.1", _subsets, (sorted(_NEVER), frozenset(_NEVER), (name for name in sorted(_NEVER)), pd.Index([*_NEVER]))
    ),
    Choices(
        "01.1",
        _numbers(
            {
                15.0: "arrived at 09:50",
                23.0: "into the future",
                None: "as if no report",
                0.0: "not in the table",
                8.5: "not in the table",
                True: "a number in mph",
                "8.0": "a number in mph",
            },
            8.0,
        ),
        (8, np.float64(8), np.int8(8)),
    ),
    Choices(
        "02.1",
        _sides,
        (
            pd.Series(["train", "neither", "holdout", "train"]),
            iter(("train", "neither", "holdout", "train")),
        ),
    ),
    Choices(
        "03.1",
        _numbers(
            {
                "no": "every comparison with NaN",
                "error": "nothing is raised",
                True: "in quotes",
                None: "in quotes",
                "nan": "one of two words",
            },
            "yes",
        ),
        (" Yes", np.str_("yes")),
    ),
    Choices("04.1", _stages, (("Staging", "Production"), np.array(["staging", "production"]))),
    Choices(
        "04.2",
        _numbers(
            {
                2: "it was waiting",
                3: "did not exist yet",
                None: "as if nobody",
                0: "no such version",
                4: "no such version",
                "1": "the number of a version",
                True: "the number of a version",
            },
            1,
        ),
        (np.int64(1), 1.0),
    ),
    Choices("05.1", _orders, ((name for name in _ORDER), dict.fromkeys(_ORDER).keys(), pd.Series(_ORDER))),
    Choices(
        "05.2",
        _numbers(
            {
                14: "counts the weekends",
                60: "minutes of the hour",
                12: "count the days",
                5: "count the days",
                9: "count the days",
                11: "count the days",
                "10": "a whole number",
                True: "a whole number",
                None: "a whole number",
            },
            10,
        ),
        (np.int32(10), len(range(10))),
    ),
    Choices("05.3", _waits, (_PATIENT | {"max_retry_delay": 600}, pd.Series(_PATIENT, dtype=object))),
    Choices(
        "06.1", _guesses, ({text: np.bool_(value) for text, value in _EXPRESSIONS.items()}, pd.Series(_EXPRESSIONS))
    ),
    Choices(
        "06.3",
        _numbers(
            {
                8: "joins them",
                7: "takes one of the six away",
                5: "one of its own",
                9: "not 9",
                4: "not 4",
                "6": "a whole number",
                None: "a whole number",
            },
            6,
        ),
        (6.0, np.int64(6)),
    ),
    Choices(
        "07.2",
        _numbers(
            {
                6: "had not even asked",
                5: "had asked by 22:00",
                4: "still in the air",
                2: "at that very minute",
                0: "count the rows",
                "3": "a whole number",
                None: "a whole number",
                True: "a whole number",
            },
            3,
        ),
        (np.int64(3), len("abc")),
    ),
    Choices(
        "08.1",
        _both_stages,
        (pd.Series({"v1": "Production", "v2": "Production"}), {"v2": "Production", "v1": "Production"}),
    ),
    Choices("08.4", _engines, (pd.Series(_ENGINES), dict(reversed(_ENGINES.items())))),
)


@pytest.mark.parametrize("table", CHOICES, ids=lambda table: table.exercise)
def test_every_other_choice_is_refused_with_words_about_it(table: Choices) -> None:
    exercise, refused = find_exercise(table.exercise), 0

    for answer, words in table.answers():
        verdict = judge(exercise, answer)
        assert verdict.status == ("not yet" if words else "passed"), (answer, words, verdict)
        assert not words or any(said in verdict.message for said in words), (answer, words, verdict)
        assert "it raised" not in verdict.message
        refused += bool(words)

    assert refused > 3
    print(f"{table.exercise}: {refused} wrong choices refused, {len(table.styles)} other styles accepted")


@pytest.mark.slow
@pytest.mark.parametrize("table", CHOICES, ids=lambda table: table.exercise)
def test_a_right_choice_of_another_kind_passes(table: Choices) -> None:
    verdicts = [judge(find_exercise(table.exercise), answer) for answer in table.styles]

    assert len(verdicts) >= 2
    assert all(verdict.passed for verdict in verdicts), verdicts
