"""Every control of the gate panel moves the verdict, the run's states and the reasons, by the real gate."""

from __future__ import annotations

import pytest

from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.models.gates import evaluate_gates
from mlops_lab.pipeline.flights import FLIGHTS_POLICY
from mlops_lab.teaching.panels import GatePanel
from mlops_lab.teaching.panels import gate as module


@pytest.fixture
def panel(measured):
    return GatePanel(measured)


def test_at_first_the_honest_model_passes_by_the_pipelines_own_policy(panel):
    assert panel.policy(panel.state) == FLIGHTS_POLICY
    assert panel.report.passed
    assert set(panel.run.states.values()) == {"success"}
    assert panel.view.said.startswith("✓ the gate passed: all 11 rules hold")


@pytest.mark.parametrize(
    ("move", "rules"),
    [
        ({"floor": 0.9}, ["floor"]),
        ({"slice_floor": 0.76}, ["slice_floor"]),
        ({"margin": 0.0}, ["no_worse_than_champion"]),
        ({"brier_margin": 0.0}, ["no_worse_than_champion"]),
        ({"served_auc": "is missing"}, ["floor", "no_worse_than_champion", "served_skew"]),
        ({"served_auc": "is NaN"}, ["floor", "no_worse_than_champion", "served_skew"]),
        ({"floor": 0.9, "first_model": True}, ["floor", "first_model"]),
        (
            {"model": "daily_averages"},
            ["floor", "no_worse_than_champion", "no_worse_than_champion", "calibration", "served_skew"],
        ),
        (
            {"model": "daily_averages", "floor": 0.5, "slice_floor": 0.5, "first_model": True},
            ["calibration", "served_skew"],
        ),
    ],
)
def test_each_control_turns_the_gate_red_for_its_reason(panel, move, rules):
    panel.set(**move)

    assert [result.rule for result in panel.report.failures] == rules
    assert dict(panel.run.states) == {
        "train": "success",
        "evaluate": "success",
        "gate": "failed",
        "promote": "upstream_failed",
        "roll_out": "upstream_failed",
    }
    assert 'id="task-gate" class="node task state-failed"' in panel.view.svg
    assert panel.view.said.startswith(f"✗ the gate refused: {len(rules)} of 11 rules failed. First, {rules[0]}:")
    for result in panel.report.failures:
        assert result.sentence in panel.view.words
        assert result.sentence in panel.run.task("gate").why


@pytest.mark.parametrize(
    "move", [{"margin": 0.003}, {"first_model": True}, {"floor": 0.5}, {"slice_floor": 0.75}, {"floor": 0.765}]
)
def test_moves_within_what_was_measured_keep_it_green(panel, move):
    panel.set(**move)

    assert panel.report.passed, panel.report.table()


def test_a_move_back_and_a_reset_bring_the_same_picture_back(panel):
    first = panel.view

    panel.set(floor=0.9, model="daily_averages", served_auc="is NaN")
    panel.reset()

    assert panel.view == first


def test_the_verdict_is_the_gates_own(panel, measured, monkeypatch):
    asked = []

    def spy(version, champion, policy, **rest):
        asked.append((policy, rest["measured"]))
        return evaluate_gates(version, champion, policy, **rest)

    monkeypatch.setattr(module, "evaluate_gates", spy)

    panel.set(floor=0.8)

    assert asked[-1] == (panel.policy(panel.state), measured["as_known"])


def test_there_is_no_slider_that_moves_nothing(measured):
    from mlops_lab.models.gates import Calibration, GatePolicy

    panel = GatePanel(measured, policy=GatePolicy([Calibration(0.05)]))

    assert list(panel.controls) == ["model", "served_auc", "first_model"]
    assert panel.report.passed


def test_without_a_champion_measured_the_model_is_the_first(measured):
    from dataclasses import replace

    panel = GatePanel({"as_known": replace(measured["as_known"], champion=None)})

    assert panel.report.champion is None


def test_nothing_measured_is_said():
    with pytest.raises(InvalidData, match="nothing to judge"):
        GatePanel({})


def test_an_unknown_value_is_shown_and_raised(panel):
    import traitlets

    with pytest.raises(traitlets.TraitError):
        panel.set(model="hourly")

    assert 'role="alert"' in panel._parts["error"].value
    assert panel.report.passed


def test_without_a_renderer_the_panel_tells_the_same_in_words(panel, monkeypatch):
    def broken(*_, **__):
        raise MlopsLabError("no renderer is here")

    monkeypatch.setattr("mlops_lab.teaching.drawing.drawing.render", broken)

    panel.set(floor=0.9)

    assert "no renderer is here" in panel.view.svg
    assert "gate failed" in panel.view.words


def test_the_stored_text_says_verdict_and_reasons(panel):
    panel.set(floor=0.9)

    lines = panel._repr_mimebundle_()["text/plain"].splitlines()

    assert lines[0].startswith("The evaluation gate: ✗ the gate refused: 1 of 11 rules failed. First, floor:")
    assert lines[2] == "✗ floor                   served.roc_auc is 0.769, below the floor of 0.900."
    assert lines[-2:] == [
        "tasks: train success, evaluate success, gate failed, promote upstream_failed, roll_out upstream_failed",
        "Run this cell to move its controls.",
    ]
