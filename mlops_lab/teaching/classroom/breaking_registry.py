"""Models that should not get in, and a cheated registry: a leak, other bytes, another past, a yes to oneself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.errors import IntegrityError, NotAllowed
from mlops_lab.data import flights as datasets
from mlops_lab.models.gates import Floor, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import Registry
from mlops_lab.models.rollout import deployment_of, promotion_of, rollout
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.dag import list_runs
from mlops_lab.pipeline.flights import (
    LABEL,
    MODEL_NAME,
    canary_traffic,
    flight_store,
    flights_pipeline,
    labelled_flights,
    outcome,
    run_flights,
)
from mlops_lab.teaching.classroom.fault import AUTHOR, COLLEAGUE, Fault, Sight, copied, read, register, reign, write
from mlops_lab.teaching.drawing import draw_dag

_SPRING = "2013-03-20"
_SHORT = {"train_from": "2013-02-01", "holdout_days": 10, "author": AUTHOR}


def _run_pipeline(home: Path, service: str) -> None:
    """The course's own pipeline on seven weeks of flights."""
    run_flights(home, date=_SPRING, params={**_SHORT, "features": service}, clock=FakeClock(_SPRING))


def _last_run(home: Path) -> Sight:
    run = list_runs(home, dag_id="flights")[-1]
    verdict = outcome(run)
    with closing(Tracker(home, clock=FakeClock(_SPRING))) as tracker:
        figures = tracker.get_run(run.result("train")["run_id"]).metrics
    offline, served = figures["offline.roc_auc"], figures["served.roc_auc"]
    line = f"{run.params['features']}: {verdict}; AUC {offline:.3f} in the notebook, {served:.3f} as served"
    told = "\n".join(f"{task_id}: {state}" for task_id, state in run.states.items())
    why = run.task("gate").why
    return Sight(verdict == "promoted", line, f"{why}\n{told}" if why else told, draw_dag(flights_pipeline(), run))


LEAK = Fault(
    name="leak",
    title="Averages of the whole day, joined on the date",
    notebook="01",
    damage="the same pipeline learns from daily_averages, which know the evening in the morning",
    lesson="The best model offline was the worst as served: compare the two before promoting.",
    prepare=lambda home: _run_pipeline(home, "as_known"),
    harm=lambda home: _run_pipeline(home, "daily_averages"),
    look=_last_run,
    closer=("gate --home HOME", 2),
)


def _exam(home: Path) -> Sight:
    """Predict by the share of late flights at each hour in the first half of January, and examine on some days."""
    from mlops_lab.models.training.metrics import measure

    window = read(home, "exam")
    flights = datasets.load_flights(month=1)
    hours = flights["sched_dep"].dt.hour
    late = datasets.outcomes(flights)["late"]
    first = flights["sched_dep"] < parse_utc("2013-01-16")
    share = late[first].groupby(hours[first]).mean()
    chosen = flights["sched_dep"].between(parse_utc(window["from"]), parse_utc(window["until"])) & ~first
    chosen &= hours.isin(share.index)
    figures = measure(late[chosen].to_numpy(), hours[chosen].map(share).to_numpy())
    policy, at = GatePolicy([Floor("served.roc_auc", 0.55)]), parse_utc("2013-02-01")
    measured = Measured({f"served.{name}": value for name, value in figures.items()})
    report = evaluate_gates(register(home, clock=FakeClock(at)), None, policy, measured=measured, at=at)
    auc = figures["roc_auc"]
    words = (
        f"exam {window['from'][:16]} to {window['until'][:16]}: {int(chosen.sum()):,} flights, "
        f"{int(late[chosen].sum()):,} of them late; served.roc_auc {auc:.3f}\n"
        f"a gate that asks `auc < 0.55` would say {'refused' if auc < 0.55 else 'passed'}"
    )
    return Sight(report.passed, report.results[0].sentence, words)


