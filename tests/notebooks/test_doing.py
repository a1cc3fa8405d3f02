"""The learner acts: cells that ask, stretches that do not, words to read; a prediction comes before its answer."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
from notebook_figures import figures
from notebook_kernel import REPOSITORY

from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.teaching.checks import Prediction, all_exercises, all_predictions, all_quizzes, predict, progress
from mlops_lab.teaching.checks.progress import export_progress, read_standing

SOURCES = sorted((REPOSITORY / "notebooks" / "src").glob("[0-9][0-9]_*.py"))

#: A third of the code cells ask for something; at most five in a row do not; fewer than this many words a code cell.
SHARE, PASSIVE, WORDS = 1 / 3, 5, 45


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_asks_often_enough_and_talks_little_enough(path: Path) -> None:
    found = figures(path.read_text("utf-8"))

    assert found.share >= SHARE
    assert found.passive <= PASSIVE
    assert found.words_a_cell < WORDS


def test_a_planted_lecture_is_seen() -> None:
    source = "# %% [markdown]\n# one two\n\n# %%\ncheck('1', 2)\n\n" + "# %%\nprint(1)\n\n" * 6 + "# %%\nquiz('1')\n"

    found = figures(source)

    assert (found.code, found.asking, found.passive, found.words) == (8, 2, 6, 2)


#: For each line of "After this notebook you can", what checks it. A quiz is enough only where the line says "say".
PROMISES = {
    "00": ("00.1", "00.1", "00.2"),
    "01": ("01.3", "01.1 01.2", "01.6 01.4", "01.5", "01.q2"),
    "02": ("02.4", "02.1 02.2", "02.4", "02.3", "02.q2"),
    "03": ("03.1 03.2", "03.4", "03.3", "03.3"),
    "04": ("04.1 04.q1", "04.5", "04.2 04.3 04.5", "04.4 04.q2"),
    "05": ("05.1 05.5", "05.3 05.4", "05.2", "05.6 05.q1", "05.q2"),
    "06": ("06.5", "06.4", "06.1 06.2 06.3", "06.5 06.q2", "06.4"),
    "07": ("07.1", "07.2 07.6", "07.q1 07.6", "07.3 07.4 07.q2", "07.5"),
    "08": ("08.1 08.q1", "08.2", "08.q2", "08.3", "08.4"),
    "09": ("09.1", "09.2", "09.3 09.q1", "09.4"),
    "10": ("10.1",),
}
#: The task on other data with which a notebook ends; 09 is one whole.
TRANSFERS = {"00": 3, "01": 6, "02": 4, "03": 4, "04": 5, "05": 6, "06": 5, "07": 6, "08": 3, "10": 1}


def promised(source: str) -> list[str]:
    """The lines of "After this notebook you can"."""
    told = source.split("After this notebook you can\n#\n", 1)
    lines = told[1].split("\n#\n", 1)[0] if len(told) == 2 else ""
    return [line for line in lines.splitlines() if line.startswith("# - ")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_each_promised_verb_has_an_exercise_that_checks_it(path: Path) -> None:
    source, number = path.read_text("utf-8"), path.name[:2]
    there = set(re.findall(r'^(?:check|quiz)\("([^"]+)"', source, re.MULTILINE))
    lines, checks = promised(source), [one.split() for one in PROMISES[number]]

    assert len(lines) == len(checks)
    assert {entry for each in checks for entry in each} <= there
    quizzed = [line for line, each in zip(lines, checks, strict=True) if all(".q" in entry for entry in each)]
    assert [line for line in quizzed if not line.startswith("# - say ")] == []


def test_every_exercise_and_every_quiz_checks_a_promise_or_ends_a_notebook() -> None:
    used = {entry for each in PROMISES.values() for one in each for entry in one.split()}
    used |= {f"{number}.{last}" for number, last in TRANSFERS.items()}
    every = {one.id for one in (*all_exercises(), *all_quizzes())}

    assert used <= every
    assert {entry for entry in every - used if ".q" not in entry} == set(), "an exercise for nothing that was promised"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_has_a_task_on_other_data_after_its_own(path: Path) -> None:
    source, number = path.read_text("utf-8"), path.name[:2]
    if number == "09":
        return
    asked_in_order = re.findall(r'^check\("([^"]+)"', source, re.MULTILINE)

    transfer = f"{number}.{TRANSFERS[number]}"
    assert transfer in asked_in_order[-2:]
    assert "on other data" in source.lower().split(f'check("{transfer}"')[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_numbers_of_the_exercises_stand_in_order(path: Path) -> None:
    found = re.findall(r'^check\("([^"]+)"', path.read_text("utf-8"), re.MULTILINE)

    assert found == [f"{path.name[:2]}.{place}" for place in range(1, len(found) + 1)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_map_stands_at_the_head_with_its_own_part_lit(path: Path) -> None:
    assert f'draw_map("{path.name[:2]}")' in path.read_text("utf-8").split("\n# ## ")[0]


def asked(path: Path) -> list[str]:
    return re.findall(r'^predict\("([^"]+)"\)$', path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_numbers_of_the_predictions_stand_in_the_order_of_reading(path: Path) -> None:
    found = asked(path)

    assert found == [f"{path.name[:2]}.p{place}" for place in range(1, len(found) + 1)]


def test_each_prediction_is_asked_once_in_its_own_notebook() -> None:
    found = {path.name[:2]: asked(path) for path in SOURCES}

    assert sorted(entry for entries in found.values() for entry in entries) == sorted(p.id for p in all_predictions())
    assert all(entry.startswith(f"{number}.p") for number, entries in found.items() for entry in entries)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_prediction_stands_before_the_cell_that_answers_it(path: Path) -> None:
    cells = jupytext.reads(path.read_text("utf-8"), fmt="py:percent").cells
    for place, cell in enumerate(cells):
        if "predict(" in cell.source and cell.cell_type == "code" and place + 1 < len(cells):
            rest = cells[place + 1 : place + 4]
            assert any(one.cell_type == "code" and "predict(" not in one.source for one in rest), cell.source


def test_a_prediction_is_kept_fixed_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path))
    card = predict("00.p1")
    card.commit()
    card.compare()
    assert card.said == "", "nothing is said before anything was chosen"

    card.choose(0)
    card.commit()
    card.choose(1)
    card.commit()
    card.compare()

    assert read_standing("00.p1")[0].said == "model A, which has 0.90"
    assert "You said “model A, which has 0.90”. What came: “model B, which has 0.74”." in card.said
    assert "1 of" in repr(progress()).splitlines()[0]
    assert '"predictions": {\n  "00.p1": "model A' in export_progress(tmp_path / "mine.json").read_text("utf-8")


def test_a_prediction_is_remembered_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path))
    first = predict("00.p1")
    first.choose(1)
    first.commit()

    again = predict("00.p1")
    again.compare()

    assert again.said.startswith("It came as you said. ")


def test_without_a_kernel_a_prediction_is_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path))
    bundle = predict("00.p1")._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle

    assert data["text/plain"].splitlines()[1] == "  (a) model A, which has 0.90"
    assert data["text/html"].index("<details>") < data["text/html"].index("Passengers got 0.64")


def test_an_unknown_prediction_names_what_there_is() -> None:
    with pytest.raises(UnknownName, match=r"no prediction '00\.p99'"):
        predict("00.p99")


@pytest.mark.parametrize(("options", "right"), [(("a",), 0), (("a", "a"), 0), (("a", "b"), 2)])
def test_a_prediction_has_two_options_and_one_is_right(options: tuple[str, ...], right: int) -> None:
    with pytest.raises(InvalidDefinition):
        Prediction("01.p9", "Which?", options, right, "That one.")
