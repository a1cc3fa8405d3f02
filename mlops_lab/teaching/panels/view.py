"""What a panel shows for one state of its controls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from mlops_lab.base.display import tint
from mlops_lab.teaching.drawing.style import state_look
from mlops_lab.teaching.panels.svg import caption, card, nested

_WIDE = 100  # letters a line under a picture


@dataclass(frozen=True, repr=False)
class View:
    """What there is to see and to read: a verdict in one line, a picture, and the same in words.

    Attributes:
        line: The verdict, one sentence; the first thing said to whoever cannot see.
        state: Its state in Airflow's words (`success`, `failed`, `running` …), which chooses mark and colours.
        svg: The picture, one `<svg>` element that names itself.
        words: All that the picture says, and why, as text.

    >>> view = View(line="the gate refused", state="failed", svg="<svg width='8' height='8'></svg>", words="floor: no")
    >>> view
    ✗ the gate refused
    >>> 'role="status"' in view.verdict_html, view.static_svg("Gate").startswith("<svg")
    (True, True)
    """

    line: str
    state: str
    svg: str
    words: str

    @property
    def said(self) -> str:
        """The verdict with its mark."""
        return f"{state_look(self.state).mark} {self.line}"

    @property
    def verdict_html(self) -> str:
        """The verdict for a page; a screen reader says it when it changes."""
        mark = state_look(self.state).mark
        return (
            f'<div class="lab-verdict-line{tint(mark)}" role="status" aria-live="polite">'
            f"<strong>{escape(mark)}</strong> {escape(self.line)}</div>"
        )

    @property
    def words_html(self) -> str:
        """The words for a page, line by line, in the page's own colours."""
        return f'<pre class="lab-words">{escape(self.words)}</pre>'

    @property
    def picture_html(self) -> str:
        """The picture for a page; wider than the page, it scrolls by keyboard too."""
        name = re.search(r'aria-label="([^"]*)"', self.svg)
        about = name.group(1) if name else escape(self.line)
        return f'<div class="lab-picture" tabindex="0" role="group" aria-label="{about}">{self.svg}</div>'

    def static_svg(self, title: str) -> str:
        """Title, verdict and picture on one white card, for where no kernel runs."""
        head, top = caption([title, self.said], width=_WIDE)
        picture, wide, high = nested(self.svg, x=12, y=top)
        return card(head + picture, width=max(wide + 24, 720), height=top + high + 12, name=f"{title}: {self.said}")

    def __repr__(self) -> str:
        return self.said
