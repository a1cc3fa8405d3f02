"""Strangers' DAGs: whatever is legal is written as code that compiles, is tidy, and says what the DAG says."""

from __future__ import annotations

import ast
import builtins
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_lab.adapters.exports import to_airflow, to_airflow_factory, to_prefect, to_prefect_yaml
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.pipeline.dag import DAG, Param, Task, from_json, from_yaml, to_json, to_yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
from drawn_dags import anything, odd_dag

MANY = int(os.environ.get("MLOPS_LAB_CHANCE", "12"))  # more of them, for whoever has the time
WRITERS = {"airflow": to_airflow, "prefect": to_prefect, "airflow_factory": to_airflow_factory}
RUFF = shutil.which("ruff", path=str(Path(sys.executable).parent))


def drawn() -> list[DAG]:
    return [*(odd_dag(seed) for seed in range(MANY)), odd_dag(500, size=150)]


def test_any_dag_is_the_same_after_yaml_and_json_whose_text_every_file_can_hold():
    for dag in drawn()[:-1]:
        for write, read in ((to_yaml, from_yaml), (to_json, from_json)):
            text = write(dag)

            again = read(text.encode("utf-8").decode("utf-8"), modules=[sys.modules[odd_dag.__module__]])

            assert again == dag
            assert write(again) == text


def test_any_dag_is_written_as_code_that_compiles_and_is_the_same_every_time():
    for dag in drawn():
        for write in (*WRITERS.values(), to_prefect_yaml):
            text = write(dag)

            assert text == write(dag)
            if write is not to_prefect_yaml:
                compile(text.encode("utf-8"), dag.dag_id, "exec")


@pytest.mark.skipif(RUFF is None, reason="ruff is not installed")
def test_any_dag_is_written_tidily(tmp_path):
    for number, dag in enumerate(drawn()):
        if "x" * 90 not in {dag.dag_id, *dag.tasks, *dag.params}:  # no line holds two such names
            for name, write in WRITERS.items():
                (tmp_path / f"{name}_{number}.py").write_text(write(dag), "utf-8")
    settings = ["--isolated", "--line-length=120", str(tmp_path)]

    form = subprocess.run([RUFF, "format", "--check", *settings], capture_output=True, text=True)
    rules = ["--select=E4,E7,E9,F,I,UP,B", "--target-version=py311", "--output-format=concise"]
    lint = subprocess.run([RUFF, "check", *rules, *settings], capture_output=True, text=True)

    assert form.returncode == 0, form.stdout
    assert lint.returncode == 0, lint.stdout


@pytest.mark.parametrize(("write", "its_own"), [(to_airflow, {"ti"}), (to_prefect, {"moment", "wait_for"})])
def test_no_task_takes_the_name_of_something_the_file_uses(write, its_own):
    names = ["dict", "getattr", "isinstance", "any", "Exception", "moment", "__name__", "__getattr__", "wait_for", "ti"]
    dag = DAG("shadows")
    for name in names:
        dag.add(Task(name, anything.function, source=anything.source))

    tree = ast.parse(write(dag))

    defined = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
    assert not {*its_own, *dir(builtins)} & set(defined)
    assert not [each for each in defined if each.startswith("_")]
    assert len(defined) == len(set(defined))


@pytest.mark.parametrize("write", [to_airflow, to_prefect])
def test_an_argument_has_its_name_whatever_python_makes_of_it(write):
    dag, names = DAG("words"), ["class", "import", "None", "__debug__", "ﬁ", "odd name", "given"]
    dag.add(
        Task("t", anything.function, source=anything.source),
        arguments={name: at for at, name in enumerate(names)},
    )

    tree = ast.parse(write(dag))

    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.keywords) == 2]
    (passed,) = [each for each in calls if each.keywords[0].arg == "given"]
    assert ast.literal_eval(passed.keywords[1].value) == {name: at for at, name in enumerate(names[:-1])}


def test_an_approval_that_waits_only_so_long_is_written_with_all_that_it_uses():
    dag = DAG("asks")
    dag.add(
        Task(
            "agree",
            anything.function,
            source=anything.source,
            approval=True,
            execution_timeout=7200,
        )
    )

    text = to_airflow(dag)

    assert "response_timeout=timedelta(hours=2)" in text
    assert "from datetime import timedelta" in text


def test_a_param_that_pydantic_would_not_take_gets_another_name():
    dag = DAG("hidden", params={"_secret": Param(1), "__": Param(2), "wait_for": Param(3)})
    dag.add(Task("t", anything.function, source=anything.source))

    text = to_prefect(dag)

    assert '"_secret": task_secret,' in text
    assert '"__": task_,' in text
    assert '"wait_for": wait_for_}' in text


def test_what_airflow_would_not_read_is_refused_before_it_is_written():
    for settings, said in (
        ({"schedule": "@daily", "catchup": True}, "catches up from no start_date, which Airflow refuses"),
        ({"tags": ["short", "long" * 30]}, "has 120 characters; 100 are allowed"),
    ):
        with pytest.raises(InvalidDefinition, match=said):
            to_airflow(DAG("refused", **settings))

    assert "catchup=False" in to_airflow(DAG("by_hand", catchup=True))
