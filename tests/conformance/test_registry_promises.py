"""Does MLflow, with the course's rules before it, answer every question as the embedded registry does?

The questions are the package's own (`mlops_lab.adapters.registry_promises`), so that the notebook asks the same ones.
Where an engine answers differently, the difference is named here, and its answer is kept in `promises.json`.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from mlops_lab.adapters.promises import alone_of, answer_of, kept_answers
from mlops_lab.adapters.registry_promises import REGISTRY_PROMISES
from mlops_lab.pipeline.engines import Engines

ENGINES = [
    "embedded",
    pytest.param(
        "mlflow",
        marks=pytest.mark.skipif(
            "feast-mlflow" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
            reason="python start.py test-engines feast-mlflow runs it",
        ),
    ),
]
DIFFERENCES = {
    "an alias with a dot": "MLflow's aliases are letters, digits, dashes and underscores",
    "a run that this tracker does not know": "a version of MLflow's points to the artifacts of its run",
}


@pytest.mark.parametrize("promise", REGISTRY_PROMISES)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_answers_as_it_is_written_down(engine, promise):
    kept = kept_answers()[promise]

    found = answer_of(promise, Engines(registry=engine))

    assert found == (kept.ours if engine == "embedded" else kept.mlflow)


@pytest.mark.parametrize("promise", REGISTRY_PROMISES)
@pytest.mark.parametrize("engine", ENGINES[1:])
def test_mlflow_alone_does_what_the_notebook_says_of_it(engine, promise):
    kept = kept_answers()[promise]

    found = alone_of(promise)

    assert found == kept.alone


def test_every_question_has_its_answers_and_every_difference_a_name():
    kept = kept_answers()

    different = {promise for promise, answer in kept.items() if not answer.kept}

    assert set(kept) == set(REGISTRY_PROMISES)
    assert different == set(DIFFERENCES)


def test_a_planted_difference_is_seen():
    kept = kept_answers()["a rollback"]

    planted = replace(kept, mlflow="v2 in Production again")

    assert kept.kept
    assert not planted.kept
