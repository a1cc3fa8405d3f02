"""Does every notebook of the course keep the rules, and does the build keep its promises?"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from notebook_kernel import REPOSITORY
from notebook_rules import problems, stored

NOTEBOOKS = REPOSITORY / "notebooks"
BUILD = REPOSITORY / "scripts" / "build_notebooks.py"


def names(suffix: str, folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"[0-9][0-9]_*{suffix}"))


@pytest.mark.parametrize("name", names(".ipynb", NOTEBOOKS))
def test_a_notebook_keeps_the_rules(name: str) -> None:
    assert problems(stored(NOTEBOOKS / f"{name}.ipynb")) == []


@pytest.mark.parametrize("name", names(".ipynb", NOTEBOOKS))
def test_the_pictures_of_a_notebook_fit_a_page_of_900_pixels(name: str) -> None:
    text = (NOTEBOOKS / f"{name}.ipynb").read_text("utf-8")
    pixels = {"px": 1.0, "pt": 4 / 3}

    wide = [float(size) * pixels[unit] for size, unit in re.findall(r"max-width:100%;min-width:([\d.]+)(pt|px)", text)]

    assert wide
    assert max(wide) <= 700, "JupyterLab leaves an output some 700 of them"


def test_every_source_is_built_and_every_notebook_has_a_source() -> None:
    assert names(".ipynb", NOTEBOOKS) == names(".py", NOTEBOOKS / "src")


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BUILD), "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


SMALL = """\
# %% [markdown]
# # Is it the same twice?

# %%
import ipywidgets

slider = ipywidgets.IntSlider(description="x")
slider

# %%
print({"b", "a"} == {"a", "b"})

# %% tags=["raises-exception"]
raise ValueError("meant")
"""


def course(folder: Path, source: str) -> Path:
    (folder / "src").mkdir()
    (folder / "src" / "77_small.py").write_text(source, encoding="utf-8")
    return folder / "77_small.ipynb"


@pytest.mark.nightly
def test_a_second_build_gives_the_same_bytes_and_a_check_sees_a_change(tmp_path: Path) -> None:
    target = course(tmp_path, SMALL)

    first, data = build(tmp_path), target.read_bytes()
    second = build(tmp_path)
    target.write_bytes(data.replace(b"True", b"False"))
    third = build(tmp_path, "--check")

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "as it was" in second.stdout
    assert b"\r" not in data
    assert b"widget-view" not in data
    assert third.returncode == 1
    assert "77_small.ipynb: differs" in third.stderr
    assert '-      "False\\n"' in third.stderr
    assert '+      "True\\n"' in third.stderr


UNFIT = {
    "an error": ("1 / 0", "cell c01 failed"),
    "standard error": ("import sys\nprint('x', file=sys.stderr)", "wrote to standard error"),
    "a warning": ("import warnings\nwarnings.warn('old', stacklevel=1)", "UserWarning: old"),
    "a file left behind": ("open('rest.txt', 'w').close()", "left behind in the working directory: rest.txt"),
    "no error where one is promised": ("1", "raised nothing"),
}


@pytest.mark.nightly
def test_a_notebook_that_is_not_fit_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for number, (name, (code, _)) in enumerate(UNFIT.items()):
        marker = '# %% tags=["raises-exception"]' if "promised" in name else "# %%"
        text = f"# %% [markdown]\n# # Is it fit?\n\n{marker}\n{code}\n"
        (tmp_path / "src" / f"7{number}_unfit.py").write_text(text, encoding="utf-8")

    run = build(tmp_path)

    assert run.returncode == 1
    assert [path for path in tmp_path.iterdir() if path.suffix == ".ipynb"] == []
    for _, said in UNFIT.values():
        assert said in run.stderr


@pytest.mark.slow
def test_an_unknown_name_says_what_there_is(tmp_path: Path) -> None:
    course(tmp_path, SMALL)

    run = build(tmp_path, "78_other")

    assert run.returncode == 1
    assert run.stderr == "no source for '78_other'; there is: 77_small\n"
