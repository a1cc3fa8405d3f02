"""The exercises in which the learner writes the thing that a notebook is about: join, split, DAG, workflow, router.

Each check runs what was written on cases that the notebook does not show, and plants the failures that it is there for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci import Trigger, parse_workflow, simulate
from mlops_lab.pipeline.dag import DAG, run_dag
from mlops_lab.teaching.checks.exercise import NotYet, OtherProcess, asked, expect, read_exercises


def _times(*clock: str) -> pd.DatetimeIndex:
    return pd.to_datetime([f"2013-07-{one}Z" for one in clock], format="ISO8601")


#: Routes by day: the row of the 7th was corrected, the one of the 8th landed first, and JFK also flies to Chicago.
_DAILY = pd.DataFrame(
    {
        "origin": ["JFK", "JFK", "JFK", "JFK", "EWR"],
        "dest": ["BOS", "BOS", "BOS", "ORD", "BOS"],
        "event_timestamp": _times("07T04:00", "07T04:00", "08T04:00", "09T04:00", "09T04:00"),
        "landed_timestamp": _times("08T08:00", "10T08:00", "09T08:00", "09T08:00", "09T08:00"),
        "route_day_late_share": [0.1, 0.2, 0.3, 0.4, 0.5],
    }
)


def _join(join: Any) -> None:
    for at, share, why in (
        ("08T07:59", None, "at 07:59 on 8 July no row had landed: the value has to be missing"),
        ("08T08:00", 0.1, "a row that lands at the very moment of the decision is known"),
        ("08T20:00", 0.1, "in the evening of the 8th its own row has not landed; it describes that very evening"),
        ("09T12:00", 0.3, "at noon on the 9th the row of the 8th has landed and is the newest"),
        ("11T12:00", 0.3, "the correction of the 7th landed last, but the 8th is the newer day"),
    ):
        decisions = pd.DataFrame({"flight_id": ["a"], "origin": "JFK", "dest": "BOS", "event_timestamp": _times(at)})
        _same(_joined(join, decisions, _DAILY), [share], why)
    both = _DAILY.iloc[:2]
    late = pd.DataFrame({"flight_id": ["a"], "origin": "JFK", "dest": "BOS", "event_timestamp": _times("11T12:00")})
    for rows in (both, both.iloc[::-1]):
        _same(_joined(join, late, rows), [0.2], "of two rows of one day, the one that landed last counts")
    day = pd.DataFrame(
        {"flight_id": ["a", "b"], "origin": "JFK", "dest": "BOS", "event_timestamp": _times("08T20:00", "09T12:00")}
    )
    _same(_joined(join, day, _DAILY), [0.1, 0.3], "of two decisions, each has its own moment to look from")
    order = pd.DataFrame(
        {
            "flight_id": ["c", "a", "b", "a"],
            "origin": ["EWR", "JFK", "LGA", "JFK"],
            "dest": ["BOS", "ORD", "BOS", "ORD"],
            "event_timestamp": _times("11T12:00", "10T12:00", "11T12:00", "10T12:00"),
        },
        index=[7, 3, 3, 1],
    )
    found = _joined(join, order, _DAILY)
    expect(len(found) == 4, f"4 decisions went in and {len(found)} came back: every decision comes back, twice too.")
    expect(list(found["flight_id"]) == ["c", "a", "b", "a"], "the decisions have to come back in the order given.")
    _same(found, [0.5, 0.4, None, 0.4], "a route is an origin and a destination, and LGA to BOS is not in the table")


def _joined(join: Any, decisions: pd.DataFrame, daily: pd.DataFrame) -> pd.DataFrame:
    kept = decisions.copy()
    found = join(decisions, daily.copy())
    expect(isinstance(found, pd.DataFrame), "join returns a frame.")
    for name in ("flight_id", "route_day_late_share"):
        expect(name in found.columns, f"the column {name} is not in what join returns.")
    expect(decisions.equals(kept), "join changes the frame it is given: work on a copy.")
    return pd.DataFrame(found)


def _same(found: pd.DataFrame, shares: list[float | None], why: str) -> None:
    values = [None if pd.isna(one) else round(float(one), 6) for one in found["route_day_late_share"]]
    given = ["nothing" if one is None else f"{one:g}" for one in values]
    expect(values == shares, f"{why}; your join gives {', '.join(given)}.")


def _split(split: Any) -> None:
    at = _times("02T00:00")[0]
    frame = pd.DataFrame(
        {
            "flight_id": list("abcdef"),
            "event_timestamp": _times(
                "01T15:00", "01T21:30", "02T00:00", "01T20:00", "02T00:00:00.001", "01T23:59:59.999"
            ),
            "label_timestamp": _times("01T19:40", "02T01:10", "02T04:05", "02T00:00", "02T05:00", "02T00:00:00.001"),
        },
        index=[9, 9, 1, 4, 2, 0],
    )
    given = frame.copy()
    sides = split(frame, at)
    expect(isinstance(sides, tuple | list) and len(sides) == 2, "return two frames: train, holdout.")
    expect(frame.equals(given), "split changes the frame it is given: select rows of it.")
    train, holdout = ([str(one) for one in side["flight_id"]] for side in sides)
    said = "a flight decided before the split whose answer came after it: leave it out."
    expect("b" not in train and "f" not in train, said)
    expect("b" not in holdout and "f" not in holdout, "a flight decided before the split is no exam question.")
    expect("d" in train, "an answer that is in at the very moment of the split is known: that flight is for training.")
    expect("c" in holdout, "a flight decided at the very moment of the split belongs to the holdout.")
    expect(sorted(train) == ["a", "d"], f"train should be a and d, not {', '.join(train) or 'empty'}.")
    expect(sorted(holdout) == ["c", "e"], f"the holdout should be c and e, not {', '.join(holdout) or 'empty'}.")


_NIGHTS: tuple[tuple[str, int, dict[str, str]], ...] = (
    ("the service answers", 0, {"fetch": "success", "tell": "success", "alarm": "skipped", "tidy_up": "success"}),
    ("it fails once", 1, {"fetch": "success", "tell": "success", "alarm": "skipped", "tidy_up": "success"}),
    ("it fails twice", 2, {"fetch": "success", "tell": "success", "alarm": "skipped", "tidy_up": "success"}),
    (
        "it never answers",
        99,
        {"fetch": "failed", "tell": "upstream_failed", "alarm": "success", "tidy_up": "success"},
    ),
)


def _dag(mine: Any) -> None:
    expect(isinstance(mine, DAG), "mine is the DAG of `with DAG(...) as mine:`.")
    names = ["fetch", "tell", "alarm", "tidy_up"]
    missing = [name for name in names if name not in mine.tasks]
    told = "make a task of each function and call it inside `with DAG`, as in task(fetch)()."
    expect(not missing, f"there is no task {', '.join(missing)} in it: {told}")
    expect(mine.tasks["fetch"].retries <= 5, "more than five retries ask a service that is down too often.")
    for name in ("alarm", "tidy_up"):
        always = mine.tasks[name].trigger_rule == "always"
        expect(not always, f"{name} has the rule always: in Airflow it waits for nobody, and runs beside the others.")
    for night, failures, wanted in _NIGHTS:
        states = _one_night(mine, failures)
        for name in names:
            told = f"when {night}, {name} should be {wanted[name]}, and it is {states[name]}."
            expect(states[name] == wanted[name], told)
    states = _one_night(mine, 0, broken="tell")
    expect(states["alarm"] == "success", "when tell itself fails, nobody is woken: alarm has to look at tell too.")
    expect(states["tidy_up"] == "success", f"when tell fails, tidy_up should still run, and it is {states['tidy_up']}.")
    states = _one_night(mine, 99, broken="alarm")
    told = f"when nothing succeeds, not even alarm, tidy_up should still run, and it is {states['tidy_up']}."
    expect(states["tidy_up"] == "success", told)
    last = [name for name in mine.topological_order() if name in names][-1]
    expect(last == "tidy_up", "tidy_up has to wait for all others: it may not tidy up under a task that still works.")
    waits = {start for start, end in mine.edges if end == "tidy_up"}
    expect("alarm" in waits, "tidy_up has to wait for alarm as well.")


def _one_night(mine: DAG, failures: int, broken: str = "") -> dict[str, str]:
    def fetch(attempt: int) -> float:
        if attempt <= failures:
            raise TimeoutError("the weather service does not answer")
        return 9.2

    def other() -> str:
        return "done"

    def breaks() -> str:
        raise ValueError("planted")

    copy = DAG("checked")
    for name in mine.topological_order():
        work = fetch if name == "fetch" else breaks if name == broken else other
        upstream = [start for start, end in mine.edges if end == name]
        copy.add(replace(mine.tasks[name], function=work, source=""), upstream=upstream)
    return dict(run_dag(copy, logical_date="2013-07-10", clock=FakeClock("2013-07-10")).states)


_JOBS = ("test", "gate", "deploy")


def _workflow(mine: Any) -> None:
    expect(isinstance(mine, str), "mine is the text of a workflow file.")
    try:
        workflow = parse_workflow(mine)
    except MlopsLabError as error:
        expect(False, f"GitHub would refuse the file: {error}")
    missing = [name for name in _JOBS if name not in workflow.jobs]
    expect(not missing, f"there is no job {', '.join(missing)}.")
    push = Trigger("push", ref="refs/heads/main")
    change = Trigger("pull_request", ref="refs/pull/7/merge", activity="opened")
    good = _became(workflow, push)
    if good is None:
        raise NotYet("a push to main has to start it: see `on:`.")
    for name in _JOBS:
        expect(good[name] == "success", f"after a push to main with all well, {name} should run; it is {good[name]}.")
    opened = _became(workflow, change)
    if opened is None:
        raise NotYet("a pull request has to start it, so that a bad change is seen before it is merged.")
    expect(opened["gate"] == "success", f"on a pull request the gate should run; it is {opened['gate']}.")
    expect(opened["deploy"] == "skipped", "a pull request was deployed: nobody has merged it yet.")
    branch = _became(workflow, Trigger("push", ref="refs/heads/feature"))
    expect(branch is None or branch["deploy"] == "skipped", "a push to another branch was deployed.")
    for ref in ("refs/heads/main-2", "refs/heads/fix/main"):
        branch = _became(workflow, Trigger("push", ref=ref))
        expect(branch is None or branch["deploy"] == "skipped", f"a push to {ref} was deployed: main alone may be.")
    for name in ("test", "gate"):
        for end in ("failure", "cancelled"):
            became = _became(workflow, push, {name: end}) or {}
            expect(became["deploy"] in ("skipped", "cancelled"), f"{name} was a {end}, and deploy ran all the same.")
    asks = workflow.jobs["deploy"].environment
    expect(asks is not None and asks.text, "nobody is asked before the deployment: name an environment, production.")


def _became(workflow: Any, event: Trigger, outcomes: dict[str, str] | None = None) -> dict[str, str] | None:
    """What became of each job; None when the event starts nothing."""
    try:
        run = simulate(workflow, event, outcomes=outcomes or {})
    except MlopsLabError:
        return None
    found = {job.name: str(job.conclusion or job.status) for job in run.jobs}
    return found if set(_JOBS) <= set(found) else None


def _route(answer: Any) -> None:
    keys = [f"2013-12-01-B6-{number}-JFK" for number in range(2_000)]

    def ask(
        weight: float, *, breaks: str = "", taken_back: bool = False, keys: list[str] = keys
    ) -> list[tuple[str, int]]:
        def model(name: str, value: int) -> Any:
            def called(_key: str) -> int:
                if name == breaks:
                    raise ConnectionError("planted: this server is down")
                return value

            return called

        champion, challenger = model("champion", 1), model("challenger", 2)
        try:
            found = [asked(answer, key, champion, challenger, weight, taken_back) for key in keys]
        except ConnectionError:
            raise NotYet(
                "a request was lost: the challenger's server is down, and nobody asked the champion."
            ) from None
        shaped = all(isinstance(one, tuple | list) and len(one) == 2 for one in found)
        expect(shaped, "return a pair: who answered, and the answer.")
        return [(str(one[0]), one[1]) for one in found]

    for weight in (0, 5, 25, 100):
        share = sum(who == "challenger" for who, _ in ask(weight)) / len(keys) * 100
        expect(
            abs(share - weight) < (3 if 0 < weight < 100 else 0.001),
            f"at weight {weight}, {share:.0f} % went to the challenger.",
        )
    many = [f"2013-12-02-UA-{number}-EWR" for number in range(20_000)]  # of ten thousand numbers, one is 0
    first = sum(who == "challenger" for who, _ in ask(0, keys=many))
    expect(not first, f"at weight 0, {first} of {len(many):,} went to the challenger: is the lowest number below it?")
    at_5, at_25 = ask(5), ask(25)
    expect(at_5 == ask(5), "the same key got another model the second time: chance decides, and the key should.")
    said = "hash() gives a text another number in every process: take a hash of its bytes, such as sha256."
    expect(ask(5, keys=[OtherProcess(key) for key in keys]) == at_5, said)
    back = sum(before[0] == "challenger" != after[0] for before, after in zip(at_5, at_25, strict=True))
    expect(back == 0, f"{back} flights went back to the champion when the weight grew: compare one number with it.")
    wrong = [pair for pair in at_25 if pair not in (("champion", 1), ("challenger", 2))]
    expect(not wrong, "the name and the answer belong together: name the model that was asked.")
    down = ask(100, breaks="challenger")
    said = "the challenger's server is down: ask the champion, so that no request is lost."
    expect(set(down) == {("champion", 1)}, said)
    gone = ask(100, taken_back=True)
    expect(set(gone) == {("champion", 1)}, "the challenger was taken back, and it still answers.")


EXERCISES = read_exercises(
    "built_by_hand.toml",
    {"01.3": _join, "02.2": _split, "05.5": _dag, "06.5": _workflow, "07.5": _route},
)
