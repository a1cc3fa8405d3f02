"""A panel's controls, which everybody can find and move.

A slider of ipywidgets has no accessible name, and JupyterLab's command mode takes its arrow keys. `RangeInput` is the
browser's own `<input type=range>` in a `<label>`, which has both. `OwnKeys` does the same for the lists, boxes and
buttons beside it. A range with `drag` also follows the pointer that drags the picture's grip (`svg.grip`). Their code
is part of the widgets: nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from mlops_lab.base.display import SHEET
from mlops_lab.base.errors import InvalidData, UnknownName

_ESM = """
function render({ model, el }) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  const input = document.createElement("input");
  const shown = document.createElement("span");
  label.className = "lab-range";
  input.type = "range";
  input.setAttribute("data-lm-suppress-shortcuts", "true");
  shown.setAttribute("aria-hidden", "true");
  const said = () => {
    const names = model.get("names");
    const value = model.get("value");
    return names.length ? names[value] : value.toFixed(model.get("decimals"));
  };
  const draw = () => {
    name.textContent = model.get("label");
    input.min = model.get("low");
    input.max = model.get("high");
    input.step = model.get("step");
    input.value = model.get("value");
    shown.textContent = said();
    input.setAttribute("aria-valuetext", said());
  };
  input.addEventListener("input", () => {
    model.set("value", Number(input.value));
    model.save_changes();
  });
  model.on("change", draw);
  draw();
  label.append(name, input, shown);
  el.append(label);
  let gone = false, held = false;
  const follow = (event) => {
    const picture = el.closest(".lab-panel").querySelector(".lab-picture svg"), box = picture.getBoundingClientRect();
    const [from, to] = model.get("drag"), low = model.get("low"), before = input.value;
    const share = ((event.clientX - box.left) * picture.viewBox.baseVal.width / box.width - from) / (to - from);
    input.value = low + share * (model.get("high") - low);
    if (input.value !== before) input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const listen = () => {
    const panel = el.closest(".lab-panel");
    if (!panel) { if (!gone) requestAnimationFrame(listen); return; }
    panel.addEventListener("pointerdown", (event) => {
      if (!event.target.closest(".lab-grip")) return;
      held = true;
      panel.setPointerCapture(event.pointerId); // the picture is drawn anew while it is dragged
      input.focus(); // and the arrow keys go on from here
      event.preventDefault();
    });
    panel.addEventListener("pointermove", (event) => { if (held) follow(event); });
    for (const end of ["pointerup", "pointercancel"]) panel.addEventListener(end, () => { held = false; });
  };
  if (model.get("drag").length) listen();
  return () => { gone = true; };
}
export default { render };
"""


class RangeInput(anywidget.AnyWidget):
    """A slider with a name: `value` moves from `low` to `high` by `step`; `observe` as of any widget.

    With `names` it chooses among them: `value` is the place, and the name is what is shown and said.

    >>> floor = RangeInput(label="floor", low=0.5, high=0.9, step=0.005, value=0.66)
    >>> floor.value = 0.7
    >>> floor.value = 7
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: floor goes from 0.5 to 0.9, so it cannot be 7.0.
    """

    _esm = _ESM
    _css = SHEET
    value = traitlets.Float(0.0).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    low = traitlets.Float(0.0).tag(sync=True)
    high = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Float(0.01).tag(sync=True)
    decimals = traitlets.Int(3).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    drag = traitlets.List(traitlets.Float(), help="where the picture's axis begins and ends, to drag").tag(sync=True)

    def __init__(
        self,
        *,
        label: str,
        value: float,
        low: float = 0.0,
        high: float = 1.0,
        step: float = 1.0,
        decimals: int = 3,
        names: Sequence[str] = (),
        drag: Sequence[float] = (),
    ) -> None:
        if names:
            low, high, step = 0.0, float(len(names) - 1), 1.0
        more = {"names": list(names), "drag": list(drag)}
        super().__init__(label=label, low=low, high=high, step=step, decimals=decimals, value=float(value), **more)

    @traitlets.validate("value")
    def _within(self, proposal: Mapping[str, Any]) -> float:
        value = float(proposal["value"])
        if not self.low - 1e-9 <= value <= self.high + 1e-9:  # NaN is nowhere between
            raise InvalidData(f"{self.label} goes from {self.low:g} to {self.high:g}, so it cannot be {value}.")
        return round(value, 9)  # the browser counts in steps, and 0.1 + 0.2 is not 0.3

    @property
    def name(self) -> str:
        """What is shown beside the slider."""
        return str(self.names[round(self.value)]) if self.names else f"{self.value:.{self.decimals}f}"


_KEYS_ESM = """
function render({ model, el }) {
  let gone = false, asked = 0, heard = 0;
  const said = document.createElement("div");
  said.setAttribute("role", "alert");
  said.className = "lab-alert lab-bad";
  said.style.display = "none";
  el.append(said);
  // JupyterLab asks the element with the focus itself: around it, the mark would not be seen.
  const mark = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  const silent = (mine) => {
    if (gone || heard >= mine) return;
    said.textContent = "\u2717 The kernel does not answer: it is busy, was restarted or has ended. What is shown below "
      + "is from before. When it does not change, run this cell again.";
    said.style.display = "block";
  };
  const ask = () => {
    const mine = asked = Date.now();
    try { model.send({ asked: mine }); } catch (error) { /* no kernel to send to: nobody will answer */ }
    setTimeout(silent, model.get("patience"), mine);
    return mine;
  };
  let waiting = [];
  // A control holds its newest value back until the kernel is done with the one before, and a click would overtake it:
  // Reset, and then the old value. So the click waits for an answer, which comes after what was held back is sent.
  const click = (event) => {
    const button = event.target.closest("button");
    if (!button || !event.isTrusted) return;
    event.stopPropagation();
    waiting.push([ask(), button]);
  };
  model.on("msg:custom", (answer) => {
    heard = Math.max(heard, answer.asked);
    if (heard >= asked) said.style.display = "none";
    const now = waiting.filter(([mine]) => mine <= heard);
    waiting = waiting.filter(([mine]) => mine > heard);
    if (!gone) now.forEach(([, button]) => button.click());
  });
  const listen = () => {
    const controls = el.closest(".lab-controls");
    if (controls) {
      controls.addEventListener("focusin", mark);
      controls.addEventListener("click", click, true);
      for (const moved of ["input", "change", "click"]) controls.addEventListener(moved, ask);
    } else if (!gone) requestAnimationFrame(listen);
  };
  listen();
  return () => { gone = true; };
}
export default { render };
"""


class OwnKeys(anywidget.AnyWidget):
    """Three promises of the box of class `lab-controls` around it.

    Its keys are its own, a silent kernel is told, and a button acts after the moves before it.

    Without it the letters `dd`, typed to find a name in a list, delete the cell, and the space bar that presses a
    button turns the slide. And a control that moves where no kernel runs any more would stand above a picture and a
    verdict of before: each move asks the kernel for an answer, and says so where none comes within `patience`.
    """

    _esm = _KEYS_ESM
    _css = SHEET
    patience = traitlets.Int(5_000, help="milliseconds").tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.on_msg(_answer)


def _answer(widget: Any, content: Any, _buffers: Any) -> None:
    widget.send(content)


class Memory(traitlets.HasTraits):
    """A part of a panel's state that no control shows: `value` is a tuple."""

    value = traitlets.Tuple()


def choice(label: str, options: Sequence[str], value: str) -> Any:
    """A list to choose from, named by its label.

    >>> choice("features", ["as_known", "daily_averages"], "as_known").value
    'as_known'

    Raises:
        UnknownName: the value is none of the options.
    """
    if value not in options:
        raise UnknownName(label, value, options)
    return widgets.Dropdown(description=label, options=list(options), value=value, style={"description_width": "118px"})


def switch(label: str, *, value: bool = False) -> Any:
    """A box to tick.

    >>> switch("no champion yet").value
    False
    """
    return widgets.Checkbox(description=label, value=value, indent=False)
