"""What is a failure that a teacher can show, and what is there to see of it?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import InvalidDefinition, MlopsLabError
from mlops_lab.teaching.drawing import Drawing
from mlops_lab.teaching.drawing.style import state_look


@dataclass(frozen=True, repr=False)
class Sight:
    """What the real code says of a scene: is all well, the verdict in one line, the details, perhaps a picture.

    >>> Sight(False, "the gate refused", "served.roc_auc is 0.60, below the floor of 0.66.")
    ✗ the gate refused
      served.roc_auc is 0.60, below the floor of 0.66.
    """

    good: bool
    line: str
    words: str = ""
    drawing: Drawing | None = None

    @property
    def state(self) -> str:
        """The state in Airflow's words, which chooses mark and colours."""
        return "success" if self.good else "failed"

    @property
    def svg(self) -> str | None:
        """The picture as SVG; None where there is none, or nothing to draw with."""
        try:
            return None if self.drawing is None else self.drawing.svg
        except MlopsLabError:
            return None

    def __repr__(self) -> str:
        lines = [f"{state_look(self.state).mark} {self.line}", *(f"  {each}" for each in self.words.splitlines())]
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return words_and_picture(repr(self), self.svg)


def words_and_picture(words: str, svg: str | None) -> dict[str, str]:
    """The forms in which a notebook shows words above a picture; `picture_bundle` says why there are three.

    >>> sorted(words_and_picture("refused", "<svg/>")), words_and_picture("refused", None)
    (['image/svg+xml', 'text/html', 'text/plain'], {'text/plain': 'refused'})
    """
    if svg is None:
        return {"text/plain": words}
    page = f'<pre style="white-space:pre-wrap">{escape(words)}</pre><figure style="margin:0">{svg}</figure>'
    return {"text/plain": words, "text/html": page, "image/svg+xml": svg}


@dataclass(frozen=True, repr=False)
class Fault:
    """One failure to show: how its scene is set up, what damages it, and how one looks.

    Attributes:
        name: what a teacher types; small letters and hyphens.
        title: what happens, in a few words.
        notebook: the number of the notebook that teaches it.
        damage: what is done to the scene, in one sentence.
        lesson: what to take home, in one sentence.
        prepare: fills an empty folder with a scene in which all is well.
        harm: does the damage in that folder, and nowhere else.
        look: asks the real code; changes nothing that a second look would notice.
        closer: words after `mlops-lab` that show more of it, with HOME for the scene's folder, and their exit code.

    >>> Fault("late-data", "Weather arrives late", "01", "it lands late", "arrival counts", print, print, Sight)
    Fault(late-data, notebook 01)

    Raises:
        InvalidDefinition: the name or the number is not of its form.
    """

    name: str
    title: str
    notebook: str
    damage: str
    lesson: str
    prepare: Callable[[Path], Any]
    harm: Callable[[Path], Any]
    look: Callable[[Path], Sight]
    closer: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", self.name) or not re.fullmatch(r"\d\d", self.notebook):
            raise InvalidDefinition(f"a fault is named in small letters and hyphens, for a notebook NN: {self!r}.")

    def __repr__(self) -> str:
        return f"Fault({self.name}, notebook {self.notebook})"
