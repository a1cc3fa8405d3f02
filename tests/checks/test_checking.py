"""Does check stay kind whatever it is given, and does progress survive what happens to files?"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.teaching.checks import check, export_progress, hint, progress, quiz
from mlops_lab.teaching.checks.cards import quiz_html, quiz_text
from mlops_lab.teaching.checks.exercise import Exercise, Mistake, NotYet, Option, Quiz, expect
from mlops_lab.teaching.checks.judging import is_untouched, judge
from mlops_lab.teaching.checks.progress import Standing, read_standing, record


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def exercise(test, **changed) -> Exercise:
    parts = {
        "id": "77.1",
        "kind": "build",
        "question": "?",
        "answer": "a",
        "stub": "a = ...",
        "test": test,
        "solution": "a = 1",
        "mistakes": (Mistake("a = 2", "x"), Mistake("a = 3", "y")),
        "hints": ("one.", "two.", "three."),
        "lesson": "learnt.",
    }
    return Exercise(**{**parts, **changed})


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def _raise(error: BaseException):
    def function(*_: object) -> object:
        raise error

    return function


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), SystemExit(3), RecursionError(), Hostile(), KeyError("k"), AssertionError(), StopIteration()],
    ids=lambda error: type(error).__name__,
)
def test_an_answer_that_raises_is_not_yet(error: BaseException) -> None:
    verdict = judge(exercise(lambda answer: answer()), _raise(error))

    assert verdict.status == "not yet"
    assert verdict.message.startswith(f"it raised {type(error).__name__}")


def test_the_stop_button_still_stops() -> None:
    with pytest.raises(KeyboardInterrupt):
        judge(exercise(lambda answer: answer()), _raise(KeyboardInterrupt()))


def test_the_learners_own_line_is_named() -> None:
    names: dict = {}
    exec(compile("def f(x):\n    y = 1\n    return y / x", "<string>", "exec"), names)  # noqa: S102

    verdict = judge(exercise(lambda answer: answer(0)), names["f"])

    assert verdict.message == "it raised ZeroDivisionError in line 3 of your cell: division by zero"


def _stub(rows, at):
    """Say something."""


def _stub_pass(rows):
    pass


def _stub_none(rows):
    return None


def _done(rows):
    return rows


def _constant():
    return 4


@pytest.mark.parametrize(
    "answer", [..., None, [...], (..., ...), {"a": ..., "b": [...]}, _stub, _stub_pass, _stub_none]
)
def test_what_the_stub_left_is_untouched(answer: object) -> None:
    assert is_untouched(answer)


@pytest.mark.parametrize("answer", [0, "", [], {}, [1, ...], _done, _constant, lambda: 1, print, float("nan")])
def test_anything_else_is_an_attempt(answer: object) -> None:
    assert not is_untouched(answer)


@pytest.mark.parametrize(("answer", "where"), [([1, ...], "place 2"), ({"a": 1, "b": ...}, "b")])
def test_a_half_finished_container_says_what_is_open(answer: object, where: str) -> None:
    verdict = judge(exercise(lambda _: None), answer)

    assert verdict.message == f"there is still a ... at {where}."


def test_a_frame_or_array_can_be_an_answer() -> None:
    import numpy as np
    import pandas as pd

    verdicts = [judge(exercise(lambda _: None), answer) for answer in (pd.DataFrame({"a": [1]}), np.zeros(3))]

    assert [verdict.status for verdict in verdicts] == ["passed", "passed"]


@pytest.mark.parametrize("wrong_id", ["99.1", "", "../../x", "01.1\n", None, 5, ["01.1"], object()])
def test_an_id_that_does_not_exist_is_answered_not_raised(wrong_id, home: Path) -> None:
    answers = [repr(check(wrong_id, 1)), repr(hint(wrong_id))]

    assert all(answers)
    assert not home.exists()


def test_looking_at_the_stub_leaves_nothing_behind(home: Path) -> None:
    check("01.1", ...)

    assert not home.exists()


def test_an_unknown_quiz_is_an_error() -> None:
    with pytest.raises(UnknownName):
        quiz("01.q77")


def test_progress_counts_tries_and_remembers_across_processes(home: Path) -> None:
    check("01.1", 15.0)
    check("01.1", 8.0)
    code = "from mlops_lab.teaching.checks import progress; print(progress())"

    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert ["01.1", "predict", "passed", "2", "0"] in [line.split() for line in seen.splitlines()]


def test_what_was_passed_once_stays_passed() -> None:
    check("01.1", 8.0)

    verdict = check("01.1", 15.0)

    assert verdict.status == "not yet"
    assert read_standing("01.1")[0].status == "passed"


DAMAGED = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"null",
    b'{"status": "done"}',
    b'{"attempts": "x", "hints": 0, "status": "passed"}',
    b'{"attempts": -1, "hints": 0, "status": "passed"}',
    b'{"attempts": true, "hints": 0, "status": []}',
    b"[" * 100_000,
]


@pytest.mark.slow
@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:12]))
def test_a_damaged_file_is_moved_aside_and_said_once(home: Path, content: bytes) -> None:
    check("01.1", 8.0)
    (home / "progress" / "01.1.json").write_bytes(content)

    first, second = check("01.1", 8.0), check("01.1", 8.0)

    assert first.passed
    assert "was damaged; it is kept as 01.1.damaged" in first.note
    assert second.note == ""
    assert (home / "progress" / "01.1.damaged").read_bytes() == content


def test_a_damaged_file_costs_only_its_own_row(home: Path) -> None:
    check("01.1", 8.0)
    check("05.2", 10)
    (home / "progress" / "01.1.json").write_bytes(b"?")

    table = progress()

    assert table.passed == 1
    assert len(table.notes) == 1


def test_a_home_that_cannot_be_written_is_said_and_the_answer_counts(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where a folder should be")

    verdict = check("01.1", 8.0)
    hints = [hint("01.1") for _ in range(5)]

    assert verdict.passed
    assert "could not be" in verdict.note
    assert [len(one.shown) for one in hints] == [1, 2, 3, 3, 3]
    assert hint("01.1", solution=True).solution


def test_many_writers_leave_one_whole_file(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: record("01.1", lambda _: Standing("not yet", 7, 1)), range(200)))

    assert [path.name for path in (home / "progress").iterdir()] == ["01.1.json"]
    assert read_standing("01.1") == (Standing("not yet", 7, 1), "")


def test_hints_come_one_by_one_and_the_solution_is_asked_for_first() -> None:
    early = hint("01.2", solution=True)
    cards = [hint("01.2") for _ in range(3)]
    shown = [hint("01.2", solution=True), hint("01.2")]

    assert early.note == "The solution comes after the hints: there are 2 more."
    assert [len(card.shown) for card in (early, *cards)] == [1, 2, 3, 3]
    assert not any(card.solution for card in (early, *cards))
    assert 'Do you want to see the solution? hint("01.2", solution=True)' in repr(cards[2])
    assert all("<details><summary>Solution" in card._repr_html_() for card in shown)
    assert "<details open><summary>Hint 2 of 3" in cards[0]._repr_html_()


def test_the_course_folder_is_found_from_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "course" / "work").mkdir(parents=True)
    (tmp_path / "course" / "pyproject.toml").touch()
    monkeypatch.delenv("MLOPS_LAB_HOME")
    monkeypatch.chdir(tmp_path / "course" / "work")

    check("01.1", 8.0)

    assert (tmp_path / "course" / ".mlops_lab" / "progress" / "01.1.json").is_file()


def test_an_export_holds_every_exercise(tmp_path: Path) -> None:
    check("01.1", 8.0)

    content = json.loads(export_progress(tmp_path / "out" / "mine.json").read_text())

    assert content["exercises"]["01.1"] == {"attempts": 1, "hints": 0, "kind": "predict", "status": "passed"}
    assert content["of"] == len(content["exercises"])


def test_an_export_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InvalidData, match=r"cannot write '.*mine.json'"):
        export_progress(tmp_path / "file" / "mine.json")


def test_an_option_is_answered_when_chosen_and_changed() -> None:
    card = quiz("01.q1")

    card.choose(0)
    first = card.children[2].value
    card.choose(1)

    assert "Not quite" in first
    assert "Right" in card.children[2].value
    assert read_standing("01.q1")[0] == Standing("passed", 2, 0)


def test_a_quiz_is_the_same_text_every_time_and_has_a_static_form() -> None:
    bundles = [quiz("01.q1")._repr_mimebundle_() for _ in range(2)]
    shown = [bundle[0] if isinstance(bundle, tuple) else bundle for bundle in bundles]

    assert shown[0]["text/plain"] == shown[1]["text/plain"] == repr(quiz("01.q1"))
    assert "<details>" in shown[0]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]


def test_what_learners_and_authors_write_is_escaped() -> None:
    card = Quiz("77.q1", "<b>?", (Option("<script>", "a"), Option("y", "<i>", right=True)))
    verdict = judge(exercise(_raise(ValueError("<script>"))), 1)

    assert "<script>" not in quiz_html(card)
    assert "<script>" not in verdict._repr_html_()
    assert "<script>" in quiz_text(card)


@pytest.mark.parametrize(
    "changed",
    [{"id": "1.1"}, {"id": "01.0"}, {"id": "../1"}, {"hints": ("a.",)}, {"mistakes": ()}],
    ids=repr,
)
def test_an_exercise_that_contradicts_itself_is_refused(changed: dict) -> None:
    with pytest.raises(InvalidDefinition):
        exercise(lambda _: None, **changed)


@pytest.mark.parametrize(
    "options",
    [
        (),
        (Option("a", "b"),),
        (Option("a", "b", True), Option("c", "d", True)),
        (Option("a", "b"), Option("a", "d", True)),
    ],
    ids=len,
)
def test_a_quiz_that_contradicts_itself_is_refused(options: tuple) -> None:
    with pytest.raises(InvalidDefinition):
        Quiz("77.q1", "?", options)


def test_expect_speaks_only_when_it_must() -> None:
    expect([1], "never said")

    with pytest.raises(NotYet, match=r"^said$"):
        expect([], "said")
