"""`doctor`: can this machine run the course, or the problem of a home? Told line by line, with what helps."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

import mlops_lab
from mlops_lab.base.clock import SystemClock
from mlops_lab.base.display import counted
from mlops_lab.base.errors import IntegrityError, MissingExtra, MlopsLabError
from mlops_lab.cli.answers import MARKS, answer, columns
from mlops_lab.cli.options import answer_options, shown_path
from mlops_lab.data.flights import describe, verify_data
from mlops_lab.pipeline.engines import has_registry, open_feature_store, open_registry
from mlops_lab.pipeline.problem import has_changed, remembered

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_ROOM = 500_000_000  # bytes; a run of the whole year writes about a tenth of that
_OLDEST = (3, 11)


@dataclass(frozen=True)
class Check:
    """One line of the doctor: `good` is None for what is optional and missing."""

    name: str
    good: bool | None
    told: str


def examine(home: Path) -> list[Check]:
    """All checks, in the order in which one would mend them; none of them raises and none changes anything."""
    checks = [_python()]
    try:
        wanted = _requirements()
        checks += _packages(wanted)
    except (ImportError, metadata.PackageNotFoundError, ValueError) as error:
        wanted = []
        checks.append(Check("packages", False, f"{error}; install the course with: pip install mlops-lab"))
    single: dict[str, Callable[[], Check]] = {
        "data": lambda: _data(home),
        "home": lambda: _home(home),
        "registry": lambda: _registry(home),
        "features": lambda: _features(home),
        "disk": lambda: _disk(home),
        "drawing": _drawing,
        "kernel": _kernel,
    }
    for name, check in single.items():
        try:
            checks.append(check())
        except (MlopsLabError, OSError, ImportError) as error:
            checks.append(Check(name, False, " ".join(str(error).split())))
    return [*checks, *_extras(wanted)]


def _python() -> Check:
    here = sys.version_info
    word = "" if here >= _OLDEST else "; 3.11 or newer is needed"
    return Check("python", here >= _OLDEST, f"{here.major}.{here.minor}.{here.micro} at {sys.executable}{word}")


def _requirements() -> list[Requirement]:
    """What the project asks for: of the clone's pyproject.toml where there is one, else as it was installed."""
    from packaging.markers import Marker
    from packaging.requirements import Requirement

    clone = Path(mlops_lab.__file__).parents[1] / "pyproject.toml"
    if not clone.is_file():
        return [Requirement(text) for text in metadata.requires("mlops-lab") or []]
    project = tomllib.loads(clone.read_text("utf-8"))["project"]
    found = [Requirement(text) for text in project["dependencies"]]
    for extra, texts in project.get("optional-dependencies", {}).items():
        for each in map(Requirement, texts):
            also = f" and ({each.marker})" if each.marker else ""
            each.marker = Marker(f'extra == "{extra}"{also}')
            found.append(each)
    return found


def _packages(wanted: Sequence[Requirement]) -> Iterator[Check]:
    for each in wanted:
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            here = _version(each.name)
            bounds = f" (needs {each.specifier})" if str(each.specifier) else ""
            if here is None:
                yield Check(each.name, False, f"not installed{bounds}; install it with: pip install '{each}'")
            else:
                good = each.specifier.contains(here, prereleases=True)
                yield Check(each.name, good, here if good else f"{here}{bounds}; pip install '{each}'")


def _extras(wanted: Sequence[Requirement]) -> Iterator[Check]:
    """The extras of the project (engines, the teacher's tools): welcome where they are, never required."""
    extras: dict[str, list[Requirement]] = {}
    for each in wanted:
        for extra in re.findall(r'extra == "([^"]+)"', str(each.marker or "")):
            extras.setdefault(extra, []).append(each)
    for extra, parts in sorted(extras.items()):
        asked = [each.name for each in parts if each.marker is not None and each.marker.evaluate({"extra": extra})]
        versions = {name: _version(name) for name in sorted(asked)}
        if missing := [name for name, here in versions.items() if here is None]:
            yield Check(extra, None, f"optional; for {', '.join(missing)}: {MissingExtra(extra).install}")
        else:
            told = ", ".join(f"{name} {here}" for name, here in list(versions.items())[:3])
            yield Check(extra, True, told + (" and more" if len(versions) > 3 else ""))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _data(home: Path) -> Check:
    known = remembered(home)
    if known is not None:
        file = None if known.file is None else Path(home, known.file)
        if file is None or not file.is_file():
            gone = "was made in a program" if file is None else f"its file {shown_path(file)} is gone"
            return Check("problem", False, f"{known.name}: {gone}; run it from a file: mlops-lab run problem.py")
        changed = ", which has changed since the last run" if has_changed(home) else ""
        return Check("problem", True, f"{known.name}: {shown_path(file)}{changed}")
    found = verify_data()
    return Check("data", True, f"{len(found)} tables as shipped (sha256), {describe('flights')['rows']:,} flights")


