"""Turn notebooks/src/NN_name.py into executed notebooks/NN_name.ipynb, the same bytes every time.

    python scripts/build_notebooks.py                  build all
    python scripts/build_notebooks.py 01_feature_views build some (a name, a number or a path)
    python scripts/build_notebooks.py --check          build nothing; say which stored notebook differs, and how

The sources are Python files in jupytext's percent format. A notebook with a cell that fails, or that writes to standard
error, is not written at all; one that breaks a rule of notebook_rules is written, and the rule is said. A cell that is
meant to fail carries the tag: `# %% tags=["raises-exception"]`. Each notebook's copy for Colab is written too, into
colab/: without outputs, and with a first cell that installs the course there.
Pictures are compared by their presence under --check: their bytes depend on the drawing library's version.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import difflib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager
from notebook_kernel import (
    BUILD_ZONE,
    REPOSITORY,
    drop_live_forms,
    left_behind,
    page_of_picture,
    surroundings,
    warm_caches,
)
from stored_notebook import METADATA, from_source, serialise

from mlops_lab.teaching.learners_copy import without_outputs

__all__ = ["COLAB", "PICTURES", "BuildRefused", "build", "execute", "for_colab", "from_source", "main", "serialise"]

PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
CELL_TIMEOUT = 600
COLAB = """\
# On Colab this installs the course, in about a minute; anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet mlops-lab
    from google.colab import output

    output.enable_custom_widget_manager()"""
_NEIGHBOUR = re.compile(r"\[([^\]\[]*)\]\((?!https?:|#)[^)\s]+\)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class BuildRefused(Exception):
    """The notebook is not fit to be written."""


class _ThisEnvironment(AsyncKernelManager):
    """Starts kernels with the interpreter that runs this script, as nbval does, whatever kernels are installed."""

    def _kernel_spec_manager_default(self) -> NbvalKernelspecManager:
        return NbvalKernelspecManager(parent=self)


def execute(notebook: nbformat.NotebookNode, *, folder: Path) -> nbformat.NotebookNode:
    """The same notebook with its outputs, run in a fresh kernel with `folder` as its working directory.

    Raises:
        BuildRefused: a cell failed, did not fail though it is tagged so, or wrote to standard error.
    """
    notebook = copy.deepcopy(notebook)
    client = NotebookClient(
        notebook,
        kernel_manager_class=_ThisEnvironment,
        kernel_name=CURRENT_ENV_KERNEL_NAME,
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        allow_errors=True,  # so that all that is wrong can be said at once
        resources={"metadata": {"path": str(folder)}},
    )
    before = set(os.listdir(folder))
    with surroundings(BUILD_ZONE) as variables:
        # The kernel's own complaints go nowhere, as under nbval; what a cell writes to standard error is an output.
        client.execute(env={**os.environ, **variables}, stderr=subprocess.DEVNULL)
    notebook.metadata = nbformat.from_dict(copy.deepcopy(METADATA))  # drops widget state and the patch version
    faults = [fault for cell in notebook.cells if cell.cell_type == "code" for fault in _settle(cell)]
    faults += [f"left behind in the working directory: {name}" for name in left_behind(folder, before)]
    if faults:
        raise BuildRefused("\n".join(faults))
    return notebook


def _settle(cell: nbformat.NotebookNode) -> list[str]:
    """Take from a cell's outputs what differs between two runs; return what forbids storing them."""
    faults = []
    failed = False
    expected = "raises-exception" in cell.metadata.get("tags", [])
    for output in cell.outputs:
        if output.output_type == "error":
            failed = True
            if not expected:
                faults.append(f"cell {cell.id} failed:\n" + _COLOURS.sub("", "\n".join(output.traceback)))
            # A traceback names files of this machine; the last line is what a learner reads.
            output.traceback = [f"{output.ename}: {output.evalue}"]
        elif output.output_type == "stream" and output.name == "stderr":
            faults.append(f"cell {cell.id} wrote to standard error:\n{output.text}")
        elif "data" in output:
            drop_live_forms(output.data)
            if picture := output.data.get("image/svg+xml"):
                output.data["text/html"] = page_of_picture(picture, output.data.get("text/plain", ""))
    if expected and not failed:
        faults.append(f"cell {cell.id} is tagged raises-exception and raised nothing")
    return faults


