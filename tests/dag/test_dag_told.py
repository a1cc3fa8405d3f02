"""What a DAG, its documents and its runs tell: each refusal with its place, each record with its facts."""

from __future__ import annotations

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, TaskFailed, UnknownName
from mlops_lab.pipeline.dag import DAG, DagRun, Param, Task, TaskInstance, from_yaml, get_run, list_runs, run_dag, task
from mlops_lab.pipeline.dag import to_yaml as written
from mlops_lab.pipeline.dag.params import REQUIRED

HEAD = "format: mlops-lab/dag\nversion: 1\ndag_id: a\n"
DATE = FakeClock().now()


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

    with pytest.raises(TaskFailed, match=why) as failed:
        run.raise_for_state()

    assert (failed.value.task, failed.value.attempts) == (task_id, 0)


def test_a_run_shows_its_table_in_a_notebook_and_its_seconds_at_the_right():
    run = run_dag(_two(), logical_date=DATE, clock=FakeClock())

    page = run._repr_mimebundle_()

    assert page["text/plain"] == run.trace()
    assert [word in page["text/html"] for word in ("attempts", "why", "before", "success")] == [True] * 4
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
    assert [len(each.attempts) for each in again.task_instances] == [1, 2, 2]
