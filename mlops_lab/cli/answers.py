"""How an answer reaches standard output: as text for people, or as one JSON object."""

from __future__ import annotations

import codecs
import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

import click

#: What stands at the start of a line that is good, bad or neither.
MARKS = {True: "✓", False: "✗", None: "–"}

_WIDEST = 100  # columns; wider lines are hard to read
_PLAIN = {"✓": "ok", "✗": "no", "–": "-", "→": "->", "…": "...", "↻": "again", "▸": ">", "⊘": "blocked", "○": "o"}
_COLOURS = {"✓": "green", "✗": "red", "⊘": "magenta", "↻": "yellow"}


class Stopped(click.ClickException):
    """A command that ends with one line on standard error and its own exit code.

    `told` is what it has to say all the same, where JSON was asked for.
    """

    def __init__(
        self, message: str, *, code: int, kind: str = "Stopped", told: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind
        self.told = told


def tolerate(stream: IO[str]) -> None:
    """Let a stream whose encoding has no ✓ (a Windows console, LC_ALL=C) print words in its place, not fail."""
    codecs.register_error("mlops-lab", _in_plain_letters)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None and getattr(stream, "errors", "") in ("strict", "surrogateescape"):
        reconfigure(errors="mlops-lab")


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanted = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, each.encode("ascii", "backslashreplace").decode()) for each in wanted), error.end


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object, in ASCII so that every pipe can carry it."""
    click.echo(json.dumps(as_json(value), indent=2, allow_nan=False))


def answer(as_json: bool, told: Mapping[str, Any], text: str, *, code: int = 0, file: bool = False) -> int:
    """Print the one object where JSON was asked for, else the text; the exit code, to be handed on.

    No line is wider than the page, except in a text that is the content of a `file`.
    """
    if as_json:
        print_json(told)
    elif text:
        click.echo(marked(text if file else "\n".join(map(wrapped, text.splitlines()))))
    return code


def as_json(value: Any) -> Any:
    """The value in JSON's own words: records as objects, moments as text, figures that are not finite as null.

    >>> as_json({"auc": float("nan"), "views": ("weather",)})
    {'auc': None, 'views': ['weather']}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Iterable):
        return [as_json(each) for each in value]
    return str(value)


def page_width() -> int:
    """How many columns a line may have: the terminal's or COLUMNS, at most a hundred; no bound in a pipe, as with git.

    So `mlops-lab registry history | grep promote` finds whole lines.
    """
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    return sys.maxsize


def cut(line: str) -> str:
    """A line that fits the page; what is cut away is told elsewhere."""
    width = page_width()
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def wrapped(line: str) -> str:
    """A line that fits the page: a longer one goes on below itself, a little further in."""
    if len(line) <= page_width():
        return line
    left = len(line) - len(line.lstrip())
    below = " " * (left + 2 if left else 10)
    return textwrap.fill(line, page_width(), subsequent_indent=below, break_long_words=False, break_on_hyphens=False)


def figure(value: object) -> str:
    """A figure as people read it; nothing where there is none.

    >>> figure(0.70412), figure(336776), figure(None), figure(float("nan"))
    ('0.704', '336,776', '–', 'nan')
    """
    if value is None:
        return "–"
    if isinstance(value, int | float) and math.isfinite(value):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
    return str(value)


def columns(rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), indent: str = "") -> str:
    """Rows below each other in columns, never wider than the page: a cell that is too long goes on below itself.

    The last column gives way first, then whichever is the widest.

    >>> print(columns([["name", "AUC"], ["late_flights", "0.704"]], right=[1]))
    name            AUC
    late_flights  0.704
    """
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console
    from rich.text import Text

    widths, numbers = [max(map(cell_len, column)) for column in zip(*rows, strict=True)], set(right)
    room = page_width() - len(indent) - 2 * (len(widths) - 1)
    widths[-1] = min(widths[-1], max(room - sum(widths[:-1]), 30))
    while sum(widths) > room and max(widths) > 2:
        widths[widths.index(max(widths))] -= 1
    console, lines = Console(), []
    for row in rows:
        cells = [
            Text(text).wrap(console, width, justify="right" if at in numbers else "left", overflow="fold")
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        for parts in zip_longest(*cells, fillvalue=Text()):
            padded = [set_cell_size(part.plain, width) for part, width in zip(parts, widths, strict=True)]
            lines.append((indent + "  ".join(padded)).rstrip())
    return "\n".join(lines)


def marked(text: str) -> str:
    """The text with its marks in colour; `click.echo` takes colours away where nobody can see them.

    Whoever sets NO_COLOR wants none anywhere (https://no-color.org).
    """
    if os.environ.get("NO_COLOR"):
        return text
    for mark, colour in _COLOURS.items():
        text = text.replace(mark, click.style(mark, fg=colour))
    return text
