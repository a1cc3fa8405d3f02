"""In what surroundings does a notebook run, when it is built and when it is checked?

Both use these, so that stored outputs can equal fresh ones on anybody's machine: a home of its own for the course's
state, no personal IPython start-up files, a fixed width of text, and every warning from a cell an error. The check runs
in another time zone than the build on purpose: an output that depends on it is not reproducible.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

__all__ = [
    "BUILD_ZONE",
    "CHECK_ZONE",
    "REPOSITORY",
    "drop_live_forms",
    "left_behind",
    "page_of_picture",
    "surroundings",
    "warm_caches",
]

REPOSITORY = Path(__file__).resolve().parents[1]
BUILD_ZONE = "UTC"
CHECK_ZONE = "Asia/Kathmandu"  # 5:45 from UTC: an hour rounded away cannot hide it

# Warnings of the machinery that carries the cells are none of the learner's business, and an error raised inside the
# kernel's own loop would not reach a cell anyway. Everything else, third-party libraries included, is ours to answer.
_WARNINGS_ARE_ERRORS = r"""
import warnings as _warnings
_warnings.simplefilter("error")
_machinery = r"(IPython|ipykernel|jupyter_client|traitlets|comm|zmq|tornado|asyncio|debugpy)(\.|$)"
_warnings.filterwarnings("ignore", module=_machinery)
del _warnings, _machinery
"""


_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def drop_live_forms(data: dict[str, Any]) -> None:
    """Take from an output what only JupyterLab with a running kernel makes use of, and the page round a picture.

    A widget view without its kernel is an error message. The page is a form of the picture: `page_of_picture` makes the
    stored one, and the picture's bytes in it depend on what drew it, so that nbval cannot compare it.
    """
    data.pop(_WIDGET_VIEW, None)
    if data.keys() & {"image/svg+xml", "image/png"}:
        data.pop("text/html", None)


def page_of_picture(svg: str, words: str) -> str:
    """The page that is stored with a picture: the same SVG as an image, and its words folded below.

    JupyterLab shows no SVG of a notebook that is not signed on its machine, and GitHub takes SVG out of pages; an image
    whose data stands in its address passes both, and screen readers say its name.
    """
    named = re.search(r'<svg[^>]*? aria-label="([^"]*)"', svg)
    name = named[1] if named else escape(words.strip().split("\n")[0])
    data = base64.b64encode(svg.encode()).decode()
    least = re.search(r"min-width:[0-9.]+(pt|px)", svg.split(">", 1)[0])
    style = "max-width:100%" + (f";{least[0]}" if least else "")
    return (
        '<figure style="margin:0;overflow-x:auto">'
        f'<img alt="{name}" src="data:image/svg+xml;base64,{data}" style="{style}">'
        f'<details><summary>as text</summary><pre style="white-space:pre-wrap">{escape(words)}</pre></details></figure>'
    )


@contextmanager
def surroundings(zone: str) -> Iterator[dict[str, str]]:
    """The environment variables of one notebook's kernel; the folders they name are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="notebook-", ignore_cleanup_errors=True) as folder:
        startup = Path(folder, "ipython", "profile_default", "startup")
        startup.mkdir(parents=True)
        (startup / "00-warnings.py").write_text(_WARNINGS_ARE_ERRORS, encoding="utf-8")
        yield {
            "MLOPS_LAB_HOME": str(Path(folder, "home")),
            "MLOPS_LAB_ENGINES": "stored",  # live runs of other engines take minutes, and no two take as long
            "IPYTHONDIR": str(Path(folder, "ipython")),
            "COLUMNS": "100",
            "LINES": "40",
            "NO_COLOR": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "TZ": zone,
        }


def warm_caches() -> None:
    """Let matplotlib find its fonts now: on a slow machine it says on standard error that it is doing so."""
    import matplotlib as mpl

    if not any(Path(mpl.get_cachedir()).glob("fontlist*.json")):
        import matplotlib.font_manager  # noqa: F401


def left_behind(folder: Path, before: set[str]) -> list[str]:
    """Names in `folder` that were not there before, other than notebooks, which somebody else may be writing."""
    return sorted(
        name
        for name in set(os.listdir(folder)) - before
        if not name.endswith((".ipynb", "__pycache__", "_checkpoints"))
    )
