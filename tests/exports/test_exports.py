"""The files for Airflow and Prefect: readable, the same every time, and nothing in a DAG can break out of its text."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.adapters.exports import airflow_dags, to_airflow, to_airflow_factory, to_prefect, to_prefect_yaml
from mlops_lab.adapters.naming import identifiers
from mlops_lab.adapters.writing import docstring, literal
from mlops_lab.base.errors import InvalidDefinition, MlopsLabError
from mlops_lab.pipeline.dag import DAG, TRIGGER_RULES, Param, Task, from_yaml, task, to_yaml
from mlops_lab.pipeline.flights import flights_pipeline
from mlops_lab.pipeline.problem import delivery, steps

GOLDEN = Path(__file__).parent / "golden"
WRITERS = {"airflow": to_airflow, "prefect": to_prefect}
BESIDE = {"airflow-factory": to_airflow_factory, "prefect-yaml": to_prefect_yaml}
CONTEXT = {"airflow.sdk", "airflow.sdk.exceptions", "prefect", "pydantic"}
HOSTILE = [
    "quote \" and ' both",
    '"""\nimport os\nos.abort()\n"""',
    "ends with a backslash \\",
    "{{ ds }} {placeholder} %s {names} {times} {date}",
    "line\nbreak\r\n\x00\x1b[2J\u2028\u202e",
    "\ud800 alone",
    "'); boom(); ('",
]
words = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(HOSTILE)


@pytest.fixture(params=WRITERS)
def write(request):
    return WRITERS[request.param]


def noop(**context):
    return None


def calls(text: str) -> set[str]:
    """Every plain name that the file calls anywhere."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {node.func.id for node in nodes if isinstance(node.func, ast.Name)}


@pytest.mark.parametrize("engine", [*WRITERS, *BESIDE])
def test_the_flights_pipeline_is_written_as_in_the_golden_file(engine):
    golden = GOLDEN / f"flights.{engine}.txt"

    assert {**WRITERS, **BESIDE}[engine](flights_pipeline()) == golden.read_text("utf-8")


@pytest.mark.parametrize("engine", WRITERS)
def test_writing_is_the_same_after_a_detour_through_yaml(engine):
    again = from_yaml(to_yaml(flights_pipeline()), modules=[steps, delivery])

    assert WRITERS[engine](again) == WRITERS[engine](flights_pipeline())


def test_no_engine_is_imported_to_write_its_file():
    code = "import sys; from mlops_lab.pipeline.flights import flights_pipeline as f\n"
    code += "from mlops_lab.adapters.exports import *\n"
    code += "to_airflow(f()), to_prefect(f()); print(*{'airflow', 'prefect', 'pydantic'} & set(sys.modules))"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.split() == []


@pytest.mark.skipif(not shutil.which("ruff", path=str(Path(sys.executable).parent)), reason="ruff is not installed")
def test_the_files_are_formatted_and_hold_nothing_unused(write):
    ruff = [str(Path(sys.executable).parent / "ruff")]
    text = write(flights_pipeline())

    form = subprocess.run(
        [*ruff, "format", "--isolated", "--line-length=120", "--check", "-"], input=text, text=True, capture_output=True
    )
    lint = subprocess.run(
        [*ruff, "check", "--isolated", "--line-length=120", "--select=E,F,I,UP,B", "--target-version=py311", "-"],
        input=text,
        text=True,
        capture_output=True,
    )

    assert (form.returncode, form.stderr) == (0, "")
    assert lint.returncode == 0, lint.stdout


def test_a_file_names_no_path_and_no_secret(write):
    text = write(flights_pipeline())

    assert str(Path.home()) not in text
    assert str(Path(__file__).parents[2]) not in text
    assert "password" not in text.lower()


def test_every_setting_of_a_task_is_in_the_airflow_file():
    each = Task(
        "load",
        steps.check_data.function,
        retries=3,
        retry_delay=timedelta(seconds=1.5),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(hours=1),
        execution_timeout=timedelta(minutes=2),
        trigger_rule="all_done",
    )
    dag = DAG("settings", schedule="@quarterly", timezone="Europe/Berlin", catchup=True, start_date="2013-01-01T05:30Z")
    dag.add(each)

    text = to_airflow(dag)

    for told in (
        "retries=3",
        "retry_delay=timedelta(seconds=1.5)",
        "retry_exponential_backoff=2.0",
        "max_retry_delay=timedelta(hours=1)",
        "execution_timeout=timedelta(minutes=2)",
        'trigger_rule="all_done"',
        'task_id="load"' if "def load(" not in text else "def load(",
        'CronTriggerTimetable("0 0 1 */3 *", timezone="Europe/Berlin")',
        "start_date=datetime(2013, 1, 1, 5, 30, tzinfo=UTC)",
        "catchup=True",
    ):
        assert told in text


