"""As `test_mutants.py`, for the tasks on other data at the end of the notebooks.

`pytest tests/checks/test_mutants_of_transfers.py -s` prints the table.
"""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from mlops_lab.teaching.checks import find_exercise
from tests.checks.clauses import Clauses, expect_accepted, expect_refused, judge, mutants, whole

pytestmark = pytest.mark.slow

_VIEW = """\
clinic_view = FeatureView(
    "clinic_counts",
    entities=[Entity("place", join_keys=[<key>])],
    schema=[<field>],
    ttl=<ttl>,
    source=Source("counts", <rows>, timestamp_field=<event><created>),
)"""
_SAME = """\
def same(store, keys, features, moment):
    online = store.get_online_features(keys, features=features).to_df()
    offline = store.get_historical_features(keys.assign(event_timestamp=<moment>), features=features)
    names = list(offline.features)
    a, b = online[names].reset_index(drop=True), offline.frame[names]
    return <equal>"""
_STRICT = """\
def same(store, keys, features, moment):
    import pandas as pd
    a = store.get_online_features(keys.to_dict("records"), features=features).to_df()
    b = store.get_historical_features(keys.assign(event_timestamp=moment), features=features).frame
    names = [one.split(":")[1] for one in features]
    try:
        pd.testing.assert_frame_equal(a[names], b[names], check_dtype=False)
    except AssertionError:
        return False
    return True"""
_HONEST = """\
def honest_runs(tracker, training_set):
    found = tracker.search_runs(tags=<tags>, order_by=<order>)
    return [run for run in found if <same>]"""
_SORTED = """\
def honest_runs(tracker, training_set):
    found = [one for one in tracker.search_runs() if one.tags.get("split") == "time"]
    for run in sorted(found, key=lambda one: -one.metrics["served.roc_auc"]):
        if run.inputs.get("training_set") == training_set.fingerprint:
            yield run"""
_REPLACES = """\
def replaces(champion, challenger, visits, margin):
    def brier(model):
        chances = [model(visit) for visit in visits]
        if <missing>:
            return float("nan")
        return <sum>(<error> for chance, visit in zip(chances, visits)) / <count>

    return <rule>"""
_PAIRED = """\
import math
def replaces(champion, challenger, visits, margin):
    total = 0.0
    for visit in visits:
        old, new = champion(visit), challenger(visit)
        if any(one is None or math.isnan(one) for one in (old, new)):
            return False
        total += (new - visit["missed"]) ** 2 - (old - visit["missed"]) ** 2
    return bool(visits) and total / len(visits) <= margin"""
_ARRAYS = """\
import numpy as np
def replaces(champion, challenger, visits, margin):
    if not visits:
        return False
    missed = np.array([one["missed"] for one in visits], float)
    old, new = (np.array([model(one) for one in visits], dtype=float) for model in (champion, challenger))
    return np.mean((new - missed) ** 2) - np.mean((old - missed) ** 2) <= margin"""
_LIBRARY = """\
from sklearn.metrics import brier_score_loss
def replaces(champion, challenger, visits, margin):
    missed = [one["missed"] for one in visits]
    try:
        old, new = (brier_score_loss(missed, [model(one) for one in visits]) for model in (champion, challenger))
    except (ValueError, TypeError):
        return False
    return new <= old + margin"""
_SHIP = """\
def ship_and_return(registry, report):
    registry.request_approval("no_shows", <version>, requested_by=<by>, why=<why>)
    registry.<answer>("no_shows", 2, by=<other>)
    registry.promote(report, actor="ada", why="better in service")
    <back>"""
_AROUND = """\
def ship_and_return(registry, report):
    registry.set_policy("no_shows", requires_approval=False, actor="ada", why="in the way")
    registry.promote(report, actor="ada", why="better in service")
    registry.set_policy("no_shows", requires_approval=True, actor="ada", why="as before")
    registry.rollback("no_shows", actor="grace", why="strange answers")"""
_BREAK = """\
def first_break(events, digest):
    before, found = <begin>, []
    for place, event in enumerate(events<some>):
        if <link> or <own>:
            found.append(<place>)
        before = <next>
    return <told>"""
