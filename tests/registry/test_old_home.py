"""A home that the first version of the package has written opens, verifies and goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import IntegrityError, NotAllowed
from mlops_lab.models.registry import Registry, verify_home
from mlops_lab.models.tracking import ArtifactStore, Tracker

DUMP = Path(__file__).with_name("old_home.sql")
HEAD = "sha256:ac9a91f761d0469c673dcf9588f40c179c2145ed3003b59c7d76d47cf9696d34"


@pytest.fixture
def home(tmp_path):
    """The two databases as they were dumped, and the bytes that the versions are of."""
    for part in DUMP.read_text("utf-8").split("-- ")[1:]:
        header, _, script = part.partition("\n")
        name, application = header.split()
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.executescript(script)
            connection.execute(f"PRAGMA application_id={application}")
            connection.execute("PRAGMA user_version=1")
    for number in range(1, 7):
        ArtifactStore(tmp_path).put_bytes(b"model %d" % number)
    return tmp_path


def test_it_verifies_with_the_head_that_was_noted_and_nothing_is_lost(home):
    registry, tracker = Registry(home, clock=FakeClock("2014-01-02")), Tracker(home)

    told = verify_home(registry, tracker, head=HEAD)

    assert (told.events, told.reports, told.approvals, told.runs, told.head) == (29, 5, 1, 6, HEAD)
    assert {each.version: each.stage for each in registry.search(name="late")} == {
        1: "Archived", 2: "Production", 3: "Archived", 4: "None", 5: "None",
    }  # fmt: skip
    assert registry.get_by_alias("late", "champion").version == 2
    registry.close(), tracker.close()


def test_it_goes_on_under_todays_rules(home):
    registry = Registry(home, clock=FakeClock("2014-01-02"))

    registry.transition_stage("late", 5, "Staging", actor="ada", why="x")
    with pytest.raises(NotAllowed, match="holds no measurement"):
        registry.transition_stage("late", 5, "Production", actor="ada", why="x")
    with pytest.raises(NotAllowed, match="nobody approved it"):
        registry.rollback("late", actor="ada", why="today's policy asks for an approval")
    registry.delete_alias("late", "Champion", actor="ada")
    registry.set_policy("late", requires_approval=False, actor="grace")

    assert registry.rollback("late", actor="ada", why="it passed its gate").version == 1
    assert verify_home(registry, Tracker(home)).events == 34
    registry.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DROP TRIGGER runs_are_kept; DELETE FROM runs", "no such run"),
        ("DROP TRIGGER runs_stay; UPDATE runs SET body = replace(body, '0.71', '0.91')", "run"),
    ],
    ids=["emptied", "edited"],
)
def test_runs_that_are_gone_or_edited_are_named(home, change, told):
    with closing(sqlite3.connect(home / "tracking.db")) as connection:
        connection.executescript(change)

    with pytest.raises(IntegrityError, match=told):
        verify_home(Registry(home), Tracker(home))


def test_lost_bytes_are_named(home):
    registry = Registry(home)
    registry.artifacts.path(registry.get_model_version("late", 3).artifact).unlink()

    with pytest.raises(IntegrityError, match=r"the artifact of late v3 .* found nothing"):
        verify_home(registry, Tracker(home))
