"""The canary panel: a real rollout for every state, and what it decided in picture and words."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.teaching.drawing.style import PAPER
from mlops_lab.teaching.panels import CanaryPanel
from mlops_lab.teaching.panels import canary as module
from mlops_lab.teaching.panels.canary import _PLANS


@pytest.fixture(scope="module")
def traffic():
    """Ten days; the good challenger is as good as the champion, the leaking one says the opposite half of the time."""
    chance = np.random.default_rng(0)
    at = pd.date_range("2013-07-01", periods=3000, freq="5min", tz="UTC")
    truth = (chance.random(3000) < 0.25).astype("int8")
    champion = np.clip(0.25 + 0.4 * (truth - 0.25) + chance.normal(0, 0.1, 3000), 0.01, 0.99)
    good = np.clip(champion + chance.normal(0, 0.02, 3000), 0.01, 0.99)
    keys = [f"flight {number}" for number in range(3000)]
    frame = pd.DataFrame(
        {"key": keys, "at": at, "known_at": at, "truth": truth, "challenger": good, "champion": champion}
    )
    return {"good": frame, "leaking": frame.assign(challenger=1 - champion)}


@pytest.mark.parametrize("weights", list(_PLANS))
def test_the_good_one_finishes_and_the_leaking_one_is_taken_back(traffic, weights):
    panel = CanaryPanel(traffic)

    panel.set(weights=weights)
    good = panel.deployment
    panel.set(challenger="leaking")

    assert good.state == "finished"
    assert panel.deployment.state == "rolled_back"
    assert panel.view.state == "failed"
    assert panel.deployment.why in panel.view.words


def test_a_bolder_plan_hurts_more_passengers(traffic):
    panel = CanaryPanel(traffic)
    panel.set(challenger="leaking")

    hurt = []
    for weights in _PLANS:
        panel.set(weights=weights)
        hurt.append(panel.deployment.steps[-1].answers)

    assert hurt[0] < hurt[-1]


def test_a_margin_that_forgives_everything_lets_it_through(traffic):
    worse = traffic["good"].assign(challenger=lambda frame: (frame["champion"] + 0.25).clip(upper=0.99))
    panel = CanaryPanel({"worse": worse})
    assert panel.deployment.state == "rolled_back"

    panel.set(margin=0.1)

    assert panel.deployment.state == "finished"


def test_more_outcomes_take_more_days(traffic):
    panel = CanaryPanel(traffic)
    panel.set(min_labels=0)
    quick = len(panel.deployment.steps)

    panel.set(min_labels=2)

    assert len(panel.deployment.steps) > quick


def test_both_lines_and_every_step_are_drawn(traffic):
    panel = CanaryPanel(traffic)

    svg = panel.view.svg

    assert svg.count('class="step"') == len(panel.deployment.steps)
    assert svg.count("<polyline") >= 3 + 2
    pattern = r'<circle [^>]*r="4"([^>]*)>(?:(?!<circle).)*>'
    legend = [re.search(pattern + who, svg) for who in ("challenger", "champion")]
    assert [PAPER in mark[1] for mark in legend] == [False, True]  # full, and hollow


def test_it_is_the_real_rollout(traffic, monkeypatch):
    asked = []
    rollout = module.rollout
    monkeypatch.setattr(module, "rollout", lambda *args, **rest: asked.append(rest["policy"]) or rollout(*args, **rest))
    panel = CanaryPanel(traffic)

    panel.set(margin=0.02, min_labels=0, weights="50, 100 %")

    assert (asked[-1].margin, asked[-1].min_labels, tuple(asked[-1].weights)) == (0.02, 50, (50, 100))


def test_a_challenger_that_does_not_answer_is_taken_back(traffic):
    panel = CanaryPanel({"mute": traffic["good"].assign(challenger=float("nan"))})

    assert panel.deployment.state == "rolled_back"
    assert "failed to answer" in panel.view.words


def test_reset_and_stable_text(traffic):
    panel = CanaryPanel(traffic)
    first = panel.view
    panel.set(challenger="leaking", margin=0.05)

    panel.reset()

    assert panel.view == first
    assert panel._repr_mimebundle_()["text/plain"] == CanaryPanel(traffic)._repr_mimebundle_()["text/plain"]


def test_the_traffic_is_not_changed(traffic):
    before = {name: frame.copy() for name, frame in traffic.items()}

    CanaryPanel(traffic).set(challenger="leaking")

    for name, frame in traffic.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_no_traffic_and_a_missing_column_are_said(traffic):
    with pytest.raises(InvalidData, match="no traffic"):
        CanaryPanel({})
    with pytest.raises(UnknownName, match="truth"):
        CanaryPanel({"good": traffic["good"].drop(columns="truth")})
    with pytest.raises(InvalidData, match="no traffic"):
        CanaryPanel({"good": traffic["good"].head(0)})
