"""Which names, numbers and people does the registry take?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.models.registry.records import STAGES
from mlops_lab.models.tracking.values import check_text

__all__ = ["check_alias", "check_name", "check_person", "check_stage", "check_version", "same_person"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: Any, *, what: str = "model") -> str:
    """The name itself, if it can name a model here and in a path or URL elsewhere.

    >>> check_name("late-flights")
    'late-flights'

    Raises:
        InvalidData: the name is none of these.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or ".." in name:
        shown = repr(name) if len(repr(name)) <= 60 else repr(name)[:60] + "…"
        raise InvalidData(
            f"{shown} cannot name a {what}: use 1 to 100 letters, digits, dots, dashes or underscores, a letter or"
            " digit first, no two dots in a row."
        )
    return name


def check_alias(alias: Any) -> str:
    """The alias itself; `latest` and `v3` are kept free, as in MLflow, because they would read as versions.

    >>> check_alias("challenger")
    'challenger'

    Raises:
        InvalidData: the alias is none of these.
    """
    check_name(alias, what="alias")
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
        InvalidData: blank, or no text.
    """
    return check_text(name, what, needed=True).strip()


def same_person(name: str, others: Iterable[str | None]) -> bool:
    """Is this name one of the others, however it is written?

    Case, blanks, look-alike widths and invisible letters do not make another person. (Nobody proves who they are to
    a library: a real approval comes from where people log in, such as a GitHub environment.)

    >>> same_person(" ADA", ["ada", None]), same_person("grace", ["ada"])
    (True, False)
    """
    return _plain(name) in {_plain(other) for other in others if other}


def _plain(name: str) -> str:
    # Folding can bring out letters to fold and widths to narrow, hence twice.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).casefold()
    return "".join(sign for sign in text if not sign.isspace() and unicodedata.category(sign) != "Cf")
