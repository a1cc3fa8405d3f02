"""The workflow panel: every control changes a real simulation of a real file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci import load_workflow, parse_workflow
from mlops_lab.teaching.panels import WorkflowPanel

TRAIN = Path(__file__).resolve().parents[2] / ".github" / "workflows" / "train.yml"


@pytest.fixture
def panel():
    return WorkflowPanel(load_workflow(TRAIN), gate="train/pipeline", outputs={"version": "1"})


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ({}, "‖ waiting: production, production asks for a review by one of ada, grace"),
        ({"gate": "refuses"}, "✗ failure: train and gate, Process completed with exit code 2."),
        ({"gate": "refuses", "review": "grace approves"}, "✗ failure: train and gate, Process completed"),
        ({"review": "ada approves"}, "‖ waiting: production, ada started this run and may not review it"),
        ({"review": "ada approves", "self_review": True}, "✓ success"),
        ({"review": "grace approves"}, "✓ success"),
        ({"review": "grace rejects"}, "✗ failure: promote / production, rejected by grace"),
        ({"days": 29}, "‖ waiting"),
        ({"days": 31}, "✗ failure: promote / production"),
        ({"days": 31, "review": "grace approves"}, "✓ success"),
    ],
    ids=str,
)
def test_the_verdict_follows_the_controls(controls, said, panel):
    panel.set(**controls)

    assert panel.view.said.startswith(said)


def test_nothing_is_rolled_out_that_was_refused(panel):
    panel.set(gate="refuses", review="grace approves")

    assert [job.name for job in panel.run.jobs if job.conclusion == "success"] == []
    assert "promote / production" not in panel.view.words


def test_the_words_have_the_picture_and_the_timeline(panel):
    panel.set(review="grace approves")

    assert "✓ success  promote / production  ← promote / staging" in panel.view.words
    assert "2013-10-01 06:00  promote / production: approved, by grace" in panel.view.words
    assert panel.view.svg.startswith("<svg")


def test_reset_brings_the_first_picture_back(panel):
    first = panel.view.words

    panel.set(review="grace rejects", days=40)
    panel.reset()

    assert panel.view.words == first


def test_what_cannot_be_shown_is_said_at_once():
    workflow = parse_workflow("on: [push, workflow_dispatch]\njobs: {a: {runs-on: x, steps: [{id: s, run: x}]}}")
    deaf = parse_workflow("on: push\njobs: {a: {runs-on: x, steps: [{id: s, run: x}]}}")

    with pytest.raises(InvalidData, match="two reviewers"):
        WorkflowPanel(workflow, gate="a/s", reviewers=("ada",))
    with pytest.raises(UnknownName, match="workflow_dispatch"):
        WorkflowPanel(deaf, gate="a/s")
    with pytest.raises(UnknownName, match="Did you mean 'a/s'"):
        WorkflowPanel(workflow, gate="a/t")
