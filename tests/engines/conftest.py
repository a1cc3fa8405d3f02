"""Which engines are really run? Those that `python start.py test-engines` names; without it their tests skip."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from compare_engines import DATES, missed_since, questions
from engine_runs.planted import sequence
from engine_runs.running import Asked, run_all

from mlops_lab.base.clock import SystemClock
from mlops_lab.pipeline.dag import DAG, run_dag
from mlops_lab.pipeline.flights import flights_pipeline
from mlops_lab.pipeline.problem import load_problem, new_project, pipeline_of

sys.path.insert(0, str(Path(__file__).parent))
from drawn_dags import rough_dag

DATE = "2013-10-01T06:00:00+00:00"
MANY = int(os.environ.get("MLOPS_LAB_CHANCE", "6"))  # DAGs that chance draws; more, for whoever has the time
PEOPLE = [("ada", True), ("grace", True)]  # she answers first herself, then grace does
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
def rough():
    """Small DAGs that chance draws: their tasks succeed, fail, skip themselves and try again."""
    return [rough_dag(seed) for seed in range(MANY)]


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """Where the home folder of an engine's run lies, for those that are looked into afterwards."""
    folder = tmp_path_factory.mktemp("homes")
    return lambda engine, name: folder / f"{engine} {name}"


@pytest.fixture(scope="session")
def waiting(homes):
    """The end of the flights' pipeline, from the approval on, with the home folder of a run that came so far: ada's."""
    whole, passed, home = flights_pipeline(), questions()["passed"], homes("ours", "approval")
    params = {**passed.params, "approval": True, "author": "ada"}
    first, last = DAG("until_the_approval", params=whole.params), DAG("from_the_approval", params=whole.params)
    for name in whole.topological_order()[: whole.topological_order().index("approve")]:
        first.add(whole.tasks[name], whole.upstream(name))
    run = run_dag(first, params=params, logical_date=passed.logical_date, clock=SystemClock(), home=home)
    run.raise_for_state()
    register = {"register": run.result("register")}
    last.add(whole.tasks["approve"], arguments=register)
    last.add(whole.tasks["promote"], ["approve"], arguments=register)
    return Asked(last, passed.logical_date, params, home=home, answers=PEOPLE)


@pytest.fixture(scope="session")
def answers(asked, homes, waiting, rough):
    """What an engine answers to all the questions of the comparison, to DAGs that chance drew and to an approval.

    Asked once, because engines start slowly.
    """
    known = {}

    def answer(engine):
        if engine not in known:
            more = {}
            if engine != "ours":
                shutil.copytree(waiting.home, homes(engine, "approval"))
                more = {dag.dag_id: Asked(dag, DATE, home=homes(engine, dag.dag_id)) for dag in rough}
                more["approval"] = replace(waiting, home=homes(engine, "approval"))
            missed = None if engine == "prefect" else missed_since()
            every = {**asked, **more}
            with pytest.MonkeyPatch.context() as patched:
                # Where what chance drew finds its functions.
                patched.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
                told = run_all(engine, list(every.values()), dates=DATES, missed=missed, timeout=1500 + 60 * MANY)
            known[engine] = replace(told, runs=dict(zip(every, told.runs, strict=True)))
        return known[engine]

    return answer


@pytest.fixture(scope="session", params=ENGINES)
def both(request, answers):
    """Our records and the engine's, by the name of the question."""
    return request.param, answers("ours").runs, answers(request.param).runs


@pytest.hookimpl(tryfirst=True)  # before those of the night are left out
def pytest_collection_modifyitems(items):
    """Airflow's answer to an approval is looked at by night: once in five it ended the run, and nobody knows yet why.

    The run's log is printed where that happens. Prefect's is looked at by day.
    """
    for item in items:
        if item.path.stem == "test_engine_approvals" and item.name.endswith("[airflow]"):
            item.add_marker("nightly")
