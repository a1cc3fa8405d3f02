"""The tasks at the end of the notebooks: the same ideas on other data, a clinic whose patients miss visits.

Each check plants what the notebook is about (a late row, a random split, an approval of one's own) in data that nobody
has seen.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source, TrainingSet
from mlops_lab.models.gates import Floor, GatePolicy, Measured
from mlops_lab.models.registry import GateReport, Registry
from mlops_lab.models.rollout import Deployment
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.dag import DAG, DagRun, Task
from mlops_lab.teaching.checks.capstone_flights import store_with
from mlops_lab.teaching.checks.exercise import NotYet, asked, expect, listed, plain, read_exercises, yes_or_no
from mlops_lab.teaching.panels.scratch import judged, register_versions

#: The columns of 00.3: None where the value is known at 18:00 on the day before, else why it is not.
_COLUMNS: dict[str, str | None] = {
    "wait_days": None,
    "missed_before": None,
    "reminder_opened": None,
    "clinic_missed_week": None,
    "clinic_missed_day": "it describes the visit's own date, which has not even begun at 18:00 on the day before",
    "doctor_late": "it is written when the visit begins, and the question is asked the day before",
}


def _usable(usable: Any) -> None:
    said = "give a set of names of columns."
    names = set(map(str, listed(list(usable) if isinstance(usable, set | frozenset | dict) else usable, said)))
    expect(names <= set(_COLUMNS), f"the columns are {', '.join(_COLUMNS)}.")
    for name, why in _COLUMNS.items():
        if why is None:
            expect(name in names, f"{name} is known by then: look at when it is written.")
        else:
            expect(name not in names, f"{name}: {why}.")


def _days(*clock: str) -> pd.DatetimeIndex:
    return pd.to_datetime([f"2013-03-{one}Z" for one in clock], format="ISO8601")


def _clinic_view(view: Any) -> None:
    expect(isinstance(view, FeatureView), "give a FeatureView.")
    said = (
        "the room is given when the patient comes, so nobody can ask by it when a visit is booked: the key is clinic."
    )
    expect("room" not in view.join_keys, said)
    expect(tuple(view.join_keys) == ("clinic",), "the view is about clinics: an entity whose join key is clinic.")
    expect(tuple(view.features) == ("missed_share",), "the view has one field, missed_share.")
    source, given = view.source, view.source.read()
    moment, arrival = source.timestamp_field, source.created_timestamp_column

    def is_it(name: str, column: str) -> bool:
        return name == column or (name in given.columns and column not in given.columns)  # renamed before

    expect(is_it(moment, "counted_at"), "a count speaks of the moment counted_at: say so to the source.")
    expect(arrival is not None, "nothing tells the join that a count is read only from published_at on.")
    assert arrival is not None  # noqa: S101  asked in the line before
    expect(is_it(arrival, "published_at"), f"a count is readable from published_at on, not from {arrival}.")
    expect((given[moment] < given[arrival]).all(), "a count is published after the moment it speaks of, not before.")
    rows = pd.DataFrame(
        {
            "clinic": ["north"] * 2,
            moment: _days("04T00:00", "05T00:00"),
            arrival: _days("04T06:00", "06T06:00"),
            "missed_share": [0.1, 0.2],
        }
    )
    moments = _days("04T05:59", "04T06:00", "05T12:00", "06T06:00", "12T00:00", "12T00:00:00.000001")
    with store_with(replace(view, source=replace(source, data=rows))) as store:
        asks = pd.DataFrame({"clinic": "north", "event_timestamp": moments})
        seen = store.get_historical_features(asks, features=[f"{view.name}:missed_share"]).frame["missed_share"]
    found = [None if pd.isna(one) else float(one) for one in seen]
    expect(found[:5] == [None, 0.1, 0.1, 0.2, 0.2], f"a count has to hold for seven days; the values were {found}.")
    expect(found[5] is None, "a count of more than seven days still holds: give the view a ttl of seven days.")


@contextmanager
def _materialized(until: str) -> Iterator[FeatureStore]:
    """A store of two features of two clinics, materialized until a time on 4 March."""
    rows = pd.DataFrame(
        {
            "clinic": ["north", "south", "north", "south", "north", "south", "north", "south"],
            "event_timestamp": _days(*(f"04T{hour}" for hour in ("08", "08", "10", "12", "14", "16", "16", "18"))),
            "first": [1.0, 2.0, 3.0, 2.0, 3.0, 3.0, 2.0, 3.0],
            "second": [None, 4.0, None, 5.0, 6.0, 6.0, 5.0, 0.0],
        }
    )
    fields = [Field("first", "float64"), Field("second", "float64")]
    entity = Entity("clinic", join_keys=["clinic"])
    with store_with(
        FeatureView("seen", entities=[entity], schema=fields, ttl=None, source=Source("seen", rows))
    ) as store:
        store.materialize(f"2013-03-{until}Z")
        yield store


def _same_answers(same: Any) -> None:
    places = pd.DataFrame({"clinic": ["south", "nowhere", "north", "south"]}, index=[3, 1, 1, 0])

    def given(until: str, *features: str, at: str = "04T13:00", clinics: tuple[str, ...] = ()) -> bool:
        keys = pd.DataFrame({"clinic": list(clinics)}) if clinics else places
        mine = keys.copy()
        with _materialized(until) as store:
            said = yes_or_no(same(store, mine, [f"seen:{name}" for name in features], _days(at)[0].to_pydatetime()))
        expect(mine.equals(keys), "the keys were changed; others still need them.")
        return said

    told = "here both know the same, and some values are missing in both: missing equals missing (DataFrame.equals),"
    told += " and only the features that were asked for are compared: the join's frame has more columns."
    expect(given("04T13:00", "first", "second"), told)
    expect(not given("04T09:00", "second"), "the online store is from 09:00 and misses what came at noon; say False.")
    for names in (("first", "second"), ("second", "first")):
        expect(not given("04T11:00", *names), "of two features only `second` differs: compare all that were asked for.")
    for clinics in (("south", "north"), ("north", "south"), ("north", "south", "north")):
        told = f"the keys were {', '.join(clinics)}, and only south differs: compare every row."
        expect(not given("04T09:00", "second", clinics=clinics), told)
    told = "one feature is missing on both sides and the other differs: a row with a gap is compared as well."
    expect(not given("04T09:00", "first", "second", clinics=("north",)), told)
    told = "at 10:00 both know what came until 09:00: ask the join at `moment`, and at no other time."
    expect(given("04T09:00", "second", at="04T10:00"), told)
    told = (
        "the online store is from 07:00 and holds nothing yet, and the join does: missing on one side is not the same."
    )
    expect(not given("04T07:00", "second"), told)
    told = "what the two clinics have changed places: the sums are the same, and the rows are not. Compare row by row."
    expect(not given("04T14:30", "first", "second", at="04T17:00", clinics=("south", "north")), told)
    told = "online a value is missing, and the join says 0: missing is not a 0."
    expect(not given("04T07:00", "second", at="04T19:00", clinics=("south",)), told)
    told = "the online store is from 14:30 and holds what was not known at 13:00: missing on one side is not the same."
    expect(not given("04T14:30", "second"), told)


def _honest_runs(find: Any) -> None:
    frame = pd.DataFrame({"event_timestamp": _days("04T08:00", "05T08:00"), "wait_days": [3.0, 9.0]})
    visits = TrainingSet(frame, features=("wait_days",))
    planted = (  # name, served AUC, offline AUC, split, whether it learnt from these visits (None: is examined on them)
        ("plain", 0.70, 0.70, "time", True),
        ("best", 0.75, 0.75, "time", True),
        ("shuffled", 0.83, 0.83, "random", True),
        ("grouped", 0.82, 0.82, "group", True),
        ("other rows", 0.90, 0.90, "time", False),
        ("exam", 0.88, 0.88, "time", None),
        ("leak", 0.60, 0.99, "time", True),
    )
    clock = FakeClock("2013-04-01")
    with tempfile.TemporaryDirectory() as home, closing(Tracker(home, clock=clock)) as tracker:
        for name, served, offline, split, mine in planted:
            clock.sleep(60)
            rows = visits.fingerprint if mine else "sha256:" + "0" * 64
            figures = {"served.roc_auc": served, "offline.roc_auc": offline}
            inputs = {"training_set": rows} | ({"holdout": visits.fingerprint} if mine is None else {})
            tracker.log_run(name, metrics=figures, tags={"split": split}, inputs=inputs)
        found = listed(find(tracker, visits), "return the runs as a list.")
    names = [str(getattr(one, "name", "?")) for one in found]
    expect(all(name in {one[0] for one in planted} for name in names), "return runs, as search_runs gives them.")
    expect("shuffled" not in names, "the run of a random split is among them: its tag says so.")
    expect("grouped" not in names, "a run with the tag split=group is among them; only split=time was asked for.")
    expect("other rows" not in names, "a run that learnt from other rows is among them: compare fingerprints.")
    expect("exam" not in names, "a run is among them that has these rows as holdout: look at inputs['training_set'].")
    expect(set(names) == {"best", "plain", "leak"}, f"three runs were wanted, and there are: {', '.join(names)}.")
    expect(names != ["leak", "best", "plain"], "the order is that of the offline figure, in which a leak looks best.")
    expect(names == ["best", "plain", "leak"], f"best as served first; the order is {', '.join(names)}.")


def _replaces(replaces: Any) -> None:

    def given(old: tuple[Any, ...], new: tuple[Any, ...], missed: tuple[bool, ...], margin: float) -> bool:
        visits = [{"place": place, "missed": one} for place, one in enumerate(missed)]
        models = [lambda visit, chances=chances: chances[visit["place"]] for chances in (old, new)]
        try:
            return yes_or_no(replaces(*models, visits, margin))
        except (TypeError, ZeroDivisionError) as error:
            if missed and None not in (*old, *new):
                raise
            what = "a visit without an answer" if missed else "no visit at all"
            raise NotYet(f"{what} is a no, and no exception ({type(error).__name__}).") from None

    nan, two = float("nan"), (True, False)
    silent = "the challenger left a visit without an answer: that is a no."
    unknown = "the champion has no chance for a visit: then nothing is shown."
    mean = "the mean counts, over all visits, not each single one and not their sum."
    for old, new, missed, margin, wanted, said in (
        ((0.5, 0.5), (1.0, 0.0), two, 0.25, True, "a challenger that is always right does not replace a coin."),
        ((1.0, 0.0), (0.0, 1.0), two, 0.25, False, "a challenger that is always wrong replaces a good model."),
        ((0.0,), (0.5,), (False,), 0.25, True, "0.25 worse with a margin of 0.25 is at most the margin: say True."),
        ((0.0,), (0.5,), (False,), 0.125, False, "0.25 worse with a margin of 0.125 is too much: say False."),
        (
            (0.5,),
            (nan,),
            (True,),
            0.25,
            False,
            "a chance that is NaN gets through: ask whether it is shown to be good.",
        ),
        ((0.5, 0.5), (None, 0.5), two, 0.25, False, silent),
        ((0.5, 0.5), (0.5, None), two, 0.25, False, silent),
        ((None, 0.5), (0.5, 0.5), two, 0.25, False, unknown),
        ((0.5, None), (0.5, 0.5), two, 0.25, False, unknown),
        ((0.5, nan), (0.5, 0.5), two, 0.25, False, unknown),
        ((0.5, 0.5), (0.5, nan), two, 0.25, False, "one of two chances is NaN: that one visit is enough."),
        ((), (), (), 0.25, False, "without any visit nothing was shown: that is a no."),
        ((0.0, 1.0), (0.0, 0.0), two, 0.25, True, mean),
        ((0.0,) * 4, (0.75, 0.0, 0.0, 0.0), (False,) * 4, 0.25, True, mean),
        ((0.0,) * 5, (1.0, 1.0, 0.0, 0.0, 0.0), (False,) * 5, 0.25, False, mean),
        ((0.0,) * 4, (0.5,) * 4, (False,) * 4, 0.25, True, mean),
    ):
        expect(given(old, new, missed, margin) is wanted, said)


@contextmanager
def _clinic_registry() -> Iterator[tuple[Registry, GateReport]]:
    """A registry in which version 1 serves, and version 2 of the same author has passed its gate."""
    clock, policy = FakeClock("2013-03-01"), GatePolicy([Floor("served.roc_auc", 0.6)])
    measured = [Measured({"served.roc_auc": figure}) for figure in (0.71, 0.72)]
    with tempfile.TemporaryDirectory() as home:
        register_versions(Path(home), measured, name="no_shows", clock=clock)
        with closing(Registry(home, clock=clock)) as registry:
            registry.set_policy("no_shows", requires_approval=True, actor="grace", why="patients are called")
            for number, figures in enumerate(measured, 1):
                report = judged(registry, "no_shows", number, policy=policy, measured=figures)
                registry.record_gate_report(report)
                if number == 1:
                    registry.request_approval("no_shows", 1, requested_by="ada", why="the first one")
                    registry.approve("no_shows", 1, by="grace")
                    registry.promote(report, actor="ada", why="the first one")
            yield registry, report


def _ship_and_return(ship: Any) -> None:
    with _clinic_registry() as (registry, report):
        try:
            ship(registry, report)
        except MlopsLabError as error:
            expect(False, f"the registry says no: {error}")
        events = registry.history("no_shows")
        last = registry.get_production("no_shows")
    arrived = [one.seq for one in events if one.version == 2 and one.target == "Production"]
    expect(arrived, "version 2 never came to Production: promote it by its report, when somebody has agreed.")
    agreed = [one.seq for one in events if one.version == 2 and one.action == "approve"]
    expect(agreed and agreed[0] < arrived[0], "nobody agreed to version 2; the rule was taken away instead of kept.")
    expect(last is not None, "nobody serves now: bring version 1 back (rollback).")
    expect(last is not None and last.version == 1, "version 2 still serves: at the end it has to be taken back.")


class Entry(NamedTuple):
    """One line of the history of 04.4."""

    text: str
    prev_hash: str
    hash: str


def _digest(event: Any) -> str:
    return hashlib.sha256(f"{event.prev_hash}|{event.text}".encode()).hexdigest()[:12]


def _first_break(first_break: Any) -> None:
    sound: list[Entry] = []
    for text in ("registered by ada", "approved by grace", "promoted by ada", "rolled back by grace"):
        bare = Entry(text, sound[-1].hash if sound else "", "")
        sound.append(bare._replace(hash=_digest(bare)))

    def given(events: list[Entry]) -> int | None:
        said = plain(first_break(list(events), _digest))
        told = "return a place, 0 for the first, or None."
        expect(said is None or (isinstance(said, int) and not isinstance(said, bool)), told)
        return said  # type: ignore[no-any-return]

    expect(given(sound) is None, "nobody has changed this history: return None.")
    expect(given([]) is None, "a history without events is whole: return None.")
    for place in range(4):
        lie = sound[place]._replace(text="approved by linus")
        changed = [*sound[:place], lie, *sound[place + 1 :]]
        told = f"the text at place {place} was changed and its hash was not: compare it with digest(event)."
        expect(given(changed) == place, told)
        if place < 3:
            changed[place] = lie._replace(hash=_digest(lie))
            told = (
                f"the event at place {place} got a new hash, so the one after it no longer follows: look at prev_hash."
            )
            expect(given(changed) == place + 1, told)
    told = "two places are broken, 1 and 3, and the first is asked for."
    expect(
        given([lie_at if at in (1, 3) else one for at, one in enumerate(sound) if (lie_at := one._replace(text="no"))])
        == 1,
        told,
    )
    begun = sound[2]._replace(prev_hash="")
    begun = begun._replace(hash=_digest(begun))
    told = "a history was begun anew at place 2, with an empty prev_hash: only the first event may have that."
    expect(given([*sound[:2], begun]) == 2, told)
    expect(given(sound[1:]) == 0, "the first event was taken out: a first event has an empty prev_hash.")
    told = "an event was taken out: the next one's prev_hash is not the hash before it."
    expect(given([*sound[:1], *sound[2:]]) == 1, told)


class _Ticking(FakeClock):
    """A second passes whenever somebody looks."""

    def now(self) -> datetime:
        self.sleep(1)
        return super().now()


def _finish(finish: Any) -> None:
    for breaks, wanted in ((0, "success"), (2, "success"), (99, "failed")):
        calls = {"count": 0, "send": 0}

        def count(calls: dict[str, int] = calls) -> int:
            calls["count"] += 1
            return 3

        def send(count: int, calls: dict[str, int] = calls, breaks: int = breaks) -> int:
            calls["send"] += 1
            if calls["send"] <= breaks:
                raise TimeoutError("planted: the post does not answer")
            return count

        dag = DAG("letters")
        dag.add(Task("count", count))
        dag.add(Task("send", send), upstream=["count"])
        with tempfile.TemporaryDirectory() as home:
            try:
                run = finish(dag, home, _Ticking("2013-03-10T06:00Z"))
            except MlopsLabError as error:
                expect(False, f"run_dag says no: {error}")
            told = "nothing of it was written into the home that was given, so after a crash nobody could go on."
            expect(not breaks or any(Path(home).iterdir()), told)
        expect(isinstance(run, DagRun), "return the last run, as run_dag gives it.")
        expect(
            f"{run.logical_date:%Y-%m-%d}" == "2013-03-10", f"the run is for {run.logical_date:%d %B %Y}, not 10 March."
        )
        told = f"the run began on {run.started:%d %B %Y}: give it the clock, on which it is 10 March 2013."
        expect(f"{run.started:%Y-%m-%d}" == "2013-03-10", told)
        expect(
            calls["count"] == 1, f"count ran {calls['count']} times: go on with the run that broke, resume=run.run_id."
        )
        told = f"send was tried {calls['send']} times; once, and up to three times again, was asked for."
        expect(calls["send"] <= 4, told)
        expect(
            run.state == wanted, f"with {breaks} failures in a row the run should end as {wanted}; it is {run.state}."
        )
        expect(wanted == "success" or calls["send"] == 4, told)
        ends = [one.ended for one in run.task_instances if one.ended]
        told = (
            f"after {breaks} failures the run was a success, and it was resumed all the same: resume it while it fails."
        )
        expect(wanted == "failed" or (run.ended or ends[0]) - max(ends) <= timedelta(seconds=1), told)
        again = [one.task_id for one in run.task_instances if "up_for_retry" in str(one.attempts)]
        told = f"{again} tried again by itself, as its retries say: leave the tasks as they are, and resume the run."
        expect(not again, told)


def _stopped(stopped: Any) -> None:
    expect(isinstance(stopped, Deployment), "call stop: it returns the deployment that it stopped.")
    expect(stopped.version == 4, f"that is version {stopped.version}; the one under way is the fourth promotion's.")
    expect(stopped.state == "stopped", f"that rollout is {stopped.state}; nobody has stopped it.")
    expect(stopped.actor == "grace", f'{stopped.actor or "nobody"} stopped it, and Grace was to: actor="grace".')
    expect("storm" in stopped.why.lower(), "the reason is no help to whoever reads it: say what is coming.")


def _look(look: Any) -> None:
    words = ("hold", "advance", "roll_back")

    def given(*rows: tuple[int | None, bool | None, float, float], margin: float = 0.25) -> Any:
        names = ("known_at", "missed", "challenger", "champion")
        try:
            said = asked(look, [dict(zip(names, row, strict=True)) for row in rows], 100, 2, margin)
        except (TypeError, ZeroDivisionError):
            return "an exception"
        expect(type(said) is str and said in words, f"return one of the words {', '.join(words)}.")
        return said

    good, bad, open_ = (50, True, 1.0, 0.0), (50, False, 1.0, 0.0), (None, None, 1.0, 0.0)
    late, half = (101, False, 1.0, 0.0), (50, False, 0.75, 0.5)
    told = "it was wrong {} times and right {}: take the mean over all known visits, and over no others."
    rows: Any
    for rows, wanted, said in (
        ([good, good], "advance", "the challenger was right twice, the champion never: advance."),
        ([bad, bad], "roll_back", "the challenger was wrong twice, the champion never: roll_back."),
        ([good], "hold", "one outcome is known and two are enough: hold."),
        ([], "hold", "nothing is known: hold."),
        ([good, open_], "hold", "a visit that nobody knows the end of was counted, or read: known_at is None."),
        ([good, (101, True, 1.0, 0.0)], "hold", "an outcome that is known at 101 was used at 100."),
        ([good, (100, True, 1.0, 0.0)], "advance", "what is known at the very moment is known."),
        ([(50, False, 0.5, 0.0), (50, True, 0.5, 1.0)], "advance", "0.25 worse with a margin of 0.25 is within it."),
        ([(50, False, 0.75, 0.0), (50, True, 0.25, 1.0)], "roll_back", "0.56 worse with a margin of 0.25 goes on."),
        ([(50, False, 1.0, 1.0)] * 2, "advance", "the champion was as wrong: compare the two."),
        *(
            (rows, end, told.format(wrong, right))
            for wrong, right, end in ((1, 2, "advance"), (2, 1, "roll_back"), (3, 2, "advance"), (5, 3, "advance"))
            for rows in ([bad] * wrong + [good] * right, [good] * right + [bad] * wrong)
        ),
        ([bad, bad, good, open_, open_], "roll_back", told.format(2, 1)),
        ([good, good, *[late] * 5], "advance", "outcomes that are known at 101 were counted."),
        (
            [half] * 2,
            "roll_back",
            "the champion's error is squared, too: 0.75 against 0.5 is 0.31 worse; 0.25 is allowed.",
        ),
    ):
        expect(given(*rows) == wanted, said)
    expect(given(bad, bad, good, margin=0.5) == "advance", "0.33 worse with a margin of 0.5 is within it: use margin.")


def _nothing_lost(nothing_lost: Any) -> None:

    @contextmanager
    def registry(*people: str, cheat: bool = False) -> Iterator[Registry]:
        with tempfile.TemporaryDirectory() as home, closing(Registry(home, clock=FakeClock("2013-03-01"))) as one:
            for person in people:
                one.set_policy("no_shows", requires_approval=True, actor=person, why="it is asked for")
                one.set_policy("no_shows", requires_approval=False, actor=person, why="it is asked for")
            if cheat:
                import sqlite3

                with closing(sqlite3.connect(f"{home}/registry.db")) as file:
                    file.execute("DROP TRIGGER events_stay")
                    file.execute("UPDATE events SET actor = 'eve' WHERE seq = 1")
                    file.commit()
            yield one

    def given(*people: str, cheat: bool = False) -> bool:
        with registry("ada", "grace") as source, registry(*people, cheat=cheat) as target:
            return yes_or_no(nothing_lost(source, target))

    expect(given("ada", "grace"), "this copy is whole: say True.")
    expect(not given("ada"), "this copy lacks the last events: say False.")
    expect(not given("ada", "linus"), "this copy has as many events, and they are others: a count proves nothing.")
    said = "somebody changed a line of this copy in the file: let it verify itself."
    expect(not given("ada", "grace", cheat=True), said)


def _rain(known: Any) -> None:
    days = pd.DataFrame(
        {
            "event_timestamp": _days("04T14:00", "05T14:00", "06T14:00"),
            "label_timestamp": _days("05T08:00", "06T08:00", "07T09:30"),
            "rain": [0.0, 4.5, 1.0],
        },
        index=[5, 5, 2],
    )
    given = days.copy()
    rows = known(given)
    expect(isinstance(rows, pd.DataFrame), "return a frame.")
    expect(given.equals(days), "the frame that was given was changed: work on a copy.")
    for name in ("event_timestamp", "created_timestamp", "rain"):
        expect(name in rows.columns, f"the column {name} is missing.")
    expect(len(rows) == len(days), "every day's rain is wanted, each once.")
    expect(list(rows["rain"]) == list(days["rain"]), "the rain of a day is that day's own, in the order given.")
    for name in ("event_timestamp", "created_timestamp"):
        aware = isinstance(rows[name].dtype, pd.DatetimeTZDtype)
        expect(aware, f"{name} has to hold moments with a time zone, as the frame has, not {rows[name].dtype}.")
    said = "leave event_timestamp as it is: a row speaks of its own day; say in the other one when it was known."
    expect(list(rows["event_timestamp"]) == list(days["event_timestamp"]), said)
    early = [one < late for one, late in zip(rows["created_timestamp"], days["label_timestamp"], strict=True)]
    expect(not any(early), "the rain of a date is known when the date is over; the column label_timestamp says when.")
    same = list(rows["created_timestamp"]) == list(days["label_timestamp"])
    expect(same, "the rain is known as soon as the date is over, and not later: take label_timestamp itself.")


EXERCISES = read_exercises(
    "transfer.toml",
    {
        "00.3": _usable,
        "01.6": _clinic_view,
        "01.5": _same_answers,
        "02.4": _honest_runs,
        "03.4": _replaces,
        "04.5": _ship_and_return,
        "04.4": _first_break,
        "05.6": _finish,
        "07.4": _stopped,
        "07.6": _look,
        "08.3": _nothing_lost,
        "10.1": _rain,
    },
)
