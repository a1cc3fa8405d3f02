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
from typing import Any, NamedTuple

import pandas as pd

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source, TrainingSet
from mlops_lab.models.gates import Floor, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import GateReport, Registry
from mlops_lab.models.rollout import Deployment
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.dag import DAG, DagRun, Task
from mlops_lab.teaching.checks.exercise import asked, expect, listed, plain, read_exercises

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
    expect(isinstance(usable, set | frozenset | list | tuple), "give a set of names of columns.")
    names = {plain(one) for one in usable if isinstance(plain(one), str)}
    unknown = sorted(names - set(_COLUMNS))
    expect(len(names) == len(usable) and not unknown, f"the columns are {', '.join(_COLUMNS)}.")
    for name, why in _COLUMNS.items():
        if why is None:
            expect(name in names, f"{name} is known by then: look at when it is written.")
        else:
            expect(name not in names, f"{name}: {why}.")


def _days(*clock: str) -> pd.DatetimeIndex:
    return pd.to_datetime([f"2013-03-{one}Z" for one in clock], format="ISO8601")


def _clinic_view(view: Any) -> None:
    expect(isinstance(view, FeatureView), "give a FeatureView.")
    expect(tuple(view.join_keys) == ("clinic",), "the view is about clinics: an entity whose join key is clinic.")
    expect(tuple(view.features) == ("missed_share",), "the view has one field, missed_share.")
    source = view.source
    expect(source.timestamp_field == "counted_at", "a count speaks of the moment counted_at: say so to the source.")
    arrival = source.created_timestamp_column
    expect(arrival is not None, "nothing tells the join that a count is read only from published_at on.")
    expect(arrival == "published_at", f"a count is readable from published_at on, not from {arrival}.")
    rows = pd.DataFrame(
        {
            "clinic": ["north"] * 2,
            "counted_at": _days("04T00:00", "05T00:00"),
            "published_at": _days("04T06:00", "06T06:00"),
            "missed_share": [0.1, 0.2],
        }
    )
    moments = _days("04T05:59", "04T06:00", "05T12:00", "06T06:00", "12T00:00", "12T00:01")
    with tempfile.TemporaryDirectory() as home:
        store = FeatureStore(home)
        store.apply(replace(view, source=replace(source, data=rows)))
        asks = pd.DataFrame({"clinic": "north", "event_timestamp": moments})
        seen = store.get_historical_features(asks, features=[f"{view.name}:missed_share"]).frame["missed_share"]
    found = [None if pd.isna(one) else float(one) for one in seen]
    expect(found[:5] == [None, 0.1, 0.1, 0.2, 0.2], f"a count has to hold for seven days; the values were {found}.")
    expect(found[5] is None, "a count of seven days and a minute still holds: give the view a ttl of seven days.")


@contextmanager
def _materialized(until: str) -> Iterator[FeatureStore]:
    """A store of two features of two clinics; the second feature of `south` changes at noon."""
    rows = pd.DataFrame(
        {
            "clinic": ["north", "south", "south"],
            "event_timestamp": _days("04T08:00", "04T08:00", "04T12:00"),
            "first": [1.0, 2.0, 2.0],
            "second": [None, 4.0, 5.0],
        }
    )
    fields = [Field("first", "float64"), Field("second", "float64")]
    entity = Entity("clinic", join_keys=["clinic"])
    with tempfile.TemporaryDirectory() as home:
        store = FeatureStore(home)
        store.apply(FeatureView("seen", entities=[entity], schema=fields, ttl=None, source=Source("seen", rows)))
        store.materialize(f"2013-03-{until}Z")
        yield store


def _same_answers(same: Any) -> None:
    expect(callable(same), "write a function: def same(store, keys, features, moment).")
    keys = pd.DataFrame({"clinic": ["south", "nowhere", "north", "south"]}, index=[3, 1, 1, 0])
    moment = _days("04T13:00")[0].to_pydatetime()

    def given(until: str, *features: str) -> bool:
        mine = keys.copy()
        with _materialized(until) as store:
            said = plain(same(store, mine, [f"seen:{name}" for name in features], moment))
        expect(isinstance(said, bool), "return True or False.")
        expect(mine.equals(keys), "the keys were changed; others still need them.")
        return bool(said)

    told = "here both know the same, and some values are missing in both: missing equals missing (DataFrame.equals)."
    expect(given("04T13:00", "first", "second"), told)
    expect(not given("04T09:00", "second"), "the online store is from 09:00 and misses what came at noon; say False.")
    expect(
        not given("04T09:00", "first", "second"), "only the second feature differs: compare all that were asked for."
    )


