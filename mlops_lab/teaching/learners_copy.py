"""A learner writes in a copy of their own in work/, where no update meets their edits and no output tells too early.

The course's notebooks stay as they were shipped, with their outputs, for readers; git pull finds nothing in its way.
A copy opens without outputs, so that a prediction is one. A copy that nobody has touched follows the course; one that
somebody has edited stays, and the newer notebook is laid beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

FOLDER = "work"
_LAID = ".laid.json"  # name of a notebook → sha256 of the cells that were last laid out


def lay_out(root: Path, say: Callable[[str], None], folder: Path | None = None) -> str:
    """Bring the learner's copies up to date; the folder to open, below `root`: work, or notebooks where it cannot be.

    `root` holds the course's folder `notebooks`; the copies go to `folder`, or to work beside it.

    Every notebook is copied once. After an update of the course an untouched copy is replaced; beside an edited one the
    new version is laid as NN_name.new.ipynb, and `say` is told. Nothing that a learner wrote is ever overwritten.
    """
    try:
        folder = folder or root / FOLDER
        folder.mkdir(exist_ok=True, parents=True)
        laid = _read(folder / _LAID)
        for course in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
            _lay(course, folder, laid, say)
        for page in sorted((root / "notebooks").glob("*.md")):  # the glossary, to which the copies link
            _write(folder / page.name, page.read_bytes())
        _write(folder / _LAID, (json.dumps(laid, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        say(f"no copies for your own edits could be made in {folder}/ ({error.strerror}); opening the originals.")
        return "notebooks"
    return folder.name


def _lay(course: Path, folder: Path, laid: dict[str, str], say: Callable[[str], None]) -> None:
    whole, mine = course.read_bytes(), folder / course.name
    data, shipped = without_outputs(whole), _hash(_cells(whole))
    if mine.is_file() and laid.get(course.name) == shipped:
        return
    if not mine.is_file() or {_hash(mine.read_bytes()), _hash(_cells(mine.read_bytes()))} & {
        laid.get(course.name),  # of the file in the first edition, of its cells since
        shipped,
    }:
        _write(mine, data)
    else:
        newer = mine.with_suffix(".new.ipynb")
        _write(newer, data)
        say(f"{mine.name} was edited by you and stays; its newer version is {folder.name}/{newer.name}.")
    laid[course.name] = shipped


def without_outputs(data: bytes) -> bytes:
    """A notebook as it is before anybody ran it; what is no notebook stays as it is."""
    try:
        notebook = json.loads(data)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
    except (ValueError, KeyError, TypeError):
        return data
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _cells(data: bytes) -> bytes:
    """What is written in the cells of a notebook, without what running them leaves behind."""
    try:
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(data)["cells"]]
    except (ValueError, KeyError, TypeError):
        return data
    return json.dumps(cells).encode()


def _read(path: Path) -> dict[str, str]:
    """What was laid out; a record that is missing or damaged counts as none, and every differing copy as edited."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _write(path: Path, data: bytes) -> None:
    """Write the file whole or not at all."""
    half = path.with_name(path.name + ".half")
    half.write_bytes(data)
    half.replace(path)
