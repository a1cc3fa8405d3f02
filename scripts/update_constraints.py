"""Which exact versions does everybody install? Writes `constraints.txt` from `pyproject.toml`.

    python scripts/update_constraints.py             keep the pins that still fit, add and drop what pyproject.toml asks
    python scripts/update_constraints.py --upgrade   take the newest release of everything

It needs uv, which resolves once for every system and every Python from 3.11 on.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "constraints.txt"
EXTRAS = ("test", "bench", "teach")
OLDEST = "3.11"
HEADER = "# Made from pyproject.toml by scripts/update_constraints.py; do not edit by hand.\n"


def uv() -> list[str]:
    """How uv is called here; empty when it is not installed."""
    if found := shutil.which("uv"):
        return [found]
    return [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else []


def command(tool: list[str], *, upgrade: bool) -> list[str]:
    """The call that resolves; with the old file as its output, uv keeps the pins that still fit."""
    extras = [part for extra in EXTRAS for part in ("--extra", extra)]
    form = ["--universal", "--python-version", OLDEST, "--no-annotate", "--no-header", "--quiet"]
    fresh = ["--upgrade"] if upgrade else []
    return [*tool, "pip", "compile", *form, *fresh, *extras, "pyproject.toml", "--output-file", TARGET]


def main(arguments: list[str] | None = None) -> int:
    """Write the file; the exit code."""
    parser = argparse.ArgumentParser(description="Write constraints.txt from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest release of everything")
    asked = parser.parse_args(arguments)
    tool = uv()
    if not tool:
        print("update_constraints.py: uv is needed and not installed; install it with: pip install uv", file=sys.stderr)
        return 1
    code = subprocess.run(command(tool, upgrade=asked.upgrade), cwd=ROOT, check=False).returncode
    if code == 0:
        target = ROOT / TARGET
        target.write_text(HEADER + target.read_text("utf-8").removeprefix(HEADER), "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