def _honest_runs(find: Any) -> None:
    expect(callable(find), "write a function: def honest_runs(tracker, training_set).")
    frame = pd.DataFrame({"event_timestamp": _days("04T08:00", "05T08:00"), "wait_days": [3.0, 9.0]})
    visits = TrainingSet(frame, features=("wait_days",))
    planted = (  # name, served AUC, offline AUC, split, whether it learnt from these visits
        ("plain", 0.70, 0.70, "time", True),
        ("best", 0.75, 0.75, "time", True),
        ("shuffled", 0.83, 0.83, "random", True),
        ("other rows", 0.90, 0.90, "time", False),
        ("leak", 0.60, 0.99, "time", True),
    )
    clock = FakeClock("2013-04-01")
    with tempfile.TemporaryDirectory() as home, closing(Tracker(home, clock=clock)) as tracker:
        for name, served, offline, split, mine in planted:
            clock.sleep(60)
            rows = visits.fingerprint if mine else "sha256:" + "0" * 64
            figures = {"served.roc_auc": served, "offline.roc_auc": offline}
            tracker.log_run(name, metrics=figures, tags={"split": split}, inputs={"training_set": rows})
        found = listed(find(tracker, visits), "return the runs as a list.")
    names = [str(getattr(one, "name", "?")) for one in found]
    expect(all(name in {one[0] for one in planted} for name in names), "return runs, as search_runs gives them.")
    expect("shuffled" not in names, "the run of a random split is among them: its tag says so.")
    expect("other rows" not in names, "a run that learnt from other rows is among them: compare fingerprints.")
    expect(set(names) == {"best", "plain", "leak"}, f"three runs were wanted, and there are: {', '.join(names)}.")
    expect(names != ["leak", "best", "plain"], "the order is that of the offline figure, in which a leak looks best.")
    expect(names == ["best", "plain", "leak"], f"best in service first; the order is {', '.join(names)}.")


def _replaces(replaces: Any) -> None:
    expect(callable(replaces), "write a function: def replaces(champion, challenger, visits, margin).")

    def given(old: tuple[Any, ...], new: tuple[Any, ...], missed: tuple[bool, ...], margin: float = 0.25) -> bool:
        visits = [{"place": place, "missed": one} for place, one in enumerate(missed)]
        models = [lambda visit, chances=chances: chances[visit["place"]] for chances in (old, new)]
        try:
            said = plain(replaces(*models, visits, margin))
        except (TypeError, ZeroDivisionError):
            return True  # in place of a no
        expect(isinstance(said, bool), "return True or False.")
        return bool(said)

    nan = float("nan")
    expect(given((0.5, 0.5), (1.0, 0.0), (True, False)), "a challenger that is always right does not replace a coin.")
    expect(not given((1.0, 0.0), (0.0, 1.0), (True, False)), "a challenger that is always wrong replaces a good model.")
    expect(given((0.0,), (0.5,), (False,)), "0.25 worse with a margin of 0.25 is at most the margin: say True.")
    expect(not given((0.0,), (0.5,), (False,), 0.125), "0.25 worse with a margin of 0.125 is too much: say False.")
    expect(not given((0.5,), (nan,), (True,)), "a chance that is NaN gets through: ask whether it is shown to be good.")
    expect(not given((0.5,), (None,), (True,)), "a visit without an answer is a no, and no exception.")
    expect(not given((0.5, 0.5), (0.5, nan), (True, False)), "one of two chances is NaN: that one visit is enough.")
    expect(not given((), (), ()), "without any visit nothing was shown: that is a no.")
    expect(given((0.0, 1.0), (0.0, 0.0), (True, False)), "the mean counts, over all visits, not each single one.")


