"""A delivery: deployed, judged by its metrics at each weight, and taken back from traffic and registry alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_lab.adapters.canary import deliver, take_back
from mlops_lab.adapters.metrics import Seen
from mlops_lab.adapters.split import Release, TargetUnreachable, TrafficSplit
from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import MissingExtra, MlopsLabError, NotAllowed
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.rollout import RolloutPolicy, promotion_of
from mlops_lab.models.tracking import Tracker

GOOD = Seen(answers=1000, errors=0, seconds=0.02)


class Paper:
    """A target on paper; it says what it was asked, and fails where it is told to."""

    def __init__(self, fails=None, error=None):
        self.fails, self.error, self.asked = fails, error or MlopsLabError("the cloud refused"), []

    def _do(self, what):
        self.asked.append(what)
        if what == self.fails:
            raise self.error

    def put_challenger(self, release):
        self._do(f"challenger v{release.version}")

    def make_champion(self, release):
        self._do(f"champion v{release.version}")

    def set_weight(self, weight):
        self._do(weight)
        return TrafficSplit("paper", "late", 100.0 - weight, weight, asked=weight)


@pytest.fixture
def registry(tmp_path):
    clock = FakeClock("2013-12-01")
    registry, tracker = Registry(tmp_path, clock=clock), Tracker(tmp_path, clock=clock)
    for number in (1, 2):
        artifact = tracker.artifacts.put_bytes(b"model %d" % number)
        run = tracker.log_run("train", metrics={"auc": 0.7}, artifact=artifact, author="ada")
        version = registry.register_model(run, "late")
        report = GateReport(
            name="late",
            version=number,
            artifact=version.artifact,
            results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
            champion=number - 1 or None,
            holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7},
            evaluated_at=clock.now(),
        )
        registry.promote(report, actor="ada", why="the gate passed")
    return registry


def go(registry, target, metrics, version=2, looks=3):
    return deliver(
        target,
        promotion_of(registry, "late", version),
        registry,
        Release(version, "late:v2"),
        place="paper late",
        metrics=lambda since, until: metrics.pop(0) if len(metrics) > 1 else metrics[0],
        policy=RolloutPolicy(max_seconds=1.0),
        looks=looks,
        clock=FakeClock("2013-12-02"),
    )


def test_a_good_version_gets_all_of_the_traffic_and_is_the_champion(registry):
    target = Paper()

    found = go(registry, target, [GOOD])

    assert found.state == "delivered"
    assert target.asked == ["challenger v2", 5, 25, 100, "champion v2"]
    assert registry.get_production("late").version == 2
    assert registry.history("late")[-1].action == "delivery_finished"


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (Seen(1000, 40, 0.02), "failed to answer 40 of 1000"),
        (Seen(1000, 0, 3.0), "one answer in twenty takes 3.00 s"),
        (Seen(12, 0, 0.02), "after 3 looks nothing shows that it is good enough"),
    ],
)
def test_a_bad_version_gives_back_traffic_and_registry(seen, why, registry):
    target = Paper()

    found = go(registry, target, [GOOD, seen])

    assert (found.state, found.weight) == ("taken_back", 25)
    assert why in found.why
    assert target.asked == ["challenger v2", 5, 25, 0]
    assert registry.get_production("late").version == 1
    assert registry.verify()


@pytest.mark.parametrize("fails", ["challenger v2", 25, "champion v2"])
def test_whatever_fails_on_the_way_takes_both_back(fails, registry):
    target = Paper(fails)

    with pytest.raises(MlopsLabError, match="the cloud refused"):
        go(registry, target, [GOOD])

    assert target.asked[-1] == 0
    assert registry.get_production("late").version == 1


@pytest.mark.parametrize(
    "error", [TargetUnreachable("paper", "no credentials"), MissingExtra("sagemaker"), NotAllowed("no role")], ids=repr
)
def test_what_is_said_before_anything_changed_takes_nothing_back(error, registry):
    target = Paper("challenger v2", error)

    with pytest.raises(type(error)):
        go(registry, target, [GOOD])

    assert target.asked == ["challenger v2"]
    assert registry.get_production("late").version == 2


@pytest.mark.parametrize("error", [TargetUnreachable("paper", "no credentials"), NotAllowed("not v1")], ids=repr)
def test_a_first_version_that_does_not_become_the_champion_is_taken_back(error, registry):
    registry.rollback("late", actor="ada", why="only version 1 is left")
    first = promotion_of(registry, "late", 1)
    target = Paper("champion v1", error)

    with pytest.raises(type(error)):
        deliver(
            target, replace(first, archived_version=None), registry, Release(1, "late:v1"),
            place="paper late", metrics=lambda *_: GOOD, clock=FakeClock("2013-12-02"),
        )  # fmt: skip

    assert target.asked == ["challenger v1", "champion v1", 0]
    assert registry.get_production("late") is None


def test_the_registry_is_taken_back_also_when_the_target_is_lost(registry):
    target = Paper(0)

    with pytest.raises(MlopsLabError, match="the registry was rolled back, but paper late was not"):
        take_back(target, promotion_of(registry, "late", 2), registry, place="paper late", actor="ada", why="bad")

    assert registry.get_production("late").version == 1


def test_what_is_not_in_production_is_not_delivered(registry):
    registry.rollback("late", actor="ada", why="bad")
    target = Paper()

    with pytest.raises(NotAllowed, match="late v2 cannot be delivered: v1 is in Production"):
        go(registry, target, [GOOD])

    assert target.asked == []
