"""Patterns of names and of files, matched in time that grows with pattern times name, never faster.

`glob_matches` follows https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet,
`file_matches` the patterns of `hashFiles` and of `upload-artifact`, https://github.com/actions/toolkit/tree/main/packages/glob.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class _Atom:
    """One place of a pattern: which characters fit, and how often; `folders` stands for whole folders or nothing."""

    fits: re.Pattern[str]
    least: int = 1
    most: float = 1
    folders: bool = False


_ANY, _IN_FOLDER = re.compile(".", re.DOTALL), re.compile("[^/]", re.DOTALL)
_RANGE = re.compile(r"(.)-(.)|.", re.DOTALL)  # of a set
_ALL, _SOME = _Atom(_ANY, 0, float("inf")), _Atom(_IN_FOLDER, 0, float("inf"))


def glob_matches(patterns: Sequence[str], name: str) -> bool:
    """Does a name match GitHub's filter patterns? The last one that matches decides; a leading `!` takes away.

    >>> glob_matches(["releases/**", "!releases/**-alpha"], "releases/10-alpha")
    False
    >>> glob_matches(["v[12].[0-9]+.?"], "v1.10."), glob_matches(["*"], "a/b"), glob_matches(["**"], "a/b")
    (True, False, True)
    """
    matched = False
    for pattern in patterns:
        if _matches(_filter(pattern.removeprefix("!")), name):
            matched = not pattern.startswith("!")
    return matched


def file_matches(pattern: str, path: str) -> bool:
    """Does the pattern match the path, or a folder that holds it?

    >>> file_matches("req**", "requirements.txt"), file_matches("src", "src/a.py"), file_matches("**/*.py", "a.py")
    (True, True, True)
    """
    parts, atoms = path.split("/"), _file(pattern)
    return any(_matches(atoms, "/".join(parts[:length])) for length in range(len(parts), 0, -1))


def ref_matches(pattern: str, name: str) -> bool:
    """Does a rule of an environment or of a ruleset match a branch or tag? As Ruby's `File.fnmatch` with its folders.

    >>> ref_matches("release/*", "release/1"), ref_matches("release/*", "release/1/x"), ref_matches("v?", "v")
    (True, False, False)
    """
    parts = pattern.split("/")
    last = "*" if parts[-1] == "**" else parts[-1]
    return _matches(_file("/".join([*parts[:-1], last])), name)


@lru_cache(maxsize=512)
def _filter(pattern: str) -> tuple[_Atom, ...]:
    """`*` all but a slash, `**` all, `?` and `+` repeat what stands before them, `[…]` one of, a backslash escapes."""
    atoms: list[_Atom] = []
    for glyph in re.findall(r"\*\*/|\*\*|\*|\\.|\[[^\]]+\]|.", pattern, re.DOTALL):
        if glyph == "**/" and (not atoms or atoms[-1].folders or atoms[-1].fits.pattern == "/"):
            atoms.append(_Atom(_ANY, folders=True))
        elif glyph.startswith("*"):
            atoms.append(_SOME if glyph == "*" else _ALL)
            atoms += [_one("/")] if glyph == "**/" else []
        elif glyph in "?+" and atoms and (atoms[-1].least, atoms[-1].most) == (1, 1) and not atoms[-1].folders:
            atoms[-1] = _Atom(atoms[-1].fits, int(glyph == "+"), float("inf") if glyph == "+" else 1)
        else:
            atoms.append(_one(glyph, negation=""))
    return tuple(atoms)


@lru_cache(maxsize=512)
def _file(pattern: str) -> tuple[_Atom, ...]:
    """`*` and `?` stay in a folder, `**` is folders, and everything below where it comes last."""
    atoms: list[_Atom] = []
    parts = pattern.split("/")
    for number, part in enumerate(parts, start=1):
        if part == "**" and number < len(parts):
            atoms.append(_Atom(_ANY, folders=True))
            continue
        for glyph in ["**"] if part == "**" else re.findall(r"\[[^\]/]+\]|\*+|.", part, re.DOTALL):
            atoms.append(_ALL if part == "**" else _SOME if glyph[0] == "*" else _one(glyph, negation="!^"))
        if number < len(parts):
            atoms.append(_one("/"))
    return tuple(atoms)


def _one(glyph: str, negation: str = "") -> _Atom:
    """A character, a set of them, or in a file's pattern a question mark."""
    if glyph == "?" and negation:
        return _Atom(_IN_FOLDER)
    if len(glyph) > 1 and glyph[0] == "[":
        denied = bool(negation) and glyph[1] in negation
        inner = "^" * denied + _RANGE.sub(
            lambda found: "-".join(map(re.escape, found.groups())) if found[1] else re.escape(found[0]),
            glyph[1 + denied : -1],
        )
        try:
            return _Atom(re.compile(f"[{inner}]"))
        except re.error:
            return _Atom(re.compile(re.escape(glyph[1])))
    return _Atom(re.compile(re.escape(glyph.removeprefix("\\") or glyph), re.DOTALL))


def _matches(atoms: Sequence[_Atom], text: str) -> bool:
    """All ways through the pattern at once: which ends of `text` the atoms so far can reach."""
    ends = {0}
    for atom in atoms:
        if atom.folders:
            first = min(ends)
            ends |= {index + 1 for index in range(first, len(text)) if text[index] == "/"}
            continue
        reached = set(ends) if atom.least == 0 else set()
        for start in sorted(ends):
            at = start
            while at < len(text) and at - start < atom.most and atom.fits.match(text, at):
                at += 1
                if at in reached and atom.most > 1:
                    break  # from there on, an earlier start has gone already
                reached.add(at)
        ends = reached
        if not ends:
            return False
    return len(text) in ends
