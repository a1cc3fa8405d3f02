"""A DAG that somebody wrote as a file: checked, drawn, run and exported, or refused in one line that names the line."""

from __future__ import annotations

import contextlib
import io
import json
import re

import pytest

from mlops_lab.cli import main
from mlops_lab.pipeline.dag import json_schema, to_json, to_yaml
from mlops_lab.pipeline.flights import flights_pipeline

HEAD = "format: mlops-lab/dag\nversion: 1\ndag_id: mine\n"
TASKS = """
from mlops_lab.pipeline.dag import task
from mlops_lab.base.errors import NotAllowed

def one(params):
    return params["n"]

def two(one):
    if one == 13:
        raise RuntimeError("thirteen")
    if one == 7:
        raise NotAllowed("mine waits for an approval", waiting=True)
    return one * 2
"""
MINE = (
    HEAD
    + """params: {n: {type: integer, default: 3}}
tasks:
- {task_id: one, function: "NAME:one"}
- {task_id: two, function: "NAME:two", upstream: [one]}
"""
)
BAD = {
    "a cycle": (
        "tasks:\n- {task_id: a, upstream: [b]}\n- task_id: b\n  upstream: [a]\n",
        "line 5, column 16: a cycle: a → b → a",
    ),
    "an unknown task": ("tasks:\n- task_id: a\n  upstream:\n  - c\n", "line 7, column 5: no task 'c' in DAG mine"),
    "a duplicate name": ("tasks:\n- task_id: a\n- task_id: a\n", "line 6, column 3: task 'a' is defined twice"),
    "corrupt YAML": ("tasks: [{]\n", "line 4, column 10: this is no YAML"),
    "an unknown key": ("tasks: []\nschedul: x\n", "line 5, column 1: unknown key 'schedul'. Did you mean 'schedule'?"),
    "a wrong type": ("tasks: []\ncatchup: often\n", "line 5, column 1: 'often' is not of type 'boolean'"),
    "a bad cron": ("schedule: 99 * * * *\ntasks: []\n", "line 4, column 1: '99 * * * *' is no cron expression"),
    "a bad zone": ("schedule: '@daily'\ntimezone: Mars\ntasks: []\n", "line 5, column 1: no time zone 'Mars'"),
    "a bad start": ("start_date: soon\ntasks: []\n", "line 4, column 1: 'soon' is not a date"),
    "a bad rule": ("tasks:\n- task_id: a\n  trigger_rule: all_sucess\n", "Did you mean 'all_success'?"),
    "a bad param": ("params:\n  n: {type: integer, default: 1, minimum: 5}\ntasks: []\n", "line 5, column 3: param"),
    "a hostile name": ("tasks:\n- task_id: ../../etc\n", "line 5, column 3: '../../etc' cannot be the name of a task"),
}


def said(*words) -> str:
    """What a command that has no home folder prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([str(word) for word in words]) == 0
    return out.getvalue()


@pytest.fixture
def mine(tmp_path, monkeypatch, request):
    """A file with two tasks, and the module that they are in, in the folder where the command is typed."""
    name = "tasks_" + re.sub(r"\W", "_", request.node.name)
    (tmp_path / f"{name}.py").write_text(TASKS)
    (tmp_path / "mine.yaml").write_text(MINE.replace("NAME", name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # taken back after the test
    return name


@pytest.mark.parametrize("command", ["check", "draw", "run"])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_line_with_the_file_and_the_line_and_exit_code_1(kind, command, empty, tmp_path):
    text, told = BAD[kind]
    path = tmp_path / "bad.yaml"
    path.write_text(HEAD + text, "utf-8")

    answer = empty("dag", command, path)

    assert (answer.code, answer.out) == (1, "")
    assert answer.line.startswith(f"mlops-lab: {path}: line ")
    assert told in answer.line


def test_a_newer_version_is_refused_on_its_line(empty, tmp_path):
    path = tmp_path / "newer.json"
    path.write_text('{"format": "mlops-lab/dag",\n "version": 2, "dag_id": "a", "tasks": []}')

    assert "newer.json: line 2, column 2: the document is of version 2" in empty("dag", "check", path).line


@pytest.mark.parametrize(("name", "write"), [("night.yaml", to_yaml), ("night.json", to_json)])
def test_an_exported_pipeline_is_a_good_file(name, write, empty, tmp_path):
    path = tmp_path / name
    path.write_text(write(flights_pipeline()), "utf-8")

    answer = empty("dag", "check", path, "--json")

    assert (answer.code, answer.err) == (0, "")
    assert answer.json["tasks"] == flights_pipeline().topological_order()
    assert answer.json["functions_not_looked_up"] == []
    assert empty("dag", "draw", path).out == empty("dag", "draw").out
    assert said("export", "airflow", "--file", path) == said("export", "airflow") != ""


def test_a_file_runs_with_the_module_that_is_allowed_and_keeps_its_trace(mine, empty):
    answer = empty(
        "dag", "run", "mine.yaml", "--module", mine, "--date", "2013-10-01", "--param", "n=4", "--json", "-q"
    )

    assert (answer.code, answer.err) == (0, "")
    assert [(each["task_id"], each["state"]) for each in answer.json["tasks"]] == [
        ("one", "success"),
        ("two", "success"),
    ]
    runs = empty("dag", "list", "--dag", "mine", "--json").json["runs"]
    assert [run["run_id"] for run in runs] == [answer.json["run_id"]]
    assert "success" in empty("dag", "draw", "mine.yaml", "--run", "last").out


@pytest.mark.parametrize(("n", "code", "told"), [(13, 1, "thirteen"), (7, 3, "")])
def test_a_run_that_fails_and_one_that_waits_say_so_by_their_exit_code(n, code, told, mine, empty):
    answer = empty("dag", "run", "mine.yaml", "--module", mine, "--date", "2013-10-01", "--param", f"n={n}", "-q")

    assert answer.code == code
    assert (told in answer.line) if told else answer.err == ""


def test_nothing_is_imported_that_was_not_named(mine, empty):
    import sys

    answer = empty("dag", "run", "mine.yaml", "--date", "2013-10-01")

    assert answer.code == 1
    assert f"allow it with: --module {mine}" in answer.line
    assert mine not in sys.modules


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("check", "nowhere.yaml"), "cannot read 'nowhere.yaml'"),
        (("check", "mine.yaml", "--module", "no.such"), "cannot import the module 'no.such'"),
        (("run", "mine.yaml", "--param", "m=1"), "allow it with"),
        (("draw", "mine.yaml", "--run", "last"), "there is no run in the home folder"),
    ],
)
def test_what_cannot_be_is_one_line(words, told, mine, empty):
    answer = empty("dag", *words)

    assert (answer.code, told in answer.line) == (1, True)


def test_a_parameter_that_nothing_fills_is_found_with_its_line(mine, empty, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(path.read_text().replace(", upstream: [one]", ""))

    answer = empty("dag", "check", path, "--module", mine)

    assert "mine.yaml: line 7, column 3: nothing fills the parameter 'one' of task 'two'" in answer.line


def test_the_schema_is_printed_for_other_programs(empty):
    assert json.loads(said("dag", "schema")) == json_schema()
