"""The exercises of notebook 05: an order, a schedule, patience with a service, and trigger rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.pipeline.dag import DAG, TRIGGER_RULES, FailTask, SkipTask, Task, run_dag
from mlops_lab.teaching.checks.exercise import NotYet, expect, listed, mapped, read_exercises

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "features": (),
    "train": ("features",),
    "evaluate": ("train",),
    "materialize": ("features",),
    "gate": ("evaluate",),
    "promote": ("gate", "materialize"),
}


def _order_tasks(order: Any) -> None:
    said = "give a list of the task names, first to last."
    expect(not isinstance(order, set | frozenset), f"a set has no order: {said}")
    order = listed(order, said)
    unknown = [name for name in order if not isinstance(name, str) or name not in _NEEDS]
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


_SETTINGS = ("retries", "retry_delay", "retry_exponential_backoff", "max_retry_delay")
_FOR_EVER = 10**9


def _ask(settings: Mapping[str, Any], down: float) -> tuple[bool, int, float]:
    """Run a task whose service is down for so many seconds: did it succeed, in how many attempts, after how long?"""
    clock = FakeClock()
    start = clock.now()

    def ask() -> None:
        if (clock.now() - start).total_seconds() < down:
            raise TimeoutError("the service does not answer")

    dag = DAG("patience")
    dag.add(Task("ask", ask, **settings))
    run = run_dag(dag, logical_date=start, clock=clock)
    took = (clock.now() - start).total_seconds()
    return run.state == "success", len(run.task("ask").attempts), took


def _be_patient(settings: Any) -> None:
    settings = mapped(settings, "give a dict of settings, as in the stub.")
    expect(set(settings) <= set(_SETTINGS), f"the settings there are: {', '.join(_SETTINGS)}.")
    retries = settings.get("retries", 0)
    expect(isinstance(retries, int) and 0 <= retries <= 1000, "retries is a whole number, and a thousand are plenty.")
    try:
        never, long, short = (_ask(settings, down) for down in (_FOR_EVER, 600, 20))
    except MlopsLabError as error:
        raise NotYet(str(error)) from None
    expect(never[1] <= 10, f"it asks {never[1]} times when nobody answers; ten are allowed. Let the waits grow.")
    expect(
        never[2] <= 3600, f"it gives up after {never[2] / 60:.0f} minutes only; an hour is allowed. Bound the waits."
    )
    expect(
        long[0],
        f"it gives up after {long[2] / 60:.1f} minutes; the service is down for 10. Wait longer, or more often.",
    )
    expect(
        short[2] <= 60,
        f"after a hiccup of 20 seconds it goes on after {short[2]:.0f} seconds; begin with a short wait.",
    )


def _end(state: str) -> None:
    if state != "success":
        raise (FailTask if state == "failed" else SkipTask)("as asked")


def _third(rule: str, gate: str, approve: str) -> str:
    """What becomes of a task with this rule when the two tasks before it end like this?"""
    dag = DAG("rules")
    dag.add(Task("gate", lambda: _end(gate)))
    dag.add(Task("approve", lambda: _end(approve)))
    dag.add(Task("third", lambda: None, trigger_rule=rule), upstream=["gate", "approve"])
    return run_dag(dag, logical_date="2013-07-10", clock=FakeClock()).states["third"]


def _choose_rules(rules: Any) -> None:
    names = ("promote", "alarm", "tidy_up")
    rules = mapped(rules, "give a dict: task name to trigger rule.")
    missing = [name for name in names if name not in rules]
    expect(not missing, f"give every task its rule; missing is {', '.join(missing)}.")
    for name in names:
        known = isinstance(rules[name], str) and rules[name] in TRIGGER_RULES
        expect(known, f"there is no rule {rules[name]!r}; there is {', '.join(TRIGGER_RULES)}.")
    for gate, approve, may_promote, alarms in (
        ("success", "success", True, False),
        ("success", "skipped", True, False),
        ("failed", "success", False, True),
        ("success", "failed", False, True),
        ("failed", "failed", False, True),
    ):
        when = f"when gate ends {gate} and approve {approve}"
        ran = {name: _third(rules[name], gate, approve) == "success" for name in names}
        said = "does not run" if may_promote else "runs: a version is promoted that was refused"
        expect(ran["promote"] is may_promote, f"{when}, promote {said}.")
        expect(ran["alarm"] is alarms, f"{when}, alarm {'stays silent' if alarms else 'sounds'}.")
        expect(ran["tidy_up"], f"{when}, tidy_up does not run and leaves a mess.")
    said = "tidy_up with always: in Airflow always waits for nobody, and it would tidy up under those still at work."
    expect(rules["tidy_up"] != "always", said)
    expect(
        _third(rules["tidy_up"], "skipped", "skipped") == "success",
        f"when gate and approve are both skipped, tidy_up with {rules['tidy_up']} does not run and leaves a mess.",
    )


EXERCISES = read_exercises(
    "nb05.toml", {"05.1": _order_tasks, "05.2": _count_runs, "05.3": _be_patient, "05.4": _choose_rules}
)
