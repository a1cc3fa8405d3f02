"""The learner acts: cells that ask, stretches that do not, words to read; a prediction comes before its answer."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
from notebook_figures import figures
from notebook_kernel import REPOSITORY

from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.teaching.checks import Prediction, all_predictions, predict, progress
from mlops_lab.teaching.checks.progress import export_progress, read_standing

SOURCES = sorted((REPOSITORY / "notebooks" / "src").glob("[0-9][0-9]_*.py"))

#: A third of the code cells ask for something; at most five in a row do not; at most this many words a code cell.
SHARE, PASSIVE, WORDS = 1 / 3, 5, 45.5


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_asks_often_enough_and_talks_little_enough(path: Path) -> None:
    found = figures(path.read_text("utf-8"))

    assert found.share >= SHARE
    assert found.passive <= PASSIVE
    assert found.words_a_cell <= WORDS


def test_a_planted_lecture_is_seen() -> None:
    source = "# %% [markdown]\n# one two\n\n# %%\ncheck('1', 2)\n\n" + "# %%\nprint(1)\n\n" * 6 + "# %%\nquiz('1')\n"

    found = figures(source)

    assert (found.code, found.asking, found.passive, found.words) == (8, 2, 6, 2)


def asked(path: Path) -> list[str]:
    return re.findall(r'^predict\("([^"]+)"\)$', path.read_text("utf-8"), re.MULTILINE)


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
