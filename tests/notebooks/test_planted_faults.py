"""Does a planted fault turn something red: nbval, or one of the project's own rules?

A small notebook is built and is green. Then each fault is planted in a copy of it and of its source; the rules look at
every copy, nbval at those that are nbval's to find.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import build_notebooks
import jupytext
import nbformat
import notebook_rules
import pytest
from notebook_kernel import REPOSITORY

from mlops_lab.teaching.checks import all_exercises, find_exercise

SOURCE = """\
# %% [markdown]
# # Which wind was known?
#
# A small notebook, in order.

# %%
import ipywidgets
from mlops_lab.teaching.checks import check, quiz

total = sum(range(10))
total

# %%
slider = ipywidgets.IntSlider(description="threshold")
shown = []


def update(change):
    shown.append(10 // (5 - change["new"]))


slider.observe(update, names="value")
slider.value = 4
shown

# %%
class Bars:
    def _repr_mimebundle_(self, **_):
        page, words = "<svg><title>bars</title></svg>", "two bars: 3 late, 7 in time"
        return {"image/svg+xml": page, "text/html": page, "text/plain": words}


Bars()

# %% [markdown]
# ## Exercises

# %%
wind = ...
check("01.1", wind)

# %%
{stub}


check("01.2", latest)

# %%
quiz("01.q1")

# %% tags=["raises-exception"]
raise ValueError("meant to fail")

# %%
{other}
check("01.4", honest)

# %%
quiz("01.q2")

# %%
from mlops_lab.teaching.panels import RetriesPanel

panel = RetriesPanel()
panel.set(retries=4)
panel
"""

Cells = list[dict[str, Any]]


@dataclass(frozen=True)
class Fault:
    """What is planted in a copy of the cells, and in the source too unless by hand, and who must see it."""

    name: str
    guards: set[str]
    change: Callable[[Cells], object]
    by_hand: bool = False


def source(cell: int, old: str, new: str) -> Callable[[Cells], object]:
    def change(cells: Cells) -> None:
        text = "".join(cells[cell]["source"])
        assert old in text
        cells[cell]["source"] = text.replace(old, new).splitlines(keepends=True)

    return change


def swallow(cells: Cells) -> None:
    """The cell is repaired and the tag stays: from now on it would swallow any error. nbval compares and is content."""
    cells[8].update(source=["fine = 1"], outputs=[])


def clear(cells: Cells) -> None:
    for cell in cells:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])


def clear_one(cells: Cells) -> None:
    cells[1].update(execution_count=None, outputs=[])


def out_of_order(cells: Cells) -> None:
    cells[1]["execution_count"], cells[2]["execution_count"] = 2, 1
    cells[1]["outputs"][0]["execution_count"], cells[2]["outputs"][0]["execution_count"] = 2, 1


def change_number(cells: Cells) -> None:
    assert cells[1]["outputs"][0]["data"]["text/plain"] == ["45"]
    cells[1]["outputs"][0]["data"]["text/plain"] = ["46"]


def magic_with_its_own_complaint(cells: Cells) -> None:
    """As stored by a build that looked away: the complaint is there, nbval compares it and is content."""
    said = "UsageError: Line magic function `%nonesuch` not found.\n"
    cells[3].update(source=["%nonesuch"], outputs=[{"name": "stderr", "output_type": "stream", "text": [said]}])


def failed_shell(cells: Cells) -> None:
    cells[3].update(source=["!exit 3"], outputs=[])


def page_kept(cells: Cells, page: str | None = "<svg><title>bars</title></svg>") -> None:
    data = cells[3]["outputs"][0]["data"]
    data["text/html"] = [page] if page else []


def button(cells: Cells) -> None:
    """ipywidgets swallows what a button's callback raises, but not the traceback it prints in a kernel."""
    code = ["button = ipywidgets.Button()\n", "button.on_click(lambda _: 1 / 0)\n", "button.click()"]
    cells[3].update(source=code, outputs=[])


def no_words(cells: Cells) -> None:
    cells[3]["outputs"][0]["data"]["text/plain"] = ["<Figure size 640x480 with 1 Axes>"]


def answered(cells: Cells) -> None:
    cells[5]["source"] = ["wind = 8.0\n", 'check("01.1", wind)']


def whispered(cells: Cells) -> None:
    cells[4]["source"] = ["## Exercises\n", "\n", "Try `wind  =  8.0`."]


def path_shown(cells: Cells) -> None:
    cells[1]["outputs"][0]["data"]["text/plain"] = [repr("/".join(["", "home", "someone", "mlops"]))]


def widget_view(cells: Cells) -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "0" * 32, "version_major": 2, "version_minor": 0}}
    cells[7]["outputs"][0]["data"].update(view)


def forbidden_widget(cells: Cells) -> None:
    cells[2]["source"] = ["hidden = ipywidgets.Output()\n", *cells[2]["source"]]


def look_away(cells: Cells) -> None:
    cells[1]["source"] = ["# NBVAL_IGNORE_OUTPUT\n", *cells[1]["source"]]


