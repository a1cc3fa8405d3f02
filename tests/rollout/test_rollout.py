"""A canary gets its share, is watched on known outcomes only, and is finished or taken back with a reason."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, NotAllowed, UnknownName
from mlops_lab.models.registry import GateReport, Promotion, Registry, RuleResult
from mlops_lab.models.rollout import (
    RolloutPolicy,
    answered_by_challenger,
    begin,
    days_of,
    deployment_of,
    judge,
    look,
    promotion_of,
    rollout,
    stop,
)
from mlops_lab.models.tracking import Tracker

POLICY = RolloutPolicy(weights=(20, 50, 100), min_labels=50, margin=0.01, patience_days=4)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path, clock=FakeClock("2013-12-01"))


def promote(registry: Registry) -> Promotion:
    tracker = Tracker(registry.home, clock=registry.clock)
    number = len(registry.search()) + 1
    run = tracker.log_run(
        "train", metrics={"auc": 0.7}, artifact=tracker.artifacts.put_bytes(b"model %d" % number), author="ada"
    )
    version = registry.register_model(run, "late")
    champion = registry.get_production("late")
    report = GateReport(
        name="late",
        version=version.version,
        artifact=version.artifact,
        results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
        champion=champion.version if champion else None,
        holdout="sha256:" + "0" * 64,
        metrics={"auc": 0.7},
        evaluated_at=registry.clock.now(),
    )
    return registry.promote(report, actor="ada", why="the gate passed")


def days(
    count: int, *, challenger: float, champion: float = 0.2, truth: float = 0.2, delay: str = "3h"
) -> pd.DataFrame:
    """240 flights a day; one in five is late when truth is 0.2; a model says the same of all."""
    at = pd.date_range("2013-12-01T00:03", periods=240 * count, freq="6min", tz="UTC")
    late = (np.arange(len(at)) % 5 < 5 * truth).astype(int)
    return pd.DataFrame(
        {
            "key": [f"flight {i}" for i in range(len(at))],
            "at": at,
            "known_at": at + pd.Timedelta(delay),
            "truth": late,
            "challenger": challenger,
            "champion": champion,
        }
    )


def test_a_good_challenger_climbs_every_weight_and_finishes(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)

    done = rollout(second, registry, traffic=days(10, challenger=0.2), policy=POLICY)

    assert done.state == "finished"
    assert sorted({step.weight for step in done.steps}) == [20, 50, 100]
    assert registry.get_production("late").version == 2  # type: ignore[union-attr]


def test_a_bad_challenger_is_taken_back_at_the_first_weight_and_the_former_version_serves(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)

    done = rollout(second, registry, traffic=days(10, challenger=0.9), policy=POLICY)

    assert done.state == "rolled_back"
    assert {step.weight for step in done.steps} == {20}
    assert "no longer compatible with" in done.why
    assert registry.get_production("late").version == 1  # type: ignore[union-attr]
    assert registry.verify()


def test_a_challenger_that_fails_to_answer_is_taken_back_before_any_outcome_is_known(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)
    traffic = days(3, challenger=float("nan"), delay="30D")

    done = rollout(second, registry, traffic=traffic, policy=POLICY)

    assert done.state == "rolled_back"
    assert "failed to answer" in done.why


def test_outcomes_that_are_not_known_yet_do_not_count(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)

    done = rollout(second, registry, traffic=days(3, challenger=0.9, delay="30D"), policy=POLICY)

    assert done.state == "running"
    assert {step.decision for step in done.steps} == {"hold"}
    assert {step.labels for step in done.steps} == {0}


def test_patience_ends_in_a_roll_back_because_nothing_shows_that_it_is_good(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)

    done = rollout(second, registry, traffic=days(9, challenger=0.2, delay="30D"), policy=POLICY)

    assert done.state == "rolled_back"
    assert len(done.steps) == POLICY.patience_days
    assert "nothing shows" in done.why


def test_a_first_model_has_nobody_to_be_compared_with_and_takes_everything(registry: Registry) -> None:
    first = promote(registry)

    done = rollout(first, registry, traffic=days(2, challenger=0.2, champion=float("nan")), policy=POLICY)

    assert done.state == "finished"
    assert [step.weight for step in done.steps] == [100]


def test_a_first_model_that_cannot_answer_leaves_nothing_in_production(registry: Registry) -> None:
    first = promote(registry)

    done = rollout(first, registry, traffic=days(2, challenger=float("nan"), champion=float("nan")), policy=POLICY)

    assert done.state == "rolled_back"
    assert registry.get_production("late") is None


def test_a_champion_that_is_silent_proves_nothing_for_the_challenger(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)

    done = rollout(second, registry, traffic=days(9, challenger=0.2, champion=float("nan")), policy=POLICY)

    assert {step.decision for step in done.steps[:-1]} == {"hold"}
    assert "champion answered none" in done.steps[1].why
    assert done.state == "rolled_back"


def test_slow_answers_are_a_reason_to_go_back(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)
    policy = RolloutPolicy(weights=(20, 100), min_labels=50, max_seconds=0.5)
    slow = days(3, challenger=0.2).assign(seconds=np.where(np.arange(720) % 10 == 0, 2.0, 0.01))

    assert rollout(second, registry, traffic=slow, policy=policy).why.startswith("one answer in twenty takes 2.00 s")


def test_a_rollback_is_no_promotion_to_roll_out(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)
    registry.rollback("late", actor="grace", why="storm")

    assert promotion_of(registry, "late").event == second.event


def test_called_again_it_says_what_happened_and_does_nothing(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)
    first_time = rollout(second, registry, traffic=days(10, challenger=0.2), policy=POLICY)
    events = len(registry.history())

    again = rollout(second, registry, traffic=days(10, challenger=0.2), policy=POLICY)

    assert again == first_time
    assert len(registry.history()) == events


@pytest.mark.slow
@pytest.mark.parametrize("challenger", [0.2, 0.9], ids=["good", "bad"])
@pytest.mark.parametrize("died_after", range(1, 14))
def test_a_crash_after_any_event_resumes_to_the_same_end(tmp_path: Path, challenger: float, died_after: int) -> None:
    def prepared(home: Path) -> tuple[Registry, Promotion]:
        registry = Registry(home, clock=FakeClock("2013-12-01"))
        promote(registry)
        return registry, promote(registry)

    traffic = days(10, challenger=challenger)
    calm, promotion = prepared(tmp_path / "calm")
    expected = rollout(promotion, calm, traffic=traffic, policy=POLICY)
    crashed, promotion = prepared(tmp_path / "crashed")
    written = 0
    record, back = crashed.record_event, crashed.rollback

    def dying(call):  # type: ignore[no-untyped-def]
        def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal written
            if written == died_after:
                raise KeyboardInterrupt
            written += 1
            return call(*args, **kwargs)

        return counted

    crashed.record_event, crashed.rollback = dying(record), dying(back)  # type: ignore[method-assign]
    try:
        rollout(promotion, crashed, traffic=traffic, policy=POLICY)
    except KeyboardInterrupt:
        crashed.record_event, crashed.rollback = record, back  # type: ignore[method-assign]

    resumed = rollout(promotion, crashed, traffic=traffic, policy=POLICY)

    assert resumed.steps == expected.steps
    assert resumed.state == expected.state
    assert crashed.get_production("late").version == calm.get_production("late").version  # type: ignore[union-attr]


def begun(home: Path) -> tuple[Registry, Promotion]:
    registry = Registry(home, clock=FakeClock("2013-12-01"))
    for _ in range(3):
        promotion = promote(registry)
    begin(promotion, registry, policy=POLICY, actor="one")
    return registry, promotion


def test_of_two_who_take_a_version_back_at_the_same_moment_only_one_does(tmp_path: Path) -> None:
    one, promotion = begun(tmp_path)
    two = Registry(tmp_path, clock=FakeClock("2013-12-01"))
    seen = two.get_production

    def slowly(name: str) -> object:  # between the look and the deed the other one is done
        found = seen(name)
        if deployment_of(one, promotion).state == "running":  # type: ignore[union-attr]
            stop(promotion, one, actor="one", why="storm")
        return found

    two.get_production = slowly  # type: ignore[method-assign, assignment]
    stop(promotion, two, actor="two", why="storm")

    assert one.get_production("late").version == promotion.archived_version == 2  # type: ignore[union-attr]
    assert [event.action for event in one.history("late")].count("rollback") == 1


def test_a_version_that_was_stopped_is_not_finished_by_a_watch_that_was_late(tmp_path: Path) -> None:
    registry, promotion = begun(tmp_path)

    stop(promotion, registry, actor="grace", why="storm")
    late = {"promotion": promotion.event}
    registry.record_event("late", 3, action="rollout_finished", actor="rollout", why="good", details=late)

    assert deployment_of(registry, promotion).state == "stopped"  # type: ignore[union-attr]


def test_of_two_looks_at_the_same_day_the_first_counts(tmp_path: Path) -> None:
    registry, promotion = begun(tmp_path)
    (until, seen), *_ = days_of(days(2, challenger=0.2))
    look(promotion, registry, seen=seen, until=until, policy=POLICY, actor="one")
    once = deployment_of(registry, promotion)
    again = [event for event in registry.history("late") if event.action == "rollout_step"][-1]

    registry.record_event("late", 3, action=again.action, actor="two", why=again.why, details=dict(again.details))

    assert deployment_of(registry, promotion) == once


@pytest.mark.slow
def test_kill_9_in_the_middle_resumes_in_another_process(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_rollout import POLICY, days, promote, rollout
        from mlops_lab.base.clock import FakeClock
        from mlops_lab.models.registry import Registry
        registry = Registry(Path({str(tmp_path)!r}), clock=FakeClock("2013-12-01"))
        promote(registry); promotion = promote(registry)
        record, seen = registry.record_event, []
        def dying(*args, **kwargs):
            seen.append(record(*args, **kwargs))
            if len(seen) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        registry.record_event = dying
        rollout(promotion, registry, traffic=days(10, challenger=0.2), policy=POLICY)
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    registry = Registry(tmp_path, clock=FakeClock("2013-12-01"))
    promotion = promotion_of(registry, "late")

    half = deployment_of(registry, promotion)
    done = rollout(promotion, registry, traffic=days(10, challenger=0.2), policy=POLICY)

    assert killed.returncode == -9, killed.stderr.decode()
    assert half is not None
    assert (half.state, len(half.steps)) == ("running", 1)
    assert done.state == "finished"
    assert registry.verify()


def test_stopped_by_hand_the_former_version_is_back(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)
    rollout(second, registry, traffic=days(2, challenger=0.2, delay="30D"), policy=POLICY)

    stopped = stop(second, registry, actor="grace", why="the crew system is down")

    assert (stopped.state, stopped.weight) == ("stopped", 0)
    assert registry.get_production("late").version == 1  # type: ignore[union-attr]
    with pytest.raises(NotAllowed, match="is stopped"):
        stop(second, registry, actor="grace", why="again")


def test_every_step_is_a_line_of_the_history(registry: Registry) -> None:
    promote(registry)
    second = promote(registry)

    done = rollout(second, registry, traffic=days(10, challenger=0.2), policy=POLICY)

    steps = [event for event in registry.history("late", version=2) if event.action == "rollout_step"]
    assert [event.why for event in steps] == [step.why for step in done.steps]
    assert done.trace().count("\n") == len(done.steps) + 1


@given(st.lists(st.text(min_size=1), min_size=1, max_size=50), st.integers(0, 100), st.integers(0, 100))
def test_who_was_answered_by_the_challenger_still_is_at_a_higher_weight(keys: list[str], one: int, other: int) -> None:
    low, high = sorted((one, other))

    assert not (answered_by_challenger(keys, low) & ~answered_by_challenger(keys, high)).any()
    assert not answered_by_challenger(keys, 0).any()
    assert answered_by_challenger(keys, 100).all()


def test_the_share_is_fair() -> None:
    keys = [f"2013-12-01-UA-{i}-EWR" for i in range(20_000)]

    assert answered_by_challenger(keys, 5).mean() == pytest.approx(0.05, abs=0.005)


def test_the_watch_compares_both_models_on_the_same_flights() -> None:
    generator = np.random.default_rng(0)
    truth = (generator.random(4000) < 0.3).astype(float)
    answers = pd.DataFrame({"truth": truth, "challenger": generator.random(4000), "champion": generator.random(4000)})
    worse = ((answers.challenger - truth) ** 2 - (answers.champion - truth) ** 2).mean()

    found = judge(answers, RolloutPolicy(margin=1.0))

    assert found.challenger_brier - found.champion_brier == pytest.approx(worse)  # type: ignore[operator]
    assert found.decision == "advance"


def test_one_hiccup_is_no_error_rate() -> None:
    answers = pd.DataFrame({"truth": 0.0, "challenger": [float("nan")] + [0.1] * 60, "champion": 0.1})

    assert judge(answers, POLICY).decision == "advance"


@pytest.mark.parametrize(
    "settings_",
    [
        pytest.param({"weights": ()}, id="none"),
        pytest.param({"weights": (5, 25)}, id="never-all"),
        pytest.param({"weights": (0, 100)}, id="zero"),
        pytest.param({"weights": (25, 5, 100)}, id="falling"),
        pytest.param({"margin": float("nan")}, id="nan-margin"),
        pytest.param({"max_error_rate": 1.5}, id="rate-above-one"),
        pytest.param({"min_labels": 0}, id="no-labels"),
        pytest.param({"patience_days": 0}, id="no-patience"),
        pytest.param({"max_seconds": 0}, id="no-time"),
        pytest.param({"max_seconds": float("nan")}, id="nan-time"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(settings_: dict[str, object]) -> None:
    with pytest.raises(InvalidDefinition):
        RolloutPolicy(**settings_)  # type: ignore[arg-type]


def test_traffic_without_a_column_or_without_rows_is_refused_and_nothing_is_written(registry: Registry) -> None:
    first = promote(registry)
    events = len(registry.history())

    with pytest.raises(UnknownName, match="known_at"):
        rollout(first, registry, traffic=days(1, challenger=0.2).drop(columns="known_at"))
    with pytest.raises(InvalidData, match="no traffic"):
        rollout(first, registry, traffic=days(1, challenger=0.2).iloc[:0])

    assert len(registry.history()) == events


def test_a_version_that_was_never_promoted_has_no_rollout(registry: Registry) -> None:
    tracker = Tracker(registry.home, clock=registry.clock)
    registry.register_model(
        tracker.log_run("t", metrics={"auc": 0.7}, artifact=tracker.artifacts.put_bytes(b"m"), author="ada"), "late"
    )

    with pytest.raises(NotAllowed, match="never promoted"):
        promotion_of(registry, "late", 1)