def build(source: Path, *, folder: Path) -> bytes:
    """The bytes of the executed notebook of one source file."""
    return serialise(execute(from_source(source.read_text(encoding="utf-8")), folder=folder))


def for_colab(data: bytes) -> bytes:
    """The copy of a stored notebook that Colab opens: no outputs, so that a prediction is one, and a first cell.

    Colab knows no neighbour of a notebook, so that links to one would lead nowhere: their words stay.
    """
    notebook = nbformat.reads(without_outputs(data).decode("utf-8"), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _NEIGHBOUR.sub(r"\1", cell.source)
    notebook.cells.insert(1, nbformat.v4.new_code_cell(COLAB, id="colab"))
    return serialise(notebook)


def _without_pictures(data: bytes) -> list[str]:
    notebook = nbformat.reads(data.decode("utf-8"), as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind in PICTURES:
                if kind in output.get("data", {}):
                    output.data[kind] = "(a picture)"
                    output.data.pop("text/html", None)
    return nbformat.writes(notebook, version=4).splitlines()


def _difference(stored: bytes, fresh: bytes, name: str) -> list[str]:
    before, after = _without_pictures(stored), _without_pictures(fresh)
    return list(difflib.unified_diff(before, after, f"{name} (stored)", f"{name} (built now)", lineterm=""))


def _chosen(names: list[str], sources: list[Path]) -> list[Path]:
    if not names:
        return sources
    chosen = []
    for name in names:
        stem = Path(name).stem
        found = [source for source in sources if source.stem == stem or source.stem.split("_")[0] == stem]
        if not found:
            there_is = ", ".join(source.stem for source in sources) or "none"
            raise BuildRefused(f"no source for {name!r}; there is: {there_is}")
        chosen += found
    return sorted(set(chosen))


def _one(source: Path, folder: Path, *, check: bool) -> str:
    """Build or check one notebook; return what to say when it is not in order, else nothing."""
    target = folder / f"{source.stem}.ipynb"
    started = time.perf_counter()
    try:
        fresh = build(source, folder=folder)
    except BuildRefused as refusal:
        return f"{target.name}: not {'equal' if check else 'written'}\n{refusal}"
    seconds = time.perf_counter() - started
    stored = target.read_bytes() if target.exists() else None
    if not check:
        if stored != fresh:
            part = target.with_suffix(".part")
            part.write_bytes(fresh)
            part.replace(target)
        if folder == REPOSITORY / "notebooks":
            (folder / "colab" / target.name).write_bytes(for_colab(fresh))
        print(f"{target.name}: {'as it was' if stored == fresh else 'written'}, {seconds:.1f} s", flush=True)
        broken = _broken_rules(target)
        return f"{target.name}: written, but it breaks rules\n" + "\n".join(broken) if broken else ""
    if stored is None:
        return f"{target.name}: missing; build it"
    if stored != fresh:
        changes = _difference(stored, fresh, target.name)
        if changes:
            return f"{target.name}: differs\n" + "\n".join(changes)
        print(f"{target.name}: equal but for the bytes of pictures, {seconds:.1f} s", flush=True)
        return ""
    print(f"{target.name}: equal, {seconds:.1f} s", flush=True)
    return ""


def _broken_rules(target: Path) -> list[str]:
    import notebook_rules  # it builds on this module

    return notebook_rules.problems(notebook_rules.stored(target))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="which notebooks; all when none is named")
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "notebooks", help="the notebooks; sources in src/")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())  # zmq needs it
    warm_caches()
    try:
        chosen = _chosen(options.names, sorted((folder / "src").glob("[0-9][0-9]_*.py")))
    except BuildRefused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    problems = [problem for source in chosen if (problem := _one(source, folder, check=options.check))]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
