"""What is `hashFiles(pattern, …)` of a folder?

SHA-256 over the SHA-256 digests of the matching files, in the order of a sorted walk; the empty string when nothing
matches. Patterns know `*`, `?`, `[…]`, `**` and, with a leading `!`, what to leave out; a pattern that names a
folder means everything below it. As https://docs.github.com/actions/reference/workflows-and-actions/expressions#hashfiles;
simplified: `~` and environment variables are not expanded, symbolic links are not followed, `.git` and Python's
virtual environments are left out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlops_lab.ci.expressions.functions import Function, failed
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.globs import file_matches

__all__ = ["hash_files", "hash_function"]


def hash_function(workspace: Path | None) -> Function:
    """`hashFiles` for a workspace; without one it cannot be computed, and says so."""

    def call(arguments: Sequence[Value]) -> Value:
        if workspace is None:
            raise failed("hashFiles needs a workspace, and none was given")
        return hash_files(workspace, [to_text(argument) for argument in arguments])

    return Function(call, 1, 255)


def hash_files(workspace: Path, patterns: Sequence[str]) -> str:
    """The combined digest of the files of `workspace` that match `patterns` (several lines make several patterns).

    >>> hash_files(Path("/nonexistent"), ["**/*.lock"])
    ''
    """
    lines = [line.strip() for pattern in patterns for line in pattern.splitlines()]
    rules = [_rule(line) for line in lines if line and not line.startswith("#")]
    total = hashlib.sha256()
    any_found = False
    for path in _walk(workspace):
        chosen = False
        relative = path.relative_to(workspace).as_posix()
        for keeps, pattern in rules:
            if file_matches(pattern, relative):
                chosen = keeps
        if chosen:
            any_found = True
            try:
                with path.open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise failed(f"hashFiles('{lines[0]}') cannot read {relative}: {error.strerror}") from None
    return total.hexdigest() if any_found else ""


def _walk(folder: Path) -> Iterator[Path]:
    """Files and folders in one order, by name; symbolic links, which could lead out of the workspace, are left out."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if folder.name == ".git" or any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _rule(line: str) -> tuple[bool, str]:
    keeps = not line.startswith("!")
    return keeps, line.lstrip("!").removeprefix("./").strip("/")
