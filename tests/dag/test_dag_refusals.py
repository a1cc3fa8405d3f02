"""What no DAG, task, param or moment can be is refused in one line; what a task does cannot hurt its run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from functools import partial

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError
from mlops_lab.pipeline.dag import DAG, Param, Schedule, Task, from_json, from_yaml, get_run, list_runs, run_dag, task


def of(function, **settings):
    with DAG("night") as dag:
        task(task_id="only", **settings)(function)()
    return dag


def run(dag, **words):
    return run_dag(dag, **({"logical_date": "2013-09-01", "clock": FakeClock()} | words))


def joined(other):
    with DAG("night") as dag:
        first = task(lambda: 1, task_id="first")()
        return dag, first >> other


def stranger():
    with DAG("other"):
        return task(lambda: 1, task_id="first")()


def everything(*words):
    return words


CASES = {
    "a joined text": lambda home: joined("second"),
    "nothing joined": lambda home: joined(None),
    "a joined list of numbers": lambda home: joined([1]),
    "a task of another DAG, of a name that is here too": lambda home: joined(stranger()),
    "upstream is a number": lambda home: DAG("a").add(Task("b", lambda: 1), upstream=5),
    "upstream holds nothing": lambda home: DAG("a").add(Task("b", lambda: 1), upstream=[None]),
    "catchup as text": lambda home: DAG("a", catchup="false"),
    "back-off as text": lambda home: Task("a", retry_exponential_backoff="no"),
    "tags that are a number": lambda home: DAG("a", tags=3),
    "params in a list": lambda home: DAG("a", params=["b"]),
    "values in a list": lambda home: run(of(lambda: 1), params=["b"]),
    "an enum that is a text": lambda home: Param("a", enum="abc"),
    "an enum that is a number": lambda home: Param("a", enum=3),
    "bounds with nothing between": lambda home: Param(type="integer", minimum=3, maximum=2),
    "a function without a signature": lambda home: Task("a", dict),
    "a partial of what takes anything": lambda home: Task("a", partial(everything)),
    "no document": lambda home: from_yaml(None),
    "no JSON document": lambda home: from_json(3),
    "no DAG": lambda home: run("night"),
    "a day without an hour": lambda home: run(of(lambda: 1), logical_date=date(2013, 9, 1)),
    "resumed by a number": lambda home: run(of(lambda: 1), logical_date=None, resume=3, home=home),
    "a limit that is a text": lambda home: list_runs(home, limit="x"),
    "a DAG in a list": lambda home: list_runs(home, dag_id=["night"]),
    "a run of half a letter": lambda home: get_run(home, "\ud800"),
    "a run in a list": lambda home: get_run(home, ["night"]),
    "before the calendar": lambda home: Schedule("@daily").previous("0001-01-01"),
    "after the calendar": lambda home: Schedule("@daily").at_or_after("9999-12-31T23:59:59Z"),
    "a wait past the calendar": lambda home: run(of(lambda: 1 / 0, retries=1, retry_delay=1e13)),
    "a path that no disk can hold": lambda home: run(of(lambda: 1), home="a\0b"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_is_refused_in_one_line_that_speaks_of_no_damage(tmp_path, case):
    run(of(lambda: 1), home=tmp_path)

    with pytest.raises(MlopsLabError) as refused:
        CASES[case](tmp_path)

    assert "damaged" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_tag_is_one_tag():
    assert DAG("a", tags="abc").tags == ("abc",)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_without_a_text_fails_its_task_only(tmp_path, workers):
    def fail():
        raise Mute

    found = run(of(fail), home=tmp_path, max_workers=workers)

    assert (found.state, found.task("only").why) == ("failed", "Mute: its text cannot be told")


def test_a_number_that_json_cannot_hold_fails_its_task_only(tmp_path):
    found = run(of(lambda: {"n": [10**5000]}), home=tmp_path)

    assert found.task("only").why.startswith("the result of task 'only' holds a whole number at ['n'][0] of more than")


SCRIPT = """
import json, os, sys
from mlops_lab.base.clock import FakeClock
from mlops_lab.pipeline.dag import DAG, run_dag, task

def forks():
    child = os.fork()
    if not child:
        {ends}
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

with DAG("night") as dag:
    task(task_id="only")(forks)()
    task(task_id="more")(lambda: 1)()
found = run_dag(dag, logical_date="2013-09-01", clock=FakeClock(), home=sys.argv[1])
print(json.dumps([found.state, found.result("only")]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.parametrize(
    ("ends", "code"),
    [("sys.exit(3)", 3), ("return 1", 0), ("raise ValueError", 1), ("sys.exit()", 0), ("sys.exit('no')", 1)],
)
def test_a_child_that_a_task_forks_does_not_go_on_with_the_run(tmp_path, ends, code):
    words = [sys.executable, "-c", SCRIPT.format(ends=ends), str(tmp_path)]

    told = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)

    assert [json.loads(line) for line in told.stdout.splitlines()] == [["success", code]]
    assert [len(each.attempts) for each in list_runs(tmp_path)[0].task_instances] == [1, 1]


def test_what_is_no_definition_says_so_before_anything_is_made(tmp_path):
    with pytest.raises((InvalidData, InvalidDefinition)):
        run(of(lambda: 1), params=3, home=tmp_path / "home")

    assert not (tmp_path / "home").exists()
