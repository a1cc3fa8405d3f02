"""A folder of forty progress files becomes one table, whatever else somebody put into it."""

from __future__ import annotations

import json
import os
import random
import xml.etree.ElementTree as ElementTree

import pytest

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.cli import main
from mlops_lab.teaching.checks import all_exercises, all_quizzes, export_progress
from mlops_lab.teaching.classroom import draw_class, read_class

ENTRIES = sorted([one.id for one in all_exercises()] + [one.id for one in all_quizzes()])


def dice(number):
    return random.Random(number)  # noqa: S311  the same throws every time


def standing(chance):
    status = chance.choice(["passed", "passed", "not yet", "not attempted"])
    tries = 0 if status == "not attempted" else chance.randint(1, 9)
    return {"kind": "build", "status": status, "attempts": tries, "hints": chance.randint(0, 4) if tries else 0}


def handed_in(chance=None):
    exercises = {entry: standing(chance) for entry in ENTRIES} if chance else {}
    return {"course": "MLOps Lab", "passed": 99, "of": len(ENTRIES), "exercises": exercises}


@pytest.fixture
def folder(tmp_path):
    """Forty learners whose figures are known."""
    place = tmp_path / "handed-in"
    place.mkdir()
    for number in range(40):
        content = handed_in(dice(number))
        (place / f"learner-{number:02d}.json").write_text(json.dumps(content))
    return place


def test_forty_files_are_counted_as_somebody_with_a_pencil_would(folder):
    report = read_class(folder)

    assert len(report.learners) == 40
    assert report.notes == ()
    for learner, path in zip(report.learners, sorted(folder.iterdir()), strict=True):
        exercises = json.loads(path.read_text())["exercises"]
        assert learner.name == path.stem
        assert learner.passed == sum(one["status"] == "passed" for one in exercises.values())
        for number in report.notebooks:
            inside = [one["status"] for entry, one in exercises.items() if entry[:2] == number]
            assert learner.in_notebook(number) == (inside.count("passed"), len(inside))
    for entry, passed, late, never, told in report.hardest():
        column = [json.loads(path.read_text())["exercises"][entry] for path in folder.iterdir()]
        words = [one["status"] for one in column]
        assert (passed, late, never) == tuple(map(words.count, ("passed", "not yet", "not attempted")))
        assert told == sum(one["hints"] >= 4 for one in column)


def test_what_the_course_exports_is_what_the_report_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path / "home"))
    path = export_progress(tmp_path / "mine.json")

    report = read_class(tmp_path)

    assert path.stat().st_size < 32_000
    assert [(one.name, one.passed, len(one.standings)) for one in report.learners] == [("mine", 0, len(ENTRIES))]


def deep():
    return '{"course": "MLOps Lab", "exercises": ' + "[" * 100_000 + "]" * 100_000 + "}"


def damaged(**change):
    entry = {"status": "passed", "attempts": 1, "hints": 0, **change}
    return json.dumps({"course": "MLOps Lab", "exercises": {ENTRIES[0]: entry}})


