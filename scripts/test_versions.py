"""Do the tests pass with the lowest and with the newest allowed pandas, NumPy and scikit-learn?

    python scripts/test_versions.py lowest [pytest arguments; with paths among them, only those]
    python scripts/test_versions.py newest

Each makes `.venv-lowest` or `.venv-newest` beside the project (or brings it up to date), installs the project there
without its constraints, and runs the tests. The lower bounds are read from pyproject.toml, so what it promises is what
is tried. The notebooks and the house rules (linter, types) stay out: they hold for the versions in constraints.txt.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BOUND = ("numpy", "pandas", "scikit-learn", "pyarrow")  # a new pyarrow demands a new NumPy, and says so only on import
_PLACES = ["tests", "mlops_lab"]
_OPTIONS = ["--ignore=tests/notebooks", "--ignore=tests/house", "-m", "not browser", "-q", "-p", "no:cacheprovider"]


def lower_bounds(pyproject: Path) -> list[str]:
    """The lowest versions allowed of what the course computes with, as exact pins."""
    dependencies = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    pins = []
    for name in BOUND:
        found = [re.match(rf"{name}\s*>=\s*([\d.]+)", dependency) for dependency in dependencies]
        (match,) = [one for one in found if one]
        pins.append(f"{name}=={match[1]}")
    return pins


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(folder: Path, pins: list[str]) -> None:
    """Make the environment or bring it up to date, with uv where it is on the path."""
    if not _python(folder).exists():
        venv.create(folder, with_pip=True)
    with tempfile.TemporaryDirectory() as place:
        constraints = Path(place, "pins.txt")
        constraints.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
        uv = shutil.which("uv")
        start = [uv, "pip", "install", "--python", str(_python(folder))] if uv else None
        start = start or [str(_python(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        what = ["--upgrade", "--constraint", str(constraints), "--editable", f"{REPOSITORY}[bench,serve,test]"]
        subprocess.run([*start, *what], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", choices=["lowest", "newest"])
    options, more = parser.parse_known_args()
    if options.which == "lowest" and sys.version_info >= (3, 13):
        print("the lowest versions have no wheels for this Python; run this with Python 3.11 or 3.12", file=sys.stderr)
        return 1
    folder = REPOSITORY / f".venv-{options.which}"
    install(folder, lower_bounds(REPOSITORY / "pyproject.toml") if options.which == "lowest" else [])
    say = "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in " + repr(BOUND) + "), sep=', ')"
    subprocess.run([str(_python(folder)), "-c", say], check=True)
    places = [] if any(Path(argument.split("::")[0]).exists() for argument in more) else _PLACES
    command = [str(_python(folder)), "-m", "pytest", *_OPTIONS, *places, *more]
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