_FINISH = """\
def finish(dag, home, clock):
    run = run_dag(dag, logical_date=<date>, home=<home>, clock=<clock>)
    for _ in range(<times>):
        if <end>:
            break
        run = run_dag(dag, <again>, home=home, clock=clock)
    return <last>"""
_WHILE = """\
from datetime import datetime, timezone
def finish(dag, home, clock, left=3):
    run = run_dag(dag, logical_date=datetime(2013, 3, 10, tzinfo=timezone.utc), home=home, clock=clock)
    while run.state == "failed" and left:
        run, left = run_dag(dag, home=home, resume=run.run_id, clock=clock), left - 1
    return run"""
_LOOK = """\
def look(answers, now, enough, margin):
    known = [one for one in answers if <is> and <by>]
    if len(<counted>) <few> enough:
        return "hold"
    worse = [<challenger> <minus> <champion> for one in <among>]
    return <told>"""
_FRAMED = """\
import pandas as pd
def look(answers, now, enough, margin):
    known = pd.DataFrame(answers, columns=["known_at", "missed", "challenger", "champion"])
    known = known[pd.to_numeric(known["known_at"]) <= now]
    if len(known) < enough:
        return "hold"
    missed = known["missed"].astype(float)
    worse = (known["challenger"] - missed) ** 2 - (known["champion"] - missed) ** 2
    return "roll_back" if worse.mean() > margin else "advance\""""
_CHOSEN = """\
import numpy as np
def look(answers, now, enough, margin):
    known = [one for one in answers if one["known_at"] is not None and not one["known_at"] > now]
    if len(known) < enough:
        return "hold"
    y, new, old = (np.array([one[n] for one in known], float) for n in ("missed", "challenger", "champion"))
    return np.where(((new - y) ** 2).mean() > ((old - y) ** 2).mean() + margin, "roll_back", "advance")[()]"""
_LOST = """\
def nothing_lost(source, target):
    try:
        <verify>
    except IntegrityError:
        return <broken>
    return <same>"""
_RAIN = """\
def known_rain(days):
    rows = days[["event_timestamp", "label_timestamp", "rain"]]<rows>
    return rows.rename(columns={"label_timestamp": "created_timestamp"})<rest>"""
_MEAN = "sum(worse) / len(worse)"
_OTHER = "over no others"

