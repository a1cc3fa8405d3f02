"""A scene broken and brought back, such that nothing can get in between for good.

Every scene lives in `classroom/NAME` of the home folder: `sound` is how it was set up, `home` is the copy that is
damaged, the file `broken` says that damage was begun. To reset is to throw `home` away and copy `sound` again; where
`sound` itself is not well, the scene is set up anew. So whatever a crash left behind, the next call gets back.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops_lab.base.errors import HomeError, MlopsLabError, NotAllowed
from mlops_lab.teaching.classroom.fault import Fault, Sight, words_and_picture

_FOLDER, _PART = "classroom", ".part-"


@dataclass(frozen=True, repr=False)
class Broken:
    """A fault that was shown: what there was to see before the damage, and after."""

    fault: Fault
    before: Sight
    after: Sight

    def __repr__(self) -> str:
        told = [
            f"before  {_indented(self.before).splitlines()[0]}",
            f"damage    {self.fault.damage}",
            f"after   {_indented(self.after)}",
            f"lesson    {self.fault.lesson} (notebook {self.fault.notebook})",
        ]
        return "\n".join(told)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return words_and_picture(repr(self), self.after.svg)


def _indented(sight: Sight) -> str:
    return repr(sight).replace("\n", "\n        ")


def break_it(fault: Fault, home: str | Path, *, pause: Callable[[Sight], object] | None = None) -> Broken:
    """Set the scene up, look, do the damage, look again; the scene stays broken for a closer look.

    Args:
        fault: what is to go wrong; see `FAULTS`.
        home: a home folder; only its folder `classroom` is touched.
        pause: called with what there was to see before, when the damage has not been done yet: time for a prediction.

    Raises:
        MlopsLabError: the scene was not well before, or the damage did no harm.
        NotAllowed: another process is at work on the scenes of this home folder.
        HomeError: the folder cannot be written.

    >>> from mlops_lab.teaching.classroom import find_fault
    >>> with tempfile.TemporaryDirectory() as home:
    ...     shown = break_it(find_fault("cycle"), home)
    ...     standing(find_fault("cycle"), home), reset(find_fault("cycle"), home).good
    ('broken', True)
    >>> "train → gate → train" in shown.after.line
    True
    """
    with _scene(fault, home) as scene:
        before = _restored(fault, scene)
        if pause is not None:
            pause(before)
        (scene / "broken").write_text("damage was begun\n", encoding="utf-8")
        fault.harm(scene / "home")
        after = fault.look(scene / "home")
    if after.good:
        raise MlopsLabError(f"{fault.name}: the damage was done and nothing went wrong: {after.line}.")
    return Broken(fault, before, after)


def reset(fault: Fault, home: str | Path) -> Sight:
    """Bring a scene back to where all is well, whatever became of it, and look.

    Raises:
        MlopsLabError: not even a scene set up anew is well.
        NotAllowed: another process is at work on the scenes of this home folder.
        HomeError: the folder cannot be written.

    >>> from mlops_lab.teaching.classroom import find_fault
    >>> with tempfile.TemporaryDirectory() as home:
    ...     print(reset(find_fault("cycle"), home).line)
    5 tasks, each after what it needs
    """
    with _scene(fault, home) as scene:
        return _restored(fault, scene)


def standing(fault: Fault, home: str | Path) -> str:
    """How a scene stands in a home folder: `broken`, `sound`, or `` where it was never set up.

    Raises:
        HomeError: the folder cannot be read.
    """
    scene = Path(home) / _FOLDER / fault.name
    try:
        if (scene / "broken").exists():
            return "broken"
        return "sound" if (scene / "home").is_dir() else ""
    except OSError as error:
        raise HomeError(home, error.strerror or str(error)) from None


def scene_home(fault: Fault, home: str | Path) -> Path:
    """The folder in which a scene is played: a home folder of its own, for a closer look."""
    return Path(home) / _FOLDER / fault.name / "home"


@contextmanager
def _scene(fault: Fault, home: str | Path) -> Iterator[Path]:
    """The folder of a scene, nobody else's while it is worked on; what an earlier crash left half done is swept."""
    from mlops_lab.pipeline.dag.run_store import Lock

    room = Path(home) / _FOLDER
    scene = room / fault.name
    for folder in (room, scene):
        if folder.is_symlink():  # what lies behind it is not ours to throw away
            raise NotAllowed(f"{folder} is a link to another folder; scenes are kept in the home folder itself.")
    try:
        scene.mkdir(parents=True, exist_ok=True)
        lock = Lock(room / "lock.db")
    except BlockingIOError:
        raise NotAllowed(f"another process is at work on the scenes in {room}; wait for it.") from None
    except (OSError, sqlite3.Error) as error:
        raise HomeError(room, str(getattr(error, "strerror", None) or error)) from None
    try:
        for left in scene.glob(f"{_PART}*"):
            _remove(left)
        yield scene
    except OSError as error:
        if isinstance(error, MlopsLabError):
            raise
        raise HomeError(scene, error.strerror or str(error)) from None
    finally:
        lock.release()


def _restored(fault: Fault, scene: Path) -> Sight:
    """The scene as it was set up; set up anew when that copy is missing, damaged, or from an older course."""
    sound = scene / "sound"
    found = ""
    for anew in (False, True):
        if anew:
            _remove(sound)
        if sound.is_symlink() or not sound.is_dir():
            _remove(sound)
            part = Path(tempfile.mkdtemp(prefix=_PART, dir=scene))
            fault.prepare(part)
            part.rename(sound)
        _remove(scene / "home")
        part = Path(tempfile.mkdtemp(prefix=_PART, dir=scene))
        shutil.copytree(sound, part, dirs_exist_ok=True)
        part.rename(scene / "home")
        try:
            sight = fault.look(scene / "home")
        except Exception as error:  # whatever is wrong with the copy, a scene set up anew does not have it
            found = f"{type(error).__name__}: {error}"
            continue
        if sight.good:
            (scene / "broken").unlink(missing_ok=True)
            return sight
        found = sight.line
    raise MlopsLabError(f"{fault.name}: the scene is not well although it was set up anew: {found}")


def _remove(path: Path) -> None:
    """Away with a folder, or with whatever somebody put in its place; links are not followed."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
