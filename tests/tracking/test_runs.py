"""Does a run come back as it was logged?"""

from __future__ import annotations

import math
import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, MlopsLabError, UnknownName
from mlops_lab.models.tracking import Run, Tracker


@pytest.fixture
def tracker(tmp_path):
    tracker = Tracker(tmp_path / "home", clock=FakeClock())
    yield tracker
    tracker.close()


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(str.strip)


@given(
    params=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | st.floats() | TEXT, max_size=4),
    metrics=st.dictionaries(TEXT, st.floats(), max_size=4),
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
)
def test_every_value_comes_back_of_the_same_type_and_bits(tmp_path_factory, params, metrics, tags):
    tracker = Tracker(tmp_path_factory.getbasetemp() / "one-home", clock=FakeClock())

    run = tracker.get_run(tracker.log_run("late", params=params, metrics=metrics, tags=tags).run_id)
    tracker.close()

    assert [(key, type(value), repr(value)) for key, value in run.params.items()] == [
        (key, type(value), repr(value)) for key, value in params.items()
    ]
    assert [(key, repr(value)) for key, value in run.metrics.items()] == [
        (key, repr(value)) for key, value in metrics.items()
    ]
    assert run.tags == tags


def test_a_nan_metric_is_kept_for_the_gate_to_see(tracker):
    run = tracker.log_run("late", metrics={"auc": float("nan"), "loss": float("inf")})

    found = tracker.get_run(run.run_id)

    assert math.isnan(found.metrics["auc"])
    assert found.metrics["loss"] == math.inf


def test_numpy_scalars_become_python_scalars(tracker):
    run = tracker.log_run("late", params={"depth": np.int64(3)}, metrics={"auc": np.float32(0.5)})

    assert type(run.params["depth"]) is int
    assert type(run.metrics["auc"]) is float


def test_the_id_is_made_of_content_and_time(tmp_path):
    homes = [Tracker(tmp_path / name, clock=FakeClock()) for name in "ab"]

    ids = {home.log_run("late", params={"c": 1.0}, author="ada").run_id for home in homes}
    homes[0].clock.advance(timedelta(seconds=1))
    later = homes[0].log_run("late", params={"c": 1.0}, author="ada").run_id

    assert len(ids) == 1
    assert later not in ids


def test_logging_the_same_run_again_is_the_same_run(tracker):
    runs = [tracker.log_run("late", metrics={"auc": 0.7}) for _ in range(3)]

    assert runs[0] == runs[1] == runs[2]
    assert tracker.search_runs() == (runs[0],)


