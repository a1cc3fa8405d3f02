"""How a result shows itself at the end of a notebook's cell: an HTML table, and the same words as text.

The one stylesheet takes its letters and lines from JupyterLab's theme variables, so that it reads in light and in dark;
where they do not exist (GitHub, a plain page) the fallback after the comma holds. A state is a pill of dark letters on
a light tint, with its mark and its word, so no reader depends on colour.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, TypeVar

MARKS: Mapping[str, str] = {
    "success": "✓", "passed": "✓", "finished": "✓", "advance": "✓", "approved": "✓", "Production": "✓",
    "failed": "✗", "refused": "✗", "rolled_back": "✗", "roll_back": "✗", "rejected": "✗",
    "skipped": "–", "Archived": "–", "upstream_failed": "⊘", "up_for_retry": "↻", "running": "▸", "hold": "…",
    "pending": "…", "Staging": "…", "stopped": "‖", "not yet": "…", "not attempted": "–",
}  # fmt: skip
"""The mark of each state: a state is told by its mark and its word, never by colour alone."""

_TINTS = {"✓": "good", "✗": "bad", "…": "wait", "▸": "wait", "↻": "wait", "⊘": "lost"}

SHEET = files("mlops_lab.base").joinpath("style.css").read_text("utf-8")
"""The one stylesheet: of displays, controls, panels and the dashboard."""

STYLE = f"<style>\n{SHEET.partition('/* live')[0]}</style>"
"""Its first part, which is stored with each display."""

WRAPS = (
    "<style>.lab-asked .widget-radio-box label{display:flex;flex-direction:row-reverse;justify-content:flex-end;"
    "gap:4px;height:auto;line-height:1.4}.lab-asked .widget-radio-box input{flex:none}</style>"
)
"""For options that a person chooses from: a long one takes two lines."""

_MOST_COLUMNS = 8  # of a listing, for a page of 900 pixels

_Item = TypeVar("_Item")


def one_line(text: str) -> str:
    """The text on one line of a terminal: line breaks are blanks, and what steers a terminal or hides is left out.

    >>> one_line("ada" + chr(10) + "99  late v9  approve  by grace" + chr(27) + "[2J")
    'ada 99  late v9  approve  by grace[2J'
    """
    seen = "".join(" " if sign in "\n\r\t\v\f\x85\u2028\u2029" else sign for sign in text)
    return "".join(sign for sign in seen if unicodedata.category(sign) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})


def counted(count: float, noun: str) -> str:
    """How many of what: `1 row`, `1,200 rows`.

    >>> counted(1, "row"), counted(1_200, "row"), counted(0, "day")
    ('1 row', '1,200 rows', '0 days')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def text_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[str] = ()) -> str:
    """Rows as aligned text, one line each; the columns named in `right` are numbers and end at the same place.

    >>> print(text_table(["task", "attempts"], [["train", 2], ["gate", 10]], right=["attempts"]))
    task   attempts
    train         2
    gate         10
    """
    cells = [[one_line(str(each)) for each in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = [str.rjust if name in right else str.ljust for name in columns]
    lines = []
    for row in cells:
        lines.append("  ".join(side(each, width) for side, each, width in zip(sides, row, widths, strict=True)))
    return "\n".join(line.rstrip() for line in lines)


def page(body: str, *, kind: str = "") -> str:
    """A piece of a page in the course's one style."""
    return f'{STYLE}<div class="{f"lab-card {kind}".strip()}">{body}</div>'


def tint(mark: str) -> str:
    """The class of the stylesheet for a mark, with a blank before it; nothing where the mark has no colour."""
    return f" lab-{_TINTS[mark]}" if mark in _TINTS else ""


def pill(state: str) -> str:
    """A state as its mark and word on a light tint; a word that is no state stays as it is."""
    mark = MARKS.get(state)
    if mark is None:
        return escape(state)
    return f'<span class="lab-state{tint(mark)}">{mark}&nbsp;{escape(state)}</span>'


def html_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, state: str = "", kind: str = ""
) -> str:
    """A captioned table for a page; every text in it is escaped, and a state in a cell gets its mark.

    A table of the `kind` "lab-told" ends each row with a sentence, which takes a line of its own on a narrow page.

    >>> table = html_table("tasks", ["task", "state"], [["<train>", "failed"]])
    >>> "&lt;train&gt;" in table, "✗&nbsp;failed" in table, table.count("<th ")
    (True, True, 2)
    """
    head = "".join(f'<th scope="col" style="text-align:left">{escape(each)}</th>' for each in columns)
    body = "".join(f"<tr>{''.join(_cell(each, first=not at) for at, each in enumerate(row))}</tr>" for row in rows)
    told = f"{escape(title)} {pill(state) if state else ''}".strip()
    above = f"<thead><tr>{head}</tr></thead>" if any(columns) else ""
    named = f"lab-table {kind}".strip()
    return f'<table class="{named}"><caption>{told}</caption>{above}<tbody>{body}</tbody></table>'


def _cell(value: object, *, first: bool) -> str:
    text = str(value)
    is_number = text.replace(",", "").replace(".", "", 1).lstrip("-−").removesuffix(" %").isdigit()
    is_number = is_number and not (first and "." in text)  # "00.1" names an exercise
    kind = ' class="lab-number"' if is_number else ' class="lab-name"' if first else ""
    return f'<td{kind} style="text-align:{"right" if is_number else "left"}">{pill(text)}</td>'


def facts(title: str, named: Mapping[str, object], *, state: str = "") -> str:
    """A card: one row for each fact that has a name; an empty fact is left out.

    >>> facts("late v2", {"author": "ada", "tags": ""}).count("<tr>")
    1
    """
    return html_table(title, (), [(name, value) for name, value in named.items() if value != ""], state=state)


def shown(text: str, *tables: str) -> dict[str, str]:
    """What `_repr_mimebundle_` returns: the words for terminals, tests and screen readers, and the page.

    >>> sorted(shown("two", html_table("two", ["n"], [[2]])))
    ['text/html', 'text/plain']
    """
    return {"text/plain": text, "text/html": page("".join(tables))}


class Listing(tuple[_Item, ...]):
    r"""A tuple of records that shows itself as one table; each record's `row()` names its columns.

    >>> class Named:
    ...     def __init__(self, name): self.name = name
    ...     def __str__(self): return self.name
    ...     def row(self): return {"name": self.name}
    >>> two = Listing([Named("ada"), Named("grace")])
    >>> two._repr_mimebundle_()["text/plain"], len(two), type(two[:1]).__name__
    ('ada\ngrace', 2, 'Listing')
    """

    __slots__ = ()

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return Listing(found) if isinstance(place, slice) else found

    def _words(self) -> str:
        return "\n".join(getattr(each, "line", each.__str__)() for each in self) or "none"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(self._words())  # IPython's own way with tuples goes before a bundle's text

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows: list[dict[str, str]] = [each.row() for each in self]  # type: ignore[attr-defined]
        text = self._words()
        if not rows:
            return shown(text, f"<p>{text}</p>")
        columns = [name for name in rows[0] if any(row[name] for row in rows)]
        if len(columns) > _MOST_COLUMNS > len(rows):  # a few records with many figures stand side by side
            names = [columns[0], *(row[columns[0]] for row in rows)]
            return shown(text, html_table("", names, [[one, *(row[one] for row in rows)] for one in columns[1:]]))
        return shown(text, html_table("", columns, [[row[name] for name in columns] for row in rows]))
