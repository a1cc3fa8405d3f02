"""The names that a definition may have."""

from __future__ import annotations

import re

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["check_name"]

_NAME = re.compile(r"\w[\w.\-]{0,127}")


def check_name(kind: str, name: object) -> None:
    """Refuse a name that is not letters, digits, `_`, `.` and `-`: names end up in files, tables and web addresses."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidDefinition(
            f"{name!r} cannot name {kind}: a name starts with a letter, a digit or _, goes on with those, '.' and '-', "
            "and has at most 128 characters."
        )