TABLES = (
    Clauses(
        "01.6",
        _VIEW,
        {"key": '"clinic"', "field": 'Field("missed_share", "float64")', "ttl": "timedelta(days=7)", "rows": "counts",
         "event": '"counted_at"', "created": ', created_timestamp_column="published_at"'},
        {
            "key": {'"room"': "given when the patient comes", '"missed_share"': "whose join key is clinic"},
            "field": {'Field("room", "string")': "one field",
                      'Field("missed_share", "float64"), Field("room", "string")': "one field"},
            "ttl": {"None": "more than seven days", "timedelta(days=8)": "more than seven days",
                    "timedelta(days=7, seconds=1)": "more than seven days", "timedelta(days=6)": "hold for seven days",
                    "timedelta(days=7, seconds=-1)": "hold for seven days", "timedelta(hours=7)": "hold for seven days",
                    "timedelta(0)": "hold for seven days"},
            "rows": {"counts.assign(published_at=counts['counted_at'])": "published after the moment",
                     "counts.rename(columns={'counted_at': 'published_at', 'published_at': 'counted_at'})":
                     "published after the moment"},
            "event": {'"published_at"': "speaks of the moment counted_at", '"event_timestamp"': "speaks of the moment"},
            "created": {"": "only from published_at on", ', created_timestamp_column="counted_at"': "from published_at",
                        ', landed_column="published_at"': "only from published_at on"},
        },
        (_VIEW.replace("<rows>", "lambda: counts").replace("<ttl>", "timedelta(weeks=1)"),
         _VIEW.replace("<ttl>", "pd.Timedelta('7D')"),
         _VIEW.replace("<rows>", "counts.rename(columns={'counted_at': 'event_timestamp', 'published_at': 'created'})")
         .replace("<event>", '"event_timestamp"').replace("<created>", ', created_timestamp_column="created"')),
    ),
    Clauses(
        "01.5",
        _SAME,
        {"moment": "moment", "equal": "a.equals(b)"},
        {
            "moment": {"moment - __import__('datetime').timedelta(hours=5)": "missing equals missing",
                       "__import__('pandas').Timestamp('2013-03-04T13:00Z')": "ask the join at `moment`"},
            "equal": {"(a == b).all().all()": "missing equals missing", "a.shape == b.shape": "what came at noon",
                      "a.isna().equals(b.isna())": "misses what came at noon", "not a.equals(b)": "missing in both",
                      "((a == b) | a.isna()).all().all()": "holds nothing yet", "len(a) == len(b)": "came at noon",
                      "((a == b) | b.isna()).all().all()": "what was not known at 13:00",
                      "((a == b) | (a.isna() & b.isna())).all().any()": "only `second` differs",
                      "((a == b) | (a.isna() & b.isna())).any().all()": "misses what came at noon",
                      "a.dropna().equals(b.dropna())": "a row with a gap", "a.head(1).equals(b.head(1))": "every row",
                      "a.tail(1).equals(b.tail(1))": "every row", "a.iloc[:-1].equals(b.iloc[:-1])": "every row",
                      "a.iloc[:, -1].equals(b.iloc[:, -1])": "only `second` differs",
                      "a.iloc[:, 0].equals(b.iloc[:, 0])": "only `second` differs",
                      "(a - b).abs().max().max() <= 1": "misses what came at noon"},
        },
        (_STRICT, *(_SAME.replace("<equal>", one) for one in (
            "((a == b) | (a.isna() & b.isna())).all().all()", "a.fillna(-1.5).equals(b.fillna(-1.5))",
            "a.compare(b).empty", "__import__('numpy').allclose(a, b, equal_nan=True)"))),
    ),
    Clauses(
        "02.4",
        _HONEST,
        {"tags": '{"split": "time"}', "order": '"metrics.served.roc_auc DESC"',
         "same": 'run.inputs["training_set"] == training_set.fingerprint'},
        {
            "tags": {"{}": "random split", '{"split": "random"}': "random split", "None": "random split"},
            "order": {'"metrics.served.roc_auc"': "best as served first", '"metrics.served.roc_auc ASC"': "best as",
                      '"metrics.offline.roc_auc DESC"': "a leak looks best", '"metrics.offline.roc_auc"': "best as"},
            "same": {"True": "compare fingerprints", "training_set.fingerprint in run.inputs.values()": "as holdout",
                     'run.inputs["training_set"] != training_set.fingerprint': "compare fingerprints",
                     'run.inputs["training_set"] == training_set.fingerprint and run.metrics["offline.roc_auc"] < 0.9':
                     "three runs were wanted", "len(run.inputs) == 1": "compare fingerprints"},
        },
        (_SORTED, ("def honest_runs(tracker, training_set):\n"
         "    mine = [one for one in tracker.search_runs(tags={'split': 'time'})\n"
         "            if one.inputs.get('training_set') == training_set.fingerprint]\n"
         "    return tuple(sorted(mine, key=lambda one: one.metrics['served.roc_auc'], reverse=True))")),
    ),
    Clauses(
        "03.4",
        _REPLACES,
        {"missing": "not chances or None in chances", "sum": "sum", "error": '(chance - visit["missed"]) ** 2',
         "count": "len(visits)", "rule": "brier(challenger) - brier(champion) <= margin"},
        {
            "missing": {"not chances": "a visit without an answer", "None in chances": "no visit at all",
                        "not chances or chances[0] is None": "a visit without an answer"},
            "sum": {"max": "champion has no chance", "min": "champion has no chance",
                    "__import__('statistics').median": "not each single one"},
            "error": {'abs(chance - visit["missed"])': "0.25 worse", '(chance - visit["missed"])': "always wrong",
                      '((chance > 0.5) != visit["missed"])': "0.25 worse",
                      '(chance - (not visit["missed"])) ** 2': "always right"},
            "count": {"1": "not their sum", "2": "0.25 worse", "(len(visits) - 1 or 1)": "the mean counts"},
            "rule": {"brier(challenger) - brier(champion) < margin": "at most the margin",
                     "brier(challenger) <= brier(champion)": "at most the margin",
                     "brier(champion) - brier(challenger) <= margin": "always wrong",
                     "not brier(challenger) - brier(champion) > margin": "NaN gets through",
                     "brier(challenger) <= margin": "", "True": "always wrong", "False": "always right",
                     "brier(challenger) - brier(champion) <= 0.25": "a margin of 0.125",
                     "brier(challenger) <= brier(champion) * (1 + margin)": "0.25 worse",
                     "abs(brier(challenger) - brier(champion)) <= margin": "the mean counts"},
        },
        (_PAIRED, _ARRAYS, _LIBRARY),
    ),
    Clauses(
        "04.5",
        _SHIP,
        {"version": "2", "by": '"ada"', "why": '"better in service"', "answer": "approve", "other": '"grace"',
         "back": 'registry.rollback("no_shows", actor="grace", why="strange answers")'},
        {
            "version": {"1": "nobody asked for an approval of no_shows v2"},
            "by": {'"grace"': "grace cannot approve"},
            "why": {'""': "the reason (why) is needed"},
            "answer": {"reject": "the registry says no"},
            "other": {'"ada"': "ada cannot approve"},
            "back": {"pass": "version 2 still serves", 'registry.rollback("no_shows", actor="grace", why="")': "needed",
                     'registry.transition_stage("no_shows", 2, "Archived", actor="grace", why="out")': "nobody serves",
                     'registry.transition_stage("no_shows", 1, "Production", actor="grace", why="x")': "cannot move"},
        },
        (_SHIP.replace("<other>", '"linus"'), _SHIP.replace("<by>", '"linus"'),
         _SHIP.replace("<answer>", "approve").replace("by=<other>", 'by="grace", comment="I have read it"')),
    ),
    Clauses(
        "04.4",
        _BREAK,
        {"begin": '""', "some": "", "link": "event.prev_hash != before", "own": "event.hash != digest(event)",
         "place": "place", "next": "event.hash", "told": "found[0] if found else None"},
        {
            "begin": {"None": "nobody has changed", "events[0].prev_hash if events else ''": "an empty prev_hash"},
            "some": {"[1:]": "nobody has changed", "[:-1]": "look at prev_hash"},
            "link": {"False": "look at prev_hash", "(place and event.prev_hash != before)": "an empty prev_hash",
                     "(event.prev_hash and event.prev_hash != before)": "begun anew"},
            "own": {"False": "compare it with digest", "event.hash == digest(event)": "nobody has changed"},
            "place": {"place + 1": "at place 0", "place - 1": "at place 0", "event": "return a place",
                      "str(place)": "return a place", "True": "return a place"},
            "next": {"event.prev_hash": "nobody has changed", "before": "nobody has changed"},
            "told": {"found[-1] if found else None": "the first is asked for", "found or None": "return a place",
                     "max(found, default=None)": "the first is asked for", "found[0] if found else -1": "return None",
                     "found[0] if found else False": "return a place", "bool(found)": "return a place",
                     "len(found) or None": "at place 0"},
        },
        (("def first_break(events, digest):\n"
          "    pairs = zip(['', *(one.hash for one in events)], events)\n"
          "    return next((n for n, (h, e) in enumerate(pairs) if (h, digest(e)) != (e.prev_hash, e.hash)), None)"),
         ("import numpy as np\ndef first_break(events, digest):\n"
          "    bad = [e.prev_hash != (events[n - 1].hash if n else '') or e.hash != digest(e)\n"
          "           for n, e in enumerate(events)]\n    return np.argmax(bad) if any(bad) else None")),
    ),
    Clauses(
        "05.6",
        _FINISH,
        {"date": '"2013-03-10"', "home": "home", "clock": "clock", "times": "3", "end": 'run.state == "success"',
         "again": "resume=run.run_id", "last": "run"},
        {
            "date": {'"2013-03-11"': "not 10 March", '"2013-10-03"': "not 10 March", '"2012-03-10"': "not 10 March"},
            "home": {"None": "run_dag says no", "home + '/x'": "run_dag says no"},
            "clock": {"None": "give it the clock", "__import__('mlops_lab').FakeClock('2020-01-01')": "the clock"},
            "times": {"0": "with 2 failures", "1": "with 2 failures", "2": "was asked for", "4": "was asked for",
                      "99": "was asked for"},
            "end": {"True": "with 2 failures", "False": "resumed all the same",
                    'run.state == "failed"': "with 2 failures"},
            "again": {'logical_date="2013-03-10"': "go on with the run that broke", "resume='x'": "run_dag says no"},
            "last": {"run.state": "return the last run", "None": "return the last run", "dag": "return the last run",
                     "run_dag(dag, logical_date='2013-03-10', home=home, clock=clock)": "the run that broke"},
        },
        (_WHILE, _FINISH.replace("<end>", 'run.state != "failed"')),
    ),
    Clauses(
        "07.4",
        "stopped = stop(fourth, after_restart, actor=<who>, why=<why>)",
        {"who": '"grace"', "why": '"storm warning for this week"'},
        {"who": {'"ada"': "Grace was to", '""': "Grace was to"},
         "why": {'""': "say what is coming", '"because"': "say what is coming", '"bad weather"': "say what is coming"}},
        ('stopped = stop(fourth, after_restart, why="A Storm is forecast", actor="grace")',
         'stopped = stop(promotion=fourth, registry=after_restart, actor="grace", why="storms until Friday")'),
    ),
    Clauses(
        "07.6",
        _LOOK,
        {"is": 'one["known_at"] is not None', "by": 'one["known_at"] <= now', "counted": "known", "few": "<",
         "challenger": '(one["challenger"] - one["missed"]) ** 2', "minus": "-",
         "champion": '(one["champion"] - one["missed"]) ** 2', "among": "known",
         "told": f'"roll_back" if {_MEAN} > margin else "advance"'},
        {
            "is": {"True": "nobody knows the end of", 'one["missed"]': "wrong twice"},
            "by": {"True": "known at 101", 'one["known_at"] < now': "the very moment", 'one["known_at"] >= now': ""},
            "counted": {"answers": "nobody knows the end of"},
            "few": {"<=": "right twice", ">": "two are enough", "!=": "right"},
            "challenger": {'abs(one["challenger"] - one["missed"])': "within it", '(one["challenger"] - 1) ** 2': "",
                           '(one["challenger"] - one["champion"]) ** 2': "take the mean"},
            "minus": {"+": "right twice"},
            "champion": {"0": "compare the two", 'abs(one["champion"] - one["missed"])': "squared, too",
                         '(one["champion"] - 1) ** 2': "wrong twice"},
            "among": {"answers": _OTHER, "known[-enough:]": _OTHER, "known[:enough]": _OTHER, "known[1:]": _OTHER},
            "told": {f'"roll_back" if {_MEAN} >= margin else "advance"': "within it",
                     '"roll_back" if sum(worse) > margin else "advance"': "within it",
                     f'"roll_back" if {_MEAN} > 0 else "advance"': "within it",
                     f'"roll_back" if {_MEAN} > 0.25 else "advance"': "use margin",
                     '"roll_back" if max(worse) > margin else "advance"': "take the mean",
                     '"roll_back" if min(worse) > margin else "advance"': "take the mean",
                     f'"roll_back" if abs({_MEAN}) > margin else "advance"': "right twice",
                     f'"advance" if {_MEAN} > margin else "roll_back"': "right twice", '"advance"': "wrong twice",
                     '"roll_back" if sum(worse) / len(answers) > margin else "advance"': _OTHER,
                     '"roll_back" if sum(worse) / enough > margin else "advance"': "take the mean",
                     '"roll_back" if sorted(worse)[len(worse) // 2] > margin else "advance"': "take the mean",
                     f'"hold" if {_MEAN} > margin else "advance"': "wrong twice",
                     f'"rollback" if {_MEAN} > margin else "advance"': "one of the words"},
        },
        (_FRAMED, _CHOSEN),
    ),
    Clauses(
        "08.3",
        _LOST,
        {"verify": "target.verify()", "broken": "False", "same": "source.head() == target.head()"},
        {
            "verify": {"source.verify()": "verify itself", "pass": "verify itself"},
            "broken": {"True": "verify itself", "None": "True or False"},
            "same": {"True": "lacks the last events", "source.head() != target.head()": "this copy is whole",
                     "len(source.history()) == len(target.history())": "a count proves nothing",
                     "len(source.history()) <= len(target.history())": "a count proves nothing",
                     "source.history()[-1].seq == target.history()[-1].seq": "a count proves nothing",
                     "source.history()[0] == target.history()[0]": "lacks the last events",
                     "source == target": "this copy is whole", "source.head()": "True or False"},
        },
        (("def nothing_lost(source, target):\n    try:\n        target.verify(head=source.head())\n"
          "    except IntegrityError:\n        return False\n    return True"),
         ("import contextlib\ndef nothing_lost(source, target):\n    with contextlib.suppress(IntegrityError):\n"
          "        target.verify()\n        return target.history() == source.history()\n    return False"),
         _LOST.replace("<same>", "[e.hash for e in source.history()] == [e.hash for e in target.history()]")),
    ),
    Clauses(
        "10.1",
        _RAIN,
        {"rows": "", "rest": ""},
        {
            "rows": {".iloc[1:]": "each once", ".head(1)": "each once", "[::-1]": "in the order given",
                     ".sort_values('rain')": "in the order given", "[['label_timestamp', 'rain']]": "is missing"},
            "rest": {".assign(created_timestamp=lambda r: r['event_timestamp'])": "when the date is over",
                     ".assign(event_timestamp=lambda r: r['created_timestamp'])": "speaks of its own day",
                     ".assign(created_timestamp=lambda r: r['created_timestamp'].dt.floor('D'))": "the date is over",
                     ".assign(created_timestamp=lambda r: r['created_timestamp'].dt.ceil('D'))": "and not later",
                     ".assign(created_timestamp=days['event_timestamp'] + days.iloc[:, 0].diff()[2])": "and not later",
                     ".assign(created_timestamp=lambda r: r['created_timestamp'].dt.tz_localize(None))": "a time zone",
                     ".assign(created_timestamp=lambda r: r['created_timestamp'].astype(str))": "a time zone",
                     ".assign(rain=lambda r: r['rain'].shift(-1))": "that day's own",
                     ".assign(rain=lambda r: r['rain'].cumsum())": "that day's own", ".to_dict('list')": "a frame",
                     ".drop(columns='created_timestamp')": "is missing"},
        },
        (("def known_rain(days):\n    local = days['label_timestamp'].dt.tz_convert('America/New_York')\n"
          "    return days.assign(created_timestamp=local)"),
         ("def known_rain(days):\n    rows = days.reset_index(drop=True)\n"
          "    rows['created_timestamp'] = rows.pop('label_timestamp').astype('datetime64[ms, UTC]')\n"
          "    return rows")),
    ),
)  # fmt: skip


