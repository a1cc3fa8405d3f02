"""The course from a terminal: opened from a clone, laid out from the installed package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from mlops_lab.base.errors import InvalidData

_FIRST = Path("notebooks") / "00_start_here.ipynb"


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS FOR JUPYTERLAB]")
def lab(arguments: tuple[str, ...]) -> int:
    r"""Open the course in JupyterLab.

    At a copy of its first notebook, in work/; Ctrl-C closes it. The notebooks lie in the
    repository: run this in a clone. Without one: `mlops-lab course DIR`.

    \b
    Examples:
      mlops-lab lab
      mlops-lab lab --no-browser --port 9000
    """
    root = course_folder()
    command = [sys.executable, str(root / "scripts" / "course_server.py"), "lab", *arguments]
    process = subprocess.Popen(command)  # noqa: S603
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # JupyterLab gets it too, and asks
            continue


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
def course(folder: Path) -> None:
    r"""Lay out the notebooks of the course in a folder, to work in.

    They come with the installed package; no clone is needed. Run again after an update: a
    notebook that you have edited stays, and the newer one is laid beside it.

    \b
    Example:
      mlops-lab course my-course && jupyter lab my-course
    """
    from mlops_lab.teaching.learners_copy import lay_out

    said: list[str] = []
    if lay_out(shipped_course(), said.append, folder) != folder.name:
        raise InvalidData(said[-1].partition(";")[0] + ".")
    for line in said:
        click.echo(line)
    click.echo(f"The notebooks are in {folder}; now: jupyter lab {folder}")


def shipped_course() -> Path:
    """The folder that holds the course's folder `notebooks`: a clone, or what the wheel has brought.

    Raises:
        InvalidData: the installation has neither.
    """
    from importlib.metadata import PackageNotFoundError, files

    try:
        return course_folder()
    except InvalidData:
        try:
            brought = [each for each in files("mlops-lab") or () if each.as_posix().endswith(_FIRST.as_posix())]
        except PackageNotFoundError:
            brought = []
        if brought and (first := Path(str(brought[0].locate()))).is_file():
            return first.resolve().parents[1]
        raise InvalidData("this installation of mlops-lab has no notebooks; install its wheel, or clone it.") from None


def course_folder() -> Path:
    """The clone that holds the notebooks: the package's own, or the folder one is in.

    Raises:
        InvalidData: neither is a clone of the course.
    """
    import mlops_lab

    for root in (Path(mlops_lab.__file__).resolve().parents[1], Path.cwd()):
        if (root / _FIRST).is_file():
            return root
    raise InvalidData(
        f"there is no {_FIRST.as_posix()} here; clone the repository of the course and run this in it, or lay the"
        " notebooks out: mlops-lab course DIR"
    )
