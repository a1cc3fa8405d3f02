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
from mlops_lab.teaching.checks.exercise import Exercise, Mistake, NotYet, asked, expect


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
    expect(callable(join), "join is a function of two frames.")
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
    expect(values == shares, f"{why}; not {values}.")


def _split(split: Any) -> None:
    expect(callable(split), "split is a function of a frame and a moment.")
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
    expect(
        "b" not in train and "f" not in train,
        "a flight decided before the split whose answer came after it: leave it out.",
    )
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
    expect(not missing, f"there is no task {', '.join(missing)} in it; call the tasks inside `with DAG`.")
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
    push, other = Trigger("push", ref="refs/heads/main"), Trigger("push", ref="refs/heads/feature")
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
    branch = _became(workflow, other)
    expect(branch is None or branch["deploy"] == "skipped", "a push to another branch was deployed.")
    for name in ("test", "gate"):
        for end in ("failure", "cancelled"):
            became = _became(workflow, push, {name: end}) or {}
            expect(became["deploy"] in ("skipped", "cancelled"), f"{name} was a {end}, and deploy ran all the same.")
    asks = workflow.jobs["deploy"].environment
    expect(asks is not None, "nobody is asked before the deployment: name an environment, production.")


def _became(workflow: Any, event: Trigger, outcomes: dict[str, str] | None = None) -> dict[str, str] | None:
    """What became of each job; None when the event starts nothing."""
    try:
        run = simulate(workflow, event, outcomes=outcomes or {})
    except MlopsLabError:
        return None
    found = {job.name: str(job.conclusion or job.status) for job in run.jobs}
    return found if set(_JOBS) <= set(found) else None


def _route(answer: Any) -> None:
    expect(callable(answer), "answer is a function.")
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
    back = sum(before[0] == "challenger" != after[0] for before, after in zip(at_5, at_25, strict=True))
    expect(back == 0, f"{back} flights went back to the champion when the weight grew: compare one number with it.")
    wrong = [pair for pair in at_25 if pair not in (("champion", 1), ("challenger", 2))]
    expect(not wrong, "the name and the answer belong together: name the model that was asked.")
    down = ask(100, breaks="challenger")
    expect(
        set(down) == {("champion", 1)}, "the challenger's server is down: ask the champion, so that no request is lost."
    )
    gone = ask(100, taken_back=True)
    expect(set(gone) == {("champion", 1)}, "the challenger was taken back, and it still answers.")


_JOIN = """\
def join(asked, daily):
    rows = daily.sort_values(["landed_timestamp"])
    pairs = asked.assign(place=range(len(asked))).merge(
        rows, on=["origin", "dest"], how="left", suffixes=("", "_of_row")
    )
    known = pairs[pairs["landed_timestamp"] <= pairs["event_timestamp"]]
    newest = known.sort_values(["event_timestamp_of_row", "landed_timestamp"]).groupby("place").tail(1)
    share = newest.set_index("place")["route_day_late_share"]
    return asked.assign(route_day_late_share=share.reindex(range(len(asked))).to_numpy())"""
_DAG = """\
with DAG("mine") as mine:
    wind = task(fetch, retries={retries}, retry_delay=60)()
    told = task(tell)(wind)
    called = task(alarm, trigger_rule="{alarm}")()
    tidied = task(tidy_up, trigger_rule="{tidy}")()
    [wind, told] >> called
    [told, called] >> tidied"""
_FLOW = '''\
mine = """
on:
  push: {{branches: [main]}}
  pull_request:
jobs:
  test:
    runs-on: ubuntu-24.04
    steps: [{{run: pytest}}]
  gate:
    needs: test
    runs-on: ubuntu-24.04
    steps: [{{run: ./gate}}]
  deploy:
    needs: {needs}
    if: {condition}
    environment: production
    runs-on: ubuntu-24.04
    steps: [{{run: ./deploy}}]
"""'''
_ROUTE = """\
def answer(key, champion, challenger, weight, taken_back):
    number = {number}
    if number < weight{stopped}:
        try:
            return "challenger", challenger(key)
        except {caught}:
            pass
    return "champion", champion(key)"""
_HASH = "int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10_000 / 100"
_NAIVE = """\
def join(asked, daily):
    date = asked["event_timestamp"].dt.floor("D") + pd.Timedelta(hours=4)
    rows = daily.rename(columns={"event_timestamp": "date"})
    return asked.assign(date=date).merge(rows, on=["origin", "dest", "date"], how="left")"""
