"""The registry panel: the real registry accepts and refuses, and its history is what is shown."""

from __future__ import annotations

import pytest

from mlops_lab.base.errors import HomeError, InvalidData
from mlops_lab.teaching.panels import RegistryPanel
from mlops_lab.teaching.panels import registry as module

GRACE = "grace (a colleague)"
SERVED = [0.769, 0.772, 0.633]


def play(panel, *moves):
    for move in moves:
        if isinstance(move, dict):
            panel.set(**move)
        else:
            panel.press(move)
    return panel


def test_without_an_approval_nothing_reaches_production():
    panel = play(RegistryPanel(SERVED), "promote")

    assert panel.production == 1
    assert panel.view.state == "failed"
    assert "needs an approval by somebody else than its author" in panel.view.line


def test_the_author_cannot_approve():
    panel = play(RegistryPanel(SERVED), "ask", "approve", "promote")

    assert panel.production == 1
    assert "✗ ada approves v2: refused. ada cannot approve late_flights v2" in panel.view.words


def test_a_colleague_can_and_the_way_back_is_open():
    panel = play(RegistryPanel(SERVED), "ask", {"who": GRACE}, "approve", "promote")
    assert panel.view.said == "✓ grace promotes v2: v2 is in Production"
    assert panel.view.svg.count('class="version"') == 3

    panel.press("rollback")

    assert panel.production == 1
    assert panel.view.said == "✓ grace rolls back: v1 is in Production again"
    assert "rollback  Archived → Production  by grace: it went wrong" in panel.view.words


def test_a_version_that_does_not_pass_the_gate_is_refused_whoever_asks():
    panel = play(RegistryPanel(SERVED), {"version": "v3", "who": GRACE}, "ask", "promote")

    assert panel.production == 1
    assert "did not pass its gate" in panel.view.line


def test_where_no_approval_is_asked_for_the_gate_alone_decides():
    panel = play(RegistryPanel(SERVED), {"approval": False}, "promote")

    assert panel.production == 2


def test_switching_the_rule_holds_for_what_comes_after_it_and_moves_nothing():
    panel = play(RegistryPanel(SERVED), "promote")

    panel.set(approval=False)
    assert panel.production == 1, "unticking is no promotion"
    assert panel.view.line == "from now on no approval is asked for; what was decided before stands"
    assert "✗ ada promotes v2: refused" in panel.view.words
    panel.press("promote")
    assert panel.production == 2
    panel.set(approval=True)

    assert panel.production == 2, "what was decided stands"
    assert "set_policy  by grace: nobody had time to read the figures" in panel.view.words


def test_what_a_refused_move_wrote_is_said_beside_it():
    panel = play(RegistryPanel(SERVED), "approve")
    before = len(panel.view.words.splitlines())

    panel.press("promote")

    moves, history = panel.view.words.split("history of the registry:")
    refused = [line for line in moves.splitlines() if "✗" in line]
    assert "nobody asked for an approval" in refused[0]
    assert "in the history" not in refused[0]
    assert refused[1].endswith("(2 lines in the history)")
    assert len(panel.view.words.splitlines()) - before == 1 + 2
    assert [line.split("  ")[4] for line in history.splitlines()[-2:]] == ["record_gate_report", "transition_stage"]


def test_rolling_back_the_first_model_is_refused_in_words():
    panel = play(RegistryPanel(SERVED), "rollback")

    assert panel.view.state == "failed"
    assert "there is nothing to go back to" in panel.view.line


def test_reset_forgets_the_moves():
    panel = RegistryPanel(SERVED)
    first = panel.view
    play(panel, {"approval": False}, "promote", "rollback")

    panel.reset()

    assert panel.view == first
    assert panel.state["moves"] == ()


def test_a_broken_home_is_shown_and_raised_and_reset_mends_it(monkeypatch):
    panel = RegistryPanel(SERVED)
    registry = module.Registry

    def full(*_, **__):
        raise HomeError("registry.db", "the disk is full")

    monkeypatch.setattr(module, "Registry", full)
    with pytest.raises(HomeError):
        panel.press("promote")
    assert "the disk is full" in panel._parts["error"].value
    monkeypatch.setattr(module, "Registry", registry)

    panel.reset()

    assert panel.error == ""


def test_nothing_is_left_on_the_disk(tmp_path, monkeypatch):
    from mlops_lab.teaching.panels import scratch

    monkeypatch.setattr(scratch, "_MEMORY", tmp_path)

    play(RegistryPanel(SERVED), "ask", "promote", "reset")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("served", "told"), [([0.7], "at least two versions"), ([0.5, 0.7], "version 1 cannot be")])
def test_what_cannot_begin_is_said(served, told):
    with pytest.raises(InvalidData, match=told):
        RegistryPanel(served)


def test_a_version_whose_figure_is_nan_does_not_pass():
    panel = play(RegistryPanel([0.7, float("nan")]), {"approval": False}, "promote")

    assert panel.production == 1
    assert "did not pass its gate" in panel.view.line
