"""Quizzes and predictions: a question with options to click through in Jupyter, and what is shown without a kernel."""

from __future__ import annotations

import threading
from dataclasses import replace
from html import escape
from typing import Any

from mlops_lab.base.display import WRAPS, page
from mlops_lab.teaching.checks.exercise import Prediction, Quiz, find_prediction, find_quiz
from mlops_lab.teaching.checks.progress import Standing, read_standing, record


def quiz(quiz_id: str) -> Any:
    """A quiz to click through in Jupyter; where no kernel runs, the question with its answers folded.

    >>> card = quiz("01.q1")  # in a notebook this line ends a cell; card.choose(1) is a click on the second option
    >>> card.feedback
    ''

    Raises:
        UnknownName: there is no such quiz.
    """
    return _shown(find_quiz(quiz_id), _QuizCard, quiz_text, quiz_html)


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
    return _shown(find_prediction(prediction_id), _PredictionCard, lambda one: one.text, _prediction_html)


def what_came(prediction_id: str) -> dict[str, dict[str, float]]:
    """The figures that answer a prediction, to be plotted: written in the next cell, they would be read before.

    >>> what_came("00.p1")["model A"]
    {'offline': 0.9, 'served': 0.64}
    """
    return {name: dict(those) for name, those in find_prediction(prediction_id).figures.items()}


def quiz_text(one: Quiz) -> str:
    """The quiz where only text is shown."""
    return "\n".join([f"{one.id} {one.question}", *(f"  {each}" for each in _named(one)), "Run this cell to answer."])


def quiz_html(one: Quiz) -> str:
    """The quiz where no kernel runs: every option folds out to what would be said about it."""
    options = "".join(
        f"<details><summary>{escape(name)}</summary>{escape(_feedback(one, place))}</details>"
        for place, name in enumerate(_named(one))
    )
    return f'<div class="lab-quiz"><p><strong>{escape(one.id)}</strong> {escape(one.question)}</p>{options}</div>'


def _named(one: Quiz) -> list[str]:
    return [f"({letter}) {option.text}" for letter, option in zip("abcdefghij", one.options, strict=False)]


def _feedback(one: Quiz, place: int) -> str:
    option = one.options[place]
    return f"{'Right' if option.right else 'Not quite'}: {option.feedback}"


def _prediction_html(one: Prediction) -> str:
    """The question on a page where no kernel runs: what came is folded away."""
    options = "".join(f"<li>{escape(one.option(place))}</li>" for place in range(len(one.options)))
    asked = f"<p><strong>{escape(one.id)}</strong> {escape(one.question)}</p><ul>{options}</ul>"
    came = f"{escape(one.option(one.right))}. {escape(one.came)}"
    return page(f"{asked}<details><summary>Choose first; then see what came</summary>{came}</details>")


class _QuizCard:
    """Question, options, feedback. The options keep their order: it is the order of the feedback without a kernel."""

    one: Quiz

    def _build(self, widgets: Any) -> list[Any]:
        self._options = _buttons(widgets, self.one, _named(self.one))
        self._told = widgets.HTML(_live("lab-feedback", ""))
        self._options.observe(self._chosen, names="value")
        return [widgets.HTML(_asked(self.one)), self._options, self._told]

    @property
    def feedback(self) -> str:
        """What is said about the option chosen; nothing before."""
        place = self._options.value
        return "" if place is None else _feedback(self.one, place)

    def choose(self, place: int) -> None:
        """Choose an option, as a click does."""
        self._options.value = place

    def _chosen(self, _change: dict[str, Any]) -> None:
        with self._lock:
            if self._options.value is None:
                return
            right = self.one.options[self._options.value].right

            def tried(before: Standing) -> Standing:
                return replace(before, status="passed" if right else "not yet", attempts=before.attempts + 1)

            _, note = record(self.one.id, tried)
            self._told.value = _live("lab-feedback", f"{'✓' if right else '…'} {self.feedback} {note}".strip())

    _lock: threading.Lock


class _PredictionCard:
    """Choose and commit; after that the choice is fixed, and a second button compares it with what came."""

    one: Prediction
    said = ""
    _lock: threading.Lock

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
        self._told.value = page(_live("", text))

    def _build(self, widgets: Any) -> list[Any]:
        one = self.one
        self._options = _buttons(widgets, one, [one.option(place) for place in range(len(one.options))])
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
        buttons = widgets.HBox([self._commit, self._compare])
        return [widgets.HTML(page(_asked(one))), self._options, buttons, self._told]


def _asked(one: Quiz | Prediction) -> str:
    return f"{WRAPS}<strong>{escape(one.id)}</strong> {escape(one.question)}"


def _live(kind: str, text: str) -> str:
    return f'<div class="{kind}" role="status" aria-live="polite">{escape(text)}</div>'


def _buttons(widgets: Any, one: Quiz | Prediction, names: list[str]) -> Any:
    options = [(name, place) for place, name in enumerate(names)]
    return widgets.RadioButtons(
        options=options, value=None, layout={"width": "auto"}, tooltip=f"{one.id} {one.question}"
    )


def _shown(one: Any, kind: Any, text: Any, html: Any) -> Any:
    """The widget of a card; its class is made here, so that ipywidgets is imported when the first one is shown."""
    import ipywidgets as widgets

    class Card(kind, widgets.VBox):  # type: ignore[misc]
        def __init__(self) -> None:
            self.one, self._lock = one, threading.Lock()  # Jupyter calls back on two threads
            super().__init__(self._build(widgets))
            self.add_class("lab-asked")
            if kind is _PredictionCard:
                self.add_class("lab-predict")

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            bundle = super()._repr_mimebundle_(**kwargs)
            data = bundle[0] if isinstance(bundle, tuple) else bundle  # with or without its metadata
            data["text/plain"], data["text/html"] = text(one), html(one)
            return bundle

        def __repr__(self) -> str:
            return str(text(one))

    return Card()