@contextmanager
def _clinic_registry() -> Iterator[tuple[Registry, GateReport]]:
    """A registry in which version 1 serves, and version 2 of the same author has passed its gate."""
    clock, policy = FakeClock("2013-03-01"), GatePolicy([Floor("served.roc_auc", 0.6)])
    with tempfile.TemporaryDirectory() as home, closing(Tracker(home, clock=clock)) as tracker:
        registry = Registry(home, clock=clock)
        with closing(registry):
            registry.set_policy("no_shows", requires_approval=True, actor="grace", why="patients are called")
            for number in (1, 2):
                artefact = tracker.artefacts.put_bytes(b"model %d" % number)
                run = tracker.log_run(
                    "no_shows", metrics={"served.roc_auc": 0.7 + number / 100}, artefact=artefact, author="ada"
                )
                version = registry.register_model(run, "no_shows")
                before = registry.get_production("no_shows")
                report = evaluate_gates(version, before, policy, measured=Measured(run.metrics), at=clock.now())
                registry.record_gate_report(report)
                if number == 1:
                    registry.request_approval("no_shows", 1, requested_by="ada", why="the first one")
                    registry.approve("no_shows", 1, by="grace")
                    registry.promote(report, actor="ada", why="the first one")
            yield registry, report


def _ship_and_return(ship: Any) -> None:
    expect(callable(ship), "write a function: def ship_and_return(registry, report).")
    with _clinic_registry() as (registry, report):
        try:
            ship(registry, report)
        except MlopsLabError as error:
            expect(False, f"the registry says no: {error}")
        events = registry.history("no_shows")
        last = registry.get_production("no_shows")
    arrived = any(one.version == 2 and one.target == "Production" for one in events)
    expect(arrived, "version 2 never came to Production: promote it by its report, when somebody has agreed.")
    expect(last is not None and last.version == 1, "version 2 still serves: at the end it has to be taken back.")


class Entry(NamedTuple):
    """One line of the history of 04.5."""

    text: str
    prev_hash: str
    hash: str


def _digest(event: Any) -> str:
    return hashlib.sha256(f"{event.prev_hash}|{event.text}".encode()).hexdigest()[:12]


def _first_break(first_break: Any) -> None:
    expect(callable(first_break), "write a function: def first_break(events, digest).")
    sound: list[Entry] = []
    for text in ("registered by ada", "approved by grace", "promoted by ada", "rolled back by grace"):
        bare = Entry(text, sound[-1].hash if sound else "", "")
        sound.append(bare._replace(hash=_digest(bare)))

    def given(events: list[Entry]) -> int | None:
        said = plain(first_break(list(events), _digest))
        expect(
            said is None or (isinstance(said, int) and not isinstance(said, bool)),
            "return a place, 0 for the first, or None.",
        )
        return said  # type: ignore[no-any-return]

    expect(given(sound) is None, "nobody has changed this history: return None.")
    expect(given([]) is None, "a history without events is whole: return None.")
    for place in range(4):
        lie = sound[place]._replace(text="approved by linus")
        changed = [*sound[:place], lie, *sound[place + 1 :]]
        expect(
            given(changed) == place,
            f"the text at place {place} was changed and its hash was not: compare it with digest(event).",
        )
        if place < 3:
            changed[place] = lie._replace(hash=_digest(lie))
            told = (
                f"the event at place {place} got a new hash, so the one after it no longer follows: look at prev_hash."
            )
            expect(given(changed) == place + 1, told)
    expect(given(sound[1:]) == 0, "the first event was taken out: a first event has an empty prev_hash.")
    expect(
        given([*sound[:1], *sound[2:]]) == 1,
        "an event was taken out: the next one's prev_hash is not the hash before it.",
    )


def _finish(finish: Any) -> None:
    expect(callable(finish), "write a function: def finish(dag, home, clock).")
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
                run = finish(dag, home, FakeClock("2013-03-10T06:00Z"))
            except MlopsLabError as error:
                expect(False, f"run_dag says no: {error}")
        expect(isinstance(run, DagRun), "return the last run, as run_dag gives it.")
        expect(
            calls["count"] == 1, f"count ran {calls['count']} times: go on with the run that broke, resume=run.run_id."
        )
        expect(
            run.state == wanted, f"with {breaks} failures in a row the run should end as {wanted}; it is {run.state}."
        )
        expect(calls["send"] <= 4, f"send was tried {calls['send']} times: three times again is enough.")
        expect(
            wanted == "success" or calls["send"] == 4,
            f"send was tried {calls['send']} times, and not three times again.",
        )


