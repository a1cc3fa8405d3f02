"""The exercises of the capstone: a new feature that is honest, well defined, good in service and through the gate."""

from __future__ import annotations

from mlops_lab.teaching.checks.capstone import judge_report, judge_rows, judge_service, judge_view
from mlops_lab.teaching.checks.exercise import Exercise, Mistake

_ROWS = """\
import pandas as pd

from mlops_lab.data import flights as datasets

flights = datasets.load_flights(month=[5, 6, 7])

"""

_SOLVED_ROWS = '''\
def my_rows(flights):
    """How late the last three hours' arrivals at each destination were."""
    landed = flights[flights["arr_at"].notna()].sort_values(["arr_at", "flight_id"]).set_index("arr_at")
    mean = landed.groupby("dest")["arr_delay"].rolling("3h").mean()
    rows = mean.rename("dest_arr_delay").reset_index().rename(columns={"arr_at": "event_timestamp"})
    rows["created_timestamp"] = rows["event_timestamp"] + pd.Timedelta(minutes=5)
    return rows'''

_DAILY = """\
def my_rows(flights):
    day = flights["sched_dep"].dt.floor("D")
    rows = flights.groupby(["dest", day])["arr_delay"].mean().rename("dest_delay").reset_index()
    rows = rows.rename(columns={"sched_dep": "event_timestamp"})
    return rows"""

_FEATURES = """\
from datetime import timedelta

from mlops_lab.data.features import Entity, FeatureService, FeatureView, Field, Source
from mlops_lab.pipeline.flights import flight_services

champion_views = list(flight_services()["as_known"].features)
destination = Entity("destination", join_keys=["dest"])

"""

_SOLVED_VIEW = """\
my_view = FeatureView(
    "destination_arrivals",
    entities=[Entity("destination", join_keys=["dest"])],
    schema=[Field("dest_arr_delay", "float64")],
    ttl=timedelta(hours=6),
    source=Source("my_rows", lambda: my_rows(flights), created_timestamp_column="created_timestamp"),
)"""

_LEAK_VIEW = f"""

def early_rows(flights):
    {
    '''rows = my_rows(flights).sort_values("event_timestamp")
    rows["event_timestamp"] = rows["event_timestamp"].dt.floor("D")
    return rows.drop_duplicates(["dest", "event_timestamp"], keep="last")'''
}


leaking_view = FeatureView(
    "early",
    entities=[destination],
    schema=[Field("dest_arr_delay", "float64")],
    ttl=timedelta(days=1),
    source=Source("early_rows", lambda: early_rows(flights), landed_column="created_timestamp"),
)
"""

_JUDGED = """\
from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.models.gates import DataProfile, Floor, GatePolicy, Measured, evaluate_gates
from mlops_lab.pipeline.flights import FLIGHTS_POLICY
from mlops_lab.models.registry import ModelVersion

clock = FakeClock("2013-12-01")
champion, candidate = (
    ModelVersion(name="late_flights", version=number, run_id=f"r{number}", artefact="sha256:" + str(number) * 64,
                 stage="None", aliases=(), tags={}, author="ada", created=clock.now(), description="")
    for number in (1, 2)
)
kinds = {"flight_id": "text", "origin": "text", "event_timestamp": "time", "late": "bool"}
data = DataProfile(80_000, kinds, dict.fromkeys(kinds, 0.0), clock.now(), clock.now())
figures = {"offline.roc_auc": 0.72, "served.roc_auc": 0.72, "served.brier": 0.133, "served.calibration_error": 0.03}
figures |= {f"served.roc_auc.{airport}": 0.7 for airport in ("EWR", "JFK", "LGA")}
measured = Measured(figures, champion=figures | {"served.roc_auc": 0.712, "served.brier": 0.1345}, data=data)
"""

