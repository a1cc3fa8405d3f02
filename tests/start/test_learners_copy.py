"""A learner's edits and an update of the course never meet."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mlops_lab.teaching import learners_copy


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


def notebook(source: str, outputs: bool = True, **metadata: object) -> str:
    said = [{"output_type": "stream", "name": "stdout", "text": ["0.641\n"]}] if outputs else []
    code = {"cell_type": "code", "execution_count": 3, "id": "c1", "metadata": {}, "outputs": said, "source": [source]}
    text = {"cell_type": "markdown", "id": "c0", "metadata": {}, "source": ["# Why?"]}
    content = {"cells": [text, code], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1) + "\n"


def test_a_copy_opens_without_outputs_and_the_original_keeps_them(clone):
    course = clone / "notebooks" / "00_start_here.ipynb"
    course.write_text(notebook("auc"))

    lay_out(clone)

    copy = json.loads(work(clone)["00_start_here.ipynb"])
    assert [cell.get("outputs") for cell in copy["cells"]] == [None, []]
    assert [cell.get("execution_count") for cell in copy["cells"]] == [None, None]
    assert "0.641" in course.read_text()


def test_a_copy_that_was_run_but_not_edited_follows_the_course(clone):
    course, mine = clone / "notebooks" / "00_start_here.ipynb", clone / "work" / "00_start_here.ipynb"
    course.write_text(notebook("auc"))
    lay_out(clone)
    mine.write_text(notebook("auc", widgets={"state": 1}))  # run and saved by JupyterLab
    course.write_text(notebook("auc, better"))

    said = lay_out(clone)

    assert said == []
    assert "auc, better" in mine.read_text()


def test_a_copy_of_the_course_before_with_all_its_outputs_is_replaced(clone):
    course, mine = clone / "notebooks" / "00_start_here.ipynb", clone / "work" / "00_start_here.ipynb"
    course.write_text(notebook("auc"))
    mine.parent.mkdir()
    mine.write_bytes(course.read_bytes())
    record = {course.name: hashlib.sha256(course.read_bytes()).hexdigest()}
    (clone / "work" / ".laid.json").write_text(json.dumps(record))

    said = lay_out(clone)

    assert said == []
    assert "0.641" not in mine.read_text()


def test_an_edited_copy_with_outputs_stays_whole(clone):
    course, mine = clone / "notebooks" / "00_start_here.ipynb", clone / "work" / "00_start_here.ipynb"
    course.write_text(notebook("auc"))
    lay_out(clone)
    mine.write_text(notebook("auc  # my answer"))
    course.write_text(notebook("auc, better"))

    told = lay_out(clone)

    assert len(told) == 1
    assert mine.read_text() == notebook("auc  # my answer")
