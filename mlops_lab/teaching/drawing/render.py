"""Which program turns DOT text into SVG or PNG, and what is said where there is none?

`dot` (Graphviz) is used where it is on the path and `graphviz-pure`, which comes with the package's dependencies, where
it is not or where `dot` cannot do it. Neither is needed to make a drawing, only to see it as a picture.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from typing import Literal

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.teaching.drawing.svg import tidy_svg

_PATIENCE = 60.0  # seconds; a graph of 1,000 tasks takes less than one
_HELP = "install one with: pip install graphviz-pure (or Graphviz from https://graphviz.org/download/)"


def renderers() -> dict[str, str]:
    """The programs found here, by name, in the order in which they are tried.

    `graphviz-pure` is also looked for beside the running Python, because a notebook's kernel is often started without
    its environment's folder on the path.

    >>> "graphviz-pure" in renderers()
    True
    """
    found = {
        "dot": shutil.which("dot"),
        "graphviz-pure": shutil.which("graphviz-pure")
        or shutil.which("graphviz-pure", path=sysconfig.get_path("scripts")),
    }
    return {name: path for name, path in found.items() if path}


def render(
    dot: str, suffix: Literal["svg", "png"] = "svg", *, title: str = "drawing", renderer: str | None = None
) -> bytes:
    r"""The picture that DOT text describes, as the bytes of a file.

    SVG comes without prologue and version comment, with `role="img"` and its title, and equal for equal text on one
    machine; another program or version may choose other coordinates.

    Args:
        dot: DOT text.
        suffix: "svg" or "png".
        title: What the picture shows, for readers who cannot see it.
        renderer: "dot" or "graphviz-pure"; by default, the first that manages.

    Raises:
        MlopsLabError: no program is here, or none of those here could draw this text.

    >>> render("digraph { train -> gate }", title="two tasks")[:10]
    b'<svg width'
    """
    found = renderers()
    if renderer is not None:
        found = {name: path for name, path in found.items() if name == renderer}
    if not found:
        wanted = renderer or "neither dot nor graphviz-pure"
        problem = f"{wanted} is here" if renderer is None else f"{wanted} is not here"
        raise MlopsLabError(
            f"cannot draw {title!r} as {suffix.upper()}: {problem}; {_HELP}. "
            "The same facts are in .outline (text) and .dot (DOT text), which need neither."
        )
    problems = []
    for name, path in found.items():
        try:
            drawn = _without_boxes(dot) if (name, suffix) == ("graphviz-pure", "png") else dot
            data = _call(path, drawn, suffix)
            return tidy_svg(data.decode(), title=title).encode() if suffix == "svg" else data
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            problems.append(f"{name}: {_said(error)}")
    raise MlopsLabError(
        f"cannot draw {title!r} as {suffix.upper()}: {'; '.join(problems)}. "
        "The same facts are in .outline (text) and .dot (DOT text)."
    )


def _without_boxes(dot: str) -> str:
    """The text without marks that graphviz-pure's own letters lack: it paints an empty box; word and border stay."""
    return re.sub("[✓✗⊘↻▸⊖▤◆▦◈▥▪★⊢▲] ", "", dot)


def _call(path: str, dot: str, suffix: str) -> bytes:
    # Standard error is kept apart: graphviz-pure warns there about marks such as ✓, and a warning is no output.
    command = [path, "-q1", f"-T{suffix}"]
    done = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=_PATIENCE, check=True)  # noqa: S603
    if not done.stdout:
        raise ValueError("it wrote nothing")
    return done.stdout


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {_PATIENCE:.0f} s"
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {error.returncode}"
    return str(error)
