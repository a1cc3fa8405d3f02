"""How does the gate's panel draw where no program runs, as in a browser that is all there is?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mlops_lab.drawing import draw_dag
from mlops_lab.gates import GatePolicy, Measured
from mlops_lab.panels.gate import GatePanel, run_pipeline
from mlops_lab.pipeline import FLIGHTS_POLICY

__all__ = ["PlaygroundPanel"]


class PlaygroundPanel(GatePanel):
    """The gate's panel, with a widget that draws DOT text itself in place of the picture that a program makes.

    Args:
        measured: what was measured, by the name of the features it was measured with.
        picture: a widget with the trait `dot_source`, such as graphviz-anywidget's.
        policy: the demands whose bounds the sliders move.

    >>> import ipywidgets, traitlets
    >>> class Picture(ipywidgets.HTML):
    ...     dot_source = traitlets.Unicode()
    >>> panel = PlaygroundPanel({"as_known": Measured({"served.roc_auc": 0.70})}, picture=Picture())
    >>> "state-failed" in panel.picture.dot_source
    True
    """

    title: ClassVar[str] = "The evaluation gate, in your browser"

    def __init__(self, measured: Mapping[str, Measured], *, picture: Any, policy: GatePolicy = FLIGHTS_POLICY) -> None:
        self.picture = picture
        super().__init__(measured, policy=policy)
        shown: Any = self
        shown.children = [picture if one is self._parts["picture"] else one for one in shown.children]

    def _update(self) -> None:
        super()._update()
        self.picture.dot_source = draw_dag(*run_pipeline(self.report)).dot
