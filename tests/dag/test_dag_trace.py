"""Does the trace on disk survive what happens to processes and files?"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, UnknownName
from mlops_lab.pipeline.dag import DAG, Task, get_run, list_runs, run_dag

RUN_ID = "manual__2013-09-01T00:00:00+00:00"

KILLED = """
import os, signal, sys
from mlops_lab.base.clock import FakeClock
from mlops_lab.pipeline.dag import DAG, Task, run_dag

def work():
    if sys.argv[2] == "die":
        print("working", flush=True)
        sys.stdin.read()  # until killed
    return 2

dag = DAG("killed")
dag.add(Task("before", lambda: 1))
dag.add(Task("work", work), upstream=["before"])
dag.add(Task("after", lambda work: work + 1), upstream=["work"])
resume = None if sys.argv[2] == "die" else "manual__2013-09-01T00:00:00+00:00"
date = None if resume else "2013-09-01"
run = run_dag(dag, logical_date=date, clock=FakeClock(), home=sys.argv[1], resume=resume)
print(run.trace())
"""

MANY = """
import sys
from mlops_lab.base.clock import FakeClock
from mlops_lab.pipeline.dag import DAG, Task, run_dag

dag = DAG("many")
for at in range(20):
    dag.add(Task(f"t{at}", lambda: 1))
for _ in range(5):
    run_dag(dag, logical_date="2013-09-01", clock=FakeClock(), home=sys.argv[1])