@pytest.mark.parametrize(("table", "name", "clause", "says"), mutants(TABLES))
def test_a_solution_with_one_clause_changed_is_refused_with_words_about_it(
    table: Clauses, name: str, clause: str, says: str
) -> None:
    clause = clause.replace("pd.", "__import__('pandas').") if table.exercise == "10.1" else clause

    expect_refused(table, name, clause, says)


@pytest.mark.parametrize("table", whole(TABLES))
def test_the_clauses_together_pass_and_so_do_other_styles(table: Clauses) -> None:
    expect_accepted(table)
    assert set(table.wrong) == set(table.right), "each clause has mutants"
    assert len(table.styles) >= 2


def test_an_approval_is_given_and_not_switched_off() -> None:
    table = Clauses("04.5", "<all>", {"all": ""}, {})

    expect_refused(table, "all", _AROUND, "the registry says no: ada is an author of no_shows v2 and loosened")
    expect_refused(table, "all", _AROUND.replace('False, actor="ada"', 'False, actor="linus"'), "nobody agreed to v")


def test_of_the_columns_of_the_clinic_one_set_is_right() -> None:
    """Every other set of 00.3 is refused with the name of a column."""
    exercise, right = find_exercise("00.3"), {"wait_days", "missed_before", "reminder_opened", "clinic_missed_week"}
    columns = [*sorted(right), "clinic_missed_day", "doctor_late"]

    for names in (set(each) for size in range(1, 7) for each in itertools.combinations(columns, size)):
        verdict = judge(exercise, names)
        assert verdict.status == ("passed" if names == right else "not yet")
        assert names == right or any(one in verdict.message for one in names ^ right), verdict
    for style in (sorted(right), dict.fromkeys(right).keys(), iter(sorted(right)), pd.Index([*right])):
        assert judge(exercise, style).passed, style
