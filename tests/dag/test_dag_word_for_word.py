"""Every refusal of a DAG, word for word: what was asked, why not, what there is."""

# ruff: noqa: E501 (a line is a refusal)

from __future__ import annotations

import numpy as np
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.pipeline.dag import DAG, Param, Schedule, Task, from_json, from_yaml, run_dag, task

HEAD = "format: mlops-lab/dag\nversion: 1\ndag_id: a\n"


def gen():
    yield 1


async def later():
    pass


def plain(x):
    return x


def positional(x, /):
    return x


def night(function=None):
    dag = DAG("night", params={"n": 1})
    dag.add(Task("first", function or (lambda: 1)))
    return dag


def unfilled():
    dag = night()
    dag.add(Task("t", plain), upstream=["first"])
    return run_dag(dag, logical_date="2013-09-01")


def returned(value):
    run = run_dag(night(lambda: value), logical_date="2013-09-01", clock=FakeClock())
    raise MlopsLabError(run.task("first").why)


REFUSED = [
    (lambda: DAG("a b"), "'a b' cannot be the name of a DAG: 1 to 250 letters, digits, dashes, dots and underscores are allowed."),
    (lambda: DAG("a", catchup=1), "catchup is a bool, not int: 1."),
    (lambda: DAG("a", tags=3), "what a DAG's tags are in is an Iterable, not int: 3."),
    (lambda: DAG("a", tags=[3]), "a tag of a DAG is a str, not int: 3."),
    (lambda: DAG("a", description=3), "the description of a DAG is a str, not int: 3."),
    (lambda: DAG("a").add("t"), "DAG a takes tasks, not str; use @task."),
    (lambda: DAG("a").backfill("2013-09-01","2013-09-02"), "DAG a has no schedule; give it one, such as schedule='@daily'."),
    (lambda: night().add(Task("first", lambda: 1)), "task 'first' is defined twice in DAG night; names are unique, so rename one of the two."),
    (lambda: night().add(Task("t", lambda first: 1), upstream=["frst"]), "no task 'frst' in DAG night; there is: first, t. Did you mean 'first'?"),
    (lambda: night().add(Task("t", plain), arguments={"y": 1}), "no parameter 'y' in task t; there is: x."),
    (lambda: night().add(Task("t", plain), arguments={"x": Task("u", lambda: 1)}), "argument x of task 't' is the task 'u' itself; pass what calling it returns."),
    (lambda: night().add(Task("t", plain), arguments={"x": {1}}), "argument x of task 't' holds a set, which is no JSON value; store it as an artifact or a file and return its name."),
    (lambda: night().connect("first","first"), "a cycle: first → first. None of them can ever start; remove one of these edges."),
    (lambda: unfilled(), "nothing fills the parameter 'x' of task 't' in DAG night: pass it in the call, or name it after one of: first, logical_date, params, clock, home, attempt, run_id."),
    (lambda: DAG("a").place(Task("t"), (1,), {}), "task 't' has no function, so its arguments need names."),
    (lambda: DAG("a").wire("t", [], {}), "no task 't' in DAG a; there is: none."),
    (lambda: DAG("b").connect(night().add(Task("t", lambda: 1)), "x"), "the reference 't' belongs to another DAG than b."),
    (lambda: night().add(Task("t", lambda: 1)) >> 3, ">> and << join what calling a task returns, not 3."),
    (lambda: Task("a b"), "'a b' cannot be the name of a task: 1 to 250 letters, digits, dashes, dots and underscores are allowed."),
    (lambda: Task("params", lambda: 1), "a task cannot be called 'params': task functions ask for the params by that word."),
    (lambda: Task("t", retries=-1), "retries of task 't' is -1; it must be a whole number, 0 or more."),
    (lambda: Task("t", trigger_rule="all_succes"), "no trigger rule 'all_succes' in task t; there is: all_done, all_done_min_one_success, all_failed, all_skipped, all_success, always, none_failed, none_failed_min_one_success and 4 more. Did you mean 'all_success'?"),
    (lambda: Task("t", trigger_rule=3), "trigger_rule of Task is 3; it takes str."),
    (lambda: Task("t", description=3), "description of Task is 3; it takes str."),
    (lambda: Task("t", approval=1), "approval of task 't' is a bool, not int: 1."),
    (lambda: Task("t", retry_delay=-1), "retry_delay of task 't' must be a timedelta or a number of seconds, zero or more and at most a year."),
    (lambda: Task("t", execution_timeout=0), "execution_timeout of task 't' must be a timedelta or a number of seconds, more than zero and at most a year."),
    (lambda: Task("t", max_retry_delay=float("inf")), "max_retry_delay of task 't' must be a timedelta or a number of seconds, more than zero and at most a year."),
    (lambda: Task("t", 3), "task 't' needs a function, not a int."),
    (lambda: Task("t", gen), "the function of task 't' must be an ordinary one, neither async nor a generator."),
    (lambda: Task("t", later), "the function of task 't' must be an ordinary one, neither async nor a generator."),
    (lambda: Task("t", positional), "the task function positional has the parameter 'x', which cannot be filled by name; write ordinary parameters."),
    (lambda: Task("t", plain, approval=True), "task 't' has approval=True, so its function needs a parameter decision=None for the answer."),
    (lambda: Task("t")(), "task 't' has no function (none was given)."),
    (lambda: task(retrys=1)(plain), "no task setting 'retrys' in @task plain; there is: approval, description, execution_timeout, max_retry_delay, retries, retry_delay, retry_exponential_backoff, still_holds and 2 more. Did you mean 'retries'?"),
    (lambda: Task("t", plain).override(retrys=1), "no task setting 'retrys' in task t; there is: approval, description, execution_timeout, max_retry_delay, retries, retry_delay, retry_exponential_backoff, still_holds and 2 more. Did you mean 'retries'?"),
    (lambda: Task("..."), "'...' cannot be the name of a task: 1 to 250 letters, digits, dashes, dots and underscores are allowed."),
    (lambda: Param(1, type=3), "type of Param is 3; it takes str."),
    (lambda: Param(1, description=3), "description of Param is 3; it takes str."),
    (lambda: Param(1, type="nmber"), "a param of type 'nmber' cannot be; the types are: string, integer, number, boolean, date."),
    (lambda: Param(None, minimum=1), "a param without a type or a default that tells it cannot be; the types are: string, integer, number, boolean, date."),
    (lambda: Param("a", minimum=1), "a param of type string has no minimum or maximum; use enum."),
    (lambda: Param(1, enum=[]), "the enum of a param is a list of values, not []."),
    (lambda: Param(1, enum=[2]), "param default must be one of 2, not 1."),
    (lambda: Param(5, maximum=3), "param default must be at most 3, not 5."),
    (lambda: Param("2013-02-30", type="date"), "param default must be a date like 2013-09-01, not '2013-02-30' (str)."),
    (lambda: Param(1, minimum=3, maximum=2), "a param of at least 3 and at most 2 has no value."),
    (lambda: Param("x", enum="x"), "the enum of a param is a list of values, not 'x'."),
    (lambda: Schedule(""), "the schedule must be a cron expression such as '0 6 * * *', not ''."),
    (lambda: Schedule("@dayly"), "no schedule '@dayly'; there is: @daily, @hourly, @monthly, @quarterly, @weekly, @yearly. Did you mean '@daily'?"),
    (lambda: Schedule("@daily").next(3), "3 (int) is no moment; give a datetime with a time zone, or ISO text."),
    (lambda: Schedule("R * * * *"), "the schedule 'R * * * *' leaves a field to chance (R); write a number there."),
    (lambda: Schedule("* * * * * * *"), "the schedule '* * * * * * *' has more than six fields; a year cannot be given."),
    (lambda: run_dag(night(), logical_date="2013-09-01", max_workers=0), "max_workers is 0; it must be a whole number, 1 or more."),
    (lambda: run_dag(night(), logical_date="2013-09-01", run_type="manul"), "no run type 'manul'; there is: backfill, manual, scheduled. Did you mean 'manual'?"),
    (lambda: run_dag(night()), "a run needs a logical_date, the moment it is for: logical_date='2013-09-01', say."),
    (lambda: run_dag(DAG("a"), resume="r"), "run 'r' can only be found in a home folder; give home=, or the DagRun itself."),
    (lambda: run_dag(DAG("a"), resume=3), "a run is resumed by its run_id or its record, not by int."),
    (lambda: run_dag("a"), "what is run is a DAG, not str: 'a'."),
    (lambda: run_dag(night(), params={"m": 1}, logical_date="2013-09-01"), "no param 'm'; there is: n."),
    (lambda: run_dag(night(), params={"n": "x"}, logical_date="2013-09-01"), "param n must be a whole number, not 'x' (str)."),
    (lambda: run_dag(night(), logical_date="2013-09-01", clock=FakeClock()).task("u"), "no task 'u' in run manual__2013-09-01T00:00:00+00:00; there is: first."),
    (lambda: returned({"a": [1, {2}]}), "the result of task 'first' holds a set at ['a'][1], which is no JSON value; store it as an artifact or a file and return its name."),
    (lambda: returned([float("nan")]), "the result of task 'first' holds nan at [0], for which JSON has no word."),
    (lambda: returned({1: 2}), "the result of task 'first' holds the key 1; keys of a JSON object are text."),
    (lambda: returned(10**5000), "the result of task 'first' holds a whole number of more than 4,000 digits; keep it as text or in a file."),
    (lambda: returned(np.array([1])), "the result of task 'first' holds a numpy.ndarray, which is no JSON value; store it as an artifact or a file and return its name."),
    (lambda: returned([[print]]), "the result of task 'first' holds a builtin_function_or_method at [0][0], which is no JSON value; store it as an artifact or a file and return its name."),
    (lambda: from_yaml(HEAD + "tasks: [{task_id: t, retries: !!int x}]"), "line 4, column 31: 'x' is no number that JSON can hold."),
    (lambda: from_yaml(HEAD + "catchup: yes\ntasks: []"), "line 4, column 1: 'yes' is not of type 'boolean' in catchup."),
    (lambda: from_yaml(HEAD + "catchup: !!bool yes\ntasks: []"), "line 4, column 10: 'yes' is neither true nor false, the two words that are read here."),
    (lambda: from_yaml("# c\n%YAML 1.1\n---\n" + HEAD), "line 2: only YAML 1.2 is read here; others mean something else by yes, no and 010."),
    (lambda: from_yaml(HEAD + "tasks: !!set {}"), "line 4, column 8: the tag 'set' is not read here; only text, numbers, truth, null, lists and maps are."),
    (lambda: from_yaml(HEAD + "a: &x 1\nb: *x"), "line 4, column 4: aliases are not read here; write the value out."),
    (lambda: from_yaml(HEAD + "1: 2"), "line 4, column 1: the key 1 is no text; put it in quotes."),
    (lambda: from_yaml(HEAD + "dag_id: b"), "line 4, column 1: the key 'dag_id' is there twice."),
    (lambda: from_yaml(HEAD + "retries: !!float x"), "line 4, column 10: 'x' is no number that JSON can hold."),
    (lambda: from_yaml(HEAD + "a: .inf"), "line 4, column 4: '.inf' is no number that JSON can hold."),
    (lambda: from_yaml(3), "a document is read from its text, not from int."),
    (lambda: from_yaml("a" * 1_000_001), "line 1: the text has 1,000,001 characters; the longest that is read has 1,000,000."),
    (lambda: from_yaml(HEAD + "a: !!map x"), "line 4, column 4: this is no map, as its tag says."),
    (lambda: from_json('{"a": 1,\n "a": 2}'), "line 2, column 2: the key 'a' is there twice."),
    (lambda: from_json('[\n1e999]'), "line 2, column 1: '1e999' is no number that JSON can hold."),
    (lambda: from_json('[NaN]'), "line 1, column 2: 'NaN' is no number that JSON can hold."),
    (lambda: from_json('{"a": ' + "1" * 5000 + "}"), "line 1, column 7: '1111111111111111111111111111111111111111…' is no number that JSON can hold."),
    (lambda: from_json('{"b": [{"a": 1}, {"a": [1, -Infinity]}]}'), "line 1, column 28: '-Infinity' is no number that JSON can hold."),
    (lambda: from_yaml(HEAD + "params: {n: {default: 5, type: text}}\ntasks: []"), "line 4, column 26: 'text' is not one of ['string', 'integer', 'number', 'boolean', 'date'] in params.n.type."),
    (lambda: from_yaml(HEAD + "tasks:\n  - task_id: t\n  - task_id: t"), "line 6, column 5: task 't' is defined twice in DAG a; names are unique, so rename one of the two."),
    (lambda: from_yaml(HEAD + "tasks:\n  - task_id: t\n    retries: -1"), "line 6, column 5: -1 is less than the minimum of 0 in tasks.0.retries."),
    (lambda: from_yaml(HEAD + "taks: []\ntasks: []"), "line 4, column 1: unknown key 'taks'. Did you mean 'tasks'?"),
    (lambda: from_yaml(HEAD + "tasks:\n  - {task_id: t, upstream: [x]}"), "line 5, column 29: no task 'x' in DAG a; there is: t."),
    (lambda: from_yaml("\nformat: other\nversion: 1\ndag_id: a\ntasks: []"), "line 2, column 1: this is no DAG: its format is not 'mlops-lab/dag'."),
    (lambda: from_yaml(HEAD+"params: {n: {default: 1, type: integer, minimum: 3}}\ntasks: []"), "line 4, column 10: param default must be at least 3, not 1."),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "told"), REFUSED)
def test_a_refusal_is_said_word_for_word(ask, told):
    with pytest.raises(MlopsLabError) as refused:
        ask()

    assert str(refused.value) == told
