"""Quizzes: one question, a few options, feedback for each."""

from __future__ import annotations

import threading
from dataclasses import replace
from html import escape
from typing import Any

from mlops_lab.teaching.checks.catalogue import find_quiz
from mlops_lab.teaching.checks.exercise import Quiz
from mlops_lab.teaching.checks.progress import Standing, record


def quiz(quiz_id: str) -> Any:
    """A quiz to click through in Jupyter; where no kernel runs, the question with its answers folded.

    >>> card = quiz("01.q1")  # in a notebook this line ends a cell; card.choose(1) is a click on the second option
    >>> card.feedback
    ''

    Raises:
        UnknownName: there is no such quiz.
    """
    return _card(find_quiz(quiz_id))


def _letter(place: int) -> str:
    return "abcdefghij"[place]


def static_text(one: Quiz) -> str:
    """The quiz where only text is shown."""
    options = [f"  ({_letter(place)}) {option.text}" for place, option in enumerate(one.options)]
    return "\n".join([f"{one.id} {one.question}", *options, "Run this cell to answer."])


def static_html(one: Quiz) -> str:
    """The quiz where no kernel runs: every option folds out to what would be said about it."""
    options = "".join(
        f"<details><summary>({_letter(place)}) {escape(option.text)}</summary>{escape(_said(one, place))}</details>"
        for place, option in enumerate(one.options)
    )
    return f'<div class="lab-quiz"><p><strong>{escape(one.id)}</strong> {escape(one.question)}</p>{options}</div>'


def _said(one: Quiz, place: int) -> str:
    option = one.options[place]
    return f"{'Right' if option.right else 'Not quite'}: {option.feedback}"


def _card(one: Quiz) -> Any:
    """The widget; a function, so that ipywidgets is imported when the first quiz is shown."""
    import ipywidgets as widgets

    class QuizCard(widgets.VBox):  # type: ignore[misc]
        """Question, options, feedback. The options keep their order: it is the order of the feedback above."""

        def __init__(self) -> None:
            # Jupyter runs callbacks on two threads; one answer at a time.
            self._lock = threading.Lock()
            name = f"{one.id} {one.question}"
            self._question = widgets.HTML(f"<strong>{escape(one.id)}</strong> {escape(one.question)}")
            self._options = widgets.RadioButtons(
                options=[(f"({_letter(place)}) {option.text}", place) for place, option in enumerate(one.options)],
                value=None,
                layout=widgets.Layout(width="auto"),
                tooltip=name,
            )
            self._feedback = widgets.HTML(_live(""))
            super().__init__([self._question, self._options, self._feedback])
            self._options.observe(self._chosen, names="value")

        @property
        def feedback(self) -> str:
            """What is said about the option chosen; nothing before."""
            place = self._options.value
            return "" if place is None else _said(one, place)

        def choose(self, place: int) -> None:
            """Choose an option, as a click does."""
            self._options.value = place

        def _chosen(self, _change: dict[str, Any]) -> None:
            with self._lock:
                if self._options.value is None:
                    return
                right = one.options[self._options.value].right

                def tried(before: Standing) -> Standing:
                    return replace(before, status="passed" if right else "not yet", attempts=before.attempts + 1)

                _, note = record(one.id, tried)
                self._feedback.value = _live(f"{'✓' if right else '…'} {self.feedback} {note}".strip())

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            bundle = super()._repr_mimebundle_(**kwargs)
            # A widget's own bundle is either the data or the data with its metadata.
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            data["text/plain"] = static_text(one)
            data["text/html"] = static_html(one)
            return bundle

        def __repr__(self) -> str:
            return static_text(one)

    return QuizCard()


def _live(text: str) -> str:
    return f'<div class="lab-feedback" role="status" aria-live="polite">{escape(text)}</div>'
