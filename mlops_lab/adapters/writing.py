"""How does text stay text, and a value a value, in a Python file that is written by a program?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from textwrap import wrap
from typing import Any
from unicodedata import east_asian_width

from mlops_lab.pipeline.dag import Reference

WIDTH = 120
_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[][(){},]""")


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
        return _quoted(value, '"' if value.count('"') <= value.count("'") else "'")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(each, name) for each in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(each, name)}" for key, each in value.items()) + "}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value).replace("e+", "e")
    raise TypeError(f"a {type(value).__name__} has no literal here")


def _quoted(text: str, mark: str) -> str:
    """The text between such marks, on one line; whatever does not show is escaped as `repr` has it."""
    plain = repr(f'"{text}')[2:-1]  # with a double quote in it, repr always takes single ones
    single = plain if mark == "'" else re.sub(r"\\(.)", lambda found: found[1] if found[1] == "'" else found[0], plain)
    return f"{mark}{single}{mark}" if mark == "'" else mark + re.sub('"', r"\"", single) + mark


def sentence(text: str) -> str:
    r"""The text on one line, and with a full stop.

    >>> sentence("the flights\n of one day")
    'The flights of one day.'
    """
    line = " ".join(text.split())
    line = line[:1].upper() + line[1:]
    return line if not line or line[-1] in ".?!" else line + "."


def docstring(text: str, indent: str = "") -> str:
    r"""A docstring, broken into lines where it is long; what does not show or could end it early is escaped.

    >>> from ast import literal_eval
    >>> docstring("Fit the model.").strip('"'), literal_eval(docstring('a "quote"'))
    ('Fit the model.', 'a "quote"')
    """
    width = WIDTH - len(indent) - len('"""')
    text = text.encode("utf-8", "backslashreplace").decode()  # from Python 3.13 on, no docstring holds half a letter
    lines = [piece for line in text.split("\n") for piece in wrap(line, width, break_long_words=False) or [""]]
    plain = [_quoted(line, "'")[1:-1].replace("\\'", "'") for line in lines]
    plain = [re.sub('"(?="|$)', r"\"", line) for line in plain]
    ending = f"\n{indent}" if plain[1:] else ""
    return '"""' + f"\n{indent}".join(plain).replace(f"\n{indent}\n", "\n\n") + ending + '"""'


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

    >>> from mlops_lab.base.clock import parse_utc
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
    return broken(f"{start}{', '.join(written)}{end}", indent)


def broken(code: str, indent: str = "") -> str:
    """One statement or argument, on as many lines as it needs: what its last brackets hold is broken first.

    >>> print(broken("load(" + ", ".join(["a" * 50, "b" * 50]) + ", [1, 2, 3, 4])"))  # doctest: +ELLIPSIS
    load(
        aaaaa..., [1, 2, 3, 4]
    )
    """
    last = None if _columns(indent + code) <= WIDTH else _last_brackets(code)
    if last is None:
        return indent + code
    opened, commas, closed = last
    bounds = [opened, *commas, closed]
    parts = [code[before + 1 : after].strip() for before, after in pairwise(bounds)]
    inner, whole = f"{indent}    ", ", ".join(parts)
    if code[opened] == "(" and _columns(inner + whole) <= WIDTH:
        lines = inner + whole + "," * (code.startswith("def ") and not commas)
    else:
        done = [f"{inner}{part}," if "\n" in part else broken(f"{part},", inner) for part in parts if part]
        lines = "\n".join(done)
    return f"{indent}{code[: opened + 1]}\n{lines}\n{indent}{code[closed:]}"


def _last_brackets(code: str) -> tuple[int, list[int], int] | None:
    """Where the last outermost brackets that hold anything open and close, and the commas directly inside."""
    found, opened, depth = None, 0, 0
    commas: list[int] = []
    for token in _TOKEN.finditer(code):
        word, at = token[0], token.start()
        if word in "([{":
            opened, commas = (opened, commas) if depth else (at, [])
            depth += 1
        elif word in ")]}":
            depth -= 1
            if not depth and at > opened + 1:
                found = (opened, commas, at)
        elif word == "," and depth == 1:
            commas.append(at)
    return found


def _columns(code: str) -> int:
    return len(code) if code.isascii() else sum(1 + (east_asian_width(each) in "WF") for each in code)
