"""Does a run do what the DAG says, and does its record say what it did?"""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.clock import FakeClock, SystemClock
from mlops_lab.base.errors import DuplicateName, InvalidData, InvalidDefinition, TaskFailed, UnknownName
from mlops_lab.pipeline.dag import (
    DAG,
    TRIGGER_RULES,
    DagRun,
    Event,
    FailTask,
    Param,
    SkipTask,
    Task,
    get_run,
    run_dag,
    task,
)
from mlops_lab.pipeline.dag.attempt import retry_wait
from mlops_lab.pipeline.dag.rules import decide


def run(dag: DAG, **settings: Any) -> DagRun:
    return run_dag(dag, **{"logical_date": "2013-09-01", "clock": FakeClock(), **settings})


def one(function: Any, **settings: Any) -> DAG:
    dag = DAG("one")
    dag.add(Task("it", function, **settings))
    return dag


def test_results_reach_the_tasks_that_take_them() -> None:
    @task
    def extract() -> list[int]:
        return [1, 2, 3]

    @task
    def total(numbers: list[int], params: dict[str, int], weights: dict[str, Any], bias: int = 1) -> int:
        return sum(numbers) * params["factor"] + weights["extra"][0] + bias

    with DAG("sums", params={"factor": 2}) as dag:
        total(extract(), weights={"extra": [task(lambda: 100, task_id="extra")(), 5]})

    assert run(dag).result("total") == 113
    assert dag.edges == (("extract", "total"), ("extra", "total"))


def test_results_reach_parameters_named_after_upstream_tasks() -> None:
    dag = DAG("sums")
    dag.add(Task("extract", lambda: 4))
    dag.add(Task("double", lambda extract: extract * 2), upstream="extract")
    dag.add(Task("told", lambda double, extract=7: [double, extract]), upstream=["double"])

    assert run(dag).result("told") == [8, 7]


