"""An attempt that overruns never works beside its retry; a resumed run keeps up with its DAG; a trace is plain text."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from datetime import timedelta

import pytest

from mlops_lab.base.clock import FakeClock, SystemClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition
from mlops_lab.pipeline.dag import DAG, Event, Param, Task, get_run, run_dag, task
from mlops_lab.pipeline.dag.run_store import RunStore

DATE = "2013-09-01"


def test_a_retry_begins_when_the_overrun_attempt_has_ended():
    at_work, most = [], []
    over = threading.Event()

    @task(retries=1, retry_delay=0, execution_timeout=0.2)
    def slow(attempt):
        at_work.append(attempt)
        most.append(len(at_work))
        if attempt == 1:
            over.wait(0.3)
        at_work.remove(attempt)
        return attempt

    with DAG("slow") as dag:
        slow()
    run = run_dag(dag, logical_date=DATE, clock=SystemClock())

    assert (run.state, run.result("slow"), max(most)) == ("success", 2, 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_attempt_that_does_not_end_is_not_tried_again_and_says_so(workers):
    never, began = threading.Event(), []

    @task(retries=3, retry_delay=0, execution_timeout=0.05)
    def stuck(attempt):
        began.append(attempt)
        never.wait(60)

    with DAG("stuck") as dag:
        stuck()
    run = run_dag(dag, logical_date=DATE, clock=SystemClock(), max_workers=workers)
    never.set()

    assert (run.state, began) == ("failed", [1])
    assert run.task("stuck").why == (
        "overran its execution_timeout of 0.05 s and still works; not tried again, because two attempts would overlap"
    )


@pytest.mark.parametrize("word", ["retry_delay", "max_retry_delay", "execution_timeout"])
@pytest.mark.parametrize("longest", [timedelta.max, timedelta(days=367), 1e12])
def test_no_wait_is_longer_than_a_year(word, longest):
    with pytest.raises(InvalidDefinition, match=f"{word} of task 'train' .* at most a year"):
        Task("train", **{word: longest})


def failing(params, *, broken=True):
    @task
    def read(params):
        if broken:
            raise ConnectionError("no answer")
        return dict(params)

    with DAG("reading", params=params) as dag:
        read()
    return dag


def test_a_param_declared_since_has_its_default_in_a_resumed_run(tmp_path):
    first = run_dag(failing({"days": 7}), params={"days": 3}, logical_date=DATE, clock=FakeClock(), home=tmp_path)
    mended = failing({"days": 7, "airport": "JFK"}, broken=False)

    again = run_dag(mended, params={"days": 3}, resume=first.run_id, clock=FakeClock(), home=tmp_path)

    assert again.result("read") == {"days": 3, "airport": "JFK"}


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"days": 7, "airport": Param(type="string")}, "param airport has no default"),
        ({"days": Param(7, minimum=5)}, "param days must be at least 5"),
        ({"days": "a week"}, "param days must be text"),
    ],
)
def test_params_that_no_longer_fit_are_refused_before_anything_runs(tmp_path, params, told):
    first = run_dag(failing({"days": 7}), params={"days": 3}, logical_date=DATE, clock=FakeClock(), home=tmp_path)

    with pytest.raises(InvalidData, match=f"no longer fit DAG reading: {told}"):
        run_dag(failing(params, broken=False), resume=first.run_id, clock=FakeClock(), home=tmp_path)


def test_a_trace_holds_nothing_that_steers_a_terminal(tmp_path):
    evil, events = "\x1b[2J\x1b]0;owned\x07 a\n2  gate  success  1\u202e", []

    @task
    def read():
        raise ConnectionError(evil)

    with DAG("reading") as dag:
        read()
    run = run_dag(dag, logical_date=DATE, clock=FakeClock(), home=tmp_path, on_event=events.append)
    shown = [
        run.trace(),
        *map(repr, events),
        repr(run.task("read").attempts),
        repr(Event("a", "failed", 1, None, evil)),
    ]

    assert len(run.trace().splitlines()) == 3
    assert not any(sign in text for text in shown for sign in "\x1b\x07\u202e")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_task_that_forks_loses_nothing_of_the_run(tmp_path):
    @task
    def spread(run_id):
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:  # looks back into the very file that its parent writes
                with closing(RunStore(tmp_path)) as store, store.database.transaction() as connection:
                    connection.execute("UPDATE runs SET claims = claims + 1")
                os._exit(0 if get_run(tmp_path, run_id).state == "running" else 1)
            children.append(child)
        return [os.waitpid(child, 0)[1] for child in children]

    with DAG("spread") as dag:
        spread()
    run = run_dag(dag, logical_date=DATE, clock=FakeClock(), home=tmp_path)

    assert run.result("spread") == [0, 0, 0, 0]
    assert get_run(tmp_path, run.run_id).states == {"spread": "success"}
    with closing(RunStore(tmp_path)) as store, store.database.reading() as connection:
        assert connection.execute("SELECT claims FROM runs").fetchone()[0] == 4
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
