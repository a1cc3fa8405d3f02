"""The exercises of notebook 00: what a failed gate stops, and a rule that looks at the served figure."""

from __future__ import annotations

from typing import Any

from mlops_lab.teaching.checks.exercise import asked, expect, listed, read_exercises, yes_or_no

_REFUSED = frozenset({"approve", "promote", "materialize", "roll_out"})
_AFTER = ("approve", "promote", "materialize", "roll_out", "report")


def _predict_tasks(answer: Any) -> None:
    said = "give a set of names, also when it has one: {'promote'}."
    names = set(map(str, listed(list(answer) if isinstance(answer, set | frozenset | dict) else answer, said)))
    unknown = sorted(name for name in names if name not in _AFTER)
    expect("gate" not in names, "the gate does run: it looks, and fails. Which tasks never get their turn?")
    expect(not unknown, f"only the five tasks of the list can be meant, not {', '.join(unknown)}.")
    expect("report" not in names, "look at what stands below report in the drawing: it runs when all is done, however.")
    expect(names != _REFUSED - {"materialize"}, "what serves changes only once the version may: see what leads to it.")
    expect(names == _REFUSED, "follow the arrows on: whoever waits for a task that never ran never runs either.")


def _change_rule(answer: Any) -> None:
    expect(_says(answer, 0.60, 0.60) is False, "a model that is honest and bad goes through: keep the floor.")
    expect(_says(answer, 0.74, 0.74) is True, "the honest model is refused: it lost nothing from offline to served.")
    expect(_says(answer, 0.90, 0.64) is False, "the colleague's model goes through: look at what it has as served.")
    said = "it reaches the floor as served, but it lost 0.20 on the way: refuse that."
    expect(_says(answer, 0.90, 0.70) is False, said)
    said = "0.025 was lost on the way: no more than 0.02 is allowed, at any height."
    expect(_says(answer, 0.90, 0.875) is False, said)
    said = "a model with 0.658 as served goes through: the floor of 0.66 is for the served figure, not for 0.675."
    expect(_says(answer, 0.675, 0.658) is False, said)
    expect(_says(answer, 0.66, 0.66) is True, "0.66 is the bound, and whoever reaches it has reached it: use >=.")
    expect(_says(answer, 0.745, 0.740) is True, "a loss of 0.005 is chance, not a leak: 0.02 is allowed.")
    for lost, allowed in ((0.0195, True), (0.0205, False)):
        for served in (0.662, 0.75, 0.90):
            said = f"{lost} was lost on the way from {served + lost:g} to {served:g}, and at most 0.02 may be lost"
            verdict = "let it through" if allowed else "refuse it"
            expect(_says(answer, served + lost, served) is allowed, f"{said}: {verdict}.")
    for served, allowed in ((0.659, False), (0.661, True)):
        said = f"{served} as served is {'above' if allowed else 'below'} the floor of 0.66"
        expect(_says(answer, served, served) is allowed, f"{said}: {'let it through' if allowed else 'refuse it'}.")
    expect(_says(answer, 0.70, 0.75) is True, "better as served than offline is no reason to refuse.")


def _says(answer: Any, offline: float, served: float) -> bool:
    return yes_or_no(asked(answer, offline, served))


EXERCISES = read_exercises("nb00.toml", {"00.1": _predict_tasks, "00.2": _change_rule})