def test_a_task_is_told_the_context_it_asks_for(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def ask(logical_date: Any, home: Any, attempt: int, **context: Any) -> None:
        seen.update(context, logical_date=logical_date, home=home, attempt=attempt)

    clock = FakeClock()
    result = run(one(ask), home=tmp_path, clock=clock)

    assert seen == {
        "logical_date": result.logical_date,
        "home": tmp_path,
        "attempt": 1,
        "clock": clock,
        "params": {},
        "run_id": result.run_id,
    }


def test_what_a_task_does_to_a_result_or_param_reaches_nobody_else() -> None:
    def spoil(source: list[int], params: dict[str, int]) -> None:
        source.clear()
        params.clear()

    dag = DAG("shared", params={"n": 1})
    dag.add(Task("source", lambda: [1]))
    dag.add(Task("spoil", spoil), upstream=["source"])
    dag.add(Task("look", lambda source, params: [source, params]), upstream=["source", "spoil"])

    assert run(dag).result("look") == [[1], {"n": 1}]


@pytest.mark.parametrize("workers", [1, 3])
def test_retries_wait_by_the_clock_and_leave_their_attempts(workers: int) -> None:
    def flaky(attempt: int) -> int:
        if attempt < 4:
            raise TimeoutError(f"try {attempt}")
        return attempt

    clock = FakeClock("2013-09-01T00:00:00Z")
    dag = one(flaky, retries=3, retry_delay=10, retry_exponential_backoff=True, max_retry_delay=timedelta(seconds=15))

    result = run(dag, clock=clock, max_workers=workers)

    assert [(each.number, each.state, each.why) for each in result.task("it").attempts] == [
        (1, "up_for_retry", "TimeoutError: try 1"),
        (2, "up_for_retry", "TimeoutError: try 2"),
        (3, "up_for_retry", "TimeoutError: try 3"),
        (4, "success", ""),
    ]
    assert clock.now() == FakeClock("2013-09-01T00:00:40Z").now()  # 10 + 15 + 15
    assert result.state == "success"


@pytest.mark.parametrize(
    ("error", "state", "tries", "why"),
    [
        (ValueError("bad"), "failed", 3, "ValueError: bad"),
        (ValueError(), "failed", 3, "ValueError"),
        (SystemExit(2), "failed", 3, "SystemExit: 2"),
        (FailTask("hopeless"), "failed", 1, "hopeless"),
        (SkipTask("no flights"), "skipped", 1, "no flights"),
        (InvalidData("no frame"), "failed", 3, "no frame"),
        (ValueError("\ud800 half"), "failed", 3, "ValueError"),
    ],
    ids=lambda each: repr(each)[:20],
)
def test_how_a_task_ends_by_what_it_raises(
    error: BaseException, state: str, tries: int, why: str, tmp_path: Path
) -> None:
    def end() -> None:
        raise error

    result = run(one(end, retries=2), home=tmp_path)

    assert (result.task("it").state, len(result.task("it").attempts)) == (state, tries)
    assert result.task("it").why.startswith(why)
    assert result.state == ("failed" if state == "failed" else "success")


@pytest.mark.parametrize(
    ("value", "named"),
    [({1, 2}, "a set"), ({1: 2}, "the key 1"), ([1, float("nan")], "nan"), ({"a": [object()]}, "at ['a'][0]")],
    ids=["set", "number as key", "nan", "object inside"],
)
def test_a_result_that_is_no_json_value_fails_the_task_and_names_it(value: object, named: str) -> None:
    result = run(one(lambda: value, retries=5))

    assert result.states["it"] == "failed"
    assert "the result of task 'it'" in result.task("it").why
    assert named in result.task("it").why
    assert len(result.task("it").attempts) == 1


def test_a_result_that_holds_itself_fails_the_task() -> None:
    ring: list[Any] = []
    ring.append(ring)

    assert "holds itself" in run(one(lambda: ring)).task("it").why


def test_an_overrunning_task_fails_by_the_machines_clock() -> None:
    release = threading.Event()

    result = run_dag(
        one(lambda: release.wait(60), execution_timeout=0.05), logical_date="2013-09-01", clock=SystemClock()
    )
    release.set()

    assert result.task("it").why == "overran its execution_timeout of 0.05 s"
    assert result.state == "failed"


def test_an_overrunning_task_is_retried_and_a_fake_clock_costs_no_time() -> None:
    def slow(clock: FakeClock, attempt: int) -> int:
        clock.sleep(7200 if attempt == 1 else 60)
        return attempt

    result = run(one(slow, execution_timeout=3600, retries=1))

    assert [each.state for each in result.task("it").attempts] == ["up_for_retry", "success"]


def test_a_run_fails_by_its_last_tasks_only() -> None:
    def fail() -> None:
        raise ValueError("no")

    dag = DAG("coping")
    dag.add(Task("work", fail))
    coped = dag.add(Task("clean", lambda: 1, trigger_rule="all_done"), upstream=["work"])
    copes = run(dag)
    dag.add(Task("report", lambda: 1), upstream=["work", coped])
    does_not = run(dag)

    assert copes.state == "success"
    assert (does_not.state, dict(does_not.states)) == (
        "failed",
        {"work": "failed", "clean": "success", "report": "upstream_failed"},
    )
    assert does_not.task("report").why == "all_success (all upstream tasks succeeded), but: work failed, clean success"
    with pytest.raises(TaskFailed, match="task 'work' failed after 1 attempt: ValueError: no") as caught:
        does_not.raise_for_state()
    assert isinstance(caught.value.__cause__, ValueError)
    assert copes.raise_for_state() is copes


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[list[int], str, str]]:
    """For each task: its parents, its trigger rule, and what it does when it runs."""
    count = draw(st.integers(1, 9))
    rules = st.sampled_from(["all_success", *TRIGGER_RULES])
    ends = st.sampled_from(["success", "success", "failed", "skipped"])
    return [
        (sorted(draw(st.sets(st.integers(0, at - 1), max_size=3))) if at else [], draw(rules), draw(ends))
        for at in range(count)
    ]


def simulate(plan: list[tuple[list[int], str, str]]) -> dict[str, str]:
    """The slow, obvious simulator: look at all tasks again and again until nothing changes."""
    states: dict[int, str] = {}
    while len(states) < len(plan):
        for at, (parents, rule, end) in enumerate(plan):
            if at not in states and all(parent in states for parent in parents):
                verdict = decide(rule, [states[parent] for parent in parents])
                states[at] = end if verdict == "run" else verdict
    return {f"t{at}": states[at] for at in range(len(plan))}


