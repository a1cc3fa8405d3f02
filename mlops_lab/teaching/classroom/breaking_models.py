"""Models that should not get in: a leak, a figure that is none, a gate that looked away."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from mlops_lab.base.clock import FakeClock, parse_utc
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
from mlops_lab.teaching.classroom.fault import AUTHOR, Fault, Sight, read, register, write
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
    lesson="The best chart was the worst model: compare what was promised with what is served, before promoting.",
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
