"""Which engines are really run? Those that `python start.py test-engines` names; without it their tests skip."""

from __future__ import annotations

import os

import pytest

from mlops_lab.adapters.engines import Asked, run_all
from mlops_lab.adapters.engines.comparing import DATES, missed_since, questions
from mlops_lab.adapters.engines.planted import sequence
from mlops_lab.pipeline.problem import load_problem, new_project, pipeline_of

NAMED = [each for each in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",") if each]
ENGINES = [
    pytest.param(
        name, marks=pytest.mark.skipif(name not in NAMED, reason=f"python start.py test-engines {name} runs it")
    )
    for name in ("airflow", "prefect")
]


@pytest.fixture(params=ENGINES)
def engine(request):
    """Each engine that is named."""
    return request.param


@pytest.fixture(scope="session")
def asked(tmp_path_factory):
    """The questions of the comparison, and the runs of a second problem: Seattle's days, honest and with the leak."""
    page = tmp_path_factory.mktemp("project") / "warm" / "problem.py"
    new_project(page.parent)
    dag, told = pipeline_of(load_problem(page)), {"model": "ridge", "author": "ada"}
    return {
        **questions(),
        "sequence": Asked(sequence(3), "2013-10-01"),  # what it is asked for there is how long it takes
        "weather passed": Asked(dag, "2016-01-02", told, problem=page),
        "weather refused": Asked(dag, "2016-01-02", {**told, "features": "same_day"}, problem=page),
    }


@pytest.fixture(scope="session")
def answers(asked):
    """What an engine answers to all the questions of the comparison; asked once, because engines start slowly."""
    known = {}

    def answer(engine):
        if engine not in known:
            missed = None if engine == "prefect" else missed_since()
            known[engine] = run_all(engine, list(asked.values()), dates=DATES, missed=missed, timeout=1500)
        return known[engine]

    return answer


@pytest.fixture(scope="session", params=ENGINES)
def both(request, answers, asked):
    """Our records and the engine's, by the name of the question."""
    names = list(asked)
    ours, other = answers("ours"), answers(request.param)
    return request.param, dict(zip(names, ours.runs, strict=True)), dict(zip(names, other.runs, strict=True))
