"""The second problem on the engines, by the options of the course: the same figures and the same verdict."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlops_lab.adapters.exports import to_airflow, to_feast_repository, to_prefect, to_tecton_repository
from mlops_lab.base.clock import FakeClock
from mlops_lab.pipeline.engines import choose_engines, open_registry, open_tracker
from mlops_lab.pipeline.problem import load_problem, new_project, outcome, pipeline_of, run_problem

TOLD = {"model": "ridge", "author": "ada"}


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "warm"
    new_project(folder)
    return load_problem(folder / "problem.py")


def figures_of(problem, home):
    run = run_problem(problem, home, params=TOLD, clock=FakeClock("2016-01-02"))
    registry, tracker = open_registry(home, clock=FakeClock()), open_tracker(home, clock=FakeClock())
    assert outcome(run) == "promoted", [each.why for each in run.task_instances if each.why]
    version = registry.get_production(problem.name)
    return outcome(run), version.version, tracker.get_run(version.run_id).metrics


@pytest.mark.parametrize(
    "engines",
    [
        pytest.param({name: engine}, marks=pytest.mark.skipif(find_spec(engine) is None, reason=f"no {engine} here"))
        for name, engine in (("features", "feast"), ("registry", "mlflow"))
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")
def test_an_engine_comes_to_the_same_figures(engines, problem, tmp_path):
    choose_engines(tmp_path / "engine", **engines)

    assert figures_of(problem, tmp_path / "engine") == figures_of(problem, tmp_path / "ours")


@pytest.mark.parametrize("write", [to_airflow, to_prefect])
def test_an_export_names_the_tasks_of_every_problem_and_nothing_of_flights(write, problem):
    text = write(pipeline_of(problem))

    assert ast.parse(text)
    assert "mlops_lab.pipeline.problem.steps:train" in text
    assert "flight" not in text


@pytest.mark.parametrize("write", [to_feast_repository, to_tecton_repository])
def test_its_features_are_a_repository_of_another_store(write, problem):
    files = write(list(problem.definitions))

    assert all(ast.parse(text) for name, text in files.items() if name.endswith(".py"))
    assert any("same_day" in text for text in files.values())


@pytest.mark.nightly
def test_the_two_commands_of_its_readme_pass_in_an_environment_and_a_home_of_their_own(tmp_path):
    import site

    root, folder, made = Path(__file__).parents[2], tmp_path / "warm", tmp_path / "venv"
    new_project(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    python = made / ("Scripts" if os.name == "nt" else "bin") / "python"
    library = Path(
        subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[-1])"], text=True).strip()
    )
    (library / "ours.pth").write_text("\n".join([str(root), *site.getsitepackages()]))
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MLOPS_LAB", "PYTHON"))
    }

    ran = subprocess.run([python, "-m", "mlops_lab", "run", "problem.py", "-q"], cwd=folder, env=clean, check=False)
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tested = subprocess.run(tests, cwd=folder, env=clean, capture_output=True, check=False)
    page = folder / "problem.py"  # somebody takes the leak for an honest view
    page.write_text(
        page.read_text("utf-8").replace('"as_known": [calendar,', '"as_known": [same_day, calendar,'), "utf-8"
    )
    words = [*tests, "tests", "-k", "later or leak"]
    planted = subprocess.run(words, cwd=folder, env=clean, capture_output=True, text=True, check=False)

    assert ran.returncode == 0
    assert tested.returncode == 0, tested.stdout[-2000:]
    assert planted.returncode == 1
    assert "test_what_comes_later_changes_nothing_that_was_known[same_day]" in planted.stdout
    assert "test_the_honest_service_has_no_leak" in planted.stdout
