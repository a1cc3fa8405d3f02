"""What does the notebook on orchestration ask?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_lab.checks.exercise import Exercise, Mistake, expect

__all__ = ["EXERCISES", "QUIZZES"]

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "features": (),
    "train": ("features",),
    "evaluate": ("train",),
    "materialize": ("features",),
    "gate": ("evaluate",),
    "promote": ("gate", "materialize"),
}


def _order_tasks(order: Any) -> None:
    expect(isinstance(order, list | tuple), "give a list of the task names, first to last.")
    unknown = [name for name in order if name not in _NEEDS]
    expect(not unknown, f"there is no task {unknown[:1]}; the names are {', '.join(_NEEDS)}.")
    missing = [name for name in _NEEDS if name not in order]
    expect(not missing, f"every task runs; missing is {', '.join(missing)}.")
    expect(len(order) == len(_NEEDS), "a task runs once: a name stands there twice.")
    place = {name: number for number, name in enumerate(order)}
    for name, needs in _NEEDS.items():
        for need in needs:
            said = f"{name} starts before {need} is done, and needs what it makes."
            expect(place[need] < place[name], said)


def _count_runs(runs: Any) -> None:
    expect(isinstance(runs, int) and not isinstance(runs, bool), "give a whole number of runs.")
    expect(runs != 14, "14 counts the weekends too: the last field of the cron expression says Monday to Friday.")
    expect(runs != 60, "60 reads the 6 as minutes of the hour: the first field is the minute, the second the hour.")
    expect(runs == 10, "count the days the expression allows, from Monday the 1st to Sunday the 14th: one run each.")


EXERCISES = (
    Exercise(
        id="05.1",
        kind="build",
        question="Put the six tasks in an order in which each finds ready what it needs. More than one is right.",
        answer="order",
        stub="order = [...]",
        test=_order_tasks,
        solution='order = ["features", "train", "evaluate", "materialize", "gate", "promote"]',
        mistakes=(
            Mistake(
                'order = ["train", "features", "evaluate", "materialize", "gate", "promote"]', "train starts before"
            ),
            Mistake('order = ["features", "train", "evaluate", "gate", "promote"]', "missing is materialize"),
            Mistake(
                'order = ["features", "train", "evaluate", "gate", "promote", "materialize"]', "promote starts before"
            ),
            Mistake('order = ["features", "train", "evaluate", "materialise", "gate", "promote"]', "there is no task"),
        ),
        hints=(
            "Which task needs nothing? It can only go first.",
            "After each task, ask which tasks have all they need now.",
            "promote waits for two: the gate and materialize.",
        ),
        lesson="any order that respects the edges is right; an executor picks one and keeps to it.",
        setup=f"needs = {dict(_NEEDS)!r}",
    ),
    Exercise(
        id="05.2",
        kind="predict",
        question="A DAG has the schedule `0 6 * * 1-5`. How many runs from Monday 1 July to Sunday 14 July 2013?",
        answer="runs",
        stub="runs = ...",
        test=_count_runs,
        solution="runs = 10",
        mistakes=(
            Mistake("runs = 14", "counts the weekends"),
            Mistake("runs = 60", "minutes of the hour"),
            Mistake("runs = 2", "one run each"),
            Mistake('runs = "ten"', "a whole number"),
        ),
        hints=(
            "The five fields are minute, hour, day of the month, month, day of the week.",
            "0 6 is six o'clock sharp; 1-5 is Monday to Friday.",
            "Two weeks of five days.",
        ),
        lesson="one run a working day; a run skipped in the night is what catchup is about.",
    ),
)

QUIZZES = ()
