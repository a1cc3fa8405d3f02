"""The words that commands share, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlops_lab.base.errors import HomeError, InvalidData, MlopsLabError

if TYPE_CHECKING:
    from mlops_lab.models.registry import ModelVersion, Registry
    from mlops_lab.pipeline.problem import Problem


#: The model and the DAG of a home that remembers no problem of its own: those of the course.
MODEL, DAG_ID = "late_flights", "flights"
HOME = ".mlops_lab"

_VERSIONS = ("latest", "champion", "previous")  # alone, these mean a version and not a model

_Command = TypeVar("_Command", bound=Callable[..., Any])


def as_home(value: str) -> Path:
    """The folder that `--home` means; it need not be there yet."""
    if not value.strip():
        raise InvalidData("--home is empty; give a folder, or leave it out for ./.mlops_lab.")
    home = Path(value)
    try:
        home.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # whoever needs it there says so
    except (OSError, ValueError) as error:  # a name that is too long or holds a null byte cannot even be asked for
        raise HomeError(home, str(getattr(error, "strerror", None) or error)) from None
    return home


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def begins(text: str, names: Iterable[str]) -> list[str]:
    """The names that a word may still become, for the tab of a shell."""
    return [name for name in names if name.startswith(text)]


def answer_options(command: _Command) -> _Command:
    """`--home` and `--json`, which every command that answers from a home folder takes."""
    home = click.option(
        "--home",
        envvar="MLOPS_LAB_HOME",
        default=HOME,
        metavar="DIR",
        callback=lambda _context, _option, value: as_home(value),
        show_default="$MLOPS_LAB_HOME, else .mlops_lab here",
        help="The folder that keeps everything.",
    )
    return home(json_option(command))


def subject(command: _Command) -> _Command:
    """`[NAME] [VERSION]`: late_flights 3, or only one of the two."""
    return click.argument("subject", nargs=-1, metavar="[NAME] [VERSION]")(command)


def person(command: _Command) -> _Command:
    """`--by` and `--why`, which the history writes down."""
    by = click.option("--by", metavar="WHO", default=None, show_default="your login name", help="Who decides this.")
    why = click.option("--why", default="", metavar="TEXT", help="The reason that the history keeps.")
    return by(why(command))


def login_name() -> str:
    """Who is sitting here, as far as the machine knows; 'unknown' where it does not."""
    import getpass

    try:
        return getpass.getuser().strip() or "unknown"
    except (OSError, KeyError, ImportError):  # no such user in a container, no pwd module on Windows
        return "unknown"


def moment(text: str) -> str:
    """The text itself when it is a date or a moment with a time zone; InvalidData says how to write it."""
    from mlops_lab.base.clock import parse_utc

    parse_utc(text)
    return text


def open_home(home: Path) -> Path:
    """The home folder when there is one; looking at what is not there must not make it."""
    if not home.exists():
        raise InvalidData(f"there is no home folder {home} yet; make one with: mlops-lab run --home {home}")
    return home


def open_problem(home: Path) -> Problem:
    """The problem of a home folder. Where it is described in a file, that file's code runs: one line says so."""
    from mlops_lab.pipeline.problem import has_changed, problem_of, remembered

    known = remembered(home)
    if known is not None and known.file is not None:
        changed = ", which has changed since the last run" if has_changed(home) else ""
        click.echo(f"problem {known.name}: {shown_path(Path(home, known.file))}{changed}", err=True)
    return problem_of(home)


def shown_path(path: Path) -> str:
    """A path as short as it can be said from here."""
    import os

    try:
        near = os.path.relpath(path)
    except ValueError:  # another drive of Windows
        return str(path)
    return str(path.resolve()) if near.startswith("..") else near


def model_of(home: Path) -> str:
    """The name of the model of a home folder, without running anybody's code."""
    from mlops_lab.pipeline.problem import remembered

    known = remembered(home)
    return MODEL if known is None else known.name


def dag_of(home: Path) -> str:
    """The name of the DAG of a home folder, without running anybody's code."""
    from mlops_lab.pipeline.problem import remembered

    known = remembered(home)
    return DAG_ID if known is None else known.dag_id


def open_registry(home: Path) -> Registry:
    """The registry of a home folder that has one."""
    from mlops_lab.base.clock import SystemClock
    from mlops_lab.pipeline import engines

    if not engines.has_registry(open_home(home)) and home.is_dir():
        raise InvalidData(f"the home folder {home} has no registry yet; fill it with: mlops-lab run --home {home}")
    return engines.open_registry(home, clock=SystemClock())


def split_subject(words: tuple[str, ...], usual: str = MODEL) -> tuple[str, str | None]:
    """The name and the version of `[NAME] [VERSION]`: a word that reads as a number, or as latest, is the version.

    >>> split_subject(("3",)), split_subject(("late_flights", "champion")), split_subject(())
    (('late_flights', '3'), ('late_flights', 'champion'), ('late_flights', None))
    """
    if len(words) > 2:
        raise InvalidData(f"{' '.join(words)!r} is more than a name and a version.")
    if len(words) == 1:
        return (usual, words[0]) if _number(words[0]) or words[0] in _VERSIONS else (words[0], None)
    return (words[0], words[1]) if words else (usual, None)


def version_of(registry: Registry, words: tuple[str, ...], *, needed: bool = False) -> ModelVersion:
    """The version that `[NAME] [VERSION]` means: a number, an alias, or `latest`.

    Left out, it is the one in Production, else the latest: the same in every command that looks.

    Raises:
        UnknownName: there is no such model, version or alias.
        InvalidData: no version is given though one is `needed`, or the model has none.
    """
    name, text = split_subject(words, model_of(registry.home))
    if text is None and needed:
        raise InvalidData(f"say which version, for example: {name} 3")
    if text is not None and _number(text):
        return registry.get_model_version(name, int(text.lower().removeprefix("v")))
    if text is not None and text != "latest":
        return registry.get_by_alias(name, text)
    if text is None and (production := registry.get_production(name)) is not None:
        return production
    versions = registry.search(name=name)
    if not versions:
        raise InvalidData(f"the model {name} has no version yet.")
    return versions[-1]


def _number(text: str) -> bool:
    return bool(re.fullmatch(r"[vV]?[0-9]{1,18}", text))


def read_text(path: str) -> str:
    """The text of a file that somebody named, or one line that says why not."""
    try:
        return Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise InvalidData(f"{path!r} is not a text file in UTF-8.") from None
    except (OSError, ValueError) as error:
        raise MlopsLabError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}.") from None
