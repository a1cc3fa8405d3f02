"""The plans' minutes add up, the answer key is whole and out of the learners' hands, the slides are the notebooks."""

from __future__ import annotations

import re
from pathlib import Path

import build_notebooks
import build_slides
import nbformat
import notebook_rules
import pytest

from mlops_lab.cli import main
from mlops_lab.teaching.checks import all_exercises, all_quizzes, find_exercise
from mlops_lab.teaching.classroom import FAULTS, answer_key

ROOT = Path(__file__).resolve().parents[2]
TEACHER = ROOT / "notebooks" / "teacher"
GUIDE = (TEACHER / "README.md").read_text("utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def plans():
    """The minutes of every plan, by the minutes that its heading promises."""
    parts = re.split(r"^## Plan: (\d+) minutes$", GUIDE, flags=re.MULTILINE)
    for promised, text in zip(parts[1::2], parts[2::2], strict=True):
        rows = re.findall(r"^\| (\d+) \|", text.split("\n## ")[0], flags=re.MULTILINE)
        yield int(promised), [int(row) for row in rows]


def test_there_is_a_plan_for_each_length_and_its_minutes_add_up():
    found = dict(plans())

    assert sorted(found) == [45, 90, 180]
    assert {promised: sum(rows) for promised, rows in found.items()} == {45: 45, 90: 90, 180: 180}


def test_what_the_guide_names_exists():
    commands = re.findall(r"`(?:break|reset) ([a-z]+(?:-[a-z]+)*)(?: --pause)?`", GUIDE)
    exercises = re.findall(r"\b(0\d\.[1-9])\b", GUIDE)
    titles = "\n".join(path.read_text("utf-8") for path in NOTEBOOKS)

    assert set(commands) <= {fault.name for fault in FAULTS} | {"list"}
    assert len(commands) >= 4
    assert all(find_exercise(entry) for entry in exercises)
    for title in re.findall(r'"([A-Z][a-z][^"]{3,40})"', GUIDE):
        quoted = {"Without installing"}  # a heading of the README
        assert title in quoted or f"## {title}" in titles, title
    for link in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert link.startswith("https://") or (TEACHER / link).exists(), link
    for path in re.findall(r"`python (scripts/\w+\.py)", GUIDE):
        assert (ROOT / path).exists()


def test_the_answer_key_holds_every_solution():
    key = answer_key()

    for exercise in all_exercises():
        assert f"### {exercise.id} ({exercise.kind})" in key
        assert exercise.solution.strip() in key
        assert all(hint in key for hint in exercise.hints)
    for quiz in all_quizzes():
        right = next(option for option in quiz.options if option.right)
        assert f"- **right**: {right.text}" in key


def test_the_key_is_in_no_notebook_and_in_no_file_of_the_repository():
    """Longer solutions word for word; a short one, such as `wind = 12`, may stand in a lesson by chance."""
    files = [*NOTEBOOKS, *(ROOT / "notebooks" / "src").glob("*.py"), *TEACHER.rglob("*.ipynb"), TEACHER / "README.md"]
    long = [one for one in all_exercises() if len(one.solution.strip().splitlines()) > 2]

    assert len(long) >= 8
    for path in files:
        text = path.read_text("utf-8")
        cells = nbformat.reads(text, as_version=4).cells if path.suffix == ".ipynb" else []
        told = "\n".join([text, *(cell.source for cell in cells)])
        assert [one.id for one in long if one.solution.strip() in told] == [], path.name


def test_the_command_writes_the_key(tmp_path, capsys):
    assert main(["class", "answers", "--out", str(tmp_path / "answers.md")]) == 0

    assert capsys.readouterr().out == ""
    assert (tmp_path / "answers.md").read_text("utf-8") == answer_key()


@pytest.mark.parametrize("path", sorted(TEACHER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_teachers_notebooks_keep_the_rules(path):
    assert notebook_rules.problems(notebook_rules.stored(path)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_slides_are_the_same_cells_and_show_the_panels_but_no_exercise(path):
    notebook = nbformat.read(path, as_version=4)

    made = build_slides.slides(notebook)

    nbformat.validate(made)
    assert [cell.source for cell in made.cells] == [cell.source for cell in notebook.cells]
    assert all("slideshow" not in cell.metadata for cell in notebook.cells)
    places = {cell.source: cell.metadata.get("slideshow", {}).get("slide_type") for cell in made.cells}
    assert set(places.values()) <= {"slide", "subslide", "skip", None}, (
        "Deck knows no other word; `-` is an empty slide"
    )
    assert places[made.cells[0].source] == "slide"
    for source, place in places.items():
        if re.search(r"^check\(", source, flags=re.MULTILINE):
            assert place == "skip"
        if source.startswith("Stuck?"):
            assert place == "skip", "a hint to an exercise that is nobody's slide"
        if "Panel(" in source:
            assert place in (None, "subslide")
        if source.startswith("## "):
            assert place == "slide"


def test_slides_are_written_beside_the_learners_copies(tmp_path, capsys):
    assert build_slides.main(["03", "--to", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["03_evaluation_gate.ipynb"]
    assert build_slides.main(["77", "--to", str(tmp_path)]) == 1
    assert "no notebook 77; there is: 00, 01" in capsys.readouterr().err


def test_the_teachers_sources_are_those_of_the_notebooks():
    for source in sorted((TEACHER / "src").glob("*.py")):
        made = build_notebooks.from_source(source.read_text("utf-8"))
        stored = nbformat.read(TEACHER / f"{source.stem}.ipynb", as_version=4)
        assert [cell.source for cell in made.cells] == [cell.source for cell in stored.cells]
