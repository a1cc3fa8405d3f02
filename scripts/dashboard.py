"""How do the panels get onto a projector: one page in Voilà, kernels warmed, on this machine only?

    python scripts/dashboard.py [--dark] [--port N] [arguments for Voilà]

`python start.py demo` starts this in the course's environment, with the extra `teach`. Two kernels have run the page
before the first visitor asks for it. It answers to 127.0.0.1 alone and fetches nothing from elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["NOTEBOOK", "command", "main", "variables"]

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "teacher" / "10_dashboard.ipynb"
#: Extensions of JupyterLab that want a menu, which this page has not.
_FONTS = ("fonts", "font-anonymous-pro", "font-atkinson-hyperlegible", "font-dejavu-sans-mono", "font-fira-code")
_NOT_HERE = ["jupyterlab-slideshow", "jupyterlab-jupytext", *(f"@deathbeds/jupyterlab-{font}" for font in _FONTS)]
PAGES = ROOT / "notebooks" / "teacher" / "web"


def command(arguments: list[str], *, kernels: int = 2) -> list[str]:
    """What is started: Voilà with the course's own page, reachable from this machine only."""
    dark = "--dark" in arguments
    rest = [argument for argument in arguments if argument != "--dark"]
    return [
        *(sys.executable, str(ROOT / "scripts" / "course_server.py"), "voila", str(NOTEBOOK)),
        "--Voila.ip=127.0.0.1",
        "--template=classroom",
        f"--theme={'dark' if dark else 'light'}",
        "--preheat_kernel=True",
        f"--pool_size={kernels}",
        *(f"--VoilaConfiguration.extension_denylist={name}" for name in _NOT_HERE),
        # Voila closes a page's kernel when the page says goodbye, and browsers often do not.
        "--MappingKernelManager.cull_idle_timeout=900",
        "--MappingKernelManager.cull_interval=60",
        "--MappingKernelManager.cull_connected=False",
        *rest,
    ]


def variables() -> dict[str, str]:
    """The environment: where the page's template lies, and this repository's package."""
    path = os.pathsep.join([str(PAGES), *filter(None, [os.environ.get("JUPYTER_PATH")])])
    return {**os.environ, "JUPYTER_PATH": path, "PYTHONWARNINGS": "ignore"}


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    process = subprocess.Popen(command(arguments), env=variables())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # Voilà gets it too, and ends its kernels
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
