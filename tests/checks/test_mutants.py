"""Each clause of an exercise's solution is needed: every mutant of it is refused, with words about that clause.

A solution is written once with named clauses. Each mutant changes one clause and leaves the others as they are, so a
check that accepts one does not ask for what the lesson says. The table of all exercises, nightly mutants included:

    pytest -n 0 -s -q -m "nightly or not nightly" tests/checks --ignore tests/checks/test_attacks.py
"""

from __future__ import annotations

import pytest

from mlops_lab.pipeline.dag import TRIGGER_RULES
from tests.checks.clauses import Clauses, expect_accepted, expect_refused, judged, mutants, whole

_JOIN = """\
def latest(rows, at, ttl):
    known = [row for row in rows if <happened> and <arrived> and <fresh>]
    newest = <pick>(known, key=lambda row: <order>, default=None)
    return <value>"""
_LOOPED = """\
def latest(rows, at, ttl):
    best = None
    for row in sorted(rows, key=lambda row: (row["event"], row["created"])):
        if at - ttl <= row["event"] <= at and row["created"] <= at:
            best = row["wind"]
    return best"""
_FRAMED = """\
import pandas as pd

def latest(rows, at, ttl):
    frame = pd.DataFrame(rows, columns=["event", "created", "wind"])
    frame = frame[(frame["event"] <= at) & (frame["created"] <= at) & (at - frame["event"] <= ttl)]
    frame = frame.sort_values(["event", "created"])
    return None if frame.empty else frame["wind"].iloc[-1]"""
_GENERATED = """\
def route(keys, weight):
    draws = (int(hashlib.md5(key.encode()).hexdigest(), 16) % 1000 for key in keys)
    return (draw < 10 * weight for draw in draws)"""
_OWN_COLUMN = """\
table = leaking.source.read()
rows = table.assign(arrived=table["{}"])
honest = replace(leaking, source=replace(leaking.source, data=rows, created_timestamp_column="arrived"))"""
_OTHER_ROWS = """\
rows = leaking.source.read(){}
honest = replace(leaking, source=replace(leaking.source, data=rows, created_timestamp_column="arrived",
                                         landed_column="arrived"))"""
_IN_SQL = """\
import contextlib, sqlite3
import pandas as pd
def join(asked, daily):
    ask = "SELECT (SELECT route_day_late_share FROM daily WHERE daily.origin = a.origin AND daily.dest = a.dest "\\
          "AND landed_timestamp <= a.event_timestamp ORDER BY daily.event_timestamp DESC, landed_timestamp DESC "\\
          "LIMIT 1) FROM a ORDER BY row"
    times = ["event_timestamp", "landed_timestamp"]
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        rows = asked.reset_index(drop=True).reset_index(names="row")
        rows.astype({"event_timestamp": str}).to_sql("a", base)
        daily.astype(dict.fromkeys(times, str)).to_sql("daily", base)
        share = [row[0] for row in base.execute(ask)]
    return asked.assign(route_day_late_share=share)"""
_CONFUSED = """\
from sklearn.metrics import confusion_matrix
def choose(late, chance, missed, alarm):
    def cost(threshold):
        _, false, forgotten, _ = confusion_matrix(late, chance >= threshold, labels=[False, True]).ravel()
        return missed * forgotten + alarm * false
    return min(THRESHOLDS, key=cost)"""
_HASHED = """\
def route(keys, weight):
    texts = pd.Series(list(keys)).to_numpy(object)
    return pd.util.hash_array(texts, categorize=False) % 10_000 < weight * 100"""
_POLICY = "policy = GatePolicy([<champion><slices><skew>])"
_SLICES = 'SliceFloor("served.roc_auc", 0.62, slices=("EWR", "JFK", "LGA")),'
_PROMOTE = {"none_failed", "none_failed_min_one_success"}


def _rules_but(task: str, *fine: str) -> dict[str, str]:
    """Every trigger rule but the right ones; whatever is said names the task."""
    return {f'"{rule}"': task for rule in TRIGGER_RULES if rule not in fine}


