"""Is what a day's answers share measured on the exam, where the problem does not say it?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.models.rollout import RolloutPolicy, shared_by_day
from mlops_lab.pipeline.problem import canary_policy, delivery


def answers(days):
    """One answer a day; the challenger is right, and wrong by 0.1, in turn."""
    at = pd.date_range("2013-11-01", periods=days, tz="UTC")
    return pd.DataFrame(
        {"at": at, "truth": 0, "champion": 0.5, "challenger": [0.5 + 0.1 * (n % 2) for n in range(days)]}
    )


def policy_of(monkeypatch, *, days, policy=None, champion="v1"):
    exam = answers(days).rename(columns={"at": "event_timestamp"})
    monkeypatch.setattr(delivery, "problem_of", lambda _: SimpleNamespace(canary=policy or RolloutPolicy()))
    monkeypatch.setattr(delivery, "open_tracker", lambda *_, **__: SimpleNamespace(get_run=str))
    monkeypatch.setattr(delivery, "_exam", lambda *_: exam)
    monkeypatch.setattr(delivery, "_answered", lambda rows, *_: rows.rename(columns={"event_timestamp": "at"}))
    return canary_policy(SimpleNamespace(run_id="v2"), champion, home=Path("home"), clock=FakeClock())


@pytest.mark.parametrize("days", [3, 20, 90])
def test_the_last_thirty_days_of_the_exam_say_it(monkeypatch, days):
    assert policy_of(monkeypatch, days=days).shared == shared_by_day(answers(days).tail(31))


@pytest.mark.parametrize(
    ("days", "told", "shared"),
    [
        (2, {}, 0.02),  # too few to say anything
        (20, {"champion": None}, 0.02),  # nobody to differ from
        (20, {"policy": RolloutPolicy(shared=0.05)}, 0.05),
        (20, {"policy": RolloutPolicy(shared=None)}, None),
    ],
)
def test_what_the_problem_says_stands_and_so_does_the_usual_one_where_nothing_can_be_measured(
    monkeypatch, days, told, shared
):
    assert policy_of(monkeypatch, days=days, **told).shared == shared


def test_two_models_that_answer_alike_still_share_something():
    same = answers(10).assign(challenger=0.5)

    assert shared_by_day(same) == 0.005
