"""The exercises of notebook 02: the sides of a split, and the threshold that costs least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlops_lab.teaching.checks.exercise import asked, expect, is_number, listed, read_exercises

_WORDS = ("train", "holdout", "neither")
_THRESHOLDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def _predict_sides(sides: Any) -> None:
    words = listed([*sides.values()] if isinstance(sides, dict) else sides, "give a list of four words, one a flight.")
    sides = [word.strip().lower() if isinstance(word, str) else word for word in words]
    expect(len(sides) == 4, "give a list of four words, one a flight.")
    strange = [word for word in sides if word not in _WORDS]
    expect(not strange, f"the words are {', '.join(_WORDS)}; {strange[:1]} is none of them.")
    a, b, c, d = sides
    expect(a == "train", "A was decided and over before the split: that is what a model learns from.")
    expect(b != "train", "B's answer came in at 01:10, after the split: that night nobody could have learnt from it.")
    expect(b != "holdout", "B was decided before the split, so the exam, which begins at the split, does not ask it.")
    expect(c == "holdout", "C is decided at the very moment of the split: the exam begins there.")
    expect(d == "train", "D's answer came in at the very moment of the split: it was known by then, so it counts.")


def _cost(late: Any, chance: Any, threshold: float, missed: float, alarm: float) -> float:
    """The slow, obvious way: one flight after the other."""
    total = 0.0
    for happened, probability in zip(late.tolist(), chance.tolist(), strict=True):
        raised = probability >= threshold
        total += missed if happened and not raised else alarm if raised and not happened else 0.0
    return total


def _cheapest(late: Any, chance: Any, missed: float, alarm: float) -> float:
    return min(_THRESHOLDS, key=lambda each: (_cost(late, chance, each, missed, alarm), each))


def _build_choose(choose: Callable[..., Any]) -> None:
    import numpy as np

    chance = np.linspace(0.05, 0.95, 91)
    late = np.arange(91) * 37 % 91 < np.arange(91)  # the likelier, the more often, without being sorted

    def given(missed: float, alarm: float) -> Any:
        return ask(late, chance, missed, alarm)

    def ask(late: Any, chance: Any, missed: float, alarm: float) -> Any:
        answer = asked(choose, late, chance, missed, alarm)
        expect(is_number(answer), "return one number from THRESHOLDS.")
        return answer

    same, dear, cheap = given(1, 1), given(8, 1), given(1, 8)
    for got in (same, dear, cheap):
        expect(
            any(abs(got - each) < 1e-6 for each in _THRESHOLDS),
            f"{got:.3g} is not among THRESHOLDS; try each of them and keep the cheapest.",
        )
    expect(not same == dear == cheap, "the costs change nothing in your answer: count missed flights and alarms apart.")
    expect(dear < cheap, "a missed flight that costs more calls for a lower threshold; are the two costs swapped?")
    said = "where the thresholds 0.2 to 0.5 all cost nothing, 0.2 is wanted: take the lowest of them."
    expect(abs(ask(np.array([True, False]), np.array([0.55, 0.15]), 1, 1) - 0.2) < 1e-6, said)
    for wanted in _THRESHOLDS:
        late_one, punctual = round(wanted + 0.02, 2), round(wanted - 0.02, 2)
        said = f"one flight is late, with chance {late_one}, one is not, with {punctual}: only {wanted} costs nothing."
        expect(abs(ask(np.array([True, False]), np.array([late_one, punctual]), 1, 1) - wanted) < 1e-6, said)
    for seed in range(6):
        chances = np.random.default_rng(seed).random(60).round(1)
        rare = 0.3 if seed % 2 else 1.0  # where few are late, shares are no counts
        happened = np.random.default_rng(seed + 100).random(60) < chances * rare
        for missed, alarm in ((1, 1), (3, 1), (1, 5)):
            wanted = _cheapest(happened, chances, missed, alarm)
            got = ask(happened, chances, missed, alarm)
            near = min(_THRESHOLDS, key=lambda each: abs(each - got))
            cost, lowest = (_cost(happened, chances, each, missed, alarm) for each in (near, wanted))
            expect(
                cost == lowest,  # not the threshold itself: who adds up means finds some of the equal costs unequal
                f"with costs {missed} and {alarm} one case has its lowest cost at {wanted:g}, not {got:g}; count "
                "flights, not shares, and a chance exactly at the threshold raises the alarm.",
            )


EXERCISES = read_exercises("nb02.toml", {"02.1": _predict_sides, "02.3": _build_choose})
