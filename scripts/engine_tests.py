"""How do the engines get environments of their own, and the tests that really run them run?

    python start.py test-engines [airflow] [prefect] [arguments]    the other arguments go to pytest

An engine starts and stops within its tests: Airflow as `dag.test()` in one process with a database of its own, Prefect
with the server that a flow brings along. Each has a temporary home; its processes are ended as a group.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import environment

ENGINES = ("airflow", "prefect")


def say(text: str) -> None:
    """Print a line at once, even into a file."""
    print(f"start.py: {text}", flush=True)


def prepare(engine: str) -> None:
    """Make `.venv-<engine>` hold the course and the engine, at the versions of `constraints/<engine>.txt`."""
    environment.VENV = environment.ROOT / f".venv-{engine}"
    environment.SCRIPTS = environment.VENV / ("Scripts" if os.name == "nt" else "bin")
    environment.PYTHON = str(environment.SCRIPTS / ("python.exe" if os.name == "nt" else "python"))
    environment.STAMP = environment.VENV / "start.json"
    environment.LOG = environment.VENV / "start.log"
    environment.PINNED = ("pyproject.toml", f"constraints/{engine}.txt")
    environment.prepare(engine, [engine], lambda text: say(f"{engine}: {text}"))


def main(arguments: list[str]) -> int:
    """Prepare the engines that are named, or all; run their tests in this environment; the exit code."""
    named = [each for each in ENGINES if each in arguments] or list(ENGINES)
    rest = [each for each in arguments if each not in ENGINES]
    try:
        for engine in named:
            prepare(engine)
    except environment.Stop as stop:
        print(f"start.py: {stop}", file=sys.stderr)
        return 1
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", *(rest or ["tests/engines", "--durations=0", "--durations-min=1"])]
    variables = {**os.environ, "MLOPS_LAB_TEST_ENGINES": ",".join(named)}
    code = subprocess.run(command, cwd=Path(environment.ROOT), env=variables, check=False).returncode
    say(f"the tests of {' and '.join(named)} took {time.monotonic() - began:.0f} s.")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
