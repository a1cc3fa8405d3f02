"""The wheel is enough: an empty environment, another folder, no clone; the pipeline runs and a notebook is exact."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "03_evaluation_gate.ipynb"
# What surrounds a notebook's kernel when nbval runs it; the wheel has no need of it.
HARNESS = (ROOT / "notebooks" / "conftest.py", ROOT / "scripts" / "notebook_kernel.py")


@pytest.mark.nightly
def test_the_wheel_runs_the_pipeline_and_a_notebook_far_from_the_clone(tmp_path):
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MLOPS_LAB"))}

    def there(*command: str | Path) -> subprocess.CompletedProcess[str]:
        call = [str(python), *map(str, command)]
        done = subprocess.run(call, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False, timeout=1800)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    there("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    wheel = next(tmp_path.glob("*.whl"))
    there("-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel, "nbval", "pytest")
    where = there("-c", "import mlops_lab; print(mlops_lab.__file__)").stdout
    there("-m", "mlops_lab", "run", "--home", "home")
    there("-m", "mlops_lab", "course", "course")
    shared = Path(there("-c", "import sys; print(sys.prefix)").stdout.strip(), "share", "mlops-lab", "notebooks")
    (tmp_path / "exact").mkdir()
    for file in (shared / NOTEBOOK, *HARNESS):
        shutil.copy(file, tmp_path / "exact")
    options = ["--nbval", "--nbval-current-env", "-q", "-c", os.devnull, "--rootdir", tmp_path / "exact"]
    clean["PYTHONPATH"] = str(tmp_path / "exact")
    said = there("-m", "pytest", *options, Path("exact", NOTEBOOK)).stdout

    assert where.startswith(str(tmp_path))
    assert (tmp_path / "course" / "00_start_here.ipynb").is_file()
    assert " passed" in said
    assert "failed" not in said
    assert sys.version_info[:2] == tuple(map(int, there("-V").stdout.split()[1].split(".")[:2]))
