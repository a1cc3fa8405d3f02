"""The problem of a home folder: which description its runs were made from, and how it is found again.

The home remembers the name, the Python file and its fingerprint in `problem.json`. Where it remembers none, it is the
flights of the course. Opening a problem runs the code of that file, so whoever does it says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, InvalidDefinition, MlopsLabError
from mlops_lab.base.storage import write_atomically
from mlops_lab.pipeline.problem.problem import Problem

_FILE = "problem.json"
_USUAL = "mlops_lab.pipeline.flights.problem", "FLIGHTS"  # of a home that was told nothing
_here: dict[str, Problem] = {}  # the problems that this process was handed, by home
_loaded: dict[tuple[str, str], Problem] = {}  # by file and fingerprint: a source keeps what it has read


@dataclass(frozen=True)
class Remembered:
    """What a home says of its problem: name, DAG, file (None: it was made in a program), and the file's sha256."""

    name: str
    dag_id: str
    file: str | None
    fingerprint: str | None


def load_problem(file: str | Path) -> Problem:
    """The one `Problem` of a Python file. The file's code runs.

    Raises:
        InvalidData: there is no such file, or its code fails.
        InvalidDefinition: it defines no problem, or several.
    """
    path = Path(file).resolve()
    try:
        code = path.read_bytes()
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise InvalidData(f"the problem {str(file)!r} cannot be read: {why}.") from None
    mark = (str(path), _fingerprint(code))
    if mark in _loaded:
        return _loaded[mark]
    spec = spec_from_file_location(f"mlops_lab_problem_{mark[1][7:23]}", path)
    if path.suffix != ".py" or spec is None or spec.loader is None:
        raise InvalidData(f"{str(file)!r} is no Python file; a problem is described in one, such as problem.py.")
    module = module_from_spec(spec)
    folder = str(path.parent)
    sys.path.insert(0, folder)  # what lies beside it may be imported
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except MlopsLabError as error:
        error.args = (f"{path.name}: {error}", *error.args[1:])
        raise
    except (Exception, SystemExit) as error:  # whatever somebody's code does
        raise InvalidData(f"{path.name} fails when it is loaded: {type(error).__name__}: {error}.") from None
    finally:
        sys.path.remove(folder)
    found = {id(one): one for one in vars(module).values() if isinstance(one, Problem)}
    if len(found) != 1:
        many = "no Problem" if not found else f"{len(found)} of them"
        raise InvalidDefinition(f"{path.name} defines {many}; it defines one, for example: problem = Problem(…).")
    return _loaded.setdefault(mark, next(iter(found.values())))


def unconfirmed(file: str | Path | None) -> str:
    """What `new` marked in a problem's file and nobody has answered or taken out since; "" where there is nothing.

    >>> unconfirmed(None)
    ''
    """
    if file is None:
        return ""
    text = Path(file).read_text("utf-8", errors="replace").partition('"""')[2].partition('"""')[2]
    found = {word: len(re.findall(rf"\b{word}:? ", text)) for word in ("SUSPICION", "UNKNOWN")}
    marks = " and ".join(f"{many} {word}" for word, many in found.items() if many)
    return f"{Path(file).name} still has {marks} to be answered" if marks else ""


def _fingerprint(code: bytes) -> str:
    return f"sha256:{hashlib.sha256(code).hexdigest()}"


def remembered(home: str | Path) -> Remembered | None:
    """What a home says of its problem, without running anything; None where it was told nothing.

    Raises:
        IntegrityError: what it says is damaged.
        HomeError: it cannot be read.
    """
    try:
        found = Remembered(**json.loads(Path(home, _FILE).read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HomeError(home, error.strerror or str(error)) from None
    except (ValueError, TypeError) as error:
        raise IntegrityError(_FILE, expected="the problem of a home folder", found=str(error)) from None
    return found


def remember_problem(home: str | Path, problem: Problem, *, file: str | Path | None = None) -> None:
    """Let a home remember its problem; it keeps one.

    Raises:
        InvalidData: the home belongs to another problem.
        HomeError: it cannot be written.
    """
    before, folder = remembered(home), Path(home)
    own = before.name if before is not None else _usual().name if _has_runs(folder) else problem.name
    if own != problem.name:
        raise InvalidData(f"the home folder {home} belongs to the problem {own}; choose another for {problem.name}.")
    _here[str(folder.resolve())] = problem
    if before is None and problem is _usual():
        return
    known: dict[str, str | None] = {"name": problem.name, "dag_id": problem.dag_id, "file": None, "fingerprint": None}
    if file is not None:
        path = Path(file).resolve()
        try:  # a project may move with its home
            place = os.path.relpath(path, folder.resolve())
        except ValueError:  # another drive of Windows
            place = str(path)
        known |= {"file": Path(place).as_posix(), "fingerprint": _fingerprint(path.read_bytes())}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / _FILE, json.dumps(known, indent=2).encode())
    except OSError as error:
        raise HomeError(home, error.strerror or str(error)) from None


def problem_of(home: str | Path) -> Problem:
    """The problem of a home folder: the one this process was handed, else that of the file it remembers.

    A home that was told nothing is one of the flights.

    Raises:
        InvalidData: the file is gone or fails, describes another problem, or there never was a file.
    """
    here = _here.get(str(Path(home).resolve()))
    known = remembered(home)
    if known is None:
        return here if here is not None else _usual()
    if known.file is None:
        if here is not None:
            return here
        raise InvalidData(
            f"the problem {known.name} of the home folder {home} was made in a program, not in a file; write it into "
            "one and run that: mlops-lab run problem.py"
        )
    found = load_problem(Path(home, known.file))
    if found.name != known.name:
        raise InvalidData(f"{known.file} describes {found.name}, and the home folder {home} belongs to {known.name}.")
    return found


def has_changed(home: str | Path) -> bool:
    """Has the file of the home's problem changed since the last run?"""
    known = remembered(home)
    if known is None or known.file is None:
        return False
    try:
        return _fingerprint(Path(home, known.file).read_bytes()) != known.fingerprint
    except OSError:
        return True


def _has_runs(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("registry.db", "tracking.db", "dag_runs.db"))


def _usual() -> Problem:
    found: Problem = getattr(import_module(_USUAL[0]), _USUAL[1])
    return found