TABLES = (
    Clauses(
        "00.2",
        "def may_replace(offline, served):\n    return <floor> and <loss>",
        {"floor": "served >= 0.66", "loss": "offline - served <= 0.02"},
        {
            "floor": {
                "True": "keep the floor",
                "offline >= 0.66": "for the served figure",
                "served > 0.66": "use >=",
                "served >= 0.65": "for the served figure",
                "served >= 0.659": "below the floor",
                "served >= 0.6605": "use >=",
                "served >= 0.70": "use >=",
                "served <= 0.66": "goes through",
            },
            "loss": {
                "True": "lost 0.20",
                "offline - served <= 0.01": "0.0195 was lost",
                "offline - served <= 0.019": "0.0195 was lost",
                "offline - served <= 0.021": "0.0205 was lost",
                "offline - served <= 0.03": "0.025 was lost",
                "offline - served <= 0.2": "0.025 was lost",
                "served - offline <= 0.02": "0.20",
                "abs(offline - served) <= 0.02": "better as served",
                "served / offline >= 0.97": "0.02",
            },
        },
        (
            "may_replace = lambda offline, served: not (served < 0.66 or offline - served > 0.02)",
            (
                "import numpy as np\n"
                "def may_replace(offline, served):\n    return np.bool_(served >= 0.66) & (served >= offline - 0.02)"
            ),
            "def may_replace(offline, served):\n    return False if served < 0.66 else served + 0.02 >= offline",
        ),
    ),
    Clauses(
        "01.2",
        _JOIN,
        {
            "happened": 'row["event"] <= at',
            "arrived": 'row["created"] <= at',
            "fresh": 'at - row["event"] <= ttl',
            "pick": "max",
            "order": '(row["event"], row["created"])',
            "value": 'newest and newest["wind"]',
        },
        {
            "happened": {"True": "has not happened", 'row["event"] < at': "for the rows"},
            "arrived": {"True": "look at created", 'row["created"] < at': "at the very moment"},
            "fresh": {
                "True": "older than ttl",
                'at - row["event"] < ttl': "exactly ttl old",
                'at - row["created"] <= ttl': "ttl counts from event",
                'row["created"] - row["event"] <= ttl': "older than ttl",
            },
            "pick": {"min": "created last"},
            "order": {
                'row["event"]': "created last",
                'row["created"]': "event decides first",
                '(row["created"], row["event"])': "event decides first",
                'row["wind"]': "strongest wind",
                '(row["event"], row["wind"])': "whichever wind",
                '(row["event"], -row["created"])': "created last",
                '-row["event"]': "created last",
            },
            "value": {
                'newest["wind"] if newest and newest["wind"] else None': "a calm",
                'newest["wind"] if newest else 0.0': "nothing is known",
                'newest["event"] if newest else None': "look at created",
                "newest": "the wind of the row",
            },
        },
        (
            _LOOPED,
            _FRAMED,
        ),
    ),
    Clauses(
        "03.2",
        "import math\ndef reaches(figures, name, floor):\n    return <there> and <finite> and <enough>",
        {
            "there": "figures.get(name) is not None",
            "finite": "math.isfinite(figures[name])",
            "enough": "figures[name] >= floor",
        },
        {
            "there": {
                "True": "is missing",
                "name in figures": '{"auc": None} raise an exception',
                '"auc" not in figures': "0.70 reaches",
            },
            "finite": {
                "True": "infinite",
                "not math.isnan(figures[name])": "infinite",
            },
            "enough": {
                "True": "0.60 does not reach",
                "figures[name] > floor": "inclusive",
                "figures[name] <= floor": "0.70 reaches",
                "max(figures.values()) >= floor": "asked for",
                "figures[name] >= 0.65 - 0.1": "0.60 does not reach",
                "floor <= figures[name] <= 1": "for any figure",
            },
        },
        (
            "import math\ndef reaches(f, n, x):\n    return f.get(n) is not None and math.isfinite(f[n]) and f[n] >= x",
            (
                "def reaches(figures, name, floor):\n    figure = figures.get(name)\n"
                "    return figure is not None and floor <= figure < float('inf')"
            ),
            (
                "import math\ndef reaches(f, n, x):\n    try:\n        return math.isfinite(f[n]) and not f[n] < x\n"
                "    except (KeyError, TypeError):\n        return False"
            ),
        ),
    ),
    Clauses(
        "03.3",
        _POLICY,
        {
            "champion": 'NoWorseThanChampion("served.roc_auc", 0.01),',
            "slices": _SLICES,
            "skew": 'ServedSkew("roc_auc", 0.02)',
        },
        {
            "champion": {
                "": "replaces a champion",
                'Floor("served.roc_auc", 0.66),': "replaces a champion",
                'Floor("served.roc_auc", 0.72),': "Compare the two by served.roc_auc",
                'NoWorseThanChampion("offline.roc_auc", 0.005),': "Compare the two by served.roc_auc",
                'NoWorseThanChampion("served.roc_auc", 0.5),': "replaces a champion",
                'NoWorseThanChampion("served.brier", 0.01),': "replaces a champion",
            },
            "slices": {
                "": "at LGA",
                _SLICES.replace("0.62", "0.5"): "at LGA",
                _SLICES.replace("0.62", "0.8"): "is refused",
                _SLICES.replace("served", "offline"): "at LGA",
                _SLICES.replace(', "LGA"', ""): "at LGA",
                _SLICES.replace('"EWR", ', ""): "at EWR",
                _SLICES.replace('"JFK", ', ""): "at JFK",
                'Floor("served.roc_auc", 0.62),': "at LGA",
            },
            "skew": {
                "": "0.90",
                'ServedSkew("roc_auc", 0.2)': "0.90",
                'ServedSkew("roc_auc", 0.1)': "loses 0.06",
                'ServedSkew("brier", 0.02)': "0.90",
                'Floor("offline.roc_auc", 0.66)': "0.90",
            },
        },
        (
            _POLICY.replace("<champion>", 'NoWorseThanChampion("served.roc_auc", 0.0),')
            .replace("<slices>", _SLICES)
            .replace("<skew>", 'ServedSkew("roc_auc", 0.01)'),
        ),
    ),
    Clauses(
        "05.4",
        'rules = {"promote": <promote>, "alarm": <alarm>, "tidy_up": <tidy_up>}',
        {"promote": '"none_failed"', "alarm": '"one_failed"', "tidy_up": '"all_done"'},
        {
            "promote": _rules_but("promote", *_PROMOTE),
            "alarm": _rules_but("alarm", "one_failed"),
            "tidy_up": _rules_but("tidy_up", "all_done"),
        },
        ('rules = {"tidy_up": "all_done", "alarm": "one_failed", "promote": "none_failed_min_one_success"}',),
    ),
    Clauses(
        "07.1",
        "def route(keys, weight):\n    return [<draw> < <bound> for place, key in enumerate(keys)]",
        {"draw": "int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10_000 / 100", "bound": "weight"},
        {
            "draw": {
                "random.random() * 100": "chance decides",
                "place % 100": "place in the list",
                "hash(key) % 100": "another number in every process",
                'int(hashlib.sha256(f"{key}{weight}".encode()).hexdigest(), 16) % 100': "go back",
                "int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10": "percent of 4200",
                "len(key)": "percent of 4200",
            },
            "bound": {"weight / 100": "percent of 4200", "100 - weight": "go back", "25": "percent of 4200"},
        },
        (
            _GENERATED,
            (
                "import numpy as np, zlib\ndef route(keys, weight):\n"
                "    return np.array([zlib.crc32(key.encode()) % 10_000 for key in keys]) < 100 * weight"
            ),
        ),
    ),
)
_STYLES = (
    (  # an attribute has nothing to do with what the notebook calls by the same name
        "02.2",
        (
            "from mlops_lab import train\nfrom collections import namedtuple\n"
            "Sides = namedtuple('Sides', 'train holdout')\n"
            "def split(f, at):\n"
            "    known = f[(f.event_timestamp < at) & (f.label_timestamp <= at)]\n"
            "    sides = Sides(train=known, holdout=f[f.event_timestamp >= at])\n"
            "    return sides.train, sides.holdout"
        ),
    ),
    ("05.1", "from graphlib import TopologicalSorter\norder = TopologicalSorter(needs).static_order()"),
    ("05.1", "import graphlib, numpy as np\norder = np.array([*graphlib.TopologicalSorter(needs).static_order()])"),
    ("01.4", _OWN_COLUMN.format("landed_timestamp")),
    ("01.4", _OTHER_ROWS.format('.rename(columns={"landed_timestamp": "arrived"})')),
    ("01.3", _IN_SQL),
    ("02.3", _CONFUSED),
    (
        "07.1",
        "import random\ndef route(keys, weight):\n    return [random.Random(k).random() * 100 < weight for k in keys]",
    ),
    ("07.1", "import pandas as pd\n" + _HASHED),
)
_REFUSED = (
    (  # imported where nobody sees it from outside
        "07.1",
        "def route(keys, weight):\n    from mlops_lab import answered_by_challenger as a\n    return a(keys, weight)",
        "the package's own",
    ),
    (
        "07.1",
        "import mlops_lab as m\nat = m.FakeClock('2013-01-01')\ndef route(keys, weight):\n    return [at] * len(keys)",
        "it reads `at` of your notebook",
    ),
    ("01.1", "wind = None", "as if no report"),
    ("04.2", "version = None", "as if nobody were in Production"),
    ("05.1", "order = {'features', 'train', 'evaluate', 'materialize', 'gate', 'promote'}", "has no order"),
    ("07.1", "from mlops_lab import answered_by_challenger as route", "the package's own"),
    (
        "07.1",
        (
            "from mlops_lab import answered_by_challenger\ndef route(keys, weight):\n"
            "    return list(answered_by_challenger(keys, weight))"
        ),
        "the package's own",
    ),
    ("01.4", _OWN_COLUMN.format("event_timestamp"), "before their landed_timestamp"),
    (
        "01.4",
        _OTHER_ROWS.format('.assign(arrived=lambda r: r["landed_timestamp"] + timedelta(hours=1))'),
        "when a row landed",
    ),
    (
        "01.4",
        _OTHER_ROWS.format('.assign(arrived=lambda r: r["landed_timestamp"]).head(99)'),
        "other rows than leaking",
    ),
    ("01.4", _OTHER_ROWS.format('.assign(arrived=lambda r: r["landed_timestamp"])[::2]'), "other rows than leaking"),
    (
        "01.4",
        _OTHER_ROWS.format('.assign(arrived=lambda r: r["landed_timestamp"], route_day_late_share=0.5)'),
        "other rows than leaking",
    ),
)


@pytest.mark.parametrize(("table", "name", "clause", "says"), mutants(TABLES))
def test_a_solution_with_one_clause_changed_is_refused_with_words_about_it(
    table: Clauses, name: str, clause: str, says: str
) -> None:
    expect_refused(table, name, clause, says)


@pytest.mark.slow
@pytest.mark.parametrize("table", whole(TABLES))
def test_the_clauses_together_pass_and_so_do_other_styles(table: Clauses) -> None:
    expect_accepted(table)
    assert set(table.wrong) == set(table.right), "each clause has mutants"


@pytest.mark.parametrize(("exercise_id", "source"), _STYLES)
def test_an_unusual_right_answer_passes(exercise_id: str, source: str) -> None:
    verdict = judged(exercise_id, source)

    assert verdict.passed, verdict


@pytest.mark.parametrize(("exercise_id", "source", "says"), _REFUSED)
def test_a_plausible_belief_is_an_attempt_and_is_answered(exercise_id: str, source: str, says: str) -> None:
    verdict = judged(exercise_id, source)

    assert verdict.status == "not yet"
    assert says in verdict.message
