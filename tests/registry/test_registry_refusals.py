"""A value of a kind that the registry or the log of runs does not take is refused in one line, and harms nothing."""

from __future__ import annotations

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, MlopsLabError
from mlops_lab.models.lineage import lineage, training_rows
from mlops_lab.models.registry import GateReport, Registry
from mlops_lab.models.tracking import Tracker

CASES = {
    "tags in a list": lambda r, t, run: r.register_model(run, "other", tags=["a"]),
    "an alias in a list": lambda r, t, run: r.get_by_alias("late", ["a"]),
    "no alias to delete": lambda r, t, run: r.delete_alias("late", ["a"]),
    "tags to find in a list": lambda r, t, run: r.search(tags=["a"]),
    "an author in a list": lambda r, t, run: r.search(author=["a"]),
    "a model in a list": lambda r, t, run: r.pending_approvals(["a"]),
    "no moment": lambda r, t, run: r.production_at("late", None),
    "days as a number": lambda r, t, run: r.request_approval("late", 1, requested_by="a", why="b", expires_after=5),
    "details in a list": lambda r, t, run: r.record_event("late", 1, action="x", actor="a", why="b", details=[1]),
    "params in a list": lambda r, t, run: t.log_run("x", params=["a"]),
    "metrics in a list": lambda r, t, run: t.log_run("x", metrics=["a"]),
    "a start as text": lambda r, t, run: t.log_run("x", started="2013-01-01"),
    "no order": lambda r, t, run: t.search_runs(order_by=None),
    "a name in a list": lambda r, t, run: t.search_runs(name=["a"]),
    "a limit that is no number": lambda r, t, run: t.search_runs(limit=True),
    "trust in nothing": lambda r, t, run: t.artifacts.load_model(run.artifact, trusted=None),
    "a report of nothing": lambda r, t, run: r.record_gate_report(report(artifact=None)),
    "results that are none": lambda r, t, run: report(results=None),
    "the lineage of a name": lambda r, t, run: lineage("late", r, tracker=t),
    "the rows of a name": lambda r, t, run: training_rows("late", t),
}


def report(**words):
    given = {"name": "late", "version": 1, "artifact": "", "results": (), "champion": None, "holdout": ""}
    return GateReport(**(given | {"evaluated_at": FakeClock().now()} | words))


@pytest.mark.parametrize("case", CASES)
def test_a_value_of_another_kind_is_refused_and_changes_nothing(tmp_path, case):
    tracker, registry = Tracker(tmp_path, clock=FakeClock()), Registry(tmp_path, clock=FakeClock())
    run = tracker.log_run("train", artifact=tracker.artifacts.put_bytes(b"model"), author="ada")
    registry.register_model(run, "late")

    with pytest.raises(MlopsLabError) as refused:
        CASES[case](registry, tracker, run)

    assert not isinstance(refused.value, IntegrityError)
    assert (registry.verify(), tracker.search_runs()) == (1, (run,))
    registry.close()
    tracker.close()


def test_rows_that_are_no_table_are_damage(tmp_path):
    tracker, registry = Tracker(tmp_path, clock=FakeClock()), Registry(tmp_path, clock=FakeClock())
    junk = tracker.artifacts.put_bytes(b"junk")
    version = registry.register_model(tracker.log_run("train", inputs={"training_rows": junk}, artifact=junk), "late")

    with pytest.raises(IntegrityError, match="training set"):
        training_rows(version, tracker)

    registry.close()
    tracker.close()


def test_a_path_that_no_disk_can_hold_is_a_home_error():
    with pytest.raises(HomeError):
        Registry("a\0b")


def test_a_value_without_a_name_is_told_how_to_have_one(tmp_path):
    with pytest.raises(InvalidData, match="each parameter has a name"):
        Tracker(tmp_path, clock=FakeClock()).log_run("x", params=["a"])