_MAIN = "github.ref == 'refs/heads/main'"

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        id="01.4",
        kind="build",
        question="Repair the join: each decision gets the newest row of its route that had landed by then.",
        answer="join",
        stub='''\
def join(asked, daily):
    """Each decision, in the order given, with the newest row of its route that had landed by then."""
    ...''',
        test=_join,
        solution=_JOIN,
        mistakes=(
            Mistake(_NAIVE, "the value has to be missing"),
            Mistake(_JOIN.replace('"] <= pairs', '"] < pairs'), "at the very moment"),
            Mistake(_JOIN.replace('["event_timestamp_of_row", "landed_timestamp"]', '"landed_timestamp"'), "newer day"),
            Mistake(
                _JOIN.replace('on=["origin", "dest"]', 'on=["dest"]').replace(
                    '"route_day_late_share"]', '"route_day_late_share"]'
                ),
                "at noon on the 9th",
            ),
            Mistake(
                _JOIN.replace(
                    "return asked.assign", "return asked[share.reindex(range(len(asked))).notna().to_numpy()].assign"
                ).replace(".reindex(range(len(asked))).to_numpy())", ".to_numpy())"),
                "missing",
            ),
        ),
        hints=(
            "Join on the route first: every decision meets every row of its route.",
            "Keep the pairs in which the row had landed by the decision's event_timestamp.",
            "Of those, keep for each decision the newest event, then the latest landing; decisions without any stay.",
        ),
        lesson="this is the point-in-time join; a feature store does it for every view, fast.",
        setup="import pandas as pd",
    ),
    Exercise(
        id="02.3",
        kind="build",
        question="Write the split by time, with its embargo.",
        answer="split",
        stub='''\
def split(frame, at):
    """Two frames: what a model may learn from at the moment `at`, and what it is examined on."""
    ...''',
        test=_split,
        solution="""\
def split(frame, at):
    known = frame["label_timestamp"] <= at
    return frame[known], frame[frame["event_timestamp"] >= at]""",
        mistakes=(
            Mistake(
                'def split(frame, at):\n    late = frame["event_timestamp"] >= at\n'
                "    return frame[~late], frame[late]",
                "leave it out",
            ),
            Mistake(
                'def split(frame, at):\n    known = frame["label_timestamp"] <= at\n'
                "    return frame[known], frame[~known]",
                "no exam question",
            ),
            Mistake(
                'def split(frame, at):\n    known = frame["label_timestamp"] < at\n'
                '    return frame[known], frame[frame["event_timestamp"] >= at]',
                "the very moment of the split is known",
            ),
            Mistake(
                'def split(frame, at):\n    known = frame["label_timestamp"] <= at\n'
                '    return frame[known], frame[frame["event_timestamp"] > at]',
                "belongs to the holdout",
            ),
        ),
        hints=(
            "There are two columns of times, and each side looks at another one.",
            "A model learns from answers: when was each known? It is examined on decisions: when was each made?",
            "Train: label_timestamp at or before the split. Holdout: event_timestamp at or after it.",
        ),
        lesson="what is on neither side is embargoed: it was decided before the split and answered after it.",
        setup="import pandas as pd",
    ),
    Exercise(
        id="05.5",
        kind="build",
        question="Write the DAG: a fetch that may fail twice, a text, an alarm, and a task that tidies up.",
        answer="mine",
        stub='mine = ...  # with DAG("mine") as mine: ...',
        test=_dag,
        solution=_DAG.format(retries=2, alarm="one_failed", tidy="all_done"),
        mistakes=(
            Mistake(_DAG.format(retries=0, alarm="one_failed", tidy="all_done"), "when it fails once, fetch"),
            Mistake(_DAG.format(retries=1, alarm="one_failed", tidy="all_done"), "when it fails twice, fetch"),
            Mistake(_DAG.format(retries=2, alarm="all_done", tidy="all_done"), "alarm should be skipped"),
            Mistake(_DAG.format(retries=2, alarm="one_failed", tidy="all_success"), "tidy_up should be success"),
            Mistake(
                _DAG.format(retries=2, alarm="one_failed", tidy="all_done").replace(
                    "[wind, told] >> called", "wind >> called"
                ),
                "alarm has to look at tell",
            ),
            Mistake(
                _DAG.format(retries=2, alarm="one_failed", tidy="all_done").replace(
                    "    [told, called] >> tidied", "    told >> tidied"
                ),
                "wait for",
            ),
        ),
        hints=(
            "task(fetch, retries=2)() makes a task of a plain function and puts it into the DAG; a >> b makes b wait.",
            "The alarm's rule is one_failed, and it waits for fetch and tell. tidy_up runs in any case: all_done.",
            "[wind, told] >> called makes the alarm wait for both; [told, called] >> tidied puts tidy_up last.",
        ),
        lesson="the run of the worst night is a success, as in Airflow: its leaf tidy_up decides. So watch the alarm.",
        setup=(
            "from mlops_lab.pipeline.dag import DAG, task\n\n\ndef fetch():\n    return 9.2\n\n\n"
            'def tell(fetch):\n    return f"wind {fetch} mph"\n\n\ndef alarm():\n    return "called"\n\n\n'
            'def tidy_up():\n    return "tidy"'
        ),
    ),
    Exercise(
        id="06.5",
        kind="build",
        question="Write a workflow with the jobs test, gate and deploy, in which nobody gets around the gate.",
        answer="mine",
        stub="mine = ...  # the text of a workflow file",
        test=_workflow,
        solution=_FLOW.format(needs="[test, gate]", condition=_MAIN),
        mistakes=(
            Mistake(_FLOW.format(needs="[test, gate]", condition=f"always() && {_MAIN}"), "deploy ran all the same"),
            Mistake(_FLOW.format(needs="test", condition=_MAIN), "gate was a failure"),
            Mistake(_FLOW.format(needs="[test, gate]", condition="true"), "a pull request was deployed"),
            Mistake(
                _FLOW.format(needs="[test, gate]", condition=_MAIN).replace("    environment: production\n", ""),
                "nobody is asked",
            ),
            Mistake(
                _FLOW.format(needs="[test, gate]", condition=_MAIN).replace("  pull_request:\n", ""),
                "a pull request has to start it",
            ),
            Mistake("mine = 'jobs: {}'", "GitHub would refuse"),
        ),
        hints=(
            "Begin with `on:` (push to main, pull_request), then three jobs with runs-on and steps.",
            "deploy needs test and gate, and has an `if:` on github.ref; write no always().",
            "`environment: production` in the job deploy is what asks a person.",
        ),
        lesson="needs, a condition without always(), and an environment: three locks, each of its own kind.",
    ),
    Exercise(
        id="07.4",
        kind="build",
        question="Write the router of a canary: by key, with a way back.",
        answer="answer",
        stub='''\
def answer(key, champion, challenger, weight, taken_back):
    """Who answered ("champion" or "challenger") and the answer; both models are functions of the key."""
    ...''',
        test=_route,
        solution=_ROUTE.format(number=_HASH, stopped=" and not taken_back", caught="ConnectionError"),
        mistakes=(
            Mistake(
                _ROUTE.format(number="random.uniform(0, 100)", stopped=" and not taken_back", caught="ConnectionError"),
                "the same key got another model",
            ),
            Mistake(_ROUTE.format(number=_HASH, stopped="", caught="ConnectionError"), "was taken back"),
            Mistake(
                _ROUTE.format(number=_HASH, stopped=" and not taken_back", caught="KeyError"),
                "a request was lost",
            ),
            Mistake(
                _ROUTE.format(
                    number=_HASH.replace("key.encode()", 'f"{key}{weight}".encode()'),
                    stopped=" and not taken_back",
                    caught="ConnectionError",
                ),
                "went back to the champion",
            ),
            Mistake(
                _ROUTE.format(
                    number=_HASH.replace("/ 100", "/ 1000"), stopped=" and not taken_back", caught="ConnectionError"
                ),
                "went to the challenger",
            ),
        ),
        hints=(
            "Make a number from 0 to 100 of the key, as in 07.1, and compare it with the weight.",
            "A server may be down: call the challenger inside try, and ask the champion after except.",
            "taken_back comes first: a challenger that was taken back is not asked at all.",
        ),
        lesson="by key, no request lost, and a rollback that holds at once: that is a canary's router.",
        setup="import hashlib\nimport random",
    ),
)
