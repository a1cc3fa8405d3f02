"""As `test_mutants.py`, for the longer programs: views, thresholds, workflows, policies and the capstone.

`pytest tests/checks/test_mutants_of_programs.py -s` prints the table.
"""

from __future__ import annotations

import pytest

from tests.checks.clauses import Clauses, expect_accepted, expect_refused, mutants, whole

_VIEW = """\
source = replace(leaking.source, <created>)
honest = replace(leaking, source=source<rest>)"""
_CHOOSE = """\
def choose(late, chance, missed, alarm):
    def cost(threshold):
        raised = <raised>
        return <missed> * (<forgotten>).sum() <plus> <alarm> * (<false>).sum()

    return <pick>(<among>, key=cost)"""
_RETOLD = """\
def in_production(events, at):
    current = None
    for event in events:
        if <moment> and <arrives>:
            current = <number>
        elif <moment> and <leaves>:
            current = None
    return <answer>"""
_REPAIRED = "repairs = {6: <six>, 9: <nine>, 10: <ten>, 14: <fourteen>, 15: <fifteen>}"
_TITLED = '\'      - {env: {TITLE: "${{ github.event.pull_request.title }}"}, run: "echo \\\\"judged $TITLE\\\\""}\''
_MERGED = """\
def every_row(ask, entity_df):
    keys = <keys>
    answer = ask(<given>)[<columns>]
    return entity_df.merge(answer, on=keys, how=<how>)<rest>"""
_ARRIVALS = """\
def my_rows(flights):
    landed = flights[<known>].sort_values([<moment>, "flight_id"]).set_index(<moment>)
    mean = landed.groupby(<key>)[<figure>].rolling("3h"<window>).mean()
    rows = mean.rename("dest_arr_delay").reset_index().rename(columns={<moment>: "event_timestamp"})
    rows["created_timestamp"] = rows["event_timestamp"] + pd.Timedelta(minutes=<wait>)
    return rows<rest>"""
_MY_VIEW = """\
my_view = FeatureView(
    <name>,
    entities=[Entity("destination", join_keys=[<key>])],
    schema=[Field(<feature>, "float64")],
    ttl=timedelta(<ttl>),
    source=Source("my_rows", <rows><created>),
)"""
_REPORT = "my_report = evaluate_gates(<version>, <champion>, <policy>, measured=<measured>, at=clock.now())"
_TABLED = """\
def my_rows(flights):
    landed = flights.dropna(subset=["arr_at"])
    return pd.DataFrame({"dest": landed["dest"], "event_timestamp": landed["arr_at"],
                         "created_timestamp": landed["arr_at"], "last_delay": landed["arr_delay"].astype("float64")})"""
_OWN_VIEW = """\
from dataclasses import replace
rows = leaking.source.read().rename(columns={"landed_timestamp": "arrived"})
rows = rows.assign(landed_timestamp=rows["arrived"])
honest = replace(leaking, source=replace(leaking.source, data=rows, created_timestamp_column="arrived"))"""

_JOINED = """\
def join(asked, daily):
    pairs = asked.assign(place=range(len(asked))).merge(daily, on=<route>, how=<how>, suffixes=("", "_of_row"))
    known = pairs[<known>]
    newest = known.sort_values(<newest>).groupby(<each>).<take>(1)
    share = newest.set_index("place")["route_day_late_share"]
    return <answer>"""
_ASOF = """\
def join(asked, daily):
    share = []
    for one in asked.itertuples():
        rows = daily[(daily["origin"] == one.origin) & (daily["dest"] == one.dest)]
        rows = rows[rows["landed_timestamp"] <= one.event_timestamp]
        rows = rows.sort_values(["event_timestamp", "landed_timestamp"])["route_day_late_share"]
        share.append(rows.iloc[-1] if len(rows) else None)
    return asked.assign(route_day_late_share=share)"""
_REDUCED = """\
def join(asked, daily):
    rows = daily.rename(columns={"event_timestamp": "day"}).sort_values(["day", "landed_timestamp"])
    numbered = asked.reset_index(drop=True).reset_index()
    pairs = numbered.merge(rows, on=["dest", "origin"])
    last = pairs.query("landed_timestamp <= event_timestamp").sort_values(["day", "landed_timestamp"], kind="stable")
    last = last.drop_duplicates("index", keep="last")[["index", "route_day_late_share"]]
    return numbered.merge(last, on="index", how="left").drop(columns="index")"""
