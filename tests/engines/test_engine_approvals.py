"""An approval that is asked for on Airflow or Prefect is given there by a person, and kept by the registry."""

from __future__ import annotations

import pytest
from compare_engines import questions
from engine_runs.running import Asked, run_all

from mlops_lab.base.clock import SystemClock
from mlops_lab.models.registry import Registry
from mlops_lab.pipeline.flights import MODEL_NAME, flights_pipeline


def agreed(record, home):
    """Ada, whose model it is, said yes and was asked again; grace said yes, and the registry knows it."""
    if (home / "airflow.json").exists():
        print((home / "airflow.json").read_text())
    assert len(record.questions) == 2
    assert (record.state, record.states["approve"], record.states["promote"]) == ("success",) * 3
    registry = Registry(home, clock=SystemClock())
    version = registry.get_production(MODEL_NAME)
    approval = registry.get_approval(MODEL_NAME, version.version)
    assert (approval.requested_by, approval.decided_by, version.author) == ("ada", "grace", "ada")
    assert [each.actor for each in registry.history(MODEL_NAME) if each.action == "approve"] == ["grace"]


def test_the_author_cannot_agree_to_her_own_model_so_it_asks_again_and_somebody_else_can(both, homes):
    agreed(both[2]["approval"], homes(both[0], "approval"))


@pytest.mark.nightly
def test_the_whole_pipeline_asks_and_goes_on(engine, tmp_path):
    asked = questions()["passed"]
    params = {**asked.params, "approval": True}
    whole = Asked(
        flights_pipeline(), asked.logical_date, params, home=tmp_path, answers=[("ada", True), ("grace", True)]
    )

    agreed(run_all(engine, [whole], timeout=1500).runs[0], tmp_path)
