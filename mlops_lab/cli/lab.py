"""How is the course opened from a terminal?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from mlops_lab.base.errors import InvalidData

__all__ = ["lab"]

_FIRST = Path("notebooks") / "00_start_here.ipynb"


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS FOR JUPYTERLAB]")
def lab(arguments: tuple[str, ...]) -> int:
    r"""Open the course in JupyterLab.

    At a copy of its first notebook, in work/; Ctrl-C closes it. The notebooks lie in the
    repository, not in the installed package: run this in a clone.

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


def course_folder() -> Path:
    """The clone that holds the notebooks: the package's own, or the folder one is in.

    Raises:
        InvalidData: neither is a clone of the course.
    """
    import mlops_lab

    for root in (Path(mlops_lab.__file__).resolve().parents[1], Path.cwd()):
        if (root / _FIRST).is_file():
            return root
    raise InvalidData(f"there is no {_FIRST.as_posix()} here; clone the repository of the course and run this in it.")
