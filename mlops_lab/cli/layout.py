"""The commands `lab`, `course` and `new`: the course opened or laid out in a folder, and a project of one's own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import click

from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import answer
from mlops_lab.cli.options import json_option
from mlops_lab.pipeline.problem import new_project

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
    click.echo("\n".join([*said, f"The notebooks are in {folder}; now: jupyter lab {folder}"]))


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


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--from", "data", metavar="FILE", help="Your own CSV or Parquet file: one row a decision.")
@click.option("--label", metavar="COLUMN", help="The outcome to predict.")
@click.option("--time", metavar="COLUMN", help="When a row is decided.")
@click.option("--key", metavar="COLUMN", help="What names a row.")
@click.option("--known", metavar="COLUMN", help="When its outcome was known.")
@click.option("--created", metavar="COLUMN", help="When the row was written; never guessed.")
@json_option
def new(folder: str, data: str | None, as_json: bool, **told: str | None) -> None:
    r"""Lay out a project of your own in FOLDER: problem, tests, notebook, workflows.

    Without --from it is an example that runs at once. With it, the file is looked at: what its columns seem to be is
    written into problem.py, what was guessed is said, and so is what no file can say.

    \b
    Examples:
      mlops-lab new warm_days
      mlops-lab new returns --from orders.csv --label returned --known returned_at
    """
    if data is None and any(told.values()):
        raise InvalidData("--label, --time, --key, --known and --created are about a file; name it with --from FILE.")
    found = new_project(folder, data=data, **told)
    lines = [f"a new project is in {folder}."]
    if found is not None:
        parts = {
            f"\nthe columns of {found.file.name}": [f"{name}: {role}" for name, role in found.roles.items()],
            "guessed": found.guessed,
            "not known": found.unknown,
            **({"suspicious": found.suspicions} if found.suspicions else {}),
        }
        for title, each in parts.items():
            lines += [f"{title}:", *(f"  {line}" for line in each)]
        marks = "GUESS and UNKNOWN" if not found.suspicions else "GUESS, UNKNOWN and SUSPICION"
        lines.append(f"\nThe marks {marks} in problem.py say where; look at each.")
    lines.append(
        f"\nnext:\n  cd {folder}\n  mlops-lab leaks problem.py\n  mlops-lab run problem.py\n  python -m pytest"
    )
    answer(as_json, {"folder": folder, "proposal": None if found is None else asdict(found)}, "\n".join(lines))
