"""Everything that is made from `pyproject.toml`: the lock, what is read off it, and conda's files.

requirements.lock has each package with its hashes and the extras that need it (see `locked.py`); constraints.txt is the
same without hashes; deploy/requirements.lock and deploy/pipeline.lock are the parts that the images need.

    python scripts/update_constraints.py             keep the pins that still fit, add and drop what pyproject.toml asks
    python scripts/update_constraints.py --upgrade   take the newest release of everything
    python scripts/update_constraints.py --engine NAME      the same for constraints/NAME.txt; then let its tests run
    python scripts/update_constraints.py --conda            environment.yml and .binder/environment.yml alone

It needs uv, which resolves once for every system and every Python from 3.11 on; --conda needs nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from engine_tests import ENGINES, pinned
from locked import LOCK, MARK

ROOT = Path(__file__).resolve().parent.parent
TARGET = "constraints.txt"
IMAGE = {"image": "deploy/requirements", "pipeline": "deploy/pipeline"}  # server, and what more its pipeline needs
EXTRAS = ("test", "bench", "teach", "serve", "site")
SAME = ("joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops")  # what a model's bytes depend on
OLDEST = "3.11"
FORM = ("--universal", "--python-version", OLDEST, "--no-annotate", "--no-header", "--quiet")
HEADER = "# Made from pyproject.toml by scripts/update_constraints.py; do not edit by hand.\n"
CONDA = """\
# Made from pyproject.toml by scripts/update_constraints.py: its packages under their conda-forge names.
#   conda env create && conda activate mlops-lab && mlops-lab lab
# The tests want the exact versions of constraints.txt: for them use `python start.py test`.
"""
BINDER = """\
# Made from pyproject.toml by scripts/update_constraints.py, for Binder: environment.yml, seen from this folder. It lies
# here because Binder would take the Dockerfile of the root, which builds the model server.
"""
ON_CONDA = {"graphviz": "python-graphviz", "matplotlib": "matplotlib-base", "tzdata": "python-tzdata"}
ONLY_PIP = ("graphviz-pure",)  # not on conda-forge, which has the dot program in its place


def conda(dependencies: list[str], head: str, here: str) -> str:
    """An environment file for the requirements of pyproject.toml; `here` is the way to the repository."""
    split = [line.partition(">=") for line in dependencies]
    by_conda = [f"{ON_CONDA.get(name, name)} >={rest}" for name, _, rest in split if name not in ONLY_PIP]
    lines = ["python >=3.11", "pip", *sorted(["graphviz", *by_conda])]
    by_pip = [*(line for line in dependencies if line.startswith(ONLY_PIP)), f"--editable {here}"]
    text = f"{head}name: mlops-lab\nchannels:\n  - conda-forge\n  - nodefaults\ndependencies:\n"
    return text + "".join(f"  - {line}\n" for line in lines) + "  - pip:\n" + "".join(f"      - {x}\n" for x in by_pip)


def conda_files() -> dict[str, str]:
    """The files for conda and Binder, by their paths."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = project["dependencies"]
    return {"environment.yml": conda(asked, CONDA, "."), ".binder/environment.yml": conda(asked, BINDER, "..")}


def uv() -> list[str]:
    """How uv is called here; empty when it is not installed."""
    if found := shutil.which("uv"):
        return [found]
    return [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else []


def command(tool: list[str], target: str, extras: tuple[str, ...], shared: str, *, upgrade: bool) -> list[str]:
    """The call that resolves; with the old file as its output, uv keeps the pins that still fit."""
    wanted = [part for extra in extras for part in ("--extra", extra)]
    fresh = ["--upgrade"] if upgrade else []
    fixed = ["--constraint", shared] if shared else []
    return [*tool, "pip", "compile", *FORM, *fresh, *fixed, *wanted, "pyproject.toml", "--output-file", target]


def name_of(block: str) -> str:
    """The package of a line or block of a lock."""
    return block.partition("==")[0].strip()


def lock(tool: list[str], *, upgrade: bool) -> int:
    """Resolve once with all extras, ask which packages each of them needs, and write the files; the exit code."""
    keep = ["--quiet", "--group", "build", "--generate-hashes"]
    call = [*command(tool, str(LOCK), EXTRAS, "", upgrade=upgrade), *keep]
    if code := subprocess.run(call, cwd=ROOT, check=False).returncode:
        return code
    blocks = re.split(r"^(?=[a-z0-9])", re.sub(r"^#.*\n", "", LOCK.read_text("utf-8"), flags=re.MULTILINE), flags=re.M)
    blocks = [each for each in blocks if each.strip()]
    asked: dict[str, list[str]] = {"base": ["pyproject.toml", "--group", "build"]}
    asked |= {label: [f"{path}.txt"] for label, path in IMAGE.items()}
    asked |= {extra: ["pyproject.toml", "--extra", extra] for extra in EXTRAS}
    needed: dict[str, set[str]] = {}
    for label, words in asked.items():
        call = [*tool, "pip", "compile", *FORM, "--constraint", str(LOCK), *words]
        lines = subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
        needed[label] = {name_of(line) for line in lines}
    labelled = [([label for label in asked if name_of(block) in needed[label]], block) for block in blocks]
    LOCK.write_text(HEADER + "".join(f"{MARK[1:]}{' '.join(labels)}\n{block}" for labels, block in labelled), "utf-8")
    plain = (re.sub(r" \\\n *--hash=\S+", "", block) for block in blocks)
    (ROOT / TARGET).write_text(HEADER + "".join(plain), "utf-8")
    for label, path in IMAGE.items():
        of_image = (block for labels, block in labelled if label in labels)
        (ROOT / f"{path}.lock").write_text(HEADER + "".join(of_image), "utf-8")
    return 0


def shared_pins(own: tuple[str, ...]) -> str:
    """The course's own pins of what a model depends on, except of the packages that an engine decides."""
    lines = (ROOT / TARGET).read_text("utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if line.partition("==")[0] in set(SAME) - set(own))


def main(arguments: list[str] | None = None) -> int:
    """Write the file; the exit code."""
    parser = argparse.ArgumentParser(description="Write requirements.lock and what is read off it.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest release of everything")
    parser.add_argument("--conda", action="store_true", help="write the files for conda and Binder alone")
    own = [name for name, engine in ENGINES.items() if engine.extras]
    parser.add_argument("--engine", choices=own, help="write the file of this engine's environment")
    asked = parser.parse_args(arguments)
    for name, text in conda_files().items():
        (ROOT / name).write_text(text, "utf-8")
    if asked.conda:
        return 0
    tool = uv()
    if not tool:
        print("update_constraints.py: uv is needed and not installed; install it with: pip install uv", file=sys.stderr)
        return 1
    if not asked.engine:
        return lock(tool, upgrade=asked.upgrade)
    engine, target = ENGINES[asked.engine], pinned(asked.engine)
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder, "shared.txt")
        shared.write_text(shared_pins(engine.own), "utf-8")
        call = command(tool, target, engine.extras, str(shared), upgrade=asked.upgrade)
        code = subprocess.run(call, cwd=ROOT, check=False).returncode
    if code == 0:
        path = ROOT / target
        path.write_text(HEADER + path.read_text("utf-8").removeprefix(HEADER), "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