FAULTS = [
    Fault("an error swallowed by raises-exception that does not raise", {"errors"}, swallow),
    Fault("an unknown magic on the first line", {"magics", "quiet"}, magic_with_its_own_complaint),
    Fault("!exit 3", {"magics"}, failed_shell),
    Fault("all outputs cleared", {"executed"}, clear),
    Fault("one cell cleared", {"executed"}, clear_one),
    Fault("counts out of order", {"executed"}, out_of_order),
    Fault("a changed number", {"nbval"}, change_number),
    Fault("an exception in a panel's callback", {"nbval"}, source(2, "slider.value = 4", "slider.value = 5")),
    Fault("an exception in a panel of the course", {"nbval"}, source(11, "retries=4", "retries=-1")),
    Fault("an exception in a button's callback", {"nbval"}, button),
    Fault("a leaked solution, as the answer", {"unsolved"}, answered),
    Fault("a leaked solution, in the text", {"unsolved"}, whispered),
    Fault("a picture without words", {"alternatives"}, no_words),
    Fault("a path in an output", {"reproducible", "nbval"}, path_shown),
    Fault("a widget view kept", {"built"}, widget_view),
    Fault("a picture that an unsigned notebook does not show", {"alternatives"}, lambda cells: page_kept(cells, None)),
    Fault("a picture stored with another one's page", {"alternatives"}, page_kept),
    Fault("an Output widget", {"calls"}, forbidden_widget),
    Fault("nbval told to look away", {"tags"}, look_away),
    Fault("a failing cell that is not tagged", {"errors", "nbval"}, lambda cells: cells[8].update(metadata={})),
    Fault("a title that is no question", {"headings"}, source(0, "known?", "known.")),
    Fault("a skipped heading level", {"headings"}, source(4, "## ", "### ")),
    Fault("a notebook edited by hand", {"built"}, source(0, "small", "tiny"), by_hand=True),
]


EACH_DAY = {"a changed number", "an exception in a panel's callback"}  # nbval's two kinds: a kernel each, so not all
AT_NIGHT = [fault for fault in FAULTS if "nbval" in fault.guards and fault.name not in EACH_DAY]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The guards that turned red, for every fault and for the sound notebook."""
    return look(tmp_path_factory.mktemp("planted"), EACH_DAY)


def look(folder: Path, by_nbval: set[str]) -> dict[str, set[str]]:
    """Plant the faults; the rules look at every copy, nbval at those named: a kernel each."""
    (folder / "src").mkdir()
    shutil.copy(REPOSITORY / "notebooks" / "conftest.py", folder / "conftest.py")
    text = SOURCE.replace("{stub}", find_exercise("01.2").stub).replace("{other}", find_exercise("01.4").stub)
    for one in all_exercises():  # what notebook 01 must ask too; at the end, so that each cell above keeps its number
        if one.id.startswith("01.") and f'"{one.id}"' not in text:
            text += f'\n# %%\n{one.stub}\n\n\ncheck("{one.id}", {one.answer})\n'
    (folder / "src" / "01_sound.py").write_text(text, encoding="utf-8")
    command = [sys.executable, build_notebooks.__file__, "--folder", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    sound = json.loads((folder / "01_sound.ipynb").read_bytes())
    names = {"sound": "01_sound"}
    for number, fault in enumerate(FAULTS, 1):
        names[fault.name] = f"01_fault{number}"
        notebook = copy.deepcopy(sound)
        fault.change(notebook["cells"])
        text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        (folder / f"{names[fault.name]}.ipynb").write_text(text, encoding="utf-8")
        planted = sound if fault.by_hand else notebook
        text = jupytext.writes(nbformat.reads(json.dumps(planted), as_version=4), fmt="py:percent")
        (folder / "src" / f"{names[fault.name]}.py").write_text(text, encoding="utf-8")
    red = {name: _broken(folder / f"{file}.ipynb") for name, file in names.items()}
    ran = {name: file for name, file in names.items() if name in by_nbval}
    report = _nbval([folder / f"{file}.ipynb" for file in ran.values()])
    for name, file in ran.items():
        if re.search(rf"^(FAILED|ERROR) .*{file}\.ipynb::", report, re.M):
            red[name].add("nbval")
        elif not re.search(rf"^PASSED .*{file}\.ipynb::", report, re.M):
            red[name].add("nbval never ran it")
    return red


def _broken(path: Path) -> set[str]:
    one = notebook_rules.stored(path)
    return {name for name, rule in notebook_rules.RULES.items() if list(rule(one))}


def _nbval(files: list[Path]) -> str:
    """What the project's own pytest settings make of these notebooks."""
    options = ["-c", str(REPOSITORY / "pyproject.toml"), "-p", "no:cacheprovider", "-rA", "-q", "--tb=no", "--color=no"]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(files[0].parent), *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_the_sound_notebook_is_green(found: dict[str, set[str]]) -> None:
    assert found["sound"] == set()


@pytest.mark.parametrize("fault", [one for one in FAULTS if one not in AT_NIGHT], ids=lambda fault: fault.name)
def test_a_planted_fault_turns_its_guard_red(fault: Fault, found: dict[str, set[str]]) -> None:
    assert fault.guards <= found[fault.name]


@pytest.mark.nightly
def test_the_other_faults_of_a_run_turn_nbval_red(tmp_path: Path) -> None:
    red = look(tmp_path, {"sound", *(fault.name for fault in AT_NIGHT)})

    assert red["sound"] == set()
    assert {fault.name: fault.guards - red[fault.name] for fault in AT_NIGHT} == {one.name: set() for one in AT_NIGHT}