NAN_METRIC = Fault(
    name="nan-metric",
    title="A figure that is no number",
    notebook="03",
    damage="the exam shrinks to one Sunday hour in which no flight was late: an AUC of one class is NaN",
    lesson="NaN is smaller than nothing and greater than nothing: a gate must refuse what was not measured.",
    prepare=lambda home: write(home, "exam", {"from": "2013-01-16", "until": "2013-02-01"}),
    harm=lambda home: write(home, "exam", {"from": "2013-01-20T12:00Z", "until": "2013-01-20T12:59Z"}),
    look=_exam,
)


def _train_all(home: Path) -> None:
    """Three versions by notebook 07's recipe; the second, honest one takes over the first one's traffic."""
    from mlops_lab.models.training import train

    clock = FakeClock(_SPRING)
    now, exam_from = clock.now(), clock.now() - timedelta(days=7)
    rows = labelled_flights(now - timedelta(days=21), now)
    exam = rows[rows["event_timestamp"] >= exam_from]
    store = flight_store(home, clock=clock)
    with closing(Tracker(home, clock=clock)) as tracker, closing(Registry(home, clock=clock)) as registry:
        for service in ("schedule_only", "as_known", "daily_averages"):
            known = store.get_historical_features(rows, features=service)
            served = store.replay(exam, features=service)
            run = train(known, tracker, label=LABEL, split_at=exam_from, served=served, author=AUTHOR)
            registry.register_model(run, MODEL_NAME)
    _take_over(home, 1)
    _take_over(home, 2)


def _take_over(home: Path, number: int) -> None:
    """Promote by a gate that looks at the notebook's figure only, then roll out on the next days' flights."""
    clock = FakeClock(_SPRING)
    with closing(Tracker(home, clock=clock)) as tracker, closing(Registry(home, clock=clock)) as registry:
        version, champion = registry.get_model_version(MODEL_NAME, number), registry.get_production(MODEL_NAME)
        policy, measured = (
            GatePolicy([Floor("offline.roc_auc", 0.5)]),
            Measured(tracker.get_run(version.run_id).metrics),
        )
        report = evaluate_gates(version, champion, policy, measured=measured, at=clock.now())
        promotion = registry.promote(report, actor=AUTHOR, why="the AUC of the notebook is high enough")
        traffic = canary_traffic(version, champion, days=10, at=clock.now(), home=home, clock=clock)
        rollout(promotion, registry, traffic=traffic)


def _last_rollout(home: Path) -> Sight:
    with closing(Registry(home, clock=FakeClock(_SPRING))) as registry:
        begun = [event.version for event in registry.history(MODEL_NAME) if event.action == "rollout_started"]
        deployment = deployment_of(registry, promotion_of(registry, MODEL_NAME, begun[-1]))
        assert deployment is not None  # noqa: S101  the scene has rolled out
        production = registry.get_production(MODEL_NAME)
    number = production.version if production is not None else None
    state = deployment.state.replace("_", " ")
    line = f"v{deployment.version} {state} at {deployment.weight} %; v{number} is in Production"
    return Sight(deployment.state == "finished", line, deployment.trace())


BAD_CANARY = Fault(
    name="bad-canary",
    title="A leaking model meets real traffic",
    notebook="07",
    damage="a gate that looks at one figure lets the leaking version through; the rollout begins",
    lesson="What slips through every exam meets a few passengers first, is compared flight by flight, and taken back.",
    prepare=_train_all,
    harm=lambda home: _take_over(home, 3),
    look=_last_rollout,
    closer=("rollout status late_flights 3 --home HOME", 0),
)


_DAY = "2013-10-01T06:00Z"


def _two_versions(home: Path) -> None:
    clock = FakeClock(_DAY)
    with closing(Registry(home, clock=clock)) as registry:
        for _ in range(2):
            reign(registry, register(home, clock=clock))


def _verify(home: Path) -> Sight:
    """What `mlops-lab registry verify` looks at: the chain of events, and the bytes of every version."""
    with closing(Registry(home, clock=FakeClock(_DAY))) as registry:
        history = "\n".join(str(event) for event in registry.history(MODEL_NAME))
        try:
            events = registry.verify()
            versions = registry.search(name=MODEL_NAME)
            for version in versions:
                registry.artifacts.get_bytes(version.artifact)
        except IntegrityError as error:
            return Sight(False, str(error), history)
    return Sight(True, f"verified: {events} events, {len(versions)} artifacts", history)


