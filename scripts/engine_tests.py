"""Environments of their own for the engines, and the tests that really run them.

    python start.py test-engines [NAMES] [arguments]    the names of the table below; the other arguments go to pytest
    python start.py test-engines [NAMES] --prepare      make the environments only
    python start.py test-engines [NAMES] --nightly      with what takes long
    python scripts/engine_tests.py [NAMES] --since COMMIT   does a change touch them? for GitHub: any=true or any=false

Whatever a test starts (a server, a cluster, a database) it stops itself, on this machine only and in a temporary home.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path, PurePath

import environment


@dataclass(frozen=True)
class Engine:
    """An environment for engines: what goes in, and what proves it.

    Without `extras` it is the course's own, and the tests are those that take too long for every day. `own` names
    packages whose version the engine decides; all others that a model depends on are as in the course. `inside` says
    whether pytest runs in that environment, or in the course's own and drives it from outside. `code` is what of the
    package it proves, beside its tests and its versions: a change there runs it on GitHub, all run weekly.
    """

    extras: tuple[str, ...]
    module: str
    tests: tuple[str, ...]
    own: tuple[str, ...] = ()
    inside: bool = True
    marks: str = "not nightly"
    code: tuple[str, ...] = ()


ENGINES = {
    "airflow": Engine(
        ("airflow",),
        "airflow",
        ("tests/engines",),
        inside=False,
        code=("mlops_lab/adapters/airflow", "scripts/engine_runs", "mlops_lab/pipeline/dag"),
    ),
    "prefect": Engine(
        ("prefect",),
        "prefect",
        ("tests/engines",),
        inside=False,
        code=("mlops_lab/adapters/prefect", "scripts/engine_runs", "mlops_lab/pipeline/dag"),
    ),
    "feast-mlflow": Engine(
        ("feast", "mlflow", "postgres", "spark", "engine-test"),
        "feast",
        ("tests/conformance", "tests/feast", "tests/mlflow", "tests/problem/test_on_engines.py"),
        own=("pandas", "pyarrow"),
        code=("mlops_lab/adapters/feast", "mlops_lab/adapters/mlflow", "mlops_lab/data/features"),
    ),
    "tecton": Engine(
        ("tecton", "engine-test"),
        "tecton",
        ("tests/tecton",),
        own=("numpy", "pandas", "pyarrow", "scikit-learn", "scipy"),
        code=("mlops_lab/adapters/tecton",),
    ),
    "cloud": Engine(
        ("kubernetes", "sagemaker", "vertex", "engine-test"),
        "kfp",
        ("tests/cloud", "tests/workflows/test_rollout_on_clouds.py"),
        code=(
            *(f"mlops_lab/adapters/{name}" for name in ("kubernetes", "sagemaker", "vertex")),
            *("Dockerfile", "deploy", ".github/actions", ".github/workflows/rollout.yml"),
        ),
    ),
    "serving": Engine(
        ("serve", "serving-peers", "engine-test"),
        "mlserver",
        ("tests/serving", "tests/fleet"),
        own=("pandas", "pyarrow"),
        code=("mlops_lab/delivery",),
    ),
    "playground": Engine(
        ("playground", "engine-test"),
        "jupyterlite_core",
        ("tests/playground",),
        code=("mlops_lab/teaching/panels", "notebooks/lite", "scripts/build_playground.py"),
    ),
    "accessibility": Engine(
        (), "", ("tests/browser/test_browser_axe.py", "tests/browser/test_browser_everywhere.py"), marks="browser"
    ),
}
# What every engine's environment and its run depend on.
SHARED = ("pyproject.toml", "start.py", "scripts/engine_tests.py", "scripts/environment.py", "mlops_lab/adapters/*.py")
QUIET = ("-o", "addopts=", "-o", "filterwarnings=default", "--import-mode=importlib", "-ra")
TIMES = ("--durations=0", "--durations-min=1")


def say(text: str) -> None:
    """Print a line at once, even into a file."""
    print(f"start.py: {text}", flush=True)


def pinned(name: str) -> str:
    """The file that says which exact versions an environment holds."""
    return f"constraints/{name}.txt"


def touched(names: list[str], changed: list[str]) -> bool:
    """Whether one of the changed files, by their paths in the repository, is proved by one of the engines."""
    engines = [ENGINES[name] for name in names]
    places = [*SHARED, *map(pinned, names), *(place for one in engines for place in (*one.tests, *one.code))]
    return any(
        f"{file}/".startswith(f"{place}/") or PurePath(file).match(place) for file in changed for place in places
    )


def tell_github(names: list[str], since: str) -> int:
    """Write `any=true` where a step of GitHub's reads it, unless nothing since a commit touches the engines."""
    command = ["git", "diff", "--name-only", since, "HEAD"]
    answer = subprocess.run(command, cwd=environment.ROOT, capture_output=True, text=True, check=False)
    any_of_them = answer.returncode != 0 or touched(names, answer.stdout.splitlines())  # an unknown commit: all of them
    line = f"any={str(any_of_them).lower()}"
    print(line)
    if output := os.environ.get("GITHUB_OUTPUT"):
        with open(output, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    return 0


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
    marks = "nightly or not nightly" if "--nightly" in options else ENGINES[names[0]].marks
    options = [each for each in options if each != "--nightly"]
    quiet = [*(QUIET if ENGINES[names[0]].inside else ()), "-m", marks]
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
    if {"-h", "--help"} & set(options):
        print(__doc__.rstrip())
        return 0
    if options and not options[0].startswith("-") and not (environment.ROOT / options[0].partition("::")[0]).exists():
        print(f"start.py: there is no engine or test '{options[0]}'; there is: {', '.join(ENGINES)}.", file=sys.stderr)
        return 2
    if options[:1] == ["--since"]:
        return tell_github(named, "".join(options[1:2]))
    outside = [name for name in named if not ENGINES[name].inside]
    codes = []
    try:
        for name in named:
            python = prepare(name)
            if options == ["--prepare"]:
                continue
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
