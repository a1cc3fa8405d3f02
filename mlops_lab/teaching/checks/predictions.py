"""Predictions before a result: choose, commit, run on, and then compare what was said with what came."""

from __future__ import annotations

import threading
from dataclasses import replace
from html import escape
from typing import Any

from mlops_lab.base.display import page
from mlops_lab.teaching.checks.catalogue import find_prediction
from mlops_lab.teaching.checks.exercise import Prediction
from mlops_lab.teaching.checks.progress import read_standing, record


def static_html(one: Prediction) -> str:
    """The question on a page where no kernel runs: what came is folded away."""
    options = "".join(f"<li>{escape(one.option(place))}</li>" for place in range(len(one.options)))
    asked = f"<p><strong>{escape(one.id)}</strong> {escape(one.question)}</p><ul>{options}</ul>"
    came = f"{escape(one.option(one.right))}. {escape(one.came)}"
    return page(f"{asked}<details><summary>Choose first; then see what came</summary>{came}</details>")


def predict(prediction_id: str) -> Any:
    """A prediction to commit to, in Jupyter; where no kernel runs, the question as text, with what came folded away.

    >>> card = predict("00.p1")  # in a notebook this line ends a cell
    >>> card.choose(0)
    >>> card.commit()
    >>> card.said.startswith("You said")
    True

    Raises:
        UnknownName: there is no such prediction.
    """
    return _card(find_prediction(prediction_id))


class _Committing:
    """What the buttons of a prediction do; the widget that has them is made when the first one is shown."""

    one: Prediction
    said: str

    def choose(self, place: int) -> None:
        """Choose an option, as a click does; after the commit nothing moves any more."""
        if not self._options.disabled:
            self._options.value = place

    def commit(self) -> None:
        """Fix the choice and write it down."""
        with self._lock:
            place = self._options.value
            if place is None or self._options.disabled:
                return
            words = self.one.options[place]
            _, note = record(self.one.id, lambda before: replace(before, status="passed", attempts=1, said=words))
            self._fix("You said", note)

    def compare(self) -> None:
        """Say what came; nothing before there is a choice."""
        if self._options.disabled:
            self._tell(self.one.compared(self.one.options[self._options.value]))

    def _fix(self, words: str, note: str = "") -> None:
        self._options.disabled = self._commit.disabled = True
        self._commit.layout.display, self._compare.layout.display = "none", None
        self._tell(f"{words}: {self.one.options[self._options.value]}. Run on, then compare. {note}".strip())

    def _tell(self, text: str) -> None:
        self.said = text
        self._told.value = page(f'<div role="status" aria-live="polite">{escape(text)}</div>')

    def _build(self, widgets: Any) -> list[Any]:
        one, self.said = self.one, ""
        self._lock = threading.Lock()  # Jupyter calls back on two threads
        named = [(one.option(place), place) for place in range(len(one.options))]
        self._options = widgets.RadioButtons(
            options=named, value=None, layout={"width": "auto"}, tooltip=f"{one.id} {one.question}"
        )
        self._commit = widgets.Button(description="Commit", disabled=True, button_style="primary")
        self._compare = widgets.Button(
            description="Compare with what came", layout={"width": "auto", "display": "none"}
        )
        self._told = widgets.HTML()
        self._options.observe(lambda _: setattr(self._commit, "disabled", self._options.value is None), names="value")
        self._commit.on_click(lambda _: self.commit())
        self._compare.on_click(lambda _: self.compare())
        before = read_standing(one.id)[0].said
        if before in one.options:
            self._options.value = one.options.index(before)
            self._fix("You said this before")
        asked = widgets.HTML(page(f"<strong>{escape(one.id)}</strong> {escape(one.question)}"))
        return [asked, self._options, widgets.HBox([self._commit, self._compare]), self._told]


def _card(prediction: Prediction) -> Any:
    """The widget; a function, so that ipywidgets is imported when the first one is shown."""
    import ipywidgets as widgets

    class PredictionCard(_Committing, widgets.VBox):  # type: ignore[misc]
        """Choose and commit; after that the choice is fixed, and a second button compares it with what came."""

        one = prediction

        def __init__(self) -> None:
            super().__init__(self._build(widgets))
            self.add_class("lab-predict")

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            bundle = super()._repr_mimebundle_(**kwargs)
            data = bundle[0] if isinstance(bundle, tuple) else bundle  # with or without its metadata
            data["text/plain"], data["text/html"] = prediction.text, static_html(prediction)
            return bundle

        def __repr__(self) -> str:
            return prediction.text

    return PredictionCard()
