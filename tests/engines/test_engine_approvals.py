"""An approval that is asked for on Airflow or Prefect is given there by a person, and kept by the registry."""

from __future__ import annotations

import pytest

from mlops_lab.adapters.engines import run_and_answer
from mlops_lab.adapters.engines.comparing import questions
from mlops_lab.base.clock import SystemClock
from mlops_lab.models.registry import Registry
from mlops_lab.pipeline.flights import MODEL_NAME, flights_pipeline


@pytest.fixture
def answered(engine, tmp_path):
    """The pipeline, by ada; she answers first herself, then grace does."""
    asked = questions()["passed"]
    params = {**asked.params, "approval": True, "author": "ada"}
    ended = run_and_answer(
        engine,
        flights_pipeline(),
        [("ada", True), ("grace", True)],
        logical_date=asked.logical_date,
        params=params,
        home=tmp_path,
        timeout=1500,
    )
    return ended, Registry(tmp_path, clock=SystemClock())


def test_the_author_cannot_agree_to_her_own_model_so_it_asks_again_and_somebody_else_can(answered):
    ended, registry = answered

    assert len(ended.questions) == 2
    assert (ended.state, ended.states["approve"], ended.states["promote"]) == ("success",) * 3
    version = registry.get_production(MODEL_NAME)
    approval = registry.get_approval(MODEL_NAME, version.version)
    assert (approval.requested_by, approval.decided_by, version.author) == ("ada", "grace", "ada")
    assert [each.actor for each in registry.history(MODEL_NAME) if each.action == "approve"] == ["grace"]