def _swap_bytes(home: Path) -> None:
    with closing(Registry(home, clock=FakeClock(_DAY))) as registry:
        version = registry.get_production(MODEL_NAME)
        assert version is not None  # noqa: S101  the scene has just promoted one
        path = registry.artifacts.path(version.artifact)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))


TAMPERED_ARTIFACT = Fault(
    name="tampered-artifact",
    title="The model on disk is no longer the model that was judged",
    notebook="04",
    damage="one bit of the file of the model in Production is turned",
    lesson="A version names its bytes by their fingerprint, and nothing is loaded that does not match it.",
    prepare=_two_versions,
    harm=_swap_bytes,
    look=_verify,
    closer=("registry verify --home HOME", 1),
)


def _edit_history(home: Path) -> None:
    """What somebody does who has the file and a reason: switch the guard off, write, switch it on again."""
    with closing(sqlite3.connect(home / "registry.db")) as connection, connection:
        (guard,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events_stay'").fetchone()
        connection.execute("DROP TRIGGER events_stay")
        connection.execute("UPDATE events SET actor = 'nobody' WHERE seq = (SELECT max(seq) - 1 FROM events)")
        connection.execute(guard)


EDITED_HISTORY = Fault(
    name="edited-history",
    title="Somebody writes the history anew",
    notebook="04",
    damage="one event in registry.db gets another name, behind the registry's back",
    lesson="Every event carries the hash of the one before, so a change in the past does not fit its future.",
    prepare=_two_versions,
    harm=_edit_history,
    look=_verify,
    closer=("registry verify --home HOME", 1),
)


def _waiting(home: Path) -> None:
    clock = FakeClock(_DAY)
    with closing(Registry(home, clock=clock)) as registry:
        reign(registry, register(home, clock=clock))
        registry.set_policy(MODEL_NAME, requires_approval=True, actor=COLLEAGUE, why="passengers are rebooked")
        version = register(home, clock=clock)
        policy, measured = GatePolicy([Floor("served.roc_auc", 0.66)]), Measured({"served.roc_auc": 0.74})
        champion = registry.get_production(MODEL_NAME)
        registry.record_gate_report(
            evaluate_gates(version, champion, policy, measured=measured, at=registry.clock.now())
        )
        registry.request_approval(MODEL_NAME, version.version, requested_by=AUTHOR, why="the gate passed")
    write(home, "answer", {"by": COLLEAGUE})


def _ask(home: Path) -> Sight:
    """Approve and promote on a copy: the request itself stays open."""
    who = str(read(home, "answer")["by"])
    with copied(home) as place, closing(Registry(place, clock=FakeClock(_DAY))) as registry:
        waits = registry.pending_approvals(MODEL_NAME)[0]
        told = f"{MODEL_NAME} v{waits.version} by {AUTHOR} passed the gate and waits; {who} answers yes"
        try:
            registry.approve(MODEL_NAME, waits.version, by=who, comment="agreed")
            report = registry.get_gate_report(MODEL_NAME, waits.version)
            assert report is not None  # noqa: S101  recorded when the scene was set up
            promotion = registry.promote(report, actor=who, why="agreed")
        except NotAllowed as refusal:
            return Sight(False, f"refused: {refusal}", told)
    return Sight(True, f"{who} agrees, and v{promotion.version} goes into Production", told)


SELF_APPROVAL = Fault(
    name="self-approval",
    title="The author approves her own model",
    notebook="04",
    damage=f"the answer to {AUTHOR}'s request is given by {AUTHOR}, not by {COLLEAGUE}",
    lesson="Four eyes are two people: whoever made the version cannot be the one who agrees to it.",
    prepare=_waiting,
    harm=lambda home: write(home, "answer", {"by": AUTHOR}),
    look=_ask,
    closer=(f"registry approve {MODEL_NAME} 2 --by {AUTHOR} --home HOME", 1),
)
