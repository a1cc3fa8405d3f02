"""Each bold word stands in the glossary, and is linked where it is introduced; the cheat sheet is one page."""

from __future__ import annotations

import re
from pathlib import Path

import build_cheatsheet
import pytest
from browser_lab import find_chromium
from notebook_kernel import REPOSITORY

import mlops_lab

NOTEBOOKS = REPOSITORY / "notebooks"
GLOSSARY = (NOTEBOOKS / "GLOSSARY.md").read_text("utf-8")
SOURCES = {path.stem: path for path in sorted((NOTEBOOKS / "src").glob("[0-9][0-9]_*.py"))}

#: Bold because it is stressed, not because it is a word to learn.
STRESSED = frozenset(
    """
    you; shift+enter; commit; on the date; at random; to the byte; by airport; it chose the wrong model;
    yes; the same exam; is it shown to be good?; reset; 10 minutes; 20 seconds; more than 10 times; one
    hour; the same model; order; waits; clocks; missed dates; overhead; none of them; airflow; prefect;
    the same in real tools; what comes next; joins; copied; a leg of its own; a job of its own; predict;
    in the evening; no
    """.replace("\n    ", " ")
    .strip()
    .split("; ")
)

#: The field's words that are written as code after their introduction: `bold` leaves code out and would not miss them.
CODED = ("ttl", "materialize", "logical date", "upstream_failed", "backfill", "catchup", "up_for_retry")


def prose(path: Path) -> str:
    """The text of a notebook's Markdown cells, each paragraph on one line, code left out."""
    cells = re.split(r"^# %%", path.read_text("utf-8"), flags=re.MULTILINE)
    text = "\n\n".join(
        "\n".join(line[2:] for line in cell.splitlines()[1:]) for cell in cells if cell.startswith(" [markdown]")
    )
    return re.sub(r"```.*?```|`[^`]*`", "`", text, flags=re.DOTALL).replace("\n", " ")


def bold(text: str) -> set[str]:
    """Bold words, without full stops at their end; a sentence or an exercise's number is no word."""
    found = {word.strip(" .:").lower() for word in re.findall(r"\*\*([^*]+?)\*\*", text)}
    return {w for w in found if len(w.split()) <= 4 and not re.search(r"^exercise \d|`", w)} - STRESSED


def defined() -> dict[str, str]:
    """Each word of the glossary and the notebook that introduces it."""
    entries = re.split(r"^### ", GLOSSARY, flags=re.MULTILINE)[1:]
    return {
        entry.splitlines()[0].lower(): re.search(r"\]\((\w+)\.ipynb\)", " ".join(entry.split())).group(1)  # type: ignore[union-attr]
        for entry in entries
    }


def forms(word: str) -> set[str]:
    """A word in its forms: the glossary has one of them."""
    return {word, word.removesuffix("s"), f"{word}s", word.removesuffix("d"), f"{word}d"}


@pytest.mark.parametrize("name", SOURCES)
def test_each_bold_word_is_in_the_glossary(name: str) -> None:
    known = {form for word in defined() for form in forms(word)}

    assert sorted(bold(prose(SOURCES[name])) - known) == []


@pytest.mark.parametrize("word", CODED)
def test_a_word_that_the_notebooks_write_as_code_is_in_the_glossary_too(word: str) -> None:
    assert word in defined()


def test_a_bold_word_that_is_nowhere_is_seen() -> None:
    assert bold("a **flux capacitor**, **Exercise 01.2.** and **the same in real tools.**") == {"flux capacitor"}


@pytest.mark.parametrize("word", defined())
def test_each_word_is_linked_where_it_is_introduced(word: str) -> None:
    text = prose(SOURCES[defined()[word]])

    links = {
        " ".join(shown.split()).lower(): target for shown, target in re.findall(r"\[\*\*([^*]+)\*\*\]\((\S+)\)", text)
    }

    assert links[word].lower() == f"glossary.md#{word.replace(' ', '-')}"


def test_the_glossary_names_each_word_once_and_says_what_others_call_it() -> None:
    headings = re.findall(r"^### (.+)$", GLOSSARY, re.MULTILINE)

    assert len(headings) == len(set(headings)) == GLOSSARY.count("*Elsewhere:*") > 60


def test_the_cheat_sheet_names_only_what_there_is() -> None:
    text = build_cheatsheet.SOURCE.read_text("utf-8")
    called = set(re.findall(r"`(?:\w+ = )?([A-Za-z_]+)\(", text)) | set(re.findall(r"`([A-Z]\w+)`", text))

    methods = set(re.findall(r"`(\w+)\.(\w+)\(", text))
    owners = {"store": "FeatureStore", "registry": "Registry", "tracker": "Tracker"}

    assert [name for name in called - {"always", "AUC"} if name not in mlops_lab.__all__] == []
    assert [(o, m) for o, m in methods if not hasattr(getattr(mlops_lab, owners[o]), m)] == []


@pytest.mark.slow
def test_the_cheat_sheet_is_built_and_is_one_page(tmp_path: Path) -> None:
    written = build_cheatsheet.build(tmp_path)

    html = written[0].read_text("utf-8")
    assert "point" not in html.split("<h1>")[0]
    assert "<script" not in html
    assert "http" not in html
    if find_chromium():
        assert len(re.findall(rb"/Type\s*/Page\b", written[1].read_bytes())) == 1
