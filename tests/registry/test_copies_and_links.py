"""A home that was copied, a file brought from elsewhere, a link in its place: none lets anything past."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlops_lab.base.errors import IntegrityError, NotAllowed, UnknownName
from mlops_lab.models.registry import Registry, verify_home
from mlops_lab.models.tracking import Tracker

links = pytest.mark.skipif(os.name == "nt", reason="links need a right of their own on Windows")


def _waiting(lab):
    """A version whose gate report passed; its model needs an approval."""
    version = lab.version()
    lab.registry.set_policy("late", requires_approval=True, actor="root")
    lab.registry.record_gate_report(lab.report(version))
    lab.registry.request_approval("late", 1, requested_by="bot", why="x")
    return version


def test_a_yes_in_a_copy_of_the_home_is_none_in_the_home(lab, tmp_path):
    _waiting(lab)
    lab.close()
    shutil.copytree(lab.home, tmp_path / "copy")
    copy = Registry(tmp_path / "copy", clock=lab.clock)
    copy.approve("late", 1, by="grace")
    copy.promote(copy.get_gate_report("late", 1), actor="ada", why="x")

    assert copy.get_production("late").version == 1
    assert lab.registry.get_approval("late", 1).state == "pending"
    with pytest.raises(NotAllowed) as caught:
        lab.registry.promote(lab.registry.get_gate_report("late", 1), actor="ada", why="x")
    assert caught.value.waiting
    lab.registry.approve("late", 1, by="eve")
    theirs = copy.get_approval("late", 1)
    with pytest.raises(NotAllowed, match="is not the approval on record"):
        lab.registry.transition_stage("late", 1, "Production", actor="ada", why="x", approval=theirs)
    copy.close()


def test_a_registry_brought_from_another_home_has_no_runs_to_stand_on(lab, tmp_path):
    lab.promoted()
    lab.registry.record_gate_report(lab.report(lab.version()))
    lab.close()
    (tmp_path / "other").mkdir()
    shutil.copy(Path(lab.home) / "registry.db", tmp_path / "other")
    other = Registry(tmp_path / "other", clock=lab.clock)

    with pytest.raises(UnknownName, match="no artifact"):
        other.promote(other.get_gate_report("late", 2), actor="ada", why="x")
    shutil.copytree(lab.registry.artifacts.path("sha256:" + "0" * 64).parents[1], tmp_path / "other" / "artifacts")
    with pytest.raises(NotAllowed, match="is not in this home folder, so nobody knows"):
        other.promote(other.get_gate_report("late", 2), actor="ada", why="x")
    with pytest.raises(IntegrityError, match="no such run"):
        verify_home(other, Tracker(tmp_path / "other", clock=lab.clock))
    assert other.get_production("late").version == 1
    other.close()


def test_an_older_copy_of_the_registry_put_back_is_noticed_by_the_head_that_was_noted(lab, tmp_path):
    lab.promoted()
    lab.close()
    shutil.copy(Path(lab.home) / "registry.db", tmp_path / "before.db")
    lab.registry.record_gate_report(lab.report(lab.registry.get_model_version("late", 1), passed=False))
    head = lab.registry.head()
    lab.close()
    for rest in Path(lab.home).glob("registry.db*"):
        rest.unlink()
    shutil.copy(tmp_path / "before.db", Path(lab.home) / "registry.db")

    assert lab.registry.verify() == 4  # by itself a history cannot know that it was longer
    with pytest.raises(IntegrityError, match="a history without it"):
        lab.registry.verify(head=head)


@links
@pytest.mark.parametrize("target", ["other bytes", "nothing", "a folder", "the same bytes"])
def test_a_link_in_the_place_of_an_artifact_is_read_and_verified_like_a_file(lab, tmp_path, target):
    version = lab.version()
    place = lab.registry.artifacts.path(version.artifact)
    kept = place.read_bytes()
    place.unlink()
    aim = tmp_path / "elsewhere"
    if target == "a folder":
        aim.mkdir()
    elif target != "nothing":
        aim.write_bytes(kept if target == "the same bytes" else b"another model")
    place.symlink_to(aim)

    if target == "the same bytes":
        assert lab.registry.promote(lab.report(version), actor="ada", why="x").version == 1
    else:
        with pytest.raises((IntegrityError, UnknownName, OSError)):
            lab.registry.promote(lab.report(version), actor="ada", why="x")
        with pytest.raises((IntegrityError, OSError)):
            verify_home(lab.registry, lab.tracker)
        assert lab.registry.get_production("late") is None


@links
def test_a_registry_that_is_a_link_is_the_one_registry_for_both_homes(lab, tmp_path):
    lab.promoted()
    lab.close()
    other = tmp_path / "other"
    shutil.copytree(lab.home, other)
    for rest in other.glob("registry.db*"):
        rest.unlink()
    (other / "registry.db").symlink_to(Path(lab.home) / "registry.db")
    linked = Registry(other, clock=lab.clock)

    linked.transition_stage("late", 1, "Archived", actor="ada", why="x")

    assert lab.registry.get_production("late") is None
    assert verify_home(linked, Tracker(other, clock=lab.clock)).head == lab.registry.head()
    linked.close()