def test_times_are_stored_in_utc(tracker):
    started = datetime(2013, 7, 1, 8, tzinfo=timezone(timedelta(hours=-4)))

    run = tracker.get_run(tracker.log_run("late", started=started).run_id)

    assert run.started == started
    assert run.started.tzinfo is UTC
    assert run.ended == tracker.clock.now()


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "  "},
        {"name": 7},
        {"name": "a\x00b"},
        {"name": "a\ud800b"},
        {"name": "x" * 20_000},
        {"params": {"grid": [1, 2]}},
        {"params": {"model": {1, 2}}},
        {"params": {1: "a"}},
        {"metrics": {"auc": "0.7"}},
        {"metrics": {"auc": None}},
        {"metrics": {"auc": True}},
        {"metrics": {"auc": 10**400}},
        {"metrics": {"auc": [0.7]}},
        {"tags": {"team": 7}},
        {"inputs": {"training_set": None}},
        {"artifact": "model.pkl"},
        {"artifact": "sha256:" + "0" * 64},
        {"started": datetime(2013, 7, 1)},  # noqa: DTZ001
        {"started": datetime(2014, 1, 2, tzinfo=UTC), "ended": datetime(2014, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
def test_what_a_run_cannot_hold_is_one_clear_error_and_logs_nothing(tracker, arguments):
    with pytest.raises(MlopsLabError):
        tracker.log_run(**{"name": "late", **arguments})

    assert tracker.search_runs() == ()


@pytest.mark.parametrize(
    "arguments",
    [
        {
            "params": {"a!b": 1, "a?b": 2, "a_b": 3},
            "metrics": {"a!b": 1.0, "a?b": 2.0},
            "tags": {"a!b": "1", "a?b": "2"},
        },
        {"params": {"Depth": 1, "depth": 2}, "tags": {"Team": "1", "team": "2"}},
        {"params": {"": 1}, "metrics": {"": 2.0}, "tags": {"t": ""}},
        {"params": {".": 1, "..": 2, "a/../b": 3, "/etc/passwd": "x", "' OR 1=1 --": "y", "a\nb\tc": "d"}},
        {"params": {"p" * 9_999: "é" * 9_999, "p" * 9_998: "🛫"}, "tags": {"t" * 9_999: "y" * 9_999}},
        {"params": {f"p{n}": n for n in range(300)}, "metrics": {f"m{n}": n / 7 for n in range(1_200)}},
        {"inputs": {"a" * 600: "x", "a" * 600 + "b": "x", "π": "zürich\n", "empty": ""}, "author": "ü" * 9_999},
        {"tags": {"mlflow.user": "eve", "mlflow.runName": "x", "mlops_lab.run_id": "z", "mlops_lab.run.000": "{}"}},
        {"name": "a\nb\t'\"; --🛬" + "n" * 9_000, "params": {"n": 10**300}},
        {"started": datetime(1900, 1, 1, tzinfo=UTC), "ended": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
    ],
    ids=["alike", "case", "empty", "paths", "long", "many", "inputs", "taken", "name", "times"],
)
def test_strange_names_and_values_come_back_as_they_were_given(tracker, arguments):
    run = tracker.log_run(**{"name": "late", **arguments})

    found = tracker.get_run(run.run_id)

    assert found == run
    assert tracker.search_runs() == (run,)
    assert all(getattr(found, name) == value for name, value in arguments.items())


@pytest.mark.parametrize("run_id", ["", "'", "x' OR 1=1", "%", "\x00", "é", "0" * 5_000], ids=range(7))
def test_an_id_that_no_run_can_have_is_an_unknown_name(tracker, run_id):
    tracker.log_run("late")

    with pytest.raises(UnknownName):
        tracker.get_run(run_id)


def test_an_unknown_run_is_named_with_what_exists(tracker):
    run = tracker.log_run("late")

    with pytest.raises(UnknownName) as caught:
        tracker.get_run(run.run_id[:-1] + "z")

    assert caught.value.meant == run.run_id


def test_runs_are_found_by_name_and_tags_newest_first(tracker):
    for number in range(3):
        tracker.log_run("late", tags={"team": "delays", "n": str(number)})
        tracker.log_run("early", tags={"team": "delays"})
        tracker.clock.advance(timedelta(minutes=1))

    found = tracker.search_runs(name="late", tags={"team": "delays"})

    assert [run.tags["n"] for run in found] == ["2", "1", "0"]
    assert tracker.search_runs(name="late", limit=1) == found[:1]
    assert tracker.search_runs(name="nothing") == ()


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_runs_are_ordered_by_a_metric_with_nan_and_missing_last(tracker, direction):
    for value in (0.5, float("nan"), 0.9, None, 0.7):
        tracker.log_run(str(value), metrics={} if value is None else {"auc": value})

    found = [run.name for run in tracker.search_runs(order_by=f"metrics.auc {direction}")]

    expected = sorted(["0.5", "0.7", "0.9"], reverse=direction == "DESC")
    assert found[:3] == expected
    assert set(found[3:]) == {"nan", "None"}


def test_parameters_of_several_kinds_can_be_ordered(tracker):
    for value in (1, "a", None, 2.5, True):
        tracker.log_run("late", params={"c": value})

    found = tracker.search_runs(order_by="params.c")

    assert [run.params["c"] for run in found][-2:] == ["a", None]


@pytest.mark.parametrize("order", ["", "auc", "metrics.", "started; DROP TABLE runs", "started UP"])
def test_an_order_that_means_nothing_is_invalid_data(tracker, order):
    with pytest.raises(InvalidData, match="cannot order"):
        tracker.search_runs(order_by=order)


def test_a_changed_run_is_noticed(tracker):
    run = tracker.log_run("late", metrics={"auc": 0.6})
    with sqlite3.connect(tracker.home / "tracking.db") as connection:
        connection.execute("DROP TRIGGER runs_stay")
        connection.execute("UPDATE runs SET body = replace(body, '0.6', '0.9')")
    connection.close()

    with pytest.raises(IntegrityError):
        tracker.get_run(run.run_id)


def test_the_file_refuses_to_change_or_delete_a_run(tracker):
    tracker.log_run("late")

    with sqlite3.connect(tracker.home / "tracking.db") as connection:
        for statement in ("UPDATE runs SET name = 'x'", "DELETE FROM runs"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
    connection.close()


def test_threads_share_a_tracker(tracker):
    threads = [threading.Thread(target=lambda n=n: [tracker.log_run(f"{n}-{i}") for i in range(5)]) for n in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tracker.search_runs()) == 30


def test_a_run_reads_shortly(tracker):
    run = tracker.log_run("late", metrics={"auc": 0.70412, "brier": 0.2})

    assert repr(run) == f"Run(late, {run.run_id[:8]}, auc=0.7041, brier=0.2)"
    assert isinstance(run, Run)


def test_a_home_below_a_file_is_a_home_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(HomeError):
        Tracker(tmp_path / "file" / "home")
