"""Does the README, and the teacher's guide, say what is true: commands, links, minutes, figures?"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import nbformat
import pytest

from mlops_lab.cli import main
from mlops_lab.teaching.checks import all_exercises, all_quizzes
from mlops_lab.teaching.panels.dashboard import LESSONS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
GUIDE = (ROOT / "notebooks" / "teacher" / "README.md").read_text("utf-8")

#: Minutes, as the guide says: for what there is to read and for what there is to do.
WORDS, LINES, PANEL = 1 / 120, 1 / 10, 3
TASKS = {"quiz": 1, "predict": 2, "change": 4, "build": 7}
CHOICE = 0.5  # a prediction that is committed before a result
PROJECT = 15  # an exercise of the capstone


def command(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stopped:
            code = stopped.code
    return code, out.getvalue(), err.getvalue()


def rows(text, heading):
    """The cells of the first table after a heading, its head left out."""
    lines = text.split(heading, 1)[1].splitlines()
    table = [line for line in lines if line.startswith("|")]
    first = lines.index(table[0])
    last = next((n for n in range(first, len(lines)) if not lines[n].startswith("|")), len(lines))
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", _one_cell(line))[1:-1]] for line in lines[first + 2 : last]
    ]


def _one_cell(line):
    """A bar inside backticks is no border."""
    return re.sub(r"`[^`]*`", lambda code: code.group().replace("|", "\\|"), line)


def reckoned(path):
    """The minutes of a notebook by what is in it."""
    kinds = {one.id: str(one.kind) for one in all_exercises()} | {one.id: "quiz" for one in all_quizzes()}
    minutes = 0.0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            minutes += len(re.sub(r"[#*`|\-]", " ", cell.source).split()) * WORDS
            continue
        minutes += len([line for line in cell.source.splitlines() if line.strip()]) * LINES
        minutes += PANEL * ("Panel(" in cell.source) + CHOICE * ("predict(" in cell.source)
    for entry, kind in kinds.items():
        if entry[:2] == path.name[:2]:
            minutes += PROJECT if (entry[:2], kind) == ("09", "build") else TASKS[kind]
    return minutes


def test_the_table_of_notebooks_is_whole_and_its_minutes_are_those_reckoned():
    found = {}
    for name, question, minutes, afterwards in rows(README, "## The notebooks"):
        path = ROOT / re.search(r"\]\((notebooks/\w+\.ipynb)\)", name).group(1)
        found[path] = int(minutes)
        assert question.endswith("?")
        assert afterwards
    titles = {nbformat.read(path, as_version=4).cells[0].source.splitlines()[0][2:] for path in found}

    assert sorted(found) == sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert titles == {row[1] for row in rows(README, "## The notebooks")}
    wrong = {path.name: (told, round(reckoned(path))) for path, told in found.items() if abs(told - reckoned(path)) > 7}
    assert wrong == {}, "minutes told and reckoned"
    openings = {path: nbformat.read(path, as_version=4).cells[0].source for path in found}
    said = {path: re.findall(r"about (\d+) minutes", text, re.IGNORECASE) for path, text in openings.items()}
    assert said == {path: [str(told)] for path, told in found.items()}, "minutes told by the notebook and by the README"


SITE = (ROOT / "site" / "index.md").read_text("utf-8")
NUMBERS = {10: "ten", 11: "eleven", 12: "twelve"}


def test_hours_notebooks_and_lines_are_those_there_are():
    minutes = [int(row[2]) for row in rows(README, "## The notebooks")]
    hours = f"some {NUMBERS[round(sum(minutes) / 60 - 0.25)]} hours"  # the quarter that rounding up would add
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in (ROOT / "mlops_lab").rglob("*.py"))
    told = int(re.search(r"some ([\d,]+) lines", README)[1].replace(",", ""))

    assert f"All of it takes {hours}" in README
    assert f"{NUMBERS[len(minutes)].capitalize()} notebooks, {hours}" in SITE
    assert abs(lines - told) < 0.1 * told, lines


def test_the_figures_of_the_hook_are_those_of_the_first_notebook():
    first = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    words = "".join(
        output.data["text/plain"] for cell in first.cells for output in cell.get("outputs", []) if "data" in output
    )
    measured = {
        name: re.findall(rf"{name}, (?:offline|served) +([\d.]+) AUC", words) for name in ("daily_averages", "as_known")
    }

    assert measured == {"daily_averages": ["0.90", "0.64"], "as_known": ["0.74", "0.74"]}
    shown, folded = README.split("<details>")
    assert "scores 0.90 offline and 0.64 as served" in folded
    assert "The honest one has 0.74 on both" in README
    assert not any(figure in shown + SITE for figure in ("0.90", "0.64")), "the first prediction asks for them"
    assert README.index("rank a late flight above a punctual one") < README.index("0.90")


def test_the_guide_says_by_which_figures_the_minutes_are_reckoned():
    told = " ".join(GUIDE.split())

    assert f"{1 / WORDS:.0f} words or {1 / LINES:.0f} lines of code a minute" in told
    assert f"{TASKS['quiz']} minute for a quiz, {TASKS['predict']} for a prediction" in told
    assert f"{TASKS['change']} for an exercise that changes something, {TASKS['build']} for one that builds" in told
    assert f"({PROJECT} in notebook 09), {PANEL} for a live panel" in told


@pytest.mark.parametrize(
    ("text", "home"), [(README, ROOT), (GUIDE, ROOT / "notebooks" / "teacher")], ids=["readme", "guide"]
)
def test_every_link_and_picture_is_there_and_every_picture_has_words(text, home):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)

    assert links
    assert [link for link in links if not link.startswith("https://") and not (home / link).exists()] == []
    assert all(len(words) > 20 for words in re.findall(r"!\[([^\]]*)\]", text))
    assert "badge" not in text, "a badge says what somebody else's server says today"


def test_the_front_door_shows_one_film_and_one_picture_and_two_commands_before_anything_else():
    top = README.split("### Without installing")[0]

    assert re.findall(r"!\[[^\]]+\]\(([^)]+)\)", top) == [
        "notebooks/teacher/pictures/gate.webp",
        "notebooks/teacher/pictures/flow.svg",
    ]
    assert re.findall(r"^python3 start\.py(.*?) *#", top, flags=re.MULTILINE)[:2] == ["", " test"]


@pytest.mark.parametrize("text", [README, GUIDE], ids=["readme", "guide"])
def test_start_py_knows_every_command_that_is_asked_of_it(text):
    sys.path.insert(0, str(ROOT))
    try:
        import start
    finally:
        sys.path.remove(str(ROOT))

    asked = re.findall(r"python3? start\.py(?: ([a-z][a-z-]*))?(?: --dark)?(?=`| *#|$)", text, flags=re.MULTILINE)

    assert len(asked) >= 2
    assert {name for name in asked if name} <= set(start.COMMANDS)


def commands_of_the_readme():
    for cell, *_ in rows(README, "## From the command line"):
        for code in re.findall(r"`([^`]+)`", cell):
            name, _, rest = code.replace("\\", "").partition(" ")
            choices = rest.split("|")
            for choice in choices:
                sub = choice.split()[0] if re.match(r"[a-z]+\b", choice) else ""
                options = re.findall(r"--[a-z-]+", rest)
                yield name, sub, tuple(options)


@pytest.mark.parametrize(("name", "sub", "options"), sorted(set(commands_of_the_readme())), ids="-".join)
def test_every_command_of_the_readme_is_one(name, sub, options):
    code, out, _ = command(name, *([sub] if sub else []), "--help")

    assert code == 0
    assert "Usage: mlops-lab" in out
    assert [option for option in options if option not in out] == []


def test_the_imports_of_the_readme_import():
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)

    assert len(ast.parse(block).body) == 2
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102  our own text


def test_the_commands_of_the_guide_that_cost_little_run_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path / "home"))
    (tmp_path / "FOLDER").mkdir()
    told = [shlex.split(words) for words in re.findall(r"`python -m mlops_lab ([^`]+)`", GUIDE)]
    assert ["class", "export", "ada.json"] in told

    codes = {" ".join(words): command(*words)[0] for words in told if words[:2] != ["class", "report"]}
    (tmp_path / "ada.json").rename(tmp_path / "FOLDER" / "ada.json")
    code, out, _ = command(*next(words for words in told if words[:2] == ["class", "report"]))

    assert set(codes.values()) == {0}, codes
    assert (code, (tmp_path / "class.svg").exists()) == (0, True)
    assert out.splitlines()[1].startswith("ada ")


def test_the_line_for_a_notebook_exports_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path / "home"))
    (line,) = re.findall(r"`(from mlops_lab(?:\.\w+)* import export_progress; [^`]+)`", " ".join(GUIDE.split()))

    exec(compile(line, "guide", "exec"), {})  # noqa: S102  our own text

    assert (tmp_path / "ada.json").is_file()


def test_the_plan_says_of_the_gate_what_the_dashboard_shows():
    panel = next(lesson for lesson in LESSONS if lesson.name == "Gate").panel()
    panel.set(model="daily_averages")
    first = len(panel.report.failures)
    panel.set(floor=0.5, slice_floor=0.5, margin=0.05, brier_margin=0.05, first_model=True)

    left = [found.rule for found in panel.report.failures]

    assert f"`daily_averages` is refused by {first} rules." in GUIDE
    assert left == ["calibration", "served_skew"]
    assert "take the champion away: 2 still say no" in GUIDE


def test_the_figures_of_the_vote_are_those_of_the_dashboard():
    from mlops_lab.teaching.classroom.results import load_measured

    found = load_measured()
    figures = {
        name: [f"{one.metrics[f'{side}.roc_auc']:.3f}" for side in ("offline", "served")] for name, one in found.items()
    }

    assert figures == {"as_known": ["0.734", "0.734"], "daily_averages": ["0.877", "0.603"]}
    assert "0.877 and 0.734" in GUIDE
    assert "0.603 and 0.734 as served" in GUIDE