def test_prefect_gets_the_waits_that_our_executor_would_make():
    dag = DAG("waits")
    each = Task("load", steps.check_data.function, retries=4, retry_delay=10, retry_exponential_backoff=True)
    dag.add(each.override(max_retry_delay=30))
    dag.add(each.override(task_id="often", retries=99, retry_exponential_backoff=False, execution_timeout=2.5))

    text = " ".join(to_prefect(dag).split())

    assert "retries=4, retry_delay_seconds=[10, 20, 30, 30], retry_condition_fn=may_retry" in text
    assert "retries=99, retry_delay_seconds=10, retry_condition_fn=may_retry, timeout_seconds=2.5" in text


@pytest.mark.parametrize("rule", TRIGGER_RULES)
def test_every_trigger_rule_reaches_both_files(rule):
    dag = DAG("rules")
    dag.add(Task("a", steps.check_data.function))
    dag.add(Task("b", steps.check_data.function, trigger_rule=rule), upstream=["a"])

    assert f'trigger_rule="{rule}"' in to_airflow(dag) or rule == "all_success"
    assert f'"{rule}", run, [a]' in to_prefect(dag)


def test_params_keep_type_bounds_and_choice():
    params = {
        "size": Param(3, minimum=1, maximum=9, description='how "many"'),
        "share": Param(0.5, minimum=0, maximum=1),
        "day": Param("2013-09-01", type="date", minimum="2013-01-01"),
        "kind": Param("a", enum=("a", "b")),
        "maybe": Param(None, type="string"),
        "must": Param(type="integer"),
        "two-words": Param(True),
    }
    dag = DAG("params", params=params)
    dag.add(Task("size", steps.check_data.function))

    airflow, prefect = to_airflow(dag), to_prefect(dag)

    assert '"size": Param(3, type="integer", minimum=1, maximum=9, description=' in airflow
    assert '"day": Param("2013-09-01", type="string", format="date")' in airflow
    assert '"maybe": Param(None, type=["null", "string"])' in airflow
    assert '"must": Param(type="integer")' in airflow
    assert "size_: Annotated[int, Field(strict=True, ge=1, le=9)] = 3," in prefect  # a task has the name already
    assert "share: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, le=1.0)] = 0.5," in prefect
    assert "day: Annotated[date, Field(ge=date(2013, 1, 1))] = date(2013, 9, 1)," in prefect
    assert 'kind: Literal["a", "b"] = "a",' in prefect
    assert "maybe: str | None = None," in prefect
    assert "must: Annotated[int, Field(strict=True)]," in prefect
    assert '"two-words": two_words,' in prefect


def test_arguments_and_nested_references_are_kept(write):
    dag = DAG("nested")
    first = dag.add(Task("2nd-try", steps.check_data.function))
    dag.add(Task("dag", noop), arguments={"rows": [1, {"of": first}], "odd name": None, "source": "{{ ds }}"})

    text = write(dag)

    reference = "task_2nd_try" if write is to_airflow else "result(task_2nd_try)"
    assert f'rows=[1, {{"of": {reference}}}]' in text
    assert '"odd name": None' in text
    assert '"{{ ds }}"' in text
    compile(text, "nested.py", "exec")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(write, text):
    honest, dag = calls(write(flights_pipeline())), DAG("hostile", description=text, tags=[text], params={"p": text})
    dag.add(Task("t", steps.check_data.function, description=text))
    dag.add(Task("u", noop), arguments={"given": text, text: text})

    written = write(dag)

    compile(written.encode("utf-8"), "hostile.py", "exec")
    assert calls(written) <= honest | {"t", "u", "hostile"}
    constants = [node.value for node in ast.walk(ast.parse(written)) if isinstance(node, ast.Constant)]
    assert constants.count(text) >= 4


@given(text=words)
def test_a_literal_and_a_docstring_are_read_back_as_they_were(text):
    source = f"def f():\n    {docstring(text, '    ')}\n"

    assert ast.literal_eval(literal([text, {text: 1}])) == [text, {text: 1}]
    assert isinstance(ast.parse(source).body[0].body[0].value.value, str)
    assert len(ast.parse(source).body) == len(ast.parse(source).body[0].body) == 1


@given(names=st.lists(st.from_regex(r"[\w.\-]{1,12}", fullmatch=True), unique=True, max_size=8))
def test_every_name_becomes_an_identifier_of_its_own(names):
    import unicodedata

    chosen = identifiers(names, taken=["call", "task"])

    assert list(chosen) == names
    assert all(each.isidentifier() for each in chosen.values())
    assert len({unicodedata.normalize("NFKC", each) for each in chosen.values()}) == len(names)
    assert not {"call", "task"} & set(chosen.values())


def test_a_function_that_no_other_process_can_find_is_refused(write):
    dag = DAG("local")
    dag.add(Task("here", lambda: 1))

    with pytest.raises(InvalidDefinition, match="which no other process can find by that name"):
        write(dag)


@pytest.mark.parametrize("source", ["__main__:f", "os;boom:f", "os:f()", "os", "../os:f", "m:f.<locals>.g"])
def test_a_source_that_is_no_plain_name_is_refused(write, source):
    dag = DAG("sources")
    dag.add(Task("here", noop, source=source))

    with pytest.raises(InvalidDefinition, match="which no other process can find by that name"):
        write(dag)