HOSTILE = {
    "empty": (b"", "no JSON text"),
    "binary": (bytes(range(256)) * 9, "no JSON text"),
    "deep": (deep().encode(), "no JSON text"),
    "huge": (b" " * 300_000, "bytes, and a progress file has some thousand"),
    "a list": (b"[]", "no progress file of this course"),
    "another course": (b'{"course": "Knitting", "exercises": {}}', "no progress file of this course"),
    "exercises a list": (b'{"course": "MLOps Lab", "exercises": []}', "no progress file of this course"),
    "a status of its own": (damaged(status="<b>best</b>").encode(), f"what it says of {ENTRIES[0]} is damaged"),
    "negative tries": (damaged(attempts=-1).encode(), "is damaged"),
    "tries as truth": (damaged(attempts=True).encode(), "is damaged"),
    "endless tries": (damaged(attempts=10**400).encode(), "is damaged"),
    "tries as a list": (damaged(status=["passed"]).encode(), "is damaged"),
    "no number": (damaged(hints=float("nan")).encode(), "is damaged"),
    "packed": (b"PK\x03\x04" + bytes(90), "it is packed; unpack it"),
    "half": (json.dumps(handed_in(dice(1))).encode()[:500], "no JSON text"),
    "utf-16": (json.dumps(handed_in()).encode("utf-16"), "no JSON text"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_progress_file_costs_one_line_and_nobody_else_anything(name, folder):
    data, told = HOSTILE[name]
    (folder / "zz.json").write_bytes(data)

    report = read_class(folder)

    assert len(report.learners) == 40
    assert len(report.notes) == 1
    assert report.notes[0].startswith("zz.json: not counted: ")
    assert told in report.notes[0]


def test_links_folders_and_pipes_are_not_read(folder, tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps(handed_in(dice(7))))
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "folder.json").mkdir()
    (folder / "nowhere.json").symlink_to(tmp_path / "gone.json")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.json")

    report = read_class(folder)

    assert len(report.learners) == 40
    assert {note.split(":")[0] for note in report.notes} >= {"link.json", "folder.json", "nowhere.json"}
    assert all("not counted" in note for note in report.notes)


def test_names_cannot_draw_forge_lines_or_become_markup(folder):
    (folder / "<script>alert(1)<\u2215script>.json").write_text(json.dumps(handed_in(dice(50))))
    (folder / "red\x1b[31m\nlearner  9  9 of 9.json").write_text(json.dumps(handed_in(dice(51))))

    report = read_class(folder)
    svg = draw_class(report)

    assert len(report.table().splitlines()) == 43
    assert "\x1b" not in report.table()
    assert "<script" not in svg
    ElementTree.fromstring(svg)  # noqa: S314  our own text


def test_the_same_file_twice_is_told_and_empty_ones_are_no_news(folder):
    (folder / "again.json").write_bytes((folder / "learner-03.json").read_bytes())
    for name in ("new-a", "new-b"):
        (folder / f"{name}.json").write_text(json.dumps(handed_in()))

    report = read_class(folder)

    assert len(report.learners) == 43
    assert report.notes == ("learner-03.json: says the same as again.json, and both are counted.",)


def test_the_mark_that_windows_editors_put_in_front_of_a_text_does_not_cost_the_learner_her_work(folder):
    text = json.dumps(handed_in(dice(60)), indent=1).replace("\n", "\r\n")
    (folder / "notepad.json").write_bytes(b"\xef\xbb\xbf" + text.encode())

    report = read_class(folder)

    assert report.notes == ()
    assert report.learners[-1].name == "notepad"
    assert report.learners[-1].passed == text.count('"passed",')


def test_folders_of_a_learning_platform_are_learners(tmp_path):
    for number, name in enumerate(["Ada Lovelace_71", "Grace Hopper_72"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.json").write_text(json.dumps(handed_in(dice(number))))
    (tmp_path / "Grace Hopper_72" / "old.json").write_text(json.dumps(handed_in(dice(9))))

    report = read_class(tmp_path)

    assert [one.name for one in report.learners] == ["Ada Lovelace_71", "Grace Hopper_72/mine", "Grace Hopper_72/old"]
    assert report.notes == ()


def test_what_was_meant_to_be_handed_in_and_is_no_json_is_not_passed_over_in_silence(folder):
    for name in ("ada.json.txt", "grace.zip", ".DS_Store", "class.svg"):
        (folder / name).write_bytes(b"")

    report = read_class(folder)

    assert report.notes == (
        "ada.json.txt: not counted: its name does not end in .json.",
        "grace.zip: not counted: it is packed; unpack it.",
    )
    for number in range(30):
        (folder / f"photo{number}.png").touch()
    assert len(read_class(folder).notes) == 11
    assert read_class(folder).notes[-1] == "22 more: not counted either."


def test_a_folder_of_packed_files_says_to_unpack_them(tmp_path):
    (tmp_path / "class.zip").touch()

    with pytest.raises(InvalidData, match="Unpack what is packed first"):
        read_class(tmp_path)


def test_long_names_that_differ_at_their_ends_stay_apart_and_wide_letters_keep_the_columns(folder):
    from rich.cells import cell_len

    for name in ("the-second-year-of-computing-ada", "the-second-year-of-computing-grace", "列" * 20):
        (folder / f"{name}.json").write_text(json.dumps(handed_in(dice(70))))

    report = read_class(folder)

    names = [one.name for one in report.learners]
    assert len(set(names)) == 43
    lines = [line for line in report.table().splitlines() if line.endswith(f" of {len(ENTRIES)}")]
    assert len({cell_len(line.rsplit("  ", 1)[0]) for line in lines}) == 1


def test_exercises_of_another_edition_are_left_out_and_told(folder):
    content = handed_in()
    content["exercises"]["99.1"] = {"status": "passed", "attempts": 1, "hints": 0}
    (folder / "old.json").write_text(json.dumps(content))

    report = read_class(folder)

    assert report.notes == ("old.json: what this course does not have is left out (1).",)
    assert report.learners[-1].passed == 0


def test_without_names_learners_are_numbers(folder):
    report = read_class(folder, anonymous=True)

    assert [one.name for one in report.learners[:2]] == ["learner 1", "learner 2"]
    assert "learner-00" not in draw_class(report)


def test_without_names_no_remark_names_a_file_either(folder):
    (folder / "ada-again.json").write_bytes((folder / "learner-03.json").read_bytes())
    (folder / "ada-broken.json").write_text("no")
    (folder / "ada.zip").touch()

    report = read_class(folder, anonymous=True)

    assert report.notes == (
        "file 2: not counted: it is no JSON text.",
        "learner 5: says the same as learner 1, and both are counted.",
        "a file: not counted: it is packed; unpack it.",
    )


def test_a_folder_without_files_says_how_to_make_one(tmp_path):
    with pytest.raises(InvalidData, match="class export"):
        read_class(tmp_path)
    with pytest.raises(InvalidData, match=r"cannot read the folder '.*missing': No such file"):
        read_class(tmp_path / "missing")


def test_the_picture_says_all_in_words_too(folder):
    root = ElementTree.fromstring(draw_class(read_class(folder)))  # noqa: S314  our own text

    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.find(f"{space}title").text.startswith("How far 40 learners have come")
    assert root.find(f"{space}desc").text == read_class(folder).table()
    assert len(root.findall(f"{space}g")) == 40 * len(ENTRIES)


def test_a_long_class_keeps_the_exercises_in_sight_and_counts_them(folder):
    root = ElementTree.fromstring(draw_class(read_class(folder)))  # noqa: S314  our own text
    told = [one.text for one in root.findall("{http://www.w3.org/2000/svg}text")]

    at = told.index("passed, of 40")
    first = next(count for entry, count, *_ in read_class(folder).hardest() if entry == ENTRIES[0])

    assert told.count("passed, of 40") == 2
    assert [told[at + 1 :][place] for place in range(3)] == ["00", ENTRIES[0][3:], str(first)]


def test_the_command_prints_the_table_and_draws_the_picture(folder, tmp_path, capsys):
    (folder / "zz.json").write_text("no")

    code = main(["class", "report", str(folder), "--out", str(tmp_path / "class.svg")])

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert "where most are stuck:" in out
    assert "✗ zz.json: not counted: it is no JSON text." in out
    assert out.endswith("40 learners, 1 remark.\n")
    assert (tmp_path / "class.svg").read_text().startswith("<svg")
    assert main(["class", "report", str(folder), "--out", "class.png"]) == 1
    assert ".svg" in capsys.readouterr().err


def test_a_learner_exports_and_nothing_names_her(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path / "ada-home"))

    code = main(["class", "export", str(tmp_path / "mine.json"), "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["of"] == len(ENTRIES)
    assert "ada" not in (tmp_path / "mine.json").read_text()


def test_an_export_to_a_folder_or_to_no_name_says_what_to_type(tmp_path, capsys):
    for name in (str(tmp_path), ""):
        assert main(["class", "export", name]) == 1
        assert "is a folder; name the file to be made in it, such as mine.json." in capsys.readouterr().err


def test_the_gradebook_counts_the_points_of_the_capstone_and_shows_what_to_look_at(folder):
    content = handed_in()
    passed = {"kind": "build", "status": "passed", "attempts": 2, "hints": 0}
    content["exercises"] = {
        "09.1": passed,
        "09.3": {**passed, "hints": 4},
        "00.1": {**passed, "attempts": 0},
        "00.2": {**passed, "status": "not yet"},
    }
    (folder / "zoe.json").write_text(json.dumps(content))

    report = read_class(folder)
    moodle = [line.split(",") for line in report.gradebook("moodle").splitlines()]
    canvas = [line.split(",") for line in report.gradebook("canvas").splitlines()]

    zoe = dict(zip(moodle[0], moodle[-1], strict=True))
    assert (zoe["Username"], zoe["MLOps Lab 09"], zoe["MLOps Lab 00"]) == ("zoe", "65", "1")
    assert (zoe["solutions seen"], zoe["passed without a try"]) == ("09.3", "00.1")
    assert canvas[0][:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert dict(zip(canvas[0], canvas[1], strict=True))["MLOps Lab 09"] == "101"
    assert len(canvas) == len(moodle) + 1 == 43
    assert any("zoe.json: 1 of" in note and "without a single try" in note for note in report.notes)


def test_a_name_that_a_spreadsheet_would_run_is_text(tmp_path):
    (tmp_path / "=1+1.json").write_text(json.dumps(handed_in(dice(1))))

    assert read_class(tmp_path).gradebook("moodle").splitlines()[1].startswith("'=1+1,")


def test_another_platform_is_named_with_those_there_are(folder):
    with pytest.raises(UnknownName, match="moodle"):
        read_class(folder).gradebook("blackboard")


def test_the_command_writes_the_gradebook(folder, tmp_path, capsys):
    code = main(["class", "report", str(folder), "--csv", str(tmp_path / "points.csv"), "--for", "canvas"])

    assert code == 0
    assert (tmp_path / "points.csv").read_text().startswith("Student,ID,")