_SPLIT = """\
def split(frame, at):
    return frame[<learnt>], frame[<examined>]"""
_MINE = """\
with DAG("mine") as mine:
    wind = task(fetch, retries=<retries>, retry_delay=60)()
    told = task(tell)(wind)
    called = task(alarm, trigger_rule=<alarm>)()
    tidied = task(tidy_up, trigger_rule=<tidy>)()
    <watched> >> called
    <waited> >> tidied"""
_YAML = '''\
mine = """
on:
  push: {<branches>}
  <change>
jobs:
  test: {runs-on: ubuntu-24.04, steps: [{run: pytest}]}
  gate: {needs: <after>, runs-on: ubuntu-24.04, steps: [{run: ./gate}]}
  deploy: {needs: [<needs>], if: "<where>", <asks>runs-on: ubuntu-24.04, steps: [{run: ./deploy}]}
"""'''
_ROUTER = """\
def answer(key, champion, challenger, weight, taken_back):
    number = int(hashlib.sha256(<hashed>).hexdigest(), 16) % <parts> / <hundred>
    if number <below> weight<stopped>:
        try:
            return <named>, <called>
        except <caught>:
            pass
    return "champion", champion(key)"""

TABLES = (
    Clauses(
        "01.4",
        _VIEW,
        {"created": 'created_timestamp_column="landed_timestamp"', "rest": ""},
        {
            "created": {
                'created_timestamp_column="event_timestamp"': "too early",
                'created_timestamp_column="created_timestamp"': "has no column",
                "created_timestamp_column=None": "from its first minute",
                'landed_column="landed_timestamp"': "from its first minute",
                'timestamp_field="landed_timestamp"': "speaks of its own day",
                'timestamp_field="landed_timestamp", created_timestamp_column="landed_timestamp"': "its own day",
            },
            "rest": {
                ", ttl=None": "keep the ttl",
                ", ttl=timedelta(hours=12)": "ttl too short",
                ", ttl=timedelta(0)": "ttl too short",
                ", schema=leaking.schema[:1]": "the features of leaking",
            },
        },
        (_OWN_VIEW, ("import dataclasses as d\nhonest = d.replace(leaking, source=d.replace("
         "leaking.source, created_timestamp_column=leaking.source.landed_column))")),
    ),
    Clauses(
        "02.3",
        _CHOOSE,
        {"raised": "chance >= threshold", "missed": "missed", "forgotten": "late & ~raised", "plus": "+",
         "alarm": "alarm", "false": "raised & ~late", "pick": "min", "among": "THRESHOLDS"},
        {
            "raised": {"chance > threshold": "exactly at the threshold", "chance <= threshold": "swapped",
                       "chance < threshold": "swapped", "chance >= 0.5": "the costs change nothing"},
            "missed": {"1": "lowest cost", "alarm": "the costs change nothing", "10 * missed": "lowest cost"},
            "forgotten": {"~raised": "take the lowest", "late": "the costs change nothing",
                          "late & raised": "the costs change nothing", "~late & ~raised": "take the lowest"},
            "plus": {"-": ""},
            "alarm": {"1": "lowest cost", "missed": "the costs change nothing", "alarm / 2": "lowest cost"},
            "false": {"raised": "lowest cost", "~late": "", "late & raised": ""},
            "pick": {"max": "swapped"},
            "among": {"THRESHOLDS[1:]": "only 0.1 costs nothing", "THRESHOLDS[:-1]": "only 0.9 costs nothing",
                      "THRESHOLDS[::-1]": "take the lowest", "[0.5]": "the costs change nothing",
                      "[0.01 * n for n in range(100)]": "not among THRESHOLDS", "THRESHOLDS[::2]": "take the lowest"},
        },
        (
            ("def choose(late, chance, missed, alarm):\n"
            "    costs = {t: sum(missed * (l and c < t) + alarm * (not l and c >= t) for l, c in zip(late, chance))\n"
            "             for t in reversed(THRESHOLDS)}\n"
            "    return min(sorted(costs), key=costs.get)"),
            ("import numpy as np\ndef choose(late, chance, missed, alarm):\n"
            "    raised = chance[:, None] >= np.array(THRESHOLDS)\n"
            "    late = late[:, None]\n"
            "    cost = (missed * (late & ~raised) + alarm * (raised & ~late)).sum(0)\n"
            "    return THRESHOLDS[int(np.argmin(cost))]"),
        ),
    ),
    Clauses(
        "04.3",
        _RETOLD,
        {"moment": "event.at <= at", "arrives": 'event.target == "Production"', "number": "event.version",
         "leaves": 'event.source == "Production"', "answer": "current"},
        {
            "moment": {"True": "before the first event", "event.at < at": "use <=", "event.at >= at": ""},
            "arrives": {"True": "", 'event.target == "Staging"': "", 'event.source == "Staging"': "",
                        'event.target in ("Staging", "Production")': "only in Staging",
                        'event.target in ("passed", "Production")': ""},
            "number": {"event.seq": "", "1": "version 2 took the place", "event": "the number of the version"},
            "leaves": {"False": "nobody followed", 'event.target == "Archived"': "version 2 stays",
                       'event.source == "Staging"': "nobody followed", "True": ""},
            "answer": {"current or 1": "before the first event", "str(current)": "the number of the version",
                       "print(current)": "returns nothing", "1": "before the first event"},
        },
        (
            ("def in_production(events, at):\n"
            "    stages = {event.version: event.target for event in events if event.at <= at}\n"
            "    moves = [one for one in events if one.at <= at and 'Production' in (one.source, one.target)]\n"
            "    return moves[-1].version if moves and moves[-1].target == 'Production' else None"),
            ("def in_production(events, at):\n"
            "    for event in reversed([one for one in events if one.at <= at]):\n"
            "        if event.target == 'Production':\n            return event.version\n"
            "        if event.source == 'Production':\n            return None"),
        ),
    ),
    Clauses(
        "06.2",
        'conditions = {"job": "<job>", "step": "<lint> <or> <test>"}',
        {"job": "always()", "lint": "needs.lint.result != 'success'", "or": "||",
         "test": "needs.test.result != 'success'"},
        {
            "job": {"success()": "passed is skipped", "failure()": "is skipped", "!cancelled()": "cancels the run",
                    "needs.test.result == 'failure'": "is skipped", "always() && false": "is skipped",
                    "allways()": "would not take that", "success() || failure()": "is skipped"},
            "lint": {"false": "lint is failure", "needs.lint.result == 'failure'": "lint is skipped",
                     "needs.lint.result == 'success'": "it should be success",
                     "needs.lint.result != 'skipped'": "it should be success",
                     "needs.lint.result == 'cancelled'": "ends as success"},
            "or": {"&&": "ends as success"},
            "test": {"false": "test is failure", "needs.test.result == 'failure'": "test is cancelled",
                     "needs.test.result == 'cancelled'": "test is failure", "true": "it should be success",
                     "needs.tests.result != 'success'": ""},
        },
        (
            "conditions = {'job': '${{ always() }}', 'step': \"join(needs.*.result) != 'success,success'\"}",
            ("conditions = {'job': 'always()', 'step': \"!(needs.lint.result == 'success' && "
            "needs.test.result == 'success')\"}"),
            ("conditions = {'step': \"contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled') || "
            "contains(needs.*.result, 'skipped')\", 'job': 'success() || !success()'}"),
        ),
    ),
    Clauses(
        "06.4",
        _REPAIRED,
        {
            "six": '"    continue-on-error: false"',
            "nine": '"      - run: set -o pipefail; bash gate.sh | tee report.txt"',
            "ten": _TITLED,
            "fourteen": "\"    if: ${{ !cancelled() && needs.gate.result == 'success' }}\"",
            "fifteen": '"    environment: production"',
        },
        {
            "six": {'"    continue-on-error: true"': "counts as a success",
                    '"    continue-on-error: ${{ true }}"': "counts as a success"},
            "nine": {'"      - run: bash gate.sh | tee report.txt"': "nobody notices",
                     '"      - run: bash gate.sh || true"': "nobody notices",
                     '"      - {run: bash gate.sh, continue-on-error: true}"': "",
                     '"      - run: echo gate"': "gate.sh still"},
            "ten": {"'      - run: echo \"judged ${{ github.event.pull_request.title }}\"'": "a command of its own",
                    '"      - run: echo \'${{ github.event.pull_request.title }}\'"': "a command of its own",
                    '"      - run: echo judged"': "no longer printed"},
            "fourteen": {"\"    if: ${{ !cancelled() }} && needs.gate.result == 'success'\"": "goes on all the same",
                         '"    if: always()"': "goes on all the same", '"    if: ${{ !cancelled() }}"': "goes on",
                         '"    if: false"': "deploy does not run", '"    if: failure()"': "goes on all the same"},
            "fifteen": {'"    environment: preview"': "never asked", "None": "never asked",
                        '"    environment: staging"': "never asked"},
        },
        (
            ('repairs = {6: None, 9: "      - {run: bash gate.sh | tee report.txt, shell: bash}", 10: None, 14: None, '
            '15: "    environment: {name: production}"}'),
            ('repairs = {6: "", 9: "      - run: bash gate.sh > report.txt", 10: "", '
            "14: \"    if: needs.gate.result == 'success'\", 15: \"    environment: production\"}"),
        ),
    ),
    Clauses(
        "07.3",
        "careful = RolloutPolicy(min_labels=<labels>, patience_days=<patience>, weights=<weights>, margin=<margin>, "
        "max_error_rate=<errors>)",
        {"labels": "300", "patience": "14", "weights": "(5, 25, 100)", "margin": "0.005", "errors": "0.01"},
        {
            "labels": {"100": "four quiet days", "150": "four quiet days", "900": "taken back"},
            "patience": {"7": "the good model is taken back", "1": "taken back"},
            "weights": {"(100,)": "before anybody looked", "(10, 100)": "before anybody looked",
                        "(1, 100)": ""},
            "margin": {"0.5": "counts as good enough", "0.1": "counts as good enough"},
            "errors": {"1.0": "fails to answer", "0.5": "fails to answer"},
        },
        ("from dataclasses import replace\ncareful = replace(RolloutPolicy(), min_labels=320, patience_days=12)",
         "careful = RolloutPolicy((5, 100), 300, patience_days=20)"),
    ),
    Clauses(
        "08.2",
        _MERGED,
        {"keys": '["origin", "event_timestamp"]', "given": "entity_df", "columns": '[*keys, "wind"]', "how": '"left"',
         "rest": ""},
        {
            "keys": {'["origin"]': "", '["event_timestamp"]': ""},
            "given": {"entity_df.head(3)": "look up each flight's own", "entity_df[::-1].head(2)": "each flight's own"},
            "columns": {'["origin", "event_timestamp"]': "a column wind"},
            "how": {'"inner"': "are missing", '"right"': "are missing", '"outer"': "another order"},
            "rest": {'.sort_values("event_timestamp")': "another order", ".dropna()": "are missing",
                     ".fillna(0.0)": "look up each flight's own", ".head(5)": "came back",
                     '.drop_duplicates(["origin", "event_timestamp"])': "came back", "[::-1]": "another order",
                     ".ffill()": "look up each flight's own", '["wind"]': "gives back a frame"},
        },
        (
            ("def every_row(ask, entity_df):\n    keys = ['origin', 'event_timestamp']\n"
            "    known = ask(entity_df.copy()).set_index(keys)['wind']\n    return entity_df.join(known, on=keys)"),
            ("def every_row(ask, entity_df):\n"
            "    known = {(r.origin, r.event_timestamp): r.wind for r in ask(entity_df).itertuples()}\n"
            "    winds = [known.get((r.origin, r.event_timestamp)) for r in entity_df.itertuples()]\n"
            "    return entity_df.assign(wind=winds)"),
        ),
    ),
    Clauses(
        "09.1",
        _ARRIVALS,
        {"known": 'flights["arr_at"].notna()', "moment": '"arr_at"', "key": '"dest"', "figure": '"arr_delay"',
         "window": "", "wait": "5", "rest": ""},
        {
            "moment": {'"dep_at"': "looks ahead", '"sched_dep"': "share dest", '"sched_arr"': "looks ahead"},
            "window": {", center=True": "looks ahead"},
            "wait": {"60 * 24 * 90": "find a row"},
            "rest": {'.drop(columns="created_timestamp")': "created_timestamp is missing",
                     '.drop(columns="event_timestamp")': "event_timestamp is missing",
                     '.drop(columns="dest_arr_delay")': "no feature", '.drop(columns="dest")': "no key",
                     ".head(0)": "no rows", ".assign(dest_arr_delay=1.0)": "the same for every decision",
                     '.assign(dest="XXX")': "share dest",
                     '.assign(event_timestamp=lambda r: r["event_timestamp"] - pd.Timedelta("1h"), '
                     'created_timestamp=lambda r: r["created_timestamp"] - pd.Timedelta("1h"))': "looks ahead",
                     '.assign(dest_arr_delay=lambda r: r["dest_arr_delay"].shift(-1))': "looks ahead",
                     '.assign(dest_arr_delay=lambda r: r["dest_arr_delay"].mean())': "looks ahead"},
        },
        (_TABLED, _TABLED.replace("landed = flights", 'flights = flights.sort_values("arr_at")\n    landed = flights')),
    ),
    Clauses(
        "09.2",
        _MY_VIEW,
        {"name": '"destination_arrivals"', "key": '"dest"', "feature": '"dest_arr_delay"', "ttl": "hours=6",
         "rows": "lambda: my_rows(flights)", "created": ', created_timestamp_column="created_timestamp"'},
        {
            "name": {'"airport_weather"': "give yours a name"},
            "key": {'"origin"': "no such column", '"destination"': "no such column"},
            "feature": {'"delay"': "delay"},
            "ttl": {"minutes=1": "let it hold longer", "0": "let it hold longer"},
            "rows": {"my_rows(flights)": "a finished table", "lambda: my_rows(flights.copy().assign("
                     'arr_at=flights["sched_dep"]))': "share dest",
                     "lambda: my_rows(flights.assign(arr_delay=flights['arr_delay'] + 0 * len(flights), "
                     "arr_at=flights['dep_at']))": "looks ahead"},
            "created": {"": "no created_timestamp_column",
                        ', created_timestamp_column="event_timestamp"': "nothing is ever known late",
                        ', landed_column="created_timestamp"': "no created_timestamp_column"},
        },
        (_MY_VIEW.replace("<ttl>", "days=2").replace("lambda: my_rows(flights)", "lambda rows=flights: my_rows(rows)"),
         _MY_VIEW.replace("<name>", '"mine"').replace("<rows>", "__import__('functools').partial(my_rows, flights)")),
    ),
    Clauses(
        "09.3",
        "my_service = FeatureService(<name>, [<champion>, <mine>])",
        {"name": '"mine"', "champion": "*champion_views", "mine": "my_view"},
        {
            "champion": {"*champion_views[1:]": "keep the champion's views", "champion_views[0]": "are left out"},
            "mine": {"leaking_view": "had landed", "my_view, leaking_view": "had landed",
                     "*champion_views[:0]": "nothing of yours"},
        },
        ('my_service = FeatureService("another", [my_view] + champion_views)',
         'my_service = FeatureService(features=(*champion_views, my_view), name="mine")'),
    ),
    Clauses(
        "09.4",
        _REPORT,
        {"version": "candidate", "champion": "champion", "policy": "FLIGHTS_POLICY", "measured": "measured"},
        {
            "version": {"champion": "judge your candidate"},
            "champion": {"None": "as a first model", "candidate": "judges the champion itself"},
            "policy": {'GatePolicy([Floor("served.roc_auc", 0.5)])': "not yours to lower",
                       "GatePolicy(FLIGHTS_POLICY.rules[:-1])": "not yours to lower"},
            "measured": {"Measured(measured.metrics, measured.metrics, measured.data)": "the champion once more",
                         "Measured(measured.metrics, measured.champion)": "the gate refused it",
                         "Measured(measured.champion, measured.champion, measured.data)": "the champion once more",
                         'Measured(figures | {"served.roc_auc": 0.9, "offline.roc_auc": 0.9}, measured.champion, data)':
                         "Nothing honest brings a tenth",
                         'Measured(figures | {"served.roc_auc": 0.6}, measured.champion, data)': "the gate refused it"},
        },
        ("my_report = evaluate_gates(candidate, champion, policy=FLIGHTS_POLICY, at=clock.now(), measured=measured)",
         ("my_report = evaluate_gates(candidate, champion, GatePolicy(FLIGHTS_POLICY.rules), measured=measured, "
         "at=clock.now())")),
    ),
    Clauses(
        "01.3",
        _JOINED,
        {"route": '["origin", "dest"]', "how": '"left"',
         "known": 'pairs["landed_timestamp"] <= pairs["event_timestamp"]',
         "newest": '["event_timestamp_of_row", "landed_timestamp"]', "each": '"place"', "take": "tail",
         "answer": "asked.assign(route_day_late_share=share.reindex(range(len(asked))).to_numpy())"},
        {
            "route": {'["dest"]': "at noon on the 9th", '["origin"]': "at noon on the 9th"},
            "known": {'pairs["landed_timestamp"] < pairs["event_timestamp"]': "at the very moment",
                      'pairs["event_timestamp_of_row"] <= pairs["event_timestamp"]': "the value has to be missing",
                      'pairs["landed_timestamp"].notna()': "the value has to be missing"},
            "newest": {'"landed_timestamp"': "the 8th is the newer day",
                       '["event_timestamp_of_row"], kind="stable", key=lambda day: day': "of two rows of one day",
                       '["landed_timestamp", "event_timestamp_of_row"]': "the 8th is the newer day"},
            "each": {'"flight_id"': "", '["origin", "dest"]': ""},
            "take": {"head": "at noon on the 9th"},
            "answer": {"asked.sort_values('flight_id').assign(route_day_late_share=share.reindex(range(len(asked)))"
                       ".to_numpy())": "in the order given",
                       "asked.iloc[share.index].assign(route_day_late_share=share.to_numpy())": "",
                       "asked.drop_duplicates('flight_id').assign(route_day_late_share=0.1)": ""},
        },
        (_ASOF, _REDUCED),
    ),
    Clauses(
        "02.2",
        _SPLIT,
        {"learnt": 'frame["label_timestamp"] <= at', "examined": 'frame["event_timestamp"] >= at'},
        {
            "learnt": {'frame["label_timestamp"] < at': "the very moment of the split is known",
                       'frame["event_timestamp"] < at': "leave it out",
                       'frame["event_timestamp"] <= at': "leave it out",
                       'frame["label_timestamp"] >= at': "leave it out",
                       'frame["label_timestamp"].dt.floor("s") <= at': "leave it out"},
            "examined": {'frame["event_timestamp"] > at': "belongs to the holdout",
                         'frame["label_timestamp"] > at': "no exam question",
                         'frame["label_timestamp"] >= at': "no exam question",
                         'frame["event_timestamp"].dt.round("s") >= at': "no exam question"},
        },
        (("def split(frame, at):\n"
          "    return [frame.query('label_timestamp <= @at'), frame.query('event_timestamp >= @at')]"),
         ("def split(frame, at):\n    later = frame['event_timestamp'] >= at\n"
          "    known = ~(frame['label_timestamp'] > at)\n"
          "    return frame.loc[known & ~later].copy(), frame.loc[later].copy()")),
    ),
    Clauses(
        "05.5",
        _MINE,
        {"retries": "2", "alarm": '"one_failed"', "tidy": '"all_done"', "watched": "[wind, told]",
         "waited": "[told, called]"},
        {
            "retries": {"0": "when it fails once, fetch", "1": "when it fails twice, fetch", "6": "more than five"},
            "alarm": {'"all_success"': "alarm should be", '"all_done"': "alarm should be skipped",
                      '"all_failed"': "nobody is woken", '"none_failed"': "alarm should be",
                      '"always"': "waits for nobody"},
            "tidy": {'"all_success"': "tidy_up should be success", '"one_success"': "tidy_up should",
                     '"none_failed"': "tidy_up should be success", '"one_failed"': "tidy_up should be success",
                     '"always"': "waits for nobody"},
            "watched": {"wind": "alarm has to look at tell"},
            "waited": {"told": "wait for", "wind": "wait for"},
        },
        (("with DAG('any') as mine:\n    f = task(fetch, retries=4)()\n    t = task(tell)(f)\n"
         "    a = task(alarm, trigger_rule='one_failed')()\n    e = task(tidy_up, trigger_rule='all_done')()\n"
         "    f >> a\n    t >> a >> e\n    [f, t] >> e"),
         _MINE.replace("<waited>", "called"),  # alarm waits for both, so tidy_up does
         ("from mlops_lab.pipeline.dag import Task\nmine = DAG('plain')\n"
         "mine.add(Task('fetch', fetch, retries=2))\nmine.add(Task('tell', tell), upstream=['fetch'])\n"
         "mine.add(Task('alarm', alarm, trigger_rule='one_failed'), upstream=['fetch', 'tell'])\n"
         "mine.add(Task('tidy_up', tidy_up, trigger_rule='all_done'), upstream=['fetch', 'tell', 'alarm'])")),
    ),
    Clauses(
        "06.5",
        _YAML,
        {"branches": "branches: [main]", "change": "pull_request:", "after": "test", "needs": "test, gate",
         "where": "github.ref == 'refs/heads/main'", "asks": "environment: production, "},
        {
            "branches": {"branches: [develop]": "a push to main has to start it", "tags: [v1]": "a push to main"},
            "change": {"workflow_dispatch:": "a pull request has to start it",
                       "pull_request: {types: [closed]}": "a pull request has to start it"},
            "needs": {"test": "gate was a failure"},
            "where": {"always() && github.ref == 'refs/heads/main'": "deploy ran all the same",
                      "!cancelled() && github.ref == 'refs/heads/main'": "deploy ran all the same",
                      "true": "a pull request was deployed", "github.ref != 'refs/heads/main'": "deploy should run",
                      "github.event_name == 'pull_request'": "deploy should run",
                      "failure() && github.ref == 'refs/heads/main'": "deploy should run"},
            "asks": {"": "nobody is asked", "environment: '', ": "nobody is asked"},
        },
        (_YAML.replace("<where>", "github.event_name == 'push' && github.ref_name == 'main'").replace("<after>", "[]"),
         _YAML.replace("<where>", "${{ success() && github.ref == 'refs/heads/main' }}").replace(
             "<asks>", "environment: {name: production, url: 'https://example.com'}, "),
         _YAML.replace("<needs>", "gate")),  # gate needs test
    ),
    Clauses(
        "07.5",
        _ROUTER,
        {"hashed": "key.encode()", "parts": "10_000", "hundred": "100", "below": "<", "stopped": " and not taken_back",
         "named": '"challenger"', "called": "challenger(key)", "caught": "ConnectionError"},
        {
            "hashed": {"str(hash(key)).encode()": "in every process",
                       'f"{key}{weight}".encode()': "went back to the champion",
                       'str(random.random()).encode()': "the same key got another model",
                       'b"key"': "went to the challenger"},
            "parts": {"1_000": "went to the challenger", "20_000": "went to the challenger"},
            "hundred": {"1_000": "went to the challenger", "10": "went to the challenger"},
            "below": {"<=": "at weight 0", ">": "went to the challenger", ">=": "went to the challenger"},
            "stopped": {"": "was taken back", " and taken_back": "went to the challenger"},
            "named": {'"champion"': "", '"Challenger"': ""},
            "called": {"champion(key)": "the name and the answer belong together"},
            "caught": {"KeyError": "a request was lost", "ValueError": "a request was lost"},
        },
        (("import zlib\n\ndef answer(key, champion, challenger, weight, taken_back):\n"
         "    mine = not taken_back and zlib.crc32(key.encode()) % 1000 < 10 * weight\n"
         "    for name, model in [('challenger', challenger)] * mine + [('champion', champion)]:\n"
         "        try:\n            return [name, model(key)]\n        except OSError:\n            continue"),
         _ROUTER.replace("<parts>", "1_000_000").replace("<hundred>", "10_000").replace("<caught>", "Exception")),
    ),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("table", "name", "clause", "says"), mutants(TABLES))
def test_a_solution_with_one_clause_changed_is_refused_with_words_about_it(
    table: Clauses, name: str, clause: str, says: str
) -> None:
    expect_refused(table, name, clause, says)


@pytest.mark.slow
@pytest.mark.parametrize("table", whole(TABLES))
def test_the_clauses_together_pass_and_so_do_other_styles(table: Clauses) -> None:
    expect_accepted(table)
    assert len(table.styles) >= 2


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("startsWith(github.ref, 'refs/heads/main')", "refs/heads/main-2 was deployed"),
        ("contains(github.ref, 'main')", "refs/heads/main-2 was deployed"),
        ("endsWith(github.ref, '/main')", "refs/heads/fix/main was deployed"),
        ("github.event_name == 'push'", "another branch was deployed"),
    ],
)
def test_where_every_push_starts_the_workflow_the_whole_ref_has_to_be_compared(where: str, says: str) -> None:
    table = next(one for one in TABLES if one.exercise == "06.5")
    every = Clauses("06.5", table.source.replace("{<branches>}", ""), table.right, table.wrong)

    expect_refused(every, "where", where, says)
    expect_accepted(every)
