"""All moves at random, in several processes at once, against an independent checker of the promise.

The promise: nothing is in Production without a passed report, an approval where the policy asks and a measurement of
that very version. The checker reads the events as plain rows and knows none of the registry's code.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sqlite3
import time
from contextlib import closing

import pytest

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.models.registry import STAGES, GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker

PEOPLE = ["ada", "grace", "ADA", "bot", "unknown", "\u200b", "ad\u034fa", "\u3164"]


def play(home, seed, seconds):
    """Whatever a person or a program might call, right or wrong, until the time is over and much was tried."""
    rng, until = random.Random(seed), time.monotonic() + seconds  # noqa: S311  a game
    tracker, registry, clock = Tracker(home), Registry(home), SystemClock()

    def register():
        n = rng.random()
        run = tracker.log_run(
            "train", params={"n": n}, metrics={"auc": n}, artifact=tracker.artifacts.put_bytes(str(n).encode()),
            author=rng.choice(["ada", "bot", "unknown"]),
        )  # fmt: skip
        registry.register_model(run, "late", author=rng.choice([None, "bot"]))

    def report(version, *, honest=False):
        other = registry.get_model_version("late", rng.randint(1, version))
        figures = tracker.get_run(rng.choice([registry.get_model_version("late", version), other]).run_id).metrics
        present = registry.get_production("late")
        champion = None if present is None else present.version
        if honest:
            figures = tracker.get_run(registry.get_model_version("late", version).run_id).metrics
        return GateReport(
            name="late", version=version, artifact=registry.get_model_version("late", version).artifact,
            results=(RuleResult("floor", honest or rng.random() < 0.8, 0.7, 0.6, "x"),),
            champion=champion if honest else rng.choice([champion] * 3 + [None]),
            holdout="sha256:0", evaluated_at=clock.now(), metrics=figures if honest else rng.choice([figures, {}]),
        )  # fmt: skip

    def by_the_book(version):
        """So that much is in Production, and much to go back to."""
        found = report(version, honest=True)
        registry.record_gate_report(found)
        if registry.requires_approval("late"):
            registry.request_approval("late", version, requested_by="bob", why="x")
            registry.approve("late", version, by="grace")
        registry.promote(found, actor="bot", why="x")

    def one():
        versions = len(registry.search(name="late")) if registry.list_models() else 0
        if not versions or rng.random() < 0.1:
            return register()
        version, who = rng.randint(max(1, versions - 4), versions), rng.choice(PEOPLE)
        return rng.choice([
            lambda: by_the_book(versions),
            lambda: registry.record_gate_report(report(version)),
            lambda: registry.promote(report(version), actor=who, why="x"),
            lambda: registry.promote(registry.get_gate_report("late", version), actor=who, why="x"),
            lambda: registry.transition_stage("late", version, rng.choice(STAGES), actor=who, why="x"),
            lambda: registry.rollback("late", actor=who, why="x"),
            lambda: registry.request_approval("late", version, requested_by=who, why="x"),
            lambda: registry.approve("late", version, by=who),
            lambda: registry.approve("late", version, by="grace"),
            lambda: registry.reject("late", version, by=who),
            lambda: registry.set_policy("late", requires_approval=rng.random() < 0.8, actor="grace"),
            lambda: registry.record_event(
                "late", version, action="rollout_finished", actor="x", why="x", details={"serving": "champion"}
            ),
        ])()  # fmt: skip

    moves = 0
    while time.monotonic() < until or moves < 300:  # on a busy machine seconds are short
        moves += 1
        try:
            one()
        except MlopsLabError:
            continue
    registry.close()
    tracker.close()


def somebody(name):
    """The name as a reader sees it; "" for nobody."""
    seen = "".join(sign for sign in name.casefold() if sign.isascii() and sign.isalnum())
    return "" if seen == "unknown" else seen


def breaches(home):
    """Every entry into Production that the events before it do not account for, and how many entries there were."""
    with (
        closing(sqlite3.connect(home / "registry.db")) as registry,
        closing(sqlite3.connect(home / "tracking.db")) as log,
    ):
        rows = registry.execute(
            "SELECT seq, action, version, target, actor, details FROM events ORDER BY seq"
        ).fetchall()
        runs = {run: json.loads(body) for run, body in log.execute("SELECT run_id, body FROM runs")}
    asks, entries, found = False, 0, []
    run, author, report, approval, asked = {}, {}, {}, {}, {}
    for seq, action, version, target, actor, details in rows:
        told = json.loads(details)
        if action == "register_model":
            run[version], author[version] = runs[told["run_id"]], told["author"]
        elif action == "set_policy":
            asks = told["requires_approval"]
        elif action == "record_gate_report":
            report[version] = told["report"]
        elif action == "request_approval":
            asked[version] = actor
        elif action in ("approve", "reject"):
            approval[version] = (action, actor, asked.get(version, ""))  # who asks later is another matter
        elif target == "Production":
            entries += 1
            given, (answer, by, asker) = report.get(version), approval.get(version, ("none", "", ""))
            others = {somebody(each) for each in (author[version], run[version]["author"], asker)}
            if not given or not given["passed"]:
                found.append((seq, "no passed report"))
            elif not given.get("metrics") or given["metrics"] != run[version]["metrics"]:
                found.append((seq, "not measured"))
            if asks and (answer != "approve" or not somebody(by) or somebody(by) in others):
                found.append((seq, f"not approved: {answer} {by}"))
    return found, entries


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "processes"), [(3, 4), pytest.param(60, 8, marks=pytest.mark.nightly)], ids=["short", "a minute"]
)
def test_nothing_reaches_production_without_its_evidence(tmp_path, seconds, processes):
    Tracker(tmp_path).close(), Registry(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    players = [context.Process(target=play, args=(tmp_path, seed, seconds)) for seed in range(processes)]

    for player in players:
        player.start()
    for player in players:
        player.join()
    found, entries = breaches(tmp_path)

    assert [player.exitcode for player in players] == [0] * processes
    assert entries > 0
    assert found == []
    assert Registry(tmp_path).verify() > entries
