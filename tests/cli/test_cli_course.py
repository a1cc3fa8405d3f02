"""The notebooks come with the package: `mlops-lab course DIR` lays them out, from a clone and from the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from mlops_lab.cli import main

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = [path.name for path in sorted(ROOT.glob("notebooks/[0-9][0-9]_*.ipynb"))]


def test_every_notebook_is_laid_out_and_what_was_edited_stays(tmp_path, capsys):
    folder = tmp_path / "deep" / "mine"
    assert main(["course", str(folder)]) == 0
    (folder / NOTEBOOKS[0]).write_text("my answers")
    capsys.readouterr()

    assert main(["course", str(folder)]) == 0

    assert [path.name for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))] == NOTEBOOKS
    assert (folder / NOTEBOOKS[0]).read_text() == "my answers"
    assert capsys.readouterr().out == f"The notebooks are in {folder}; now: jupyter lab {folder}\n"


def test_a_folder_that_cannot_be_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")

    assert main(["course", str(tmp_path / "file" / "mine")]) == 1

    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.nightly
def test_the_wheel_brings_the_notebooks_and_runs_far_from_the_clone(tmp_path):
    """In an environment that has this one's packages, and the course from its wheel alone."""
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(wheel, check=True, capture_output=True)
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (built,) = (tmp_path / "dist").glob("*.whl")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(built)], check=True, capture_output=True)
    there = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    # A line with a path adds no .pth of that folder, so this clone's own editable install stays out.
    Path(there.stdout.strip(), "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    told = (
        "import mlops_lab, sys; from mlops_lab.cli import main; print(mlops_lab.__file__); sys.exit(main(sys.argv[1:]))"
    )

    course = subprocess.run(
        [python, "-c", told, "course", "work"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    run = subprocess.run(
        [python, "-c", told, "run", "--home", "home", "--features", "daily_averages"], cwd=tmp_path, check=False
    )

    assert course.stdout.startswith(str(tmp_path / "empty"))
    assert [path.name for path in sorted((tmp_path / "work").glob("[0-9][0-9]_*.ipynb"))] == NOTEBOOKS
    assert run.returncode == 2