EXERCISES = (
    Exercise(
        id="09.1",
        kind="build",
        question="Which rows say something new about flights, each with the moment from which it could be known?",
        answer="my_rows",
        stub='''\
def my_rows(flights):
    """A frame with your key, event_timestamp, created_timestamp and at least one feature."""
    ...''',
        seconds=120,
        test=judge_rows,
        solution=_SOLVED_ROWS,
        mistakes=(
            Mistake(_DAILY, "created_timestamp is missing"),
            Mistake(
                _DAILY.replace("return rows", 'return rows.assign(created_timestamp=rows["event_timestamp"])'),
                "a whole day is in each row",
            ),
            Mistake(
                _SOLVED_ROWS.replace('set_index("arr_at")', 'set_index("dep_at")')
                .replace('"arr_at"', '"dep_at"')
                .replace('["arr_delay"]', '["arr_delay"]'),
                "looks ahead",
            ),
        ),
        hints=(
            "What is known two hours before and not seen by the champion? What happens at the other end of the flight.",
            "Take the arrivals: each has dest, arr_at and arr_delay, and five minutes after arr_at everybody knows.",
            'Index by arr_at, sorted; then groupby("dest")["arr_delay"].rolling("3h").mean() looks back three hours.',
        ),
        lesson="whatever happens later, what your rows say was known at a moment stays as it was.",
        setup=_ROWS,
    ),
    Exercise(
        id="09.2",
        kind="build",
        question="How does a feature store learn of your rows: key, types, how long they hold, when they were known?",
        answer="my_view",
        stub="my_view = ...",
        seconds=120,
        test=judge_view,
        solution=_SOLVED_VIEW,
        mistakes=(
            Mistake(
                _SOLVED_VIEW.replace(', created_timestamp_column="created_timestamp"', ""),
                "no created_timestamp_column",
            ),
            Mistake(
                _SOLVED_VIEW.replace('column="created_timestamp"', 'column="event_timestamp"'),
                "nothing is ever known late",
            ),
            Mistake(_SOLVED_VIEW.replace("timedelta(hours=6)", "timedelta(minutes=1)"), "let it hold longer"),
        ),
        hints=(
            "Look at the leaking view above: yours has the same five parts, and its source one more column to name.",
            "The entity's join key is the column that your rows and the decisions share.",
            "Source(name, lambda: my_rows(flights), created_timestamp_column=…); a ttl of some hours.",
        ),
        lesson="the store now knows whom the rows are about, how long they hold and since when they were known.",
        setup=_ROWS + _FEATURES + _SOLVED_ROWS + "\n",
    ),
    Exercise(
        id="09.3",
        kind="build",
        question="Which service holds the champion's features and yours, and is no worse in service?",
        answer="my_service",
        stub="my_service = ...",
        seconds=300,
        test=judge_service,
        solution='my_service = FeatureService("mine", [*champion_views, my_view])',
        mistakes=(
            Mistake('my_service = FeatureService("mine", champion_views)', "nothing of yours"),
            Mistake('my_service = FeatureService("mine", [my_view])', "keep the champion's views"),
            Mistake('my_service = FeatureService("mine", [*champion_views, leaking_view])', "had landed"),
        ),
        hints=(
            "A service is a name and a list of views.",
            "The champion's views are in champion_views; yours comes in addition, not instead.",
            "A star unpacks a list inside another: [*champion_views, …].",
        ),
        lesson="in weeks that you had not seen, it is no worse in service than the champion.",
        setup=_ROWS + _FEATURES + _SOLVED_ROWS + "\n\n\n" + _SOLVED_VIEW + "\n" + _LEAK_VIEW,
    ),
    Exercise(
        id="09.4",
        kind="build",
        question="What does the gate of the flights pipeline say about your candidate, against the champion?",
        answer="my_report",
        stub="my_report = ...",
        test=judge_report,
        solution=("my_report = evaluate_gates(candidate, champion, FLIGHTS_POLICY, measured=measured, at=clock.now())"),
        mistakes=(
            Mistake(
                'my_report = evaluate_gates(candidate, champion, GatePolicy([Floor("served.roc_auc", 0.5)]), '
                "measured=measured, at=clock.now())",
                "not yours to lower",
            ),
            Mistake(
                "my_report = evaluate_gates(candidate, None, FLIGHTS_POLICY, measured=measured, at=clock.now())",
                "as a first model",
            ),
            Mistake(
                "my_report = evaluate_gates(champion, champion, FLIGHTS_POLICY, measured=measured, at=clock.now())",
                "judge your candidate",
            ),
        ),
        hints=(
            "It is the call that judged the leaking model, with your candidate.",
            "evaluate_gates takes the candidate, the champion and a policy; the rest by name: measured and at.",
            "The policy is FLIGHTS_POLICY, unchanged; at is clock.now().",
        ),
        lesson="the same bar for everybody, and you are over it.",
        setup=_JUDGED,
    ),
)
