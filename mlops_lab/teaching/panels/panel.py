"""A panel: controls, the view that answers to them, and what is said when something goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from types import MappingProxyType
from typing import Any, ClassVar

import ipywidgets as widgets

from mlops_lab.base.errors import MlopsLabError, UnknownName
from mlops_lab.teaching.panels.controls import OwnKeys
from mlops_lab.teaching.panels.view import View

State = Mapping[str, Any]


class Panel(widgets.VBox):  # type: ignore[misc]
    """Controls, and below them what the real code answers: a verdict, a picture, and the same in words.

    A panel is a function from the values of its controls to a `View`: subclasses write `render(state)`, which keeps
    nothing. Moving a control in the browser, setting its value and `set(...)` are the same. A mistake is shown inside
    the panel, where a learner sees it, and raised, so that a test and a notebook's cell see it too. Where no kernel
    runs, the picture and the words are what is stored.

    >>> from mlops_lab.teaching.panels.controls import RangeInput
    >>> class Doubling(Panel):
    ...     title = "Twice"
    ...     def render(self, state):
    ...         return View(f"{2 * state['number']:.0f}", "success", "<svg></svg>", f"2 x {state['number']:.0f}")
    >>> panel = Doubling({"number": RangeInput(label="number", low=0, high=9, value=3)})
    >>> panel
    Twice: ✓ 6
    >>> panel.set(number=4)
    >>> panel.controls["number"].value, panel.view
    (4.0, ✓ 8)
    >>> panel.reset()
    >>> panel.view.words
    '2 x 3'
    """

    title: ClassVar[str] = "Panel"

    def __init__(
        self, controls: Mapping[str, Any], *, buttons: Mapping[str, tuple[str, Callable[[], None]]] | None = None
    ) -> None:
        """Take the controls by the name of their value in the state, and buttons as name: (words, what they do)."""
        self._lock = threading.RLock()  # JupyterLab calls back on two threads, and a callback may move a control
        self._listening = True
        self.controls = MappingProxyType(dict(controls))
        self._first = dict(self.state)
        self.error = ""
        self._actions = {name: act for name, (_, act) in (buttons or {}).items()} | {"reset": self._restore}
        described = {name: words for name, (words, _) in (buttons or {}).items()} | {"reset": "Reset"}
        self.buttons = MappingProxyType(
            {name: widgets.Button(description=words, layout={"width": "auto"}) for name, words in described.items()}
        )
        self._parts = {part: widgets.HTML() for part in ("error", "verdict", "picture", "words")}
        super().__init__([self._control_rows(), *self._parts.values()])
        self.add_class("lab-panel")
        self._update()
        for control in self.controls.values():
            control.observe(self._moved, names="value")
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self.press(name))

    def _control_rows(self) -> Any:
        shown = [control for control in self.controls.values() if isinstance(control, widgets.DOMWidget)]
        flow = {"display": "flex", "flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 24px"}
        rows = widgets.VBox(
            [
                widgets.HTML(f"<strong>{escape(self.title)}</strong>"),
                widgets.Box(shown, layout={**flow, "overflow": "visible"}),
                widgets.Box(list(self.buttons.values()), layout=flow),
                OwnKeys(),
            ]
        )
        rows.add_class("lab-controls")
        return rows

    @property
    def state(self) -> State:
        """The value of every control, by name; a copy."""
        return MappingProxyType({name: control.value for name, control in self.controls.items()})

    def render(self, state: State) -> View:
        """What there is to see for a state; depends on nothing else and changes nothing."""
        raise NotImplementedError

    def set(self, **values: Any) -> None:
        """Move controls from Python, all at once; when one value is impossible, none moves.

        Raises:
            UnknownName: there is no such control.
        """
        for name in values:
            if name not in self.controls:
                raise UnknownName("control", name, self.controls, where=f"panel {self.title!r}")
        with self._guarded(), self._as_one():
            self._put(values)

    def reset(self) -> None:
        """Bring every control back to where it was."""
        self.press("reset")

    def press(self, name: str) -> None:
        """Do what a button does when it is clicked.

        Raises:
            UnknownName: there is no such button.
        """
        if name not in self._actions:
            raise UnknownName("button", name, self._actions, where=f"panel {self.title!r}")
        with self._guarded(), self._as_one():
            self._actions[name]()

    def _restore(self) -> None:
        self._put(self._first)

    def _put(self, values: State) -> None:
        for name, value in values.items():
            self.controls[name].value = value

    @contextmanager
    def _as_one(self) -> Iterator[None]:
        """Several controls move, then one picture is made; when that fails, all of them go back."""
        before = self.state
        self._listening = False
        try:
            yield
            self._update()
        except BaseException:
            self._put(before)
            raise
        finally:
            self._listening = True

    def _moved(self, _change: Mapping[str, Any]) -> None:
        with self._guarded():
            if self._listening:
                self._update()

    def _update(self) -> None:
        self.view = self.render(self.state)
        self.error = ""
        self._parts["error"].value = ""
        self._parts["verdict"].value = self.view.verdict_html
        self._parts["picture"].value = self.view.picture_html
        self._parts["words"].value = self.view.words_html

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One change at a time; what goes wrong is said in the panel, and raised."""
        with self._lock:
            try:
                yield
            except Exception as error:
                known = isinstance(error, MlopsLabError)
                self.error = str(error) if known else f"{type(error).__name__}: {error}"
                said = f"{self.error} What is shown below is from before; Reset brings it back."
                self._parts["error"].value = (
                    '<div class="lab-alert lab-bad" role="alert">'
                    f"<strong>✗ This did not work:</strong> {escape(said)}</div>"
                )
                raise

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        # A widget's own bundle is either the data or the data with its metadata.
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/plain"] = f"{self!r}\n{self.view.words}\nRun this cell to move its controls."
        data["image/svg+xml"] = self.view.static_svg(self.title)
        return bundle

    def __repr__(self) -> str:
        return f"{self.title}: {self.view!r}"