"""


def script(text: str, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        **settings,
    )


def two() -> DAG:
    dag = DAG("two", params={"n": 1})
    dag.add(Task("a", lambda: {"é": [1, None, "✓"]}))
    dag.add(Task("b", lambda a: a, retries=1), upstream=["a"])
    return dag


def run(dag: DAG, home: Path, **settings: Any) -> Any:
    return run_dag(dag, **{"logical_date": "2013-09-01", "clock": FakeClock(), "home": home, **settings})


def test_what_is_read_is_what_was_returned(tmp_path: Path) -> None:
    dag = two()
    dag.add(Task("c", lambda: 1 / 0, retries=1), upstream=["a"])
    dag.add(Task("d", lambda: 1), upstream=["c"])

    result = run(dag, tmp_path, params={"n": 5})

    assert get_run(tmp_path, result.run_id) == result
    assert list_runs(tmp_path) == [result]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dag_runs.db"]


def test_a_killed_process_leaves_a_trace_that_says_where_it_was_and_can_be_resumed(tmp_path: Path) -> None:
    process = script(KILLED, str(tmp_path), "die")
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    alive = script(KILLED, str(tmp_path), "resume").communicate(timeout=60)[1]
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.communicate(timeout=60)
    left = get_run(tmp_path, RUN_ID)
    out, _ = script(KILLED, str(tmp_path), "resume").communicate(timeout=60)
    after = get_run(tmp_path, RUN_ID)

    assert "is being run by another process right now" in alive
    assert (left.state, dict(left.states)) == (
        "running",
        {"before": "success", "work": "running", "after": "no_status"},
    )
    assert out.strip() == after.trace()
    assert after.state == "success"
    assert [repr(each) for each in after.task("work").attempts] == [
        "Attempt(1, failed: interrupted: its process ended before it did)",
        "Attempt(2, success)",
    ]
    assert (len(after.task("before").attempts), after.result("after")) == (1, 3)


def test_two_processes_write_runs_at_once(tmp_path: Path) -> None:
    processes = [script(MANY, str(tmp_path)) for _ in range(2)]

    errors = [process.communicate(timeout=120)[1] for process in processes]

    runs = list_runs(tmp_path, dag_id="many")
    assert errors == ["", ""]
    assert sorted(each.run_id for each in runs) == sorted([RUN_ID, *(f"{RUN_ID}__{n}" for n in range(2, 11))])
    assert all(set(each.states.values()) == {"success"} for each in runs)


def test_names_of_runs_follow_their_type_and_date(tmp_path: Path) -> None:
    names = [run(two(), tmp_path).run_id, run(two(), tmp_path).run_id]
    names += [run(two(), tmp_path, run_type=kind).run_id for kind in ("scheduled", "backfill")]
    names += [run(two(), tmp_path, logical_date="2013-09-02T01:00:00+02:00").run_id]

    assert names == [
        RUN_ID,
        RUN_ID + "__2",
        "scheduled__2013-09-01T00:00:00+00:00",
        "backfill__2013-09-01T00:00:00+00:00",
        "manual__2013-09-01T23:00:00+00:00",
    ]
    assert [each.run_id for each in list_runs(tmp_path)] == names
    assert [each.run_id for each in list_runs(tmp_path, limit=2)] == names[-2:]
    with pytest.raises(InvalidData, match="already has the run scheduled__"):
        run(two(), tmp_path, run_type="scheduled")


def test_a_run_of_several_dags_needs_the_dag_to_be_named(tmp_path: Path) -> None:
    run(two(), tmp_path)
    other = DAG("other")
    run(other, tmp_path)

    assert get_run(tmp_path, RUN_ID, dag_id="other").dag_id == "other"
    with pytest.raises(InvalidData, match=r"several DAGs .* \(other, two\)"):
        get_run(tmp_path, RUN_ID)


def test_a_run_that_is_not_there_is_an_unknown_name_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="there is: none"):
        get_run(tmp_path / "nowhere", RUN_ID)
    run(two(), tmp_path)

    with pytest.raises(UnknownName, match="Did you mean 'manual__2013-09-01"):
        get_run(tmp_path, "manual__2013-09-01")
    with pytest.raises(UnknownName, match="in DAG two"):
        run_dag(two(), resume="manual__2013", home=tmp_path)
    assert list_runs(tmp_path / "nowhere") == []
    assert not (tmp_path / "nowhere").exists()


def test_a_listing_writes_nothing(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_a_file_is_a_home_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(HomeError, match="cannot be used"):
        run(two(), tmp_path / "file")


@pytest.mark.parametrize("damage", [b"no database at all " * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_trace_is_an_integrity_error(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "dag_runs.db").write_bytes(damage)

    with pytest.raises(IntegrityError, match=r"dag_runs\.db"):
        run(two(), tmp_path)
    with pytest.raises(IntegrityError, match=r"dag_runs\.db"):
        list_runs(tmp_path)


@pytest.mark.parametrize("column", ["params", "shape", "logical_date", "started"])
def test_a_damaged_row_is_an_integrity_error(column: str, tmp_path: Path) -> None:
    run(two(), tmp_path)
    connection = sqlite3.connect(tmp_path / "dag_runs.db")
    connection.execute(f"UPDATE runs SET {column} = '{{broken'")  # noqa: S608  the four words above
    connection.commit()
    connection.close()

    with pytest.raises(IntegrityError, match=r"dag_runs\.db"):
        list_runs(tmp_path)


def test_a_trace_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "dag_runs.db")
    connection.execute("PRAGMA user_version = 9")
    connection.close()

    with pytest.raises(HomeError, match="newer mlops-lab"):
        run(two(), tmp_path)


def test_a_disk_that_fails_in_the_middle_is_told(tmp_path: Path) -> None:
    def spoil() -> None:
        connection = sqlite3.connect(tmp_path / "dag_runs.db")
        connection.execute("DROP TABLE steps")
        connection.close()

    dag = DAG("spoiled")
    dag.add(Task("spoil", spoil))

    with pytest.raises(IntegrityError, match="no such table"):
        run(dag, tmp_path)


def test_a_resume_in_a_home_writes_on_in_the_same_run(tmp_path: Path) -> None:
    broken = [True]
    dag = DAG("mended")
    dag.add(Task("work", lambda: 1 / (not broken[0])))
    first = run(dag, tmp_path)
    broken.clear()
    broken.append(False)

    second = run_dag(dag, resume=first, home=tmp_path, clock=FakeClock())

    assert get_run(tmp_path, RUN_ID) == second
    assert (second.state, len(list_runs(tmp_path)), second.result("work")) == ("success", 1, 1.0)


def test_the_table_is_the_same_every_time_and_durations_come_when_asked_for(tmp_path: Path) -> None:
    def slow(clock: FakeClock) -> None:
        clock.sleep(90)
        raise ValueError("two\nlines")

    dag = DAG("table")
    dag.add(Task("slow", slow))
    result = run(dag, tmp_path)

    assert result.trace() == (
        f"table  {RUN_ID}  failed\n#  task  state   attempts  why\n1  slow  failed         1  ValueError: two lines"
    )
    assert "seconds" in result.trace(durations=True)
    assert "90.000" in get_run(tmp_path, RUN_ID).trace(durations=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_while_a_task_works_the_file_says_so_and_how_those_before_it_ended(workers: int, tmp_path: Path) -> None:
    seen: dict[str, list[str]] = {}

    def look(name: str) -> None:
        (found,) = list_runs(tmp_path)
        seen[name] = [found.states["first"], found.states[name]]

    dag = DAG("watched")
    dag.add(Task("first", lambda: 1))
    for name in ("second", "third"):
        dag.add(Task(name, lambda name=name: look(name)), upstream=["first"])

    run(dag, tmp_path, max_workers=workers)

    assert seen == {"second": ["success", "running"], "third": ["success", "running"]}


@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_is_told_of_an_event_finds_it_in_the_file(workers: int, tmp_path: Path) -> None:
    found: list[tuple[str, str]] = []

    run(two(), tmp_path, max_workers=workers, on_event=lambda event: found.append(
        (event.state, list_runs(tmp_path)[0].states[event.task_id])
    ))  # fmt: skip

    assert [told for told, _ in found] == [written for _, written in found] == ["running", "success"] * 2


def test_a_trace_of_the_first_format_is_read_and_gone_on_with(tmp_path: Path) -> None:
    runs = [run(two(), tmp_path), run(two(), tmp_path)]
    connection = sqlite3.connect(tmp_path / "dag_runs.db")
    rows = connection.execute("SELECT step FROM steps ORDER BY step").fetchall()
    for number, (step,) in enumerate(rows, 1):
        connection.execute("UPDATE steps SET step = ? WHERE step = ?", (number, step))
    connection.execute("CREATE INDEX steps_run ON steps (run)")
    connection.execute("UPDATE steps SET state = 'failed', result = NULL WHERE step = ?", (len(rows),))
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()

    read = list_runs(tmp_path)
    mended = run_dag(two(), resume=runs[1].run_id, home=tmp_path, clock=FakeClock())

    assert read[0] == runs[0]
    assert [dict(each.states) for each in read] == [
        {"a": "success", "b": "success"},
        {"a": "success", "b": "failed"},
    ]
    assert list_runs(tmp_path) == [runs[0], mended]
    assert len(mended.task("b").attempts) == 2
