"""How is a name from anywhere shown, so that it can be read and cannot do anything?"""

from __future__ import annotations

import hashlib
import re
import unicodedata

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