def test_a_task_without_its_function_is_refused(write):
    with pytest.raises(InvalidDefinition, match="load the DAG with the modules that hold its functions"):
        write(from_yaml(to_yaml(flights_pipeline())))


def test_a_schedule_cannot_give_a_required_param(write):
    dag = DAG("night", schedule="@daily", params={"must": Param(type="integer")})
    dag.add(Task("t", steps.check_data.function))

    with pytest.raises(InvalidDefinition, match="'must' has no default"):
        write(dag)


def test_an_empty_dag_can_be_written(write):
    compile(write(DAG("empty")), "empty.py", "exec")


def test_a_task_placed_twice_has_two_names(write):
    with DAG("twice") as dag:
        steps.check_data()
        task(steps.check_data.function, task_id="check-data")()

    assert "def check_data(" in write(dag)
    assert "def check_data_(" in write(dag)


def asking() -> DAG:
    dag = DAG("asking")
    dag.add(Task("first", steps.check_data.function))
    dag.add(Task("agree", delivery.approve.function, approval=True), arguments={"register": {"name": "m"}})
    dag.connect("first", "agree")
    dag.add(Task("after", steps.check_data.function), upstream=["agree"])
    dag.add(Task("beside", steps.check_data.function), upstream=["first"])
    return dag


def test_an_approval_is_airflows_operator_and_hands_on_who_answered():
    text = to_airflow(asking())

    assert 'agree_result = Approval(\n        task_id="agree", function=agree, takes=[], response_timeout=' in text
    assert "response_timeout=timedelta(days=3), execution_timeout=None" in text
    assert "def agree(decision=None):" in text
    assert "decision=decision)" in text
    assert "first_result >> agree_result" in text


def test_an_approval_pauses_the_prefect_flow_after_all_that_need_not_wait_for_it():
    text = to_prefect(asking())

    lines = [line.strip() for line in text.splitlines() if "_result = " in line]
    assert [line.partition("(")[0] for line in lines] == [
        "first_result = start",
        "beside_result = start",
        "agree_result = ask",
        "after_result = start",
    ]
    assert "pause_flow_run(wait_for_input=Decision" in text


def test_a_file_that_asks_nobody_holds_nothing_about_asking(write):
    dag = DAG("quiet")
    dag.add(Task("first", steps.check_data.function, description="decision=None approval=True"))

    text = write(dag)

    assert not {"Approval", "ApprovalOperator", "Decision", "pause_flow_run", "WAITING"} & {
        node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)
    }
    assert "hitl" not in text


def test_an_approval_needs_a_function_that_takes_the_decision():
    with pytest.raises(InvalidDefinition, match="needs a parameter decision=None"):
        Task("agree", steps.check_data.function, approval=True)


def test_a_factory_that_finds_a_bad_file_says_which_and_on_which_line(tmp_path):
    (tmp_path / "night.dag.yaml").write_text("format: mlops-lab/dag\nversion: 1\ndag_id: a\ntaks: []\n")

    with pytest.raises(MlopsLabError, match=r"^night\.dag\.yaml: line 4, column 1: unknown key 'taks'"):
        airflow_dags(tmp_path, modules=[])


def test_a_factory_uses_the_functions_of_its_modules_only(tmp_path):
    (tmp_path / "night.dag.yaml").write_text(to_yaml(flights_pipeline()))

    with pytest.raises(InvalidDefinition, match=r"night\.dag\.yaml: task 'check_data' has no function"):
        airflow_dags(tmp_path, modules=["mlops_lab.pipeline.flights.problem"])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_deployment_is_yaml_that_says_what_the_dag_says_and_no_template(text):
    from ruamel.yaml import YAML

    dag = DAG("night", schedule="@weekly", timezone="Europe/Berlin", description=text, tags=[text, "plain"])
    dag.add(Task("t", steps.check_data.function))

    (deployment,) = YAML(typ="safe", pure=True).load(to_prefect_yaml(dag))["deployments"]

    assert deployment["schedules"] == [{"cron": "0 0 * * 0", "timezone": "Europe/Berlin", "active": True}]
    assert deployment["entrypoint"] == "night_flow.py:night"
    assert deployment["tags"] == ([text] if "{{" not in text else []) + ["plain"]
    assert "{{" not in str(deployment)


def test_runs_go_one_at_a_time_and_nothing_waits_for_ever():
    airflow, prefect, deployment = (write(flights_pipeline()) for write in (to_airflow, to_prefect, to_prefect_yaml))

    assert "max_active_runs=1," in airflow
    assert 'default_args={"execution_timeout": timedelta(hours=6)},' in airflow
    assert "global_limit=1," in prefect
    assert prefect.count("timeout_seconds=21600.0") == prefect.count("@task(") == len(flights_pipeline().tasks)
    assert "timeout=max(1, int(until - monotonic()))" in prefect  # for all answers together
    assert "concurrency_limit: 1\n" in deployment
