"""Names from anywhere, shown so that they can be read and cannot do anything, and how long they are."""

from __future__ import annotations

import hashlib
import re
import textwrap
import unicodedata

_WIDTHS = (  # Helvetica's and Arial's, thousandths of the size, from the space to the tilde
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
_LETTERS = {chr(32 + place): int(wide) / 1000 for place, wide in enumerate(_WIDTHS.split())}
_UNSAFE = re.compile(r"[^A-Za-z0-9_]+")


def plain(text: object) -> str:
    r"""Text on one line in which nothing is invisible: line breaks, controls and direction marks become escapes.

    >>> plain("two\nlines"), plain("a\u202eb")
    ('two\\nlines', 'a\\u202eb')
    """
    words = str(text)
    if words.isprintable():
        return words
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in words)


def shortened(text: str, length: int) -> str:
    """At most `length` characters, the middle left out, because names differ at their ends.

    >>> shortened("carrier_departures_of_the_last_day", 16)
    'carrier_…ast_day'
    """
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return text[: length - 1 - tail] + "…" + text[len(text) - tail :]


def folded(text: str, length: int, most: int = 3) -> list[str]:
    """The text on at most `most` lines of `length` characters, broken between words; what is too long is cut.

    >>> folded("why: on 709 flights it is better by 0.01", 20)
    ['why: on 709 flights', 'it is better by 0.01']
    """
    lines = textwrap.wrap(text, length, break_long_words=False, break_on_hyphens=False) or [text]
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} …"]
    return [shortened(line, length) for line in lines]


def identifier(kind: str, name: str) -> str:
    """A name for SVG ids, CSS and DOT: stable, distinct for distinct names, and only letters, digits, `-` and `_`.

    >>> identifier("task", "train"), identifier("task", "<script>")
    ('task-train', 'task-script-5b63e5b2')
    """
    safe = _UNSAFE.sub("-", name).strip("-")[:60]
    if safe == name:
        return f"{kind}-{safe}"
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{kind}-{safe}-{digest}".replace("--", "-")


def width(text: str) -> float:
    """How wide a text is, in widths of a square character: renderers do not know letters beyond Latin.

    >>> width("EWR"), width("列車")
    (1.86, 2.0)
    """
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return round(wide + 0.62 * (len(text) - wide), 2)


def length(text: str, size: float, *, bold: bool = False) -> float:
    """How long a line is in Helvetica, in the unit of its size.

    >>> length("EWR", 12), round(length("EWR", 12, bold=True), 2)
    (28.0, 30.24)
    """
    long = sum(_LETTERS.get(each) or (1.0 if width(each) == 1.0 else 0.75) for each in text)
    return round(long * size * (1.08 if bold else 1.0), 2)
