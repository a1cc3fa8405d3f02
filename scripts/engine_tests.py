"""How do the engines get environments of their own, and the tests that really run them run?

    python start.py test-engines [NAMES] [arguments]    the names of the table below; the other arguments go to pytest

Whatever a test starts (a server, a cluster, a database) it stops itself, on this machine only and in a temporary home.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import environment


@dataclass(frozen=True)
class Engine:
    """An environment for engines: what goes in, and what proves it.

    Without `extras` it is the course's own, and the tests are those that take too long for every day. `own` names
    packages whose version the engine decides; all others that a model depends on are as in the course. `inside` says
    whether pytest runs in that environment, or in the course's own and drives it from outside.
    """

    extras: tuple[str, ...]
    module: str
    tests: tuple[str, ...]
    own: tuple[str, ...] = ()
    inside: bool = True
    marks: str = "not nightly"


ENGINES = {
    "airflow": Engine(("airflow",), "airflow", ("tests/engines",), inside=False),
    "prefect": Engine(("prefect",), "prefect", ("tests/engines",), inside=False),
    "feast-mlflow": Engine(
        ("feast", "mlflow", "postgres", "spark", "engine-test"),
        "feast",
        ("tests/conformance", "tests/feast", "tests/mlflow"),
        own=("pandas", "pyarrow"),
    ),
    "tecton": Engine(
        ("tecton", "engine-test"),
        "tecton",
        ("tests/tecton",),
        own=("numpy", "pandas", "pyarrow", "scikit-learn", "scipy"),
    ),
    "cloud": Engine(("kubernetes", "sagemaker", "vertex", "engine-test"), "kfp", ("tests/cloud",)),
    "serving": Engine(
        ("serve", "serving-peers", "engine-test"),
        "mlserver",
        ("tests/serving", "tests/fleet"),
        own=("pandas", "pyarrow"),
    ),
    "playground": Engine(("playground", "engine-test"), "jupyterlite_core", ("tests/playground",)),
    "accessibility": Engine(
        (), "", ("tests/browser/test_browser_axe.py", "tests/browser/test_browser_everywhere.py"), marks="browser"
    ),
}
QUIET = ("-o", "addopts=", "-o", "filterwarnings=default", "--import-mode=importlib", "-ra")
TIMES = ("--durations=0", "--durations-min=1")


def say(text: str) -> None:
    """Print a line at once, even into a file."""
    print(f"start.py: {text}", flush=True)


def pinned(name: str) -> str:
    """The file that says which exact versions an environment holds."""
    return f"constraints/{name}.txt"


def prepare(name: str) -> str:
    """Make `.venv-<name>` hold the course and its engines at their versions; the path of its Python."""
    engine = ENGINES[name]
    if not engine.extras:
        return sys.executable
    environment.VENV = environment.ROOT / f".venv-{name}"
    environment.SCRIPTS = environment.VENV / ("Scripts" if os.name == "nt" else "bin")
    environment.PYTHON = str(environment.SCRIPTS / ("python.exe" if os.name == "nt" else "python"))
    environment.STAMP = environment.VENV / "start.json"
    environment.LOG = environment.VENV / "start.log"
    environment.PINNED = ("pyproject.toml", pinned(name))
    environment.prepare(engine.module, list(engine.extras), lambda text: say(f"{name}: {text}"))
    return environment.PYTHON


def run(python: str, names: list[str], options: list[str]) -> int:
    """Run the tests of engines that share a pytest; its exit code."""
    tests = list(dict.fromkeys(path for name in names for path in ENGINES[name].tests))
    quiet = [*QUIET, "-m", ENGINES[names[0]].marks] if ENGINES[names[0]].inside else []
    began = time.monotonic()
    command = [python, "-m", "pytest", *quiet, *(options or [*tests, *TIMES])]
    folder = str(Path(python).parent)
    variables = {
        **os.environ,
        "MLOPS_LAB_TEST_ENGINES": ",".join(names),
        "VIRTUAL_ENV": str(Path(folder).parent),
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    code = subprocess.run(command, cwd=Path(environment.ROOT), env=variables, check=False).returncode
    say(f"the tests of {' and '.join(names)} took {time.monotonic() - began:.0f} s and ended with exit code {code}.")
    return code


def main(arguments: list[str]) -> int:
    """Prepare the engines that are named, or all, and run their tests; the exit code of the first that failed."""
    named = [each for each in ENGINES if each in arguments] or list(ENGINES)
    options = [each for each in arguments if each not in ENGINES]
    outside = [name for name in named if not ENGINES[name].inside]
    codes = []
    try:
        for name in named:
            python = prepare(name)
            if ENGINES[name].inside:
                codes.append(run(python, [name], options))
            elif name == outside[-1]:
                codes.append(run(sys.executable, outside, options))
    except environment.Stop as stop:
        print(f"start.py: {stop}", file=sys.stderr)
        return 1
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
