"""The names, numbers, stages and people that the registry takes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.base.storage import check_name
from mlops_lab.models.registry.records import STAGES
from mlops_lab.models.tracking.values import check_text

__all__ = [
    "FOLLOWING",
    "check_alias",
    "check_person",
    "check_somebody",
    "check_stage",
    "check_version",
    "is_somebody",
    "same_person",
]

#: What shows as nothing or as a blank, beyond the categories of _UNSEEN_KINDS: the empty braille pattern, and Unicode's
#: Default_Ignorable_Code_Point (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
_UNSEEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0}.union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xFFF0, 0xFFF9), range(0xE0000, 0xE1000)
)
_UNSEEN_KINDS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")  # whose letters look like each other's

#: Aliases that follow Production, so that nobody can point them past the gate.
FOLLOWING = ("champion", "previous")


def check_alias(alias: Any) -> str:
    """The alias itself; `latest` and `v3` are kept free, as in MLflow, because they would read as versions.

    >>> check_alias("challenger")
    'challenger'

    Raises:
        InvalidData: the alias is none of these.
    """
    check_name(alias, "an alias")
    assert isinstance(alias, str)  # noqa: S101  it was checked; this tells the type checker
    if alias != alias.lower() and alias.lower() in FOLLOWING:
        raise InvalidData(f"{alias!r} cannot be an alias: it would be taken for {alias.lower()!r}.")
    if alias.lower() == "latest" or re.fullmatch(r"[vV]?[0-9]+", alias):
        raise InvalidData(f"{alias!r} cannot be an alias: it reads as a version; choose a word such as challenger.")
    return str(alias)


def check_version(version: Any) -> int:
    """The version number itself.

    >>> check_version(3)
    3

    Raises:
        InvalidData: no whole number from 1 up.
    """
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**63:
        raise InvalidData(f"{version!r} is not a version; versions are whole numbers from 1 up.")
    return version


def check_stage(stage: Any) -> str:
    """The stage itself.

    >>> check_stage("Staging")
    'Staging'

    Raises:
        UnknownName: there is no such stage.
    """
    if stage not in STAGES:
        raise UnknownName("stage", stage, STAGES)
    return str(stage)


def check_person(name: Any, what: str) -> str:
    """Who did it, without the blanks around.

    >>> check_person(" ada ", "the actor")
    'ada'

    Raises:
        InvalidData: no text, or nothing that can be seen; or signs that cannot be seen, or letters of two alphabets,
            which would make another person of the same one.
    """
    text = check_text(name, what, needed=True).strip()
    odd = [sign for sign in text if ord(sign) in _UNSEEN or unicodedata.category(sign) in _UNSEEN_KINDS]
    if odd:
        raise InvalidData(f"{what} holds a sign that nobody can see: {unicodedata.name(odd[0], ascii(odd[0]))}.")
    if not folded(text):
        raise InvalidData(f"{what} is needed, and {text!r} names nobody.")
    letters = {unicodedata.name(sign, "").partition(" ")[0] for sign in unicodedata.normalize("NFKC", text)}
    if len(mixed := [alphabet for alphabet in _ALPHABETS if alphabet in letters]) > 1:
        raise InvalidData(f"{what} mixes letters that look alike, {' and '.join(mixed).lower()}: {text!a}.")
    return text


def check_somebody(name: Any, what: str) -> str:
    """Somebody who can be asked and held to it: `unknown` is what the history writes where nobody is known.

    >>> check_somebody("unknown", "the person who approves")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: the person who approves is needed, and 'unknown' is nobody.

    Raises:
        InvalidData: it is nobody.
    """
    text = check_person(name, what)
    if not is_somebody(text):
        raise InvalidData(f"{what} is needed, and {text!r} is nobody.")
    return text


def is_somebody(name: str) -> bool:
    """Does this name anybody, an author for example?"""
    return folded(name) not in {"", "unknown"}


def same_person(name: str, others: Iterable[str | None]) -> bool:
    """Is this name one of the others, however it is written?

    Case, blanks, look-alike widths and invisible letters do not make another person. (Nobody proves who they are to
    a library: a real approval comes from where people log in, such as a GitHub environment.)

    >>> same_person(" ADA", ["ada", None]), same_person("grace", ["ada"])
    (True, False)
    """
    return folded(name) in {folded(other) for other in others if other}


def folded(name: str) -> str:
    """The name as two spellings of it are compared."""
    # Folding can bring out letters to fold and widths to narrow, hence twice.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).casefold()
    return "".join(
        sign
        for sign in text
        if not sign.isspace() and unicodedata.category(sign) not in _UNSEEN_KINDS and ord(sign) not in _UNSEEN
    )