def built(plan: list[tuple[list[int], str, str]], *, mended: bool = False) -> DAG:
    def ending(end: str) -> Any:
        def act() -> str:
            if end == "failed" and not mended:
                raise ValueError("planned")
            if end == "skipped":
                raise SkipTask("planned")
            return end

        return act

    dag = DAG("planned")
    for at, (parents, rule, end) in enumerate(plan):
        dag.add(Task(f"t{at}", ending(end), trigger_rule=rule), upstream=[f"t{parent}" for parent in parents])
    return dag


@given(plans())
def test_states_are_those_of_the_simulator_with_one_worker_and_with_three(plan: Any) -> None:
    dag = built(plan)

    alone, together = run(dag), run(dag, max_workers=3)

    assert dict(alone.states) == simulate(plan)
    assert alone.trace() == together.trace()


@given(plans())
def test_a_resume_after_mending_ends_as_a_run_of_the_mended_dag(plan: Any) -> None:
    broken, mended = built(plan), built(plan, mended=True)

    first = run(broken)
    second = run_dag(mended, resume=first, clock=FakeClock())

    assert second.states == run(mended).states
    assert second.run_id == first.run_id


def test_a_resume_keeps_what_succeeded_and_counts_attempts_on() -> None:
    ran: list[str] = []
    broken = True

    def work(name: str) -> str:
        ran.append(name)
        if name == "b" and broken:
            raise ValueError("broken")
        return name

    dag = DAG("diamond")
    for name, parents in {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}.items():
        dag.add(Task(name, work), upstream=parents, arguments={"name": name})

    first = run(dag)
    broken = False
    second = run_dag(dag, resume=first, clock=FakeClock())

    assert ran == ["a", "b", "c", "b", "d"]
    assert first.states["d"] == "upstream_failed"
    assert second.state == "success"
    assert [each.state for each in second.task("b").attempts] == ["failed", "success"]


def test_a_resume_runs_again_what_had_coped_with_the_failure() -> None:
    broken = True

    def work() -> int:
        if broken:
            raise ValueError("broken")
        return 5

    dag = DAG("coping")
    dag.add(Task("work", work))
    dag.add(Task("report", lambda work: work, trigger_rule="all_done"), upstream=["work"])

    first = run(dag)
    broken = False
    second = run_dag(dag, resume=first, clock=FakeClock())

    assert (first.result("report"), second.result("report")) == (None, 5)


def test_a_changed_dag_other_params_and_another_date_cannot_be_resumed() -> None:
    dag = DAG("one", params={"n": 1})
    dag.add(Task("it", lambda: 1))
    other = DAG("one", params={"n": 1})
    other.add(Task("it", lambda: 1, trigger_rule="always"))
    other.add(Task("new", lambda: 1))
    first = run(dag)

    with pytest.raises(InvalidData, match="new: new; wired differently: it"):
        run_dag(other, resume=first)
    with pytest.raises(InvalidData, match=r"\(gone: new; wired differently: it\), so its results"):
        run_dag(dag, resume=run(other))
    with pytest.raises(InvalidData, match=r"keeps its params; .* has n=1, not 2\. Start a new run"):
        run_dag(dag, resume=first, params={"n": 2})
    with pytest.raises(InvalidData, match="is for 2013-09-01"):
        run_dag(dag, resume=first, logical_date="2013-09-02")
    with pytest.raises(InvalidData, match="belongs to DAG one"):
        run_dag(DAG("two"), resume=first)
    with pytest.raises(InvalidData, match="home folder"):
        run_dag(dag, resume=first.run_id)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_goes_through_and_leaves_a_trace_to_resume(workers: int, tmp_path: Path) -> None:
    pressed = False

    def work() -> int:
        nonlocal pressed
        if not pressed:
            pressed = True
            raise KeyboardInterrupt
        return 1

    dag = DAG("pressed")
    dag.add(Task("before", lambda: 1))
    dag.add(Task("work", work), upstream=["before"])
    dag.add(Task("after", lambda: 1), upstream=["work"])

    with pytest.raises(KeyboardInterrupt):
        run(dag, home=tmp_path, max_workers=workers)
    left = get_run(tmp_path, "manual__2013-09-01T00:00:00+00:00")
    resumed = run_dag(dag, resume=left.run_id, home=tmp_path, clock=FakeClock())

    assert (left.state, dict(left.states)) == (
        "failed",
        {"before": "success", "work": "failed", "after": "no_status"},
    )
    assert left.task("work").why == "interrupted by KeyboardInterrupt"
    assert resumed.state == "success"
    assert len(resumed.task("before").attempts) == 1


