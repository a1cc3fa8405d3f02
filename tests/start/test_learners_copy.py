"""A learner's edits and an update of the course never meet."""

from __future__ import annotations

from pathlib import Path

import learners_copy
import pytest


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").write_text("first")
    (tmp_path / "notebooks" / "01_feature_views.ipynb").write_text("second")
    return tmp_path


def lay_out(clone: Path) -> list[str]:
    said: list[str] = []
    assert learners_copy.lay_out(clone, said.append) == "work"
    return said


def work(clone: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((clone / "work").glob("*.ipynb"))}


def test_every_notebook_is_copied_once_and_the_originals_stay(clone):
    said = lay_out(clone)

    assert said == []
    assert work(clone) == {"00_start_here.ipynb": "first", "01_feature_views.ipynb": "second"}
    assert (clone / "notebooks" / "00_start_here.ipynb").read_text() == "first"


def test_an_untouched_copy_follows_the_course(clone):
    lay_out(clone)
    (clone / "notebooks" / "00_start_here.ipynb").write_text("first, better")

    said = lay_out(clone)

    assert said == []
    assert work(clone)["00_start_here.ipynb"] == "first, better"


def test_an_edited_copy_stays_and_the_newer_one_lies_beside_it_once(clone):
    lay_out(clone)
    (clone / "work" / "00_start_here.ipynb").write_text("first, and my answer")
    (clone / "notebooks" / "00_start_here.ipynb").write_text("first, better")

    told, again = lay_out(clone), lay_out(clone)

    assert len(told) == 1
    assert "00_start_here.new.ipynb" in told[0]
    assert again == []
    assert work(clone)["00_start_here.ipynb"] == "first, and my answer"
    assert work(clone)["00_start_here.new.ipynb"] == "first, better"


def test_an_edit_without_an_update_is_left_in_peace(clone):
    lay_out(clone)
    (clone / "work" / "00_start_here.ipynb").write_text("my answer")

    assert lay_out(clone) == []
    assert work(clone)["00_start_here.ipynb"] == "my answer"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"00_start_here.ipynb": 3}'])
def test_a_damaged_record_costs_no_edit(clone, damage):
    lay_out(clone)
    (clone / "work" / "00_start_here.ipynb").write_text("my answer")
    (clone / "work" / ".laid.json").write_text(damage)

    lay_out(clone)

    assert work(clone)["00_start_here.ipynb"] == "my answer"


def test_a_deleted_copy_comes_back(clone):
    lay_out(clone)
    (clone / "work" / "01_feature_views.ipynb").unlink()

    lay_out(clone)

    assert work(clone)["01_feature_views.ipynb"] == "second"


def test_where_no_copies_can_be_made_the_originals_are_opened_and_it_is_said(clone):
    (clone / "work").write_text("a file in the way")
    said: list[str] = []

    folder = learners_copy.lay_out(clone, said.append)

    assert folder == "notebooks"
    assert "opening the originals" in said[0]
