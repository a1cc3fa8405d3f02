"""How does text stay text, and a value a value, in a Python file that is written by a program?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.dag import Reference

__all__ = ["WIDTH", "call", "comment", "docstring", "duration", "literal", "moment", "sentence"]

WIDTH = 120


def literal(value: Any, name: Callable[[str], str] | None = None) -> str:
    r"""A JSON value as a Python literal, in double quotes where that is safe; a reference as `name` has it.

    >>> literal({"auc": [0.7, None, True]}), literal('a "quote"\n')
    ('{"auc": [0.7, None, True]}', '\'a "quote"\\n\'')
    """
    if isinstance(value, Reference):
        if name is None:
            raise TypeError(f"{value!r} stands where only a value can")
        return name(value.task_id)
    if isinstance(value, str):
        plain = value.isprintable() and '"' not in value and "\\" not in value
        return f'"{value}"' if plain else repr(value)  # repr escapes whatever does not show, or turns the text around
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(each, name) for each in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(each, name)}" for key, each in value.items()) + "}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    raise TypeError(f"a {type(value).__name__} has no literal here")


def sentence(text: str) -> str:
    r"""The text on one line, and with a full stop.

    >>> sentence("the flights\n of one day")
    'The flights of one day.'
    """
    line = " ".join(text.split())
    line = line[:1].upper() + line[1:]
    return line if not line or line[-1] in ".?!" else line + "."


def docstring(text: str, indent: str = "") -> str:
    r"""A docstring, which may break over lines; text that could end it early becomes an escaped literal.

    >>> len(docstring("Fit the model.")) - len("Fit the model."), docstring('"; boom()')
    (6, '\'"; boom()\'')
    """
    plain = all(line.isprintable() for line in text.split("\n")) and '"' not in text and "\\" not in text
    if not plain:
        return repr(text)
    ending = "\n" if "\n" in text else ""
    return (
        '"""' + text.replace("\n", f"\n{indent}").replace(f"\n{indent}\n", "\n\n") + f'{ending}{ending and indent}"""'
    )


def comment(text: str) -> str:
    r"""A comment of one line, whatever line breaks the text holds.

    >>> comment("first\nimport os")
    '# first import os'
    """
    return "# " + "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))


def duration(length: timedelta) -> str:
    """A timedelta as code.

    >>> duration(timedelta(minutes=5)), duration(timedelta(seconds=0.5))
    ('timedelta(minutes=5)', 'timedelta(seconds=0.5)')
    """
    seconds = length.total_seconds()
    for word, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds and seconds % size == 0:
            return f"timedelta({word}={int(seconds // size)})"
    return f"timedelta(seconds={int(seconds) if seconds.is_integer() else seconds})"


def moment(at: datetime) -> str:
    """A moment in UTC as code.

    >>> from mlops_lab.clock import parse_utc
    >>> moment(parse_utc("2013-09-01"))
    'datetime(2013, 9, 1, tzinfo=UTC)'
    """
    parts = [at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond]
    while len(parts) > 3 and not parts[-1]:
        parts.pop()
    return f"datetime({', '.join(map(str, parts))}, tzinfo=UTC)"


def call(start: str, arguments: Mapping[str, str] | list[str], end: str = ")", *, indent: str = "") -> str:
    """A call on one line where it fits, else broken as ruff and black break it.

    >>> call("load(", {"day": "1"})
    'load(day=1)'
    """
    written = [f"{name}={value}" for name, value in arguments.items()] if isinstance(arguments, Mapping) else arguments
    joined = ", ".join(written)
    if len(f"{indent}{start}{joined}{end}") <= WIDTH:
        return f"{indent}{start}{joined}{end}"
    if len(f"{indent}    {joined}") <= WIDTH:
        return f"{indent}{start}\n{indent}    {joined}\n{indent}{end}"
    inner = "".join(f"{indent}    {each},\n" for each in written)
    return f"{indent}{start}\n{inner}{indent}{end}"