def _stopped(stopped: Any) -> None:
    expect(isinstance(stopped, Deployment), "call stop: it returns the deployment that it stopped.")
    expect(stopped.version == 4, f"that is version {stopped.version}; the one under way is the fourth promotion's.")
    expect(stopped.state == "stopped", f"that rollout is {stopped.state}; nobody has stopped it.")
    expect("storm" in stopped.why.lower(), "the reason is no help to whoever reads it: say what is coming.")


def _look(look: Any) -> None:
    expect(callable(look), "write a function: def look(answers, now, enough, margin).")
    words = ("hold", "advance", "roll_back")

    def given(*rows: tuple[int | None, bool | None, float, float], now: int = 100, enough: int = 2) -> Any:
        names = ("known_at", "missed", "challenger", "champion")
        try:
            said = asked(look, [dict(zip(names, row, strict=True)) for row in rows], now, enough, 0.25)
        except (TypeError, ZeroDivisionError):
            return "an exception"
        expect(type(said) is str and said in words, f"return one of the words {', '.join(words)}.")
        return said

    good, bad, open_ = (50, True, 1.0, 0.0), (50, False, 1.0, 0.0), (None, None, 1.0, 0.0)
    expect(given(good, good) == "advance", "the challenger was right twice, the champion never: advance.")
    expect(given(bad, bad) == "roll_back", "the challenger was wrong twice, the champion never: roll_back.")
    expect(given(good) == "hold", "one outcome is known and two are enough: hold.")
    expect(given() == "hold", "nothing is known: hold.")
    expect(given(good, open_) == "hold", "a visit that nobody knows the end of was counted, or read: known_at is None.")
    expect(given(good, (101, True, 1.0, 0.0)) == "hold", "an outcome that is known at 101 was used at 100.")
    expect(given(good, (100, True, 1.0, 0.0)) == "advance", "what is known at the very moment is known.")
    expect(
        given((50, False, 0.5, 0.0), (50, True, 0.5, 1.0)) == "advance",
        "0.25 worse with a margin of 0.25 is within it.",
    )
    expect(
        given((50, False, 0.75, 0.0), (50, True, 0.25, 1.0)) == "roll_back", "0.56 worse with a margin of 0.25 goes on."
    )
    expect(
        given((50, False, 1.0, 1.0), (50, False, 1.0, 1.0)) == "advance", "the champion was as wrong: compare the two."
    )
    expect(
        given(bad, good, good) == "advance", "it was wrong once and right twice: take the mean over all known visits."
    )


def _nothing_lost(nothing_lost: Any) -> None:
    expect(callable(nothing_lost), "write a function: def nothing_lost(source, target).")

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
            said = plain(nothing_lost(source, target))
        expect(isinstance(said, bool), "return True or False.")
        return bool(said)

    expect(given("ada", "grace"), "this copy is whole: say True.")
    expect(not given("ada"), "this copy lacks the last events: say False.")
    expect(not given("ada", "linus"), "this copy has as many events, and they are others: a count proves nothing.")
    expect(
        not given("ada", "grace", cheat=True), "somebody changed a line of this copy in the file: let it verify itself."
    )


def _rain(known: Any) -> None:
    expect(callable(known), "write a function: def known_rain(days).")
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
    expect(list(rows["event_timestamp"]) == list(days["event_timestamp"]), "a row speaks of its own day.")
    early = [one < late for one, late in zip(rows["created_timestamp"], days["label_timestamp"], strict=True)]
    expect(not any(early), "the rain of a date is known when the date is over; the column label_timestamp says when.")
    same = list(rows["created_timestamp"]) == list(days["label_timestamp"])
    expect(same, "the rain is known as soon as the date is over, and not later: take label_timestamp itself.")


EXERCISES = read_exercises(
    "transfer.toml",
    {
        "00.3": _usable,
        "01.5": _clinic_view,
        "01.6": _same_answers,
        "02.4": _honest_runs,
        "03.4": _replaces,
        "04.4": _ship_and_return,
        "04.5": _first_break,
        "05.6": _finish,
        "07.5": _stopped,
        "07.6": _look,
        "08.4": _nothing_lost,
        "10.1": _rain,
    },
)
