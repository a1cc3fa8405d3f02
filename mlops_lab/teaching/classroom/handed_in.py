"""What lies in the folder of a class, and what does each file say? Whatever else somebody put there costs a line."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.teaching.drawing.words import plain, shortened, width

#: How an exercise stands, and its mark: told without colour.
MARKS: Mapping[str, str] = {"passed": "✓", "not yet": "…", "not attempted": "–"}

_MOST_BYTES, _LONGEST_NAME = 256 * 1024, 24
_PACKED = (".zip", ".gz", ".tar", ".7z", ".rar")


def handed_in(place: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """The `*.json` of a folder and of the folders in it, and what else was meant to be handed in, with why it is not.

    Raises:
        InvalidData: the folder cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "mine.zip").touch()
    ...     handed_in(Path(folder))
    ([], [('mine.zip', 'it is packed; unpack it')])
    """
    paths: list[Path] = []
    left_out: list[tuple[str, str]] = []
    try:
        for path in sorted(place.iterdir()):
            if path.suffix.lower() == ".json":
                paths.append(path)
            elif path.is_dir() and not path.is_symlink():
                paths += _in_folder(path, left_out)
            elif not path.name.startswith(".") and path.suffix.lower() != ".svg":  # a class drawn before
                packed = path.suffix.lower() in _PACKED
                left_out.append((path.name, "it is packed; unpack it" if packed else "its name does not end in .json"))
    except OSError as error:
        raise InvalidData(f"cannot read the folder {str(place)!r}: {error.strerror or error}.") from None
    return paths, left_out


def _in_folder(folder: Path, left_out: list[tuple[str, str]]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json")
    except OSError as error:
        left_out.append((folder.name, f"the folder cannot be read ({error.strerror})"))
        return []


class NotCountedError(MlopsLabError):
    """Why a file is not a learner.

    >>> print(NotCountedError("it is no JSON text"))
    it is no JSON text
    """


def read_standings(path: Path, entries: list[str]) -> tuple[dict[str, tuple[str, int, int]], int]:
    """What a file says of every entry of the course, and how many others it has.

    Raises:
        NotCountedError: it is no progress file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "mine.json").write_text('{"course": "MLOps Lab", "exercises": {"99.1": {}}}') > 0
    ...     read_standings(Path(folder, "mine.json"), ["01.1"])
    True
    ({'01.1': ('not attempted', 0, 0)}, 1)
    """
    exercises = _exercises(path)
    found = {}
    for entry in entries:
        one = exercises.get(entry, {"status": "not attempted", "attempts": 0, "hints": 0})
        if not isinstance(one, dict) or one.get("status") not in list(MARKS):  # it may be a list
            raise NotCountedError(f"what it says of {entry} is damaged")
        counts = [one.get("attempts"), one.get("hints")]
        if any(type(count) is not int or not 0 <= count < 10**6 for count in counts):
            raise NotCountedError(f"what it says of {entry} is damaged")
        found[entry] = (str(one["status"]), int(one["attempts"]), int(one["hints"]))
    return found, len(set(exercises) - set(entries))


def _exercises(path: Path) -> dict[str, Any]:
    try:
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            raise NotCountedError("it is a link, and links are not followed")
        if not stat.S_ISREG(about.st_mode):
            raise NotCountedError("it is no file")
        if about.st_size > _MOST_BYTES:
            raise NotCountedError(f"it has {about.st_size:,} bytes, and a progress file has some thousand")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if data.startswith(b"PK\x03\x04"):
            raise NotCountedError("it is packed; unpack it")
        content = json.loads(data.decode("utf-8-sig"))  # editors on Windows put a mark in front
    except OSError as error:
        raise NotCountedError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise NotCountedError("it is no JSON text") from None
    exercises = content.get("exercises") if isinstance(content, dict) else None
    if not isinstance(exercises, dict) or content.get("course") != "MLOps Lab":
        raise NotCountedError("it is no progress file of this course")
    return exercises


def shown(name: str) -> str:
    r"""A file's name as it may be printed: no line breaks, no control characters, not too long.

    >>> shown("two\nlines.json"), shown("the second year, group b, lovelace.json")
    ('two\\nlines.json', 'the second …velace.json')
    """
    text = " ".join(plain(name.encode("utf-8", "replace").decode()).split())
    length = _LONGEST_NAME
    while width(short := shortened(text, length)) > _LONGEST_NAME * 0.62:  # letters beyond Latin are wider
        length -= 1
    return short
