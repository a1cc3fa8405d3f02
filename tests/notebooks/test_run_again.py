"""Every notebook run as people run it: a restart at an exercise and on from there, each cell twice, all of it twice."""

from __future__ import annotations

import copy
import os
import re
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from build_notebooks import _ThisEnvironment, from_source
from nbclient import NotebookClient
from nbval.kernel import CURRENT_ENV_KERNEL_NAME
from notebook_kernel import BUILD_ZONE, REPOSITORY, surroundings

from mlops_lab.teaching.checks.exercise import all_exercises

SOURCES = sorted((REPOSITORY / "notebooks" / "src").glob("[0-9][0-9]_*.py"))
EXERCISE = re.compile(r"^(check|quiz)\(", re.MULTILINE)
PATIENCE = 900  # seconds a cell; an idle machine needs ten


def notebook_of(source: Path | str) -> Any:
    return from_source(source if isinstance(source, str) else source.read_text(encoding="utf-8"))


def run(notebook: Any, folder: Path) -> list[str]:
    """The cells that failed though nobody expects it, with what they said last, in a kernel of their own."""
    for cell in notebook.cells:
        cell.pop("id", None)  # a cell that comes twice has no right to its id
    client = NotebookClient(
        notebook,
        kernel_manager_class=_ThisEnvironment,
        kernel_name=CURRENT_ENV_KERNEL_NAME,
        timeout=PATIENCE,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )
    with surroundings(BUILD_ZONE) as variables:
        client.execute(env={**os.environ, **variables}, stderr=subprocess.DEVNULL)
    return [
        f"{cell.source.splitlines()[-1]}: {output.ename}: {output.evalue}"
        for cell in notebook.cells
        if cell.cell_type == "code" and "raises-exception" not in cell.metadata.get("tags", [])
        for output in cell.outputs
        if output.output_type == "error"
    ]


def each_cell_twice(notebook: Any) -> Any:
    notebook.cells = [copy.deepcopy(cell) for cell in notebook.cells for _ in range(2)]
    return notebook


def all_of_it_twice(notebook: Any) -> Any:
    notebook.cells = [copy.deepcopy(cell) for _ in range(2) for cell in notebook.cells]
    return notebook


def exercises(notebook: Any) -> list[int]:
    """The places of the cells that check an answer."""
    return [
        place
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and re.search(r"^check\(", cell.source, re.MULTILINE)
    ]


def restarted_at(notebook: Any, number: int) -> Any:
    """The kernel is new at this exercise: its cell, then all cells from the first to the next exercise, or the end."""
    places = [*exercises(notebook), len(notebook.cells)]
    here, end = places[number], places[number + 1]
    notebook.cells = [copy.deepcopy(notebook.cells[here]), *notebook.cells[: end + (end < len(notebook.cells))]]
    return notebook


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_an_exercise_can_be_the_first_cell_after_a_restart(source: Path) -> None:
    failed = []
    for cell in notebook_of(source).cells:
        if cell.cell_type == "code" and EXERCISE.search(cell.source):
            try:
                with redirect_stdout(StringIO()):
                    exec(compile(cell.source, source.name, "exec"), {"__name__": "__main__"})  # noqa: S102
            except Exception as error:
                failed.append(f"{cell.source.splitlines()[-1]}: {error!r}")

    assert failed == []


@pytest.mark.nightly
@pytest.mark.parametrize("again", [each_cell_twice, all_of_it_twice], ids=lambda again: again.__name__)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_can_be_run_again(source: Path, again: Any) -> None:
    assert run(again(notebook_of(source)), source.parents[1]) == []


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("source", "number"),
    [
        pytest.param(source, number, id=f"{source.stem}-{number + 1}")
        for source in SOURCES
        for number in range(len(exercises(notebook_of(source))))
    ],
)
def test_the_kernel_can_be_restarted_at_each_exercise_and_the_notebook_goes_on(source: Path, number: int) -> None:
    assert run(restarted_at(notebook_of(source), number), source.parents[1]) == []


def solved(source: Path) -> str:
    """The source with the solutions that stand behind the hints in place of the dots."""
    text = source.read_text(encoding="utf-8")
    for exercise in all_exercises():
        if exercise.stub and exercise.stub in text:
            text = text.replace(exercise.stub, exercise.solution)
    return text


@pytest.mark.nightly
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_solutions_of_a_notebook_pass_in_their_places_and_it_runs_to_its_end(source: Path) -> None:
    notebook = notebook_of(solved(source))

    failed = run(notebook, source.parents[1])

    said = [
        output.data["text/plain"]
        for place in exercises(notebook)
        for output in notebook.cells[place].outputs
        if "text/plain" in output.get("data", {})
    ]
    assert failed == []
    assert [each for each in said if " passed: " not in each] == []
    assert len(said) >= len(exercises(notebook))


@pytest.mark.nightly
def test_the_capstone_can_be_run_again_by_whoever_has_promoted_a_version(tmp_path: Path) -> None:
    source = next(each for each in SOURCES if each.stem.startswith("09"))
    gain = "# %%\ngain = measured.metrics['served.roc_auc'] - champion_measured.metrics['served.roc_auc']\n"
    small = f"{gain}assert 0 < gain < 0.01, gain\nassert my_report.passed\n"

    failed = run(all_of_it_twice(notebook_of(f"{solved(source)}\n\n{small}")), source.parents[1])

    assert failed == []


@pytest.mark.parametrize(
    ("again", "told"),
    [
        (each_cell_twice, ["done.remove(1): ValueError"]),
        (all_of_it_twice, ["open('x', 'x').close(): FileExistsError"]),
        (restarted_at, ["check('00.1', answer): NameError", "assert not kept: AssertionError"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_cell_that_cannot_be_run_again_is_noticed(again: Any, told: list[str], tmp_path: Path) -> None:
    planted = {
        each_cell_twice: "# %%\ndone = [1]\n\n# %%\ndone.remove(1)\n",
        all_of_it_twice: "# %%\nopen('x', 'x').close()\n",
        restarted_at: "# %%\nfrom mlops_lab import check\nanswer = ...\nassert not kept\n\n"
        "# %%\nkept = [1]\ncheck('00.1', answer)\n",
    }
    number = (0,) if again is restarted_at else ()

    failed = run(again(notebook_of(planted[again]), *number), tmp_path)

    assert [each[: len(words)] for each, words in zip(failed, told, strict=True)] == told
