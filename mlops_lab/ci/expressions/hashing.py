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
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from mlops_lab.ci.expressions.functions import Function, failed
from mlops_lab.ci.expressions.values import Value, to_text

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
            if _matches(pattern, relative):
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


def _matches(pattern: str, path: str) -> bool:
    """Does the pattern match the path, or a folder that holds it?"""
    parts = path.split("/")
    expression = _regex(pattern)
    return any(expression.fullmatch("/".join(parts[:length])) for length in range(1, len(parts) + 1))


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    pieces: list[str] = []
    for part in pattern.split("/"):
        if part == "**":
            pieces.append("(?:[^/]+/)*")
            continue
        text = re.sub(r"\*+", "*", part)
        pieces.append("".join(_piece(glyph) for glyph in re.findall(r"\[[^\]/]+\]|.", text, re.DOTALL)) + "/")
    whole = "".join(pieces)
    if pattern.endswith("**"):
        whole += "[^/]+/"
    return re.compile(whole.removesuffix("/"))


def _piece(glyph: str) -> str:
    if glyph == "*":
        return "[^/]*"
    if glyph == "?":
        return "[^/]"
    if len(glyph) > 1:
        inner = glyph[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return "[" + ("^" + inner[1:] if inner[0] in "!^" else inner) + "]"
    return re.escape(glyph)
