"""Do eight processes at once leave one champion, and an honest history?"""

from __future__ import annotations

import multiprocessing

import pytest

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import NotAllowed
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker

CROWD = 8


def _register(tracker, registry, number):
    artifact = tracker.artifacts.put_bytes(b"model %d" % number)
    run = tracker.log_run("train", metrics={"auc": 0.7}, params={"n": number}, artifact=artifact, author="ada")
    return registry.register_model(run, "late")


def _report(registry, version):
    present = registry.get_production("late")
    return GateReport(
        name="late",
        version=version.version,
        artifact=version.artifact,
        results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
        champion=None if present is None else present.version,
        holdout="sha256:" + "0" * 64,
        metrics={"auc": 0.7},
        evaluated_at=SystemClock().now(),
    )


def _promote_once(home, number, start, answers):
    """Everybody has measured against no champion: only one of them can be right."""
    tracker, registry = Tracker(home), Registry(home)
    version = _register(tracker, registry, number)
    report = _report(registry, version)
    start.wait()
    try:
        registry.promote(report, actor=f"process {number}", why="race")
        answers.put(("promoted", version.version))
    except NotAllowed:
        answers.put(("refused", version.version))
    registry.close(), tracker.close()


def _promote_until_done(home, number, start, answers):
    """Everybody measures again when somebody else was faster."""
    tracker, registry = Tracker(home), Registry(home)
    version = _register(tracker, registry, number)
    start.wait()
    while True:
        try:
            promotion = registry.promote(_report(registry, version), actor=f"process {number}", why="race")
        except NotAllowed:
            continue
        answers.put((promotion.archived_version, promotion.version))
        break
    registry.close(), tracker.close()


def _crowd(target, home):
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(CROWD), context.Queue()
    workers = [
        context.Process(target=target, args=(home, number, start, answers), daemon=True) for number in range(CROWD)
    ]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    answers.close()
    answers.join_thread()
    assert [worker.exitcode for worker in workers] == [0] * CROWD
    return found


@pytest.fixture
def registry(tmp_path):
    registry = Registry(tmp_path)
    yield registry
    registry.close()


@pytest.mark.nightly
def test_of_eight_reports_against_no_champion_one_wins(tmp_path, registry):
    found = _crowd(_promote_once, tmp_path)

    winners = [version for word, version in found if word == "promoted"]
    assert len(winners) == 1
    assert registry.get_production("late").version == winners[0]
    assert sorted(version for _, version in found) == list(range(1, CROWD + 1))
    assert registry.verify() == len(registry.history())


@pytest.mark.nightly
def test_eight_that_measure_again_follow_each_other_in_one_chain(tmp_path, registry):
    found = _crowd(_promote_until_done, tmp_path)

    followed = dict(found)
    chain, at = [], None
    while at in followed:
        at = followed[at]
        chain.append(at)
    assert sorted(chain) == list(range(1, CROWD + 1))
    assert registry.get_production("late").version == chain[-1]
    assert [each.stage for each in registry.search()].count("Production") == 1
    assert registry.verify() == len(registry.history())
