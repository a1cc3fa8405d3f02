"""The matrix panel: its jobs are those of the expansion, and a failing one stops its siblings or does not."""

from __future__ import annotations

import pytest

from mlops_lab.teaching.panels import MatrixPanel


@pytest.fixture
def panel():
    return MatrixPanel(
        {"model": ["logistic", "boosted"], "airport": ["EWR", "LGA"]},
        exclude=[{"airport": "LGA", "model": "boosted"}],
        include=[{"airport": "EWR", "runner": "gpu"}, {"airport": "JFK", "model": "logistic"}],
    )


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ({}, "4 jobs: logistic EWR, logistic LGA, boosted EWR, boosted LGA"),
        ({"exclude_1": True}, "3 jobs: logistic EWR, logistic LGA, boosted EWR"),
        ({"include_1": True}, "4 jobs: logistic EWR gpu, logistic LGA, boosted EWR gpu, boosted LGA"),
        ({"include_2": True}, "5 jobs: logistic EWR, logistic LGA, boosted EWR, boosted LGA, JFK logistic"),
    ],
    ids=str,
)
def test_the_jobs_follow_the_switches(controls, said, panel):
    panel.set(**controls)

    assert panel.view.line == said
    assert len(panel.run.jobs) == int(said[0])


def test_a_failing_leg_stops_its_siblings_unless_told_otherwise(panel):
    panel.set(fails="logistic LGA")
    stopped = [job.conclusion for job in panel.run.jobs]

    panel.set(fail_fast=False)

    assert stopped == ["cancelled", "failure", "cancelled", "cancelled"]
    assert [job.conclusion for job in panel.run.jobs] == ["success", "failure", "success", "success"]
    assert panel.view.said.startswith("✗")


def test_a_leg_that_is_not_there_cannot_fail(panel):
    panel.set(fails="JFK logistic")

    assert panel.run.conclusion == "success"
    assert panel.view.said.startswith("– this matrix makes no job JFK logistic, so nothing fails; it makes 4 jobs: ")

    panel.set(include_2=True)

    assert panel.view.said.startswith("✗ 5 jobs")
