"""Which files of a repository does an executed run get a copy of?

Those that git would show a person: tracked ones as they are now, and new ones that nothing ignores. Where there is no
git, all but what tools leave behind. Never `.git`: what a step does to a copy of it could reach the original.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["copy_repository"]

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
    ".ipynb_checkpoints", ".tox", ".nox",
)  # fmt: skip
_MADE_BY_TOOLS = ("pyvenv.cfg", "CACHEDIR.TAG")  # a folder with one of these can be made again
_SECONDS = 60
_GIT = ("git", "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-standard")


def copy_repository(source: Path, target: Path, *, without: Path | None = None) -> None:
    """Copy a repository's files.

    Args:
        source: the repository, or a folder in one.
        target: where the copy goes.
        without: a folder that is left out, for the copy may lie inside the repository.

    Raises:
        OSError: a file cannot be read or written.
    """
    target.mkdir(parents=True, exist_ok=True)
    names = _known_to_git(source)
    if names is None:
        _copy_folder(source, target, without)
        return
    for name in names:
        old, new = source / name, target / name
        if without is not None and old.is_relative_to(without):
            continue
        if old.is_dir() and not old.is_symlink():  # another repository inside this one
            _copy_folder(old, new, without)
        elif os.path.lexists(old):  # git still knows a file that was deleted
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(old, new, follow_symlinks=False)


def _known_to_git(source: Path) -> list[str] | None:
    """The paths that git tracks or would offer to; None where there is no git, or it knows nothing here."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(_GIT, cwd=source, capture_output=True, env=env, timeout=_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})
    return names if done.returncode == 0 and names else None


def _copy_folder(source: Path, target: Path, without: Path | None) -> None:
    def left_out(folder: str, names: list[str]) -> set[str]:
        own = {name for name in names if without is not None and Path(folder, name) == without}
        made = {name for name in names if any(Path(folder, name, mark).is_file() for mark in _MADE_BY_TOOLS)}
        return own | made | set(_LEFT_OUT(folder, names))

    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=left_out)
