"""The gate's panel where no program runs, as in a browser that is all there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import anywidget
import ipywidgets as widgets
import traitlets

from mlops_lab.models.gates import GatePolicy, Measured
from mlops_lab.pipeline.flights import FLIGHTS_POLICY
from mlops_lab.teaching.drawing import draw_dag
from mlops_lab.teaching.panels.gate import GatePanel, run_pipeline

_ESM = """
function render({ model, el }) {
  let gone = false;
  const name = () => {
    const picture = el.closest(".lab-drawn");
    if (picture) {
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", model.get("name"));
    } else if (!gone) requestAnimationFrame(name);
  };
  el.style.display = "none";
  model.on("change:name", name);
  name();
  return () => { gone = true; };
}
export default { render };
"""


class PictureName(anywidget.AnyWidget):
    """Nothing to see: the name of the picture beside it, for whoever cannot see that.

    A widget that draws in the page gives its picture no name. The box around both has the class `lab-drawn`.
    """

    _esm = _ESM
    name = traitlets.Unicode("").tag(sync=True)


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
    >>> "state-failed" in panel.picture.dot_source, panel.name.name
    (True, 'DAG flights, run of 2014-01-01 00:00 UTC: failed')
    """

    title: ClassVar[str] = "The evaluation gate, in your browser"

    def __init__(self, measured: Mapping[str, Measured], *, picture: Any, policy: GatePolicy = FLIGHTS_POLICY) -> None:
        self.picture = picture
        self.name = PictureName()
        super().__init__(measured, policy=policy)
        drawn = widgets.VBox([picture, self.name])
        drawn.add_class("lab-drawn")
        shown: Any = self
        shown.children = [drawn if one is self._parts["picture"] else one for one in shown.children]

    def _update(self) -> None:
        super()._update()
        drawing = draw_dag(*run_pipeline(self.report))
        self.picture.dot_source, self.name.name = drawing.dot, drawing.title
