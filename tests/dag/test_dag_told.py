"""What a DAG, its documents and its runs tell: each refusal with its place, each record with its facts."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, TaskFailed, UnknownName
from mlops_lab.pipeline.dag import (
    DAG,
    Attempt,
    DagRun,
    Param,
    Schedule,
    SkipTask,
    Task,
    TaskInstance,
    from_json,
    from_yaml,
    get_run,
    list_runs,
    run_dag,
    task,
    to_json,
)
from mlops_lab.pipeline.dag import to_yaml as written
from mlops_lab.pipeline.dag.params import REQUIRED, parse_params

HEAD = "format: mlops-lab/dag\nversion: 1\ndag_id: a\n"
DATE = FakeClock().now()
COMES = "moment ever comes"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nformat: other\nversion: 1\ndag_id: a\ntasks: []", "line 2, column 1: this is no DAG"),
        (HEAD + "params: {n: {default: 5, type: text}}\ntasks: []", "line 4, column "),
        (HEAD + "tasks:\n  - task_id: t\n  - task_id: t", "line 6, column "),
        (HEAD + "tasks:\n  - task_id: t\n    retries: -1", "line 6, column "),
        (HEAD + "taks: []\ntasks: []", "unknown key 'taks'. Did you mean 'tasks'"),
        (HEAD + "tasks:\n  - {task_id: t, upstream: [x]}", "line 5, column "),
        (HEAD + "tasks: [\x07]", "line 4"),
        (HEAD + "tasks: [a", "line 4|line 5"),
        (HEAD + "tasks: []\ndag_id: b", "line 5, column 1"),
        (HEAD + "tasks:\n  - task_id: t\n    arguments: {x: {from: z}}", "line 6, column 17: "),
        (HEAD + "tasks: " + repr(["x" * 500]), "…"),
    ],
)
def test_a_document_that_is_none_is_told_at_its_place(text, told):
    with pytest.raises((InvalidData, InvalidDefinition, UnknownName), match=told) as refused:
        from_yaml(text)

    assert len(str(refused.value)) < 500


def test_what_is_written_comes_back_with_its_choices_and_its_line_ends():
    dag = DAG("a", params={"n": Param(1, enum=[1, 2])}, description="one\x85two\u2028three", schedule="@daily")

    again = from_yaml(written(dag))

    assert again == dag
    assert again.params["n"].enum == (1, 2)
    assert "\x85" not in written(dag)
    assert from_yaml(HEAD + "start_date: 2013-09-01\ntasks: []").start_date.isoformat() == "2013-09-01T00:00:00+00:00"
    for word, number in (("0x1F", 31), ("0o17", 15), ("017", 17), ("+5", 5)):
        assert (
            from_yaml(HEAD + f"params: {{n: {{type: integer, default: {word}}}}}\ntasks: []").params["n"].default
            == number
        )


def test_a_dag_and_its_settings_show_themselves():
    with DAG("a", schedule="@daily") as dag:
        one, two = task(lambda: 1, task_id="one")(), task(lambda: 2, task_id="two")()
        two << one

    assert repr(dag).startswith("DAG(a, 2 tasks, schedule=")
    assert repr(DAG("b")) == "DAG(b, 0 tasks)"
    assert dag.upstream("two") == ("one",)
    assert repr(REQUIRED) == "REQUIRED"
    with pytest.raises(InvalidDefinition, match="the types are: "):
        Param(1, type="nmber")
    with pytest.raises(InvalidDefinition, match=r"has no function \(none was given\)"):
        Task("t")()
    for change, where in (
        (lambda: Task("t", _two).override(retrys=1), "task t"),
        (lambda: task(retrys=1)(_two), "@task"),
    ):
        with pytest.raises(UnknownName) as refused:
            change()
        assert (refused.value.kind, refused.value.name, refused.value.meant) == ("task setting", "retrys", "retries")
        assert refused.value.where.startswith(where)


@pytest.mark.parametrize(
    ("state", "instances", "task_id", "why"),
    [
        ("failed", [("a", "success", ""), ("b", "failed", "no rows")], "b", "no rows"),
        ("running", [("a", "success", ""), ("b", "running", "")], "b", "nobody wrote its end"),
        ("failed", [("a", "success", ""), ("b", "skipped", "")], "b", "the run's state is failed"),
        ("failed", [], "night", "the run's state is failed"),
    ],
)
def test_a_run_that_did_not_succeed_names_the_task(state, instances, task_id, why):
    run = DagRun("r", "night", DATE, {}, state, tuple(TaskInstance(name, told, why=w) for name, told, w in instances))

    with pytest.raises(TaskFailed) as failed:
        run.raise_for_state()
    assert failed.value.why == why

    assert (failed.value.task, failed.value.attempts) == (task_id, 0)


def test_a_run_shows_its_table_in_a_notebook_and_its_seconds_at_the_right():
    run = run_dag(_two(), logical_date=DATE, clock=FakeClock())

    page = run._repr_mimebundle_()

    assert page["text/plain"] == run.trace()
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page["text/html"])
    assert heads == ["task", "state", "attempts", "why"]
    assert re.findall(r"&nbsp;(\w+)</span></caption>", page["text/html"]) == ["success"]
    assert [word in page["text/html"] for word in ("two, manual", "before", "success")] == [True] * 3
    lines = run.trace(durations=True).splitlines()
    assert lines[1].endswith("seconds  why") or lines[1].split()[-2:] == ["seconds", "why"]
    assert lines[1].index("seconds") + len("seconds") == len(lines[2].rstrip())


def _two(broken=False):
    def after(before):
        if broken:
            raise KeyboardInterrupt
        return before + 1

    dag = DAG("two")
    dag.add(Task("before", lambda: 1))
    dag.add(Task("after", after), upstream=["before"])
    return dag


def test_a_run_that_is_stopped_closes_what_was_open_and_goes_on_where_it_was(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_dag(_two(broken=True), logical_date=DATE, clock=FakeClock(), home=tmp_path)
    stopped = list_runs(tmp_path)[0]

    assert dict(stopped.states) == {"before": "success", "after": "failed"}
    assert stopped.task("after").attempts[0].why == "interrupted by KeyboardInterrupt"
    assert run_dag(_two(), resume=stopped.run_id, clock=FakeClock(), home=tmp_path).result("after") == 2
    with pytest.raises(UnknownName) as unknown:
        get_run(tmp_path / "nowhere", "r", dag_id="two")
    assert (unknown.value.kind, unknown.value.name, unknown.value.where) == ("run", "r", "DAG two")
    with pytest.raises(UnknownName, match=f"^no run 'r' in DAG two; there is: {re.escape(stopped.run_id)}"):
        get_run(tmp_path, "r", dag_id="two")
    assert [list_runs(tmp_path, dag_id=name) for name in ("two", "one")] == [list_runs(tmp_path), []]


def test_a_result_that_does_not_hold_is_made_again_and_what_skipped_itself_is_not_asked():
    asked = []

    def holds(before, result):
        asked.append((before, result))
        return False

    dag = DAG("night")
    dag.add(Task("before", lambda: 1))
    dag.add(Task("made", lambda before: before + 1, still_holds=holds), upstream=["before"])
    dag.add(Task("last", lambda made: 1 / 0), upstream=["made"])
    run = run_dag(dag, logical_date=DATE, clock=FakeClock())

    again = run_dag(dag, resume=run, clock=FakeClock())

    assert asked == [(1, 2)]
    assert list(map(repr, again.task_instances)) == [
        "TaskInstance(before, success, 1 attempt)",
        "TaskInstance(made, success, 2 attempts)",
        "TaskInstance(last, failed, 2 attempts)",
    ]


def test_every_change_is_told_with_its_attempt_its_time_and_its_reason(tmp_path):
    told, seen = [], []

    def flaky(attempt, clock):
        run = get_run(tmp_path, "manual__2014-01-01T00:00:00+00:00")
        seen.append((run.state, dict(run.states), run.task("flaky").attempts[-1]))
        clock.advance(timedelta(seconds=7))
        if attempt < 2:
            raise ValueError("no answer")

    dag = DAG("night")
    dag.add(Task("flaky", flaky, retries=1, retry_delay=60))
    dag.add(Task("after", lambda: 1, trigger_rule="all_failed"), upstream=["flaky"])
    run = run_dag(dag, logical_date=DATE, clock=FakeClock(), home=tmp_path, on_event=told.append)

    second, why = timedelta(seconds=1), "ValueError: no answer"
    assert [(each.task_id, each.state, each.attempt, each.at - DATE, each.why) for each in told] == [
        ("flaky", "running", 1, 0 * second, ""),
        ("flaky", "up_for_retry", 1, 7 * second, why),
        ("flaky", "running", 2, 67 * second, ""),
        ("flaky", "success", 2, 74 * second, ""),
        ("after", "skipped", 0, 74 * second, run.task("after").why),
    ]
    assert [each[:2] for each in seen] == [("running", {"flaky": "running", "after": "no_status"})] * 2
    assert (seen[0][2].number, seen[0][2].state, seen[0][2].started, seen[0][2].ended) == (1, "running", DATE, None)
    assert (run.started, run.ended, run.state) == (DATE, DATE + 74 * second, "success")
    assert get_run(tmp_path, run.run_id) == run
    assert (run.task("flaky").started, run.task("flaky").ended) == (DATE, DATE + 74 * second)
    assert run.trace(durations=True).splitlines()[2:] == [
        "1  flaky  success         2   14.000",
        f"2  after  skipped         0    0.000  {run.task('after').why}",
    ]


class Model:
    """A function that is an object."""

    def __call__(self, x=1):
        return x


def test_a_task_knows_where_its_function_comes_from():
    assert Task("t", Model()).source == f"{__name__}:Model"
    assert Task("t", _two).source == f"{__name__}:_two"
    assert Task("t", partial(Model(), 1)).source == "functools:partial"
    assert repr(Task("t", _two, retries=2, trigger_rule="all_done")) == "Task(t, retries=2, trigger_rule=all_done)"
    assert Task("t", lambda decision=None: 1, approval=True).approval
    with pytest.raises(InvalidDefinition, match="'' cannot be the name of a task"):
        task(Model())


def test_references_are_found_wherever_they_stand():
    with DAG("a") as dag:
        one, two, three = (task(lambda: 1, task_id=name)() for name in ("one", "two", "three"))
        task(lambda x: x, task_id="last")([one, {"k": (two, [three]), "m": two}, [three, one]])
        [one, two] >> three
        three << one

    assert dag.upstream("last") == ("one", "two", "three")
    assert (dag.upstream("three"), dag.downstream("one")) == (("one", "two"), ("three", "last"))
    assert run_dag(dag, logical_date=DATE, clock=FakeClock()).result("last") == [1, {"k": [1, [1]], "m": 1}, [1, 1]]


def test_a_param_shows_what_it_allows_and_a_text_is_read_for_it():
    assert repr(Param(1, minimum=0, maximum=3)) == "Param(1, type='integer', minimum=0, maximum=3)"
    declared = {"n": Param(None, type="integer"), "d": Param("2014-01-01", type="date"), "s": Param("x")}
    read = parse_params(declared, [" n= None ", "d= 2014-02-03 ", "s= y "])
    assert read == {"n": None, "d": "2014-02-03", "s": " y "}
    given = {"x": 0.5, "b": True, "t": date(2014, 1, 1), "i": 1, "s": "x"}
    kinds = {name: each.type for name, each in DAG("a", params=given).params.items()}
    assert kinds == {"x": "number", "b": "boolean", "t": "date", "i": "integer", "s": "string"}


def test_what_a_resume_compares_is_kept_under_the_names_of_before():
    with DAG("a") as dag:
        task(lambda x: x, task_id="last", trigger_rule="all_done")(task(lambda: 1, task_id="one")())
    run = run_dag(dag, logical_date=DATE, clock=FakeClock())

    assert run.shape == {
        "order": ["one", "last"],
        "tasks": {
            "one": {"upstream": [], "arguments": {}, "trigger_rule": "all_success"},
            "last": {"upstream": ["one"], "arguments": {"x": {"from": "one"}}, "trigger_rule": "all_done"},
        },
    }


def test_a_run_in_which_something_skipped_itself_is_over():
    asked = []

    def skips():
        asked.append(1)
        raise SkipTask("no flights")

    dag = DAG("a")
    dag.add(Task("skips", skips))
    run = run_dag(dag, logical_date=DATE, clock=FakeClock())

    assert run_dag(dag, resume=run, clock=FakeClock()).task("skips").why == "no flights"
    assert asked == [1]


def test_a_run_that_is_at_work_is_not_taken_up_by_another(tmp_path):
    told = []

    def asks(run_id):
        with pytest.raises(InvalidData) as refused:
            run_dag(dag, resume=run_id, clock=FakeClock(), home=tmp_path)
        told.append(str(refused.value))

    dag = DAG("a")
    dag.add(Task("asks", asks))
    run = run_dag(dag, logical_date=DATE, clock=FakeClock(), home=tmp_path)

    assert run.state == "success"
    assert told == [f"run {run.run_id} of DAG a is being run by another process right now."]


def test_further_words_of_a_call_reach_a_function_that_takes_all():
    with DAG("a") as dag:
        task(lambda a, **rest: [a, rest["b"]], task_id="t")(1, b=2)

    assert dag.arguments("t") == {"a": 1, "b": 2}
    assert run_dag(dag, logical_date=DATE, clock=FakeClock()).result("t") == [1, 2]


def test_texts_of_all_the_world_are_written_as_they_are():
    dag = DAG("a", description="späte Flüge \ud83d")

    assert "späte Flüge" in written(dag)
    assert '"description": "späte Flüge \\ud83d"' in to_json(dag)
    assert from_json(to_json(dag)) == dag
    for word, number in (("0b101", 5), ("1_000.5", 1000.5), ("-0x10", -16), ("1e3", 1000.0)):
        assert (
            from_yaml(HEAD + f"params: {{n: {{type: number, default: {word}}}}}\ntasks: []").params["n"].default
            == number
        )


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: Param(1, minimum="x"), "param minimum must be a whole number, not 'x' (str)."),
        (lambda: Param(1, enum=["x"]), "param enum must be a whole number, not 'x' (str)."),
        (lambda: from_yaml(HEAD + "tasks: [\x07]"), "line 4: this is no YAML: the character '\\x07' cannot be."),
        (lambda: from_yaml(HEAD + "a: 1e999"), "line 4, column 4: '1e999' is no number that JSON can hold."),
        (lambda: from_yaml(HEAD + "a: 1" + "0" * 35 + "e999"), f"line 4, column 4: '1{'0' * 35}e999' is no number"),
        (lambda: from_yaml(HEAD + "a: 1" + "0" * 36 + "e999"), f"line 4, column 4: '1{'0' * 36}e99…' is no number"),
        (lambda: from_yaml(HEAD + "tasks: [a"), "line 4, column 10: this is no YAML: expected ',' or ']', but got"),
        (lambda: from_yaml(HEAD + "zzz: 1\ntasks: []"), "line 4, column 1: unknown key 'zzz'. There is: format, ver"),
        (lambda: from_json("3"), "line 1, column 1: 3 is not of type 'object'"),
        (lambda: from_yaml(HEAD + "a: |\n \n   \n a"), "line 7, column 2: this is no YAML: more indented follow up"),
        (lambda: Schedule("x" * 300 + " * * * *"), f"'{'x' * 60}' is no cron expression whose {COMES}: [{'x' * 199}. "),
        (lambda: Schedule("0 0 31 2 *"), f"'0 0 31 2 *' is no cron expression whose {COMES}: "),
        (lambda: run_dag(DAG("a"), logical_date=DATE, home="a\0b"), "the home folder a\0b cannot be used: no path hol"),
    ],
)  # fmt: skip
def test_a_refusal_in_anothers_words_says_where_and_what_first(ask, told):
    with pytest.raises(MlopsLabError) as refused:
        ask()

    assert str(refused.value).startswith(told)


def test_an_attempt_may_take_exactly_its_time_and_its_result_is_told_by_name():
    def exact(clock):
        clock.advance(timedelta(seconds=60))

    dag = DAG("a")
    dag.add(Task("exact", exact, execution_timeout=60))
    dag.add(Task("strange", lambda: {1}, execution_timeout=60))
    run = run_dag(dag, logical_date=DATE, clock=FakeClock())

    assert run.task("exact").state == "success"
    assert run.task("strange").why.startswith("the result of task 'strange' holds a set, which is no JSON value")


def test_as_many_tasks_as_there_are_workers_work_side_by_side_and_no_more():
    at_work, most, lock = [], [], threading.Lock()

    def works():
        with lock:
            at_work.append(1)
            most.append(len(at_work))
        both.wait(0.2) if len(most) <= 2 else time.sleep(0.01)
        with lock:
            at_work.pop()

    both, dag = threading.Event(), DAG("a")
    for number in range(6):
        dag.add(Task(f"t{number}", works))

    assert run_dag(dag, logical_date=DATE, clock=FakeClock(), max_workers=2).state == "success"
    assert max(most) == 2


def test_a_worker_that_became_free_and_one_that_never_worked_take_what_is_ready():
    meeting, dag = threading.Barrier(4, timeout=5), DAG("a")
    dag.add(Task("quick", lambda: 1))
    for name, upstream in (("b", []), ("c", []), ("d", ["quick"]), ("e", ["quick"])):
        dag.add(Task(name, lambda: meeting.wait() * 0), upstream=upstream)

    assert run_dag(dag, logical_date=DATE, clock=FakeClock(), max_workers=4).state == "success"


def test_an_attempt_that_nobody_ended_is_closed_with_its_reason_before_the_next():
    dag = DAG("a")
    dag.add(Task("t", lambda: 1))
    shape = run_dag(dag, logical_date=DATE, clock=FakeClock()).shape
    died = TaskInstance("t", "running", (Attempt(1, "running", DATE),), DATE)
    run = DagRun("manual__x", "a", DATE, {}, "running", (died,), DATE, shape=shape)

    assert run.trace(durations=True).splitlines()[-1] == "1  t     running         1"
    again = run_dag(dag, resume=run, logical_date=DATE, clock=FakeClock())

    first, second = again.task("t").attempts
    assert (first.state, first.why) == ("failed", "interrupted: its process ended before it did")
    assert (first.ended, second.number, second.state) == (FakeClock().now(), 2, "success")
    with pytest.raises(InvalidData, match=r"DAG a has changed since run manual__x .new: t"):
        run_dag(dag, resume=replace(run, shape={}), clock=FakeClock())


def test_a_listener_that_breaks_ends_the_run_and_leaves_nothing_open(tmp_path):
    def breaks(event):
        raise RuntimeError("no more paper")

    with pytest.raises(RuntimeError, match="no more paper"):
        run_dag(_two(), logical_date=DATE, clock=FakeClock(), home=tmp_path, on_event=breaks)
    (run,) = list_runs(tmp_path)

    assert (run.state, dict(run.states)) == ("failed", {"before": "failed", "after": "no_status"})
    assert run.task("before").why.startswith("interrupted by RuntimeError")


def test_a_description_that_is_given_is_kept_and_numbers_end_at_one_place():
    def documented():
        """What it says itself."""

    assert task(description="given")(documented).description == "given"
    assert task(documented).description == "What it says itself."
    assert task(_two).description == ""
    assert Task("t", _two, retry_delay=timedelta(days=366)).retry_delay.days == 366
    dag = DAG("a")
    for number in range(10):
        dag.add(Task(f"t{number}", lambda: 1))
    lines = run_dag(dag, logical_date=DATE, clock=FakeClock()).trace().splitlines()
    assert (lines[2][:4], lines[11][:4]) == (" 1  ", "10  ")
