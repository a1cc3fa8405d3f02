"""How does one notebook run in a browser alone, with nothing fetched from anywhere but the page's own folder?

    python scripts/build_playground.py OUT [--cache FOLDER]

in the environment that `python start.py test-engines playground` makes. JupyterLite is the page, Pyodide (from npm) is
its Python, and all that Python imports lies beside it as wheels from PyPI, listed in a lock file with their hashes. The
package that the notebook imports is this repository's own, built as a wheel.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

__all__ = ["build", "main"]

ROOT = Path(__file__).resolve().parents[1]
PYODIDE = "314.0.6"
START = "notebooks/index.html?path=gate.ipynb"
INTEGRITY = "sha512-BKDTJyIqFxC4BExLqeRS3f5xvXZIjOt8C3zGLN/Cc7tFxSwvKVhVkchQQ2AGLOtR4YrVOIFxbV8poyDOOmWwxQ=="
#: What the kernel asks Pyodide for before it can say hello; names and versions are those of Pyodide's own lock file.
KERNEL = ("micropip", "packaging", "ipython", "traitlets", "jedi", "typing-extensions", "tzdata")
#: What the notebook needs beyond that, in the versions of constraints/playground.txt.
OURS = (
    *("anywidget", "croniter", "graphviz", "graphviz-anywidget", "ipywidgets", "jupyterlab-widgets", "psygnal"),
    *("python-dateutil", "ruamel-yaml"),
)
ALSO = {"comm": "0.2.3", "prompt-toolkit": "3.0.52"}
IMPORTS = {"ruamel.yaml": ["ruamel", "ruamel.yaml"], "python-dateutil": ["dateutil"]}


def run(*words: str, cwd: Path = ROOT) -> str:
    """The standard output of a program; what goes wrong is shown."""
    return subprocess.run(words, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def pyodide(cache: Path) -> Path:
    """Pyodide's own files, as npm has them, verified."""
    archive = cache / f"pyodide-{PYODIDE}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is needed for Pyodide and is not installed; on Debian: apt-get install npm")
        run(npm, "pack", f"pyodide@{PYODIDE}", "--silent", cwd=cache)
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise SystemExit(f"pyodide {PYODIDE} is not the one that was looked at: {found}")
    folder = cache / f"pyodide-{PYODIDE}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=cache) as part, tarfile.open(archive) as packed:
            packed.extractall(part, filter="data")
            (Path(part) / "package").rename(folder)
    return folder


def wheels(lock: dict[str, Any], cache: Path) -> list[Path]:
    """Every wheel that goes into the page, downloaded from PyPI once; all are pure Python."""
    wanted, todo = dict(ALSO), list(KERNEL)
    while todo:
        name = todo.pop().replace("_", "-")
        if name not in wanted and name in lock:
            wanted[name] = lock[name]["version"]
            todo += lock[name]["depends"]
    pinned = (ROOT / "constraints" / "playground.txt").read_text("utf-8").splitlines()
    wanted |= {name: version for name, _, version in (line.partition("==") for line in pinned) if name in OURS}
    folder = cache / "wheels"
    folder.mkdir(exist_ok=True)
    download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    target = ["--python-version=3.14", "--platform=any", "--implementation=py", "--abi=none"]
    run(sys.executable, *download, *target, *(f"{name}=={version}" for name, version in sorted(wanted.items())))
    names = {name.lower().replace("-", "_").replace(".", "_"): version for name, version in wanted.items()}
    found = [path for path in sorted(folder.glob("*.whl")) if names.get(project(path)) == path.name.split("-")[1]]
    if len(found) != len(wanted):
        raise SystemExit(f"{len(wanted)} wheels were asked for, and {len(found)} are here")
    return found


def project(wheel: Path) -> str:
    """A wheel's name, as wheels write names."""
    return wheel.name.split("-")[0].lower().replace(".", "_")


def course(cache: Path) -> Path:
    """This repository's package as a wheel, without the flights: the playground shows a table of results."""
    with tempfile.TemporaryDirectory(dir=cache) as part:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", part, str(ROOT))
        (full,) = Path(part).glob("*.whl")
        small = cache / full.name
        with zipfile.ZipFile(full) as old, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.infolist():
                if not entry.filename.endswith((".parquet", "canary.json.gz")):
                    new.writestr(entry, old.read(entry))
    return small


def entry(wheel: Path, *, depends: list[str]) -> dict[str, Any]:
    """What Pyodide's lock file says of a wheel."""
    with zipfile.ZipFile(wheel) as packed:
        (metadata,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        about = Parser().parsestr(packed.read(metadata).decode("utf-8"))
        tops = {name.split("/")[0].removesuffix(".py") for name in packed.namelist() if name.endswith(".py")}
    name = str(about["Name"])
    imports = IMPORTS.get(name, sorted(top for top in tops if not top.endswith((".dist-info", ".data"))))
    return {
        "name": name.lower(),
        "version": about["Version"],
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": imports,
        "depends": depends,
        "unvendored_tests": False,
    }


def build(out: Path, cache: Path) -> None:
    """Write the whole page to `out`."""
    cache.mkdir(parents=True, exist_ok=True)
    engine = pyodide(cache)
    lock = json.loads((engine / "pyodide-lock.json").read_text("utf-8"))
    known, packages = lock["packages"], {}
    for wheel in wheels(known, cache):
        name = project(wheel).replace("_", "-")
        depends = known.get(name, {}).get("depends", [])
        packages[name] = entry(wheel, depends=[each.replace("_", "-") for each in depends])
    needed = [*OURS, "comm", "traitlets", "typing-extensions", "tzdata"]
    wheel = course(cache)
    packages["mlops-lab"] = entry(wheel, depends=needed)
    with tempfile.TemporaryDirectory(dir=cache) as part:
        here = Path(part)
        static = here / "static" / "pyodide"
        shutil.copytree(engine, static, ignore=shutil.ignore_patterns("*.map", "*.html", "*.d.ts"))
        for path in [*(cache / "wheels").glob("*.whl"), wheel]:
            if any(one["file_name"] == path.name for one in packages.values()):
                shutil.copy(path, static)
        (static / "pyodide-lock.json").write_text(json.dumps({**lock, "packages": packages}), encoding="utf-8")
        shutil.copytree(ROOT / "notebooks" / "lite" / "content", here / "content")
        shutil.copy(ROOT / "notebooks" / "lite" / "jupyter-lite.json", here)
        shutil.copy(ROOT / "notebooks" / "lite" / "overrides.json", here)
        words = ["--lite-dir", str(here), "--output-dir", str(out), "--contents", str(here / "content")]
        run(sys.executable, "-m", "jupyterlite_core", "build", "--no-sourcemaps", *words, cwd=here)
    # The root opens the notebook, in the application that shows one document and fits a telephone; the applications
    # read the configuration that stands in the root.
    root = (out / "index.html").read_text("utf-8")
    leads = f'<meta http-equiv="refresh" content="0; url={START}">'
    changed = re.sub(r'<script type="module">.*?</script>', leads, root, flags=re.DOTALL)
    if changed == root:
        raise SystemExit("JupyterLite's root page leads on in another way than before; see scripts/build_playground.py")
    (out / "index.html").write_text(changed, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder for the page")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "playground", help="what was downloaded")
    options = parser.parse_args(arguments)
    build(options.out.resolve(), options.cache.resolve())
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