def test_events_tell_every_change_and_a_listener_that_fails_ends_the_run(tmp_path: Path) -> None:
    dag = DAG("told")
    dag.add(Task("a", lambda: 1))
    dag.add(Task("b", lambda: 1, trigger_rule="all_failed"), upstream=["a"])
    events: list[Event] = []

    run(dag, on_event=events.append)

    assert [(each.task_id, each.state, each.attempt) for each in events] == [
        ("a", "running", 1),
        ("a", "success", 1),
        ("b", "skipped", 0),
    ]
    with pytest.raises(ZeroDivisionError):
        run(dag, home=tmp_path, on_event=lambda event: 1 / 0)
    assert get_run(tmp_path, "manual__2013-09-01T00:00:00+00:00").state == "failed"


def test_independent_tasks_run_side_by_side() -> None:
    meet = threading.Barrier(3, timeout=30)
    dag = DAG("wide")
    for name in "abc":
        dag.add(Task(name, lambda: meet.wait() * 0))

    assert run(dag, max_workers=3).state == "success"


def test_the_same_names_results_and_trace_come_out_every_time() -> None:
    dag = DAG("wide")
    for at in range(20):
        dag.add(Task(f"t{at}", lambda n: n, retries=1), arguments={"n": at})

    runs = [run(dag, max_workers=4) for _ in range(3)]

    assert len({each.trace() for each in runs}) == 1
    assert [each.result for each in runs[0].task_instances] == list(range(20))


def test_an_empty_dag_succeeds() -> None:
    assert repr(run(DAG("empty"))) == "DagRun(empty, manual__2013-09-01T00:00:00+00:00, success: no tasks)"


def test_calls_that_cannot_be_are_refused_before_anything_runs() -> None:
    def needs(flights: list[int]) -> None: ...

    with pytest.raises(InvalidDefinition, match="nothing fills the parameter 'flights' of task 'it'"):
        run(one(needs))
    with pytest.raises(InvalidDefinition, match="no function"):
        run(one(None))
    with pytest.raises(InvalidData, match="max_workers"):
        run(one(lambda: 1), max_workers=0)
    with pytest.raises(UnknownName, match="Did you mean 'scheduled'"):
        run(one(lambda: 1), run_type="schedule")
    with pytest.raises(InvalidData, match="logical_date"):
        run_dag(one(lambda: 1))
    with pytest.raises(UnknownName, match="param"):
        run(one(lambda: 1), params={"m": 1})
    with pytest.raises(InvalidData, match="must be a whole number"):
        run(DAG("a", params={"n": Param(type="integer")}), params={"n": "x"})


def test_definitions_that_cannot_be_are_refused() -> None:
    dag = DAG("one")
    first = dag.add(Task("it", lambda x=1: x))

    with pytest.raises(DuplicateName, match="'it' is defined twice in DAG one"):
        dag.add(Task("it", lambda: 1))
    with pytest.raises(UnknownName, match="Did you mean 'it'"):
        dag.add(Task("next", lambda: 1), upstream=["its"])
    assert list(dag.tasks) == ["it"]
    with pytest.raises(InvalidDefinition, match="another DAG"):
        DAG("two").add(Task("b", lambda: 1), upstream=[first])
    with pytest.raises(UnknownName, match="parameter 'y'"):
        dag.add(Task("b", lambda x: 1), arguments={"y": 1})
    with pytest.raises(InvalidDefinition, match="holds a object"):
        dag.add(Task("b", lambda x: 1), arguments={"x": [first, object()]})
    with pytest.raises(InvalidDefinition, match="the task 'it' itself"):
        dag.add(Task("b", lambda x: 1), arguments={"x": dag.tasks["it"]})
    with pytest.raises(UnknownName, match="Did you mean 'all_done'"):
        Task("b", trigger_rule="all_dun")
    with dag, pytest.raises(InvalidDefinition, match="cannot be called like this"):
        task(lambda x: 1, task_id="c")(1, 2)


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a b", "a\n", "x" * 251, "params", "a/b", None])
def test_names_that_are_not_safe_are_refused(name: str) -> None:
    with pytest.raises(InvalidDefinition):
        Task(name)


