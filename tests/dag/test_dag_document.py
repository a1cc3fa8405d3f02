"""Is a DAG the same after being written and read, and is a bad document refused on its line?"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import CycleError, InvalidData, InvalidDefinition, UnknownName
from mlops_lab.pipeline.dag import (
    DAG,
    TRIGGER_RULES,
    Param,
    Task,
    from_dict,
    from_json,
    from_yaml,
    json_schema,
    run_dag,
    task,
    to_dict,
    to_json,
    to_yaml,
)


@task(retries=2)
def extract(params: dict[str, int]) -> list[int]:
    return [params["n"]]


@task
def total(numbers: list[list[int]], words: dict[str, Any]) -> int:
    return sum(map(sum, numbers)) + words["plus"]


def not_a_task() -> None: ...


HERE = sys.modules[__name__]


def course() -> DAG:
    settings: dict[str, Any] = {"schedule": "0 6 * * *", "timezone": "Europe/Berlin", "start_date": "2013-09-01"}
    params = {"n": Param(3, minimum=1, description="how many"), "day": Param(type="date"), "on": Param(True)}
    with DAG("course", **settings, catchup=True, params=params, description="é: 'all' #1", tags=["a", "b"]) as dag:
        first = extract()
        second = extract.override(
            task_id="again",
            retry_delay=1.5,
            retry_exponential_backoff=True,
            max_retry_delay=timedelta(hours=1),
            execution_timeout=60,
            trigger_rule="all_done",
            description="no\nyes: [x]",
        )()
        result = total([first, second], words={"plus": 1, "null": None, "no": "2013-09-01", "tab": "\t"})
        second >> total.override(task_id="last")(numbers=[[1]], words={"plus": result})
    return dag


@pytest.mark.parametrize(("write", "read"), [(to_yaml, from_yaml), (to_json, from_json), (to_dict, from_dict)])
def test_a_dag_is_the_same_after_being_written_and_read(write: Any, read: Any) -> None:
    dag = course()

    again = read(write(dag), modules=[HERE])

    assert again == dag
    assert write(again) == write(dag)
    params = {"day": "2013-09-01"}
    runs = [run_dag(each, logical_date="2013-09-01", params=params, clock=FakeClock()) for each in (dag, again)]
    assert [each.result for each in runs[0].task_instances] == [each.result for each in runs[1].task_instances]


words = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(words, each, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@example("\x85 \u2028\u2029\ufeff", ["\x85", {"\u2028": "\r\n\x85"}], "all_done", ["\x85"])
@given(words, values, st.sampled_from(sorted(TRIGGER_RULES)), st.lists(words, max_size=2))
def test_any_text_and_any_json_value_come_back(text: str, value: Any, rule: str, tags: list[str]) -> None:
    dag = DAG("any", description=text, tags=tags, params={"p": text})
    dag.add(Task("first", description=text, trigger_rule=rule))
    dag.add(Task("second"), arguments={"v": value, "r": {"x": [dag.add(Task("third")), value]}})

    assert from_json(to_json(dag)) == dag
    assert from_yaml(to_yaml(dag)) == dag


def test_without_its_modules_a_dag_can_be_ordered_and_not_run() -> None:
    bare = from_yaml(to_yaml(course()))

    assert bare.topological_order() == course().topological_order()
    with pytest.raises(InvalidDefinition, match=r"'extract' of DAG course has no function.*test_dag_document:extract"):
        run_dag(bare, logical_date="2013-09-01")


def document(**changes: Any) -> dict[str, Any]:
    return {"format": "mlops-lab/dag", "version": 1, "dag_id": "d", "tasks": [], **changes}


@pytest.mark.parametrize("name", ["os:system", "subprocess:run", "no.such.module:x"])
def test_a_function_of_another_module_is_neither_imported_nor_found(name: str) -> None:
    dag = from_dict(document(tasks=[{"task_id": "t", "function": name}]), modules=[HERE])

    assert dag.tasks["t"].function is None
    assert "no.such.module" not in sys.modules


@pytest.mark.parametrize("name", ["run_dag", "sys.exit", "__builtins__", "HERE", "missing", "pytest", ""])
def test_what_a_module_only_imports_is_not_one_of_its_functions(name: str) -> None:
    with pytest.raises(UnknownName, match="task function"):
        from_dict(document(tasks=[{"task_id": "t", "function": f"{__name__}:{name}"}]), modules=[HERE])


HEAD = "format: mlops-lab/dag\nversion: 1\ndag_id: d\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + "tasks:\n  - task_id: a\n    retires: 3\n",
            "line 6, column 5: unknown key 'retires' in tasks.0. Did you",
        ),
        (HEAD + "tasks:\n  - task_id: a\n    retries: three\n", "line 6, column 5: 'three' is not of type 'integer'"),
        (HEAD + "tasks: []\ntasks: []\n", "line 5, column 1: the key 'tasks' is there twice"),
        (HEAD + "tasks: [\n", "line 4, column 9: this is no YAML"),
        (HEAD + "tasks: []\n\tx: 1\n", "line 5"),
        (HEAD.replace("1", "2") + "tasks: []\n", "line 2, column 1: the document is of version 2.*update"),
        (HEAD.replace("1", "'1'") + "tasks: []\n", "line 2, column 1: 1 was expected"),
        ("a: 1\n", "this is no DAG: its format is not 'mlops-lab/dag'"),
        ("- 1\n", "is not of type 'object'"),
        ("", "is not of type 'object'"),
        (HEAD, "'tasks' is a required property"),
        (HEAD + "tasks: &a []\nparams: *a\n", "line 4, column 8: aliases are not read"),
        (HEAD + "tasks: []\n1: 2\n", "line 5, column 1: the key 1 is no text"),
        (HEAD + "tasks: !!python/object/apply:os.system [ls]\n", "line 4, column 8: the tag"),
        (HEAD + "tasks: []\nparams: {n: {type: number, default: .nan}}\n", "line 5, column 37: '.nan' is no number"),
        (HEAD + "tasks: []\n---\na: 1\n", "this is no YAML"),
        (HEAD + "tasks: " + "[" * 5000, "^this YAML is nested too deeply.$"),
        (HEAD + "tasks: []\x00", "this is no YAML"),
        (HEAD + "tasks:\n - task_id: a\n   arguments: {x: {from: a, value: 1}}", "line 6, column 16"),
        (HEAD + "tasks: !!map a\n", "line 4, column 8: this is no map, as its tag says"),
        (HEAD + "tasks: !!seq a\n", "line 4, column 8: this is no list, as its tag says"),
        (HEAD + "tasks: !!int [1]\n", "line 4, column 8: this is no number, as its tag says"),
        (HEAD + "tasks: !!str {a: 1}\n", "line 4, column 8: this is no text, as its tag says"),
        (HEAD + "catchup: !!bool maybe\n", "line 4, column 10: 'maybe' is neither true nor false"),
        ("\n%YAML 1.1\n---\n" + HEAD + "tasks: []\n", "^line 2: only YAML 1.2 is read"),
        ("%YAML 1.1\n---\n" + HEAD + "catchup: yes\ntasks: []\n", "line 1: only YAML 1.2 is read"),
        (
            HEAD + "tasks:\n- {task_id: a, arguments: {a: {value: " + "[" * 101 + "]" * 101 + "}}}",
            "line 5, column .*: nested too",
        ),
        (HEAD + 'description: "never closed\n', "line 4, column 14"),
        (HEAD + "tasks: [a,\n", "line 4, column 11"),
        (HEAD + "description: \x07\n", "line 4: this is no YAML: the character"),
        (HEAD + "description: " + "x" * 10_000_000, "line 1: the text has 10,000,0.. characters; the longest"),
        (
            HEAD + "tasks: {" + ", ".join(f"k{at}: 1" for at in range(99)) + "}",
            "line 4, column 1: .{150,200} is not of type 'array'",
        ),
    ],
    ids=lambda each: ascii(each[-30:]),
)
def test_a_bad_yaml_is_refused_on_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        from_yaml(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"format": "mlops-lab/dag", "version": 1,\n "dag_id": "d",\n "tasks": [{"task_id": 3}]}',
            "line 3, column 13: 3",
        ),
        (
            '{"format": "mlops-lab/dag",\n "version": 1, "version": 1}',
            "line 2, column 16: the key 'version' is there twice",
        ),
        ('{"format": ,}', "line 1, column 12: this is no JSON"),
        ('{"format": "NaN",\n "version": NaN}', "line 2, column 13: 'NaN' is no number"),
        ('{"format": "-Infinity",\n "version": -Infinity}', "line 2, column 13: '-Infinity' is no number"),
        ('{"format": "1e999",\n "version": 1e999}', "line 2, column 13: '1e999' is no number"),
        ('{"version":\n -' + "9" * 5000 + "}", "line 2, column 2: '-9{39}…' is no number"),
        ('{"a":' + '{"list":[' * 200 + "1" + "]}" * 200 + "}", "line 1, column .*: nested too deeply; 100 levels"),
        ('"' + "x" * 2_000_000 + '"', "line 1: the text has 2,000,002 characters"),
        ("[" * 100_000, "line 1.*nested too deeply|line 1.*this is no JSON"),
        (json.dumps(document(tags=["a", 3])), "line 1, column 85: 3 is not of type 'string' in tags.1"),
        (json.dumps(document(version=7)), "line 1, column 29: the document is of version 7"),
        (json.dumps(document(tasks=[{"task_id": "a", "retry": 1}])), "unknown key 'retry' in tasks.0"),
    ],
    ids=lambda each: ascii(each[:30]),
)
def test_a_bad_json_is_refused_on_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        from_json(text)


@pytest.mark.parametrize("number", [2**53 + 1, 10**400, -(10**400)], ids=["odd", "long", "negative"])
def test_a_whole_number_of_any_size_comes_back(number: int) -> None:
    dag = DAG("a", params={"n": number})

    assert from_json(to_json(dag)).params["n"].default == from_yaml(to_yaml(dag)).params["n"].default == number


def test_a_byte_order_mark_before_the_text_is_no_part_of_it() -> None:
    dag = from_dict(document())

    assert from_json("\ufeff" + to_json(dag)) == from_yaml("\ufeff" + to_yaml(dag)) == dag


def test_a_document_that_is_no_dag_is_refused_as_a_definition_is() -> None:
    loop = [{"task_id": "a", "upstream": ["b"]}, {"task_id": "b", "upstream": ["a"]}]

    with pytest.raises(CycleError, match="a → b → a"):
        from_dict(document(tasks=loop))
    with pytest.raises(UnknownName, match="task 'c'"):
        from_dict(document(tasks=[{"task_id": "a", "upstream": ["c"]}]))
    with pytest.raises(InvalidDefinition, match="twice"):
        from_dict(document(tasks=[{"task_id": "a"}, {"task_id": "a"}]))
    with pytest.raises(InvalidDefinition, match="cron"):
        from_dict(document(schedule="often"))
    with pytest.raises(InvalidDefinition):
        from_dict(document(tasks=[{"task_id": "../a"}]))


def test_tasks_may_stand_in_any_order() -> None:
    dag = from_dict(document(tasks=[{"task_id": "b", "upstream": ["a"]}, {"task_id": "a"}]))

    assert dag.topological_order() == ["a", "b"]


def test_the_schema_is_a_schema_and_documents_fit_it() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json_schema())
    Draft202012Validator(json_schema()).validate(to_dict(course()))


def test_a_function_put_into_a_module_by_another_is_not_found() -> None:
    module = ModuleType("planted")
    module.__dict__["extract"] = not_a_task

    with pytest.raises(UnknownName, match="module planted"):
        from_dict(document(tasks=[{"task_id": "t", "function": "planted:extract"}]), modules=[module])


def test_an_error_without_a_text_has_no_place_before_it():
    with pytest.raises(InvalidData, match=r"^this is no DAG: its format is not 'mlops-lab/dag'\.$"):
        from_dict({"format": "another"})


def test_a_task_that_nothing_fills_is_said_at_its_place():
    text = HEAD + f"tasks:\n- {{task_id: a}}\n- {{task_id: b, function: '{__name__}:total'}}"
    with pytest.raises(
        InvalidDefinition, match=r"^line 6, column 3: nothing fills the parameter 'numbers' of task 'b'"
    ):
        from_yaml(text, modules=[HERE])


def test_a_circle_through_arguments_is_said_at_the_task_that_it_begins_with():
    text = """format: mlops-lab/dag
version: 1
dag_id: ring
tasks:
  - task_id: first
    arguments: {x: {from: second}}
  - task_id: second
    arguments: {x: {from: first}}
"""
    with pytest.raises(CycleError, match=r"^line 5, column 5: "):
        from_yaml(text)
