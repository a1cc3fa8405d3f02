"""The threshold panel: one point on the ROC curve, on the calibration and on the bill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mlops_lab.teaching.drawing.style import kind_look
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import RangeInput
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

_SIDE, _GAP, _LEFT, _TOP = 180, 70, 52, 34
_GRID = [round(0.05 * step, 2) for step in range(1, 20)]


class ThresholdPanel(Panel):
    """Move the threshold and what the two mistakes cost, and see who is found, who is alarmed, and the bill.

    >>> late = [False, True, False, True, True]
    >>> panel = ThresholdPanel(late, [0.1, 0.35, 0.4, 0.6, 0.9])
    >>> panel
    Threshold and cost: – at 0.50 it finds 67 % of the late and alarms for 0 % of the others: cost 5; at 0.15 it is 1
    >>> panel.set(threshold=0.3)
    >>> panel.view.line[:70]
    'at 0.30 it finds 100 % of the late and alarms for 50 % of the others: '
    """

    title: ClassVar[str] = "Threshold and cost"

    def __init__(self, late: Sequence[bool], chance: Sequence[float]) -> None:
        import numpy as np  # not above: a browser alone has none, and imports this package for its other panels

        self._late, self._chance = np.asarray(late, dtype=bool), np.asarray(chance, dtype=float)
        super().__init__(
            {
                "threshold": RangeInput(label="threshold", low=0.05, high=0.95, step=0.05, value=0.5, decimals=2),
                "missed": RangeInput(label="a missed late flight costs", low=1, high=20, value=5, decimals=0),
                "alarm": RangeInput(label="a false alarm costs", low=1, high=20, value=1, decimals=0),
            }
        )

    def shares(self, threshold: float) -> tuple[float, float]:
        """Which share of the late flights is found, and of which share of the others is an alarm raised."""
        raised = self._chance >= threshold
        return float(raised[self._late].mean()), float(raised[~self._late].mean())

    def render(self, state: State) -> View:
        """The three curves with the point of this threshold, and the bill of each threshold in words."""
        threshold = float(state["threshold"])
        missed, alarms = state["missed"] * self._late.sum(), state["alarm"] * (~self._late).sum()
        shares = {one: self.shares(one) for one in _GRID}
        bill = {one: missed * (1 - found) + alarms * false for one, (found, false) in shares.items()}
        here, least = min(_GRID, key=lambda one: abs(one - threshold)), min(_GRID, key=lambda one: (bill[one], one))
        found, false = shares[here]
        line = f"at {here:.2f} it finds {found:.0%} of the late and alarms for {false:.0%} of the others: cost "
        line = line.replace("%", " %") + f"{bill[here]:,.0f}"
        line += (
            ", and no threshold costs less"
            if bill[here] == bill[least]
            else f"; at {least:.2f} it is {bill[least]:,.0f}"
        )
        words = ["threshold  found  false alarms      cost"] + [
            f"{one:9.2f}  {shares[one][0]:5.0%}  {shares[one][1]:12.0%}  {bill[one]:8,.0f}" for one in _GRID[1::2]
        ]
        most = max(bill.values()) or 1.0
        promised = self._promises()
        near = min(promised, key=lambda pair: abs(pair[0] - here))
        plots = (
            ("ROC: found by false alarms", [(false, found) for found, false in shares.values()], (false, found), True),
            ("promised and observed", promised, near, True),
            (
                f"cost by threshold, up to {most:,.0f}",
                [(one, bill[one] / most) for one in _GRID],
                (here, bill[here] / most),
                False,
            ),
        )
        body = "".join(_plot(place, *each) for place, each in enumerate(plots))
        picture = svg.card(body, width=3 * (_SIDE + _GAP) + 10, height=_SIDE + 70, name=line)
        return View(line, "success" if bill[here] == bill[least] else "skipped", picture, "\n".join(words))

    def _promises(self) -> list[tuple[float, float]]:
        import numpy as np

        parts = [part for part in np.array_split(np.argsort(self._chance, kind="stable"), 10) if len(part)]
        return [(float(self._chance[part].mean()), float(self._late[part].mean())) for part in parts]


def _plot(place: int, title: str, points: list[tuple[float, float]], here: tuple[float, float], diagonal: bool) -> str:
    x0, y0 = _LEFT + place * (_SIDE + _GAP), _TOP + _SIDE

    def at(pair: tuple[float, float]) -> tuple[float, float]:
        return x0 + _SIDE * pair[0], y0 - _SIDE * pair[1]

    blue, orange = kind_look("version").border, "#d55e00"
    parts = [svg.text(x0, _TOP - 14, title, bold=True), svg.line([(x0, _TOP), (x0, y0), (x0 + _SIDE, y0)], width=1)]
    if diagonal:
        parts.append(svg.line([at((0, 0)), at((1, 1))], width=1, dashes="2 3"))
    parts += [svg.line([at(one) for one in sorted(points)], colour=blue), svg.dot(*at(here), colour=orange, radius=6)]
    for share in (0, 0.5, 1):
        parts.append(svg.text(x0 + _SIDE * share, y0 + 18, f"{share:g}", anchor="middle"))
        parts.append(svg.text(x0 - 6, y0 - _SIDE * share + 4, f"{share:g}", anchor="end"))
    return "".join(parts)