def _home(home: Path) -> Check:
    nearest = _nearest(home)
    if home.exists() and not home.is_dir():
        return Check("home", False, f"{home} is no folder; choose another with --home DIR")
    try:
        with tempfile.TemporaryFile(dir=nearest if not home.exists() else home):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        return Check("home", False, f"{home} cannot be written: {reason}; choose another with --home DIR")
    return Check("home", True, str(home) if home.exists() else f"{home} (not there yet, can be made)")


def _registry(home: Path) -> Check:
    if not has_registry(home):
        return Check("registry", True, "empty; the first run makes one")
    registry = open_registry(home, clock=SystemClock())
    try:
        return Check("registry", True, f"verified, {counted(registry.verify(), 'event')}")
    except IntegrityError as error:
        return Check("registry", False, str(error))
    finally:
        registry.close()


def _features(home: Path) -> Check:
    """How fresh the online store is: up to which moment of the data, and since when."""
    if not home.is_dir() or not any((home / name).exists() for name in ("features.db", "feast")):
        return Check("features", True, "none yet; the first run materialises them")
    clock = SystemClock()
    store = open_feature_store(home, clock=clock)
    untils = {view.name: store.materialized_until(view.name) for view in store.list_feature_views()}
    known = [until for until in untils.values() if until is not None]
    if not known:
        return Check("features", True, f"{counted(len(untils), 'view')}, none materialised")
    filled = [store.materialized_at(name) for name, until in untils.items() if until is not None]
    oldest = min((each for each in filled if each is not None), default=None)
    told = f"{len(known)} of {counted(len(untils), 'view')} materialised, the first until {min(known):%Y-%m-%d %H:%M}Z"
    if oldest is None:
        return Check("features", True, told)
    hours = (clock.now() - oldest).total_seconds() / 3600
    word = "" if hours < 72 else "; serve refuses keys after 72; fill it with: mlops-lab features rebuild"
    return Check("features", None if word else True, f"{told}, {max(hours, 0):.0f} h ago{word}")


def _disk(home: Path) -> Check:
    free = shutil.disk_usage(_nearest(home)).free
    word = "" if free >= _ROOM else f"; {_ROOM / 1e9:.1f} GB are needed"
    return Check("disk", free >= _ROOM, f"{free / 1e9:.1f} GB free{word}")


def _nearest(home: Path) -> Path:
    absolute = home.absolute()
    return next((each for each in (absolute, *absolute.parents) if each.is_dir()), Path(os.sep))


def _drawing() -> Check:
    from mlops_lab.teaching.drawing import renderers

    found = renderers()
    help_ = "; drawings are shown as text; for pictures: pip install graphviz-pure"
    return Check("drawing", bool(found), ", ".join(found) or f"no renderer{help_}")


def _kernel() -> Check:
    from jupyter_client.kernelspec import KernelSpecManager

    kernels = sorted(KernelSpecManager().find_kernel_specs())
    good = "python3" in kernels and _version("ipykernel") is not None
    help_ = "no Python kernel for notebooks; pip install ipykernel"
    return Check("kernel", good, ", ".join(kernels) if good else help_)


@click.command()
@answer_options
def doctor(home: Path, as_json: bool) -> int:
    r"""Can this environment run the course, or the problem of the home?

    Line by line: ✓ is well, ✗ is missing and needed, – is missing and optional (the line says how to get it). Nothing
    is changed.

    \b
    Examples:
      mlops-lab doctor
      mlops-lab doctor --json

    Exit codes: 0 all that is needed is here, 1 something needed is missing
    """
    found = examine(home)
    missing = [each for each in found if each.good is False]
    end = f"{len(missing)} of {len(found)} need attention." if missing else "ready."
    text = columns([[MARKS[each.good], each.name, each.told] for each in found]) + f"\n\n{end}"
    code = int(bool(missing))
    return answer(as_json, {"ready": not missing, "exit_code": code, "checks": found}, text, code=code)
