"""Opens the course in JupyterLab, or its dashboard in Voilà: quietly, for root too, and with the address last.

    python scripts/course_server.py lab [--debug] [arguments for JupyterLab]
    python scripts/course_server.py voila [--debug] NOTEBOOK [arguments for Voilà]

`python start.py`, `python start.py demo` and `mlops-lab lab` end here. Both servers tell forty lines of what they load
before the one that a person needs. Here they say warnings and errors, and everything with --debug; the address comes
last. The way to the kernels is encrypted, so nothing warns of eavesdroppers.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path

from mlops_lab.teaching import learners_copy

ROOT = Path(__file__).resolve().parents[1]
FIRST = "00_start_here.ipynb"
ENCRYPTED = "--KernelManager.transport_encryption=auto"
_ONLY_TOLD = {"--version", "--help", "--help-all", "-h", "--generate-config", "--show-config", "--show-config-json"}


def say(text: str) -> None:
    """Print a line at once, even into a file."""
    print(f"start.py: {text}", flush=True)


def is_root() -> bool:
    """Whether this process may do everything, as in a plain container."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def sign(notebooks: list[Path]) -> None:
    """Sign notebooks of the course: JupyterLab and Voilà show no stored picture of one that is not signed here."""
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in notebooks:
        try:
            notary.sign(nbformat.reads(path.read_text("utf-8"), as_version=4))
        except (OSError, ValueError, AttributeError, KeyError) as error:  # a learner's own file may be anything
            say(f"{path.name} could not be signed ({type(error).__name__}); its stored pictures appear when it is run.")
    notary.store.close()


class LastWord(logging.Filter):
    """Drops what is below a warning; the line with the address is put in other words and kept for the end."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__()
        self.told = told
        logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is shown as it is."""
        text = record.getMessage()
        if "running at" in text and self.told:
            say(self.told.format(text.splitlines()[-1].strip()))
        return record.levelno >= logging.WARNING and "To access the server" not in text


def lab(arguments: list[str]) -> None:
    """Lay out the learner's copies and open the first one in JupyterLab, with the whole repository beside it."""
    from jupyterlab.labapp import LabApp

    if _ONLY_TOLD & set(arguments):
        return LabApp.launch_instance(arguments)
    folder = learners_copy.lay_out(ROOT, say)
    sign(sorted({*(ROOT / folder).glob("[0-9]*.ipynb"), *(ROOT / "notebooks").glob("[0-9]*.ipynb")}))
    options = [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{folder}/{FIRST}", ENCRYPTED]
    if is_root():
        say("you are root, so JupyterLab is told --allow-root; it listens on this machine only, behind its token.")
        options.append("--allow-root")
    say(f"opening {folder}/{FIRST} in JupyterLab; Ctrl-C here closes it.")
    if "--debug" not in arguments:
        warnings.showwarning = lambda *_, **__: None  # a deprecation inside a library is for its authors
        options.append("--log-level=WARN")
        LastWord("ServerApp", "")
        LastWord("LabApp", "")
    server = LabApp.initialize_server(argv=[*options, *arguments])
    # It takes its port as the first thing in the loop, so the next thing there knows the address.
    server.io_loop.add_callback(lambda: say(f"the course is at {server.display_url.splitlines()[-1].strip()}"))
    return server.start()


def voila(arguments: list[str]) -> None:
    """Show a notebook of the course in Voilà."""
    from voila.app import Voila

    sign([Path(argument) for argument in arguments if argument.endswith(".ipynb")])
    if "--debug" not in arguments:
        LastWord("Voila", "the dashboard is at {}")
    Voila.launch_instance([ENCRYPTED, *arguments])


if __name__ == "__main__":
    sys.exit({"lab": lab, "voila": voila}[sys.argv[1]](sys.argv[2:]))