@pytest.mark.parametrize(
    "settings",
    [
        {"retries": -1},
        {"retries": True},
        {"retry_delay": -1},
        {"retry_delay": None},
        {"execution_timeout": 0},
        {"execution_timeout": float("inf")},
        {"max_retry_delay": "long"},
        {"function": 3},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition):
        Task("it", **settings)


def test_a_task_called_outside_a_dag_is_its_function_and_a_run_inside_a_with_block_adds_nothing() -> None:
    inner = task(lambda n: n + 1, task_id="inner")

    with DAG("outer") as dag:
        task(lambda: inner(1), task_id="calls")()
        result = run(dag)

    assert inner(1) == 2
    assert result.result("calls") == 2
    assert list(dag.tasks) == ["calls"]


@pytest.mark.parametrize(("more", "told"), [(5, "new: t0, t1, t2, t3, t4)"), (6, "new: t0, t1, t2, t3, t4 …)")])
def test_of_what_changed_since_a_run_five_names_are_told(more, told) -> None:
    before, now = one(lambda: 1), one(lambda: 1)
    for at in range(more):
        now.add(Task(f"t{at}", lambda: 1))

    with pytest.raises(InvalidData) as caught:
        run_dag(now, resume=run(before))

    assert told in str(caught.value)


def test_two_workers_work_at_once() -> None:
    dag, meeting = DAG("pair"), threading.Barrier(2)
    for name in ("left", "right"):
        dag.add(Task(name, lambda: meeting.wait(30)))

    done = run(dag, max_workers=2)

    assert sorted(done.result(name) for name in ("left", "right")) == [0, 1]  # each came, and they met once


def test_side_by_side_a_short_timeout_is_held_too() -> None:
    dag = one(lambda: time.sleep(0.25), execution_timeout=0.05)

    assert run(dag, max_workers=2, clock=SystemClock()).task("it").why == "overran its execution_timeout of 0.05 s"


@pytest.mark.parametrize(
    ("delay", "bound", "waits"),
    [
        (0, None, [1, 1, 1]),
        (1.2, None, [2, 3, 5]),
        (40_000, None, [40_000, 80_000, 86_400]),
        (40_000, 100_000, [40_000, 80_000, 86_400]),
        (40_000, 50_000, [40_000, 50_000, 50_000]),
    ],
    ids=["a second at least", "rounded up", "a day at most", "a day whatever is asked", "bounded"],
)
def test_backing_off_waits_whole_seconds_between_one_and_a_day(delay, bound, waits) -> None:
    task = Task("it", None, retry_delay=delay, retry_exponential_backoff=True, max_retry_delay=bound)

    assert [retry_wait(task, failures) for failures in (1, 2, 3)] == waits


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_the_last_words_of_a_forked_child_are_not_lost(tmp_path, monkeypatch) -> None:
    def forks() -> None:
        if not (child := os.fork()):
            print("last words", end="")
            return
        os.waitpid(child, 0)

    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr("sys.stdout", out)
        run(one(forks))
        monkeypatch.undo()

    assert (tmp_path / "out").read_text() == "last words"


def test_the_way_on_from_a_changed_dag_is_the_command_with_what_was_asked_then() -> None:
    dag, other = (DAG("one", params={"n": 1, "m": 2}) for _ in range(2))
    dag.add(Task("it", lambda: 1))
    other.add(Task("new", lambda: 1))

    with pytest.raises(InvalidData, match=r"start a new run: --date 2013-09-01T00:00:00Z --param n=3 instead of"):
        run_dag(other, resume=run_dag(dag, params={"n": 3}, logical_date="2013-09-01", clock=FakeClock()))
