"""The peeking panel: how often a model that is not worse is taken back, by how one looks and by which bound."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from mlops_lab.base.errors import InvalidData
from mlops_lab.models.rollout import least
from mlops_lab.teaching.drawing.style import kind_look
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import RangeInput
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_TIMES = 200  # rollouts; each is judged by both bounds at each look
_EVERY = (1, 2, 3, 7, 21)
_LEFT, _TOP, _PLOT, _HIGH, _RIGHT = 60, 40, 480, 170, 250


class PeekingPanel(Panel):
    """Choose how often to look and how many standard errors are enough, and see how many equal models are taken back.

    Each of 200 rollouts plays the days of the traffic again, in an order of its own. On each day a coin says which of
    the two models is called the challenger, so that it is exactly as good as the other, and a storm stays one storm.
    It is taken back at the first look at which a bound says that it is worse. The second bound is the watch's own; it
    is made for two models of one recipe, which differ little on any day.

    Args:
        traffic: one row a request: `at` (UTC), `truth`, and the two chances `challenger` and `champion`.
        seed: the coins.

    Raises:
        InvalidData: there are fewer than three days.

    >>> import numpy as np, pandas as pd
    >>> at = pd.date_range("2013-12-01", periods=21 * 48, freq="30min", tz="UTC")
    >>> shared = np.repeat(np.random.default_rng(0).normal(0, 0.1, 21), 48)
    >>> frame = pd.DataFrame({"at": at, "truth": 0, "challenger": 0.5 + shared, "champion": 0.5})
    >>> panel = PeekingPanel(frame)
    >>> panel.set(bound=3.0, every=4)
    >>> plain, always = panel.taken_back(panel.state, worse=0)
    >>> bool(plain[-1] > always[-1])
    True
    """

    title: ClassVar[str] = "Looking again and again"

    def __init__(self, traffic: pd.DataFrame, *, seed: int = 0) -> None:
        import numpy as np

        known = traffic[["at", "truth", "challenger", "champion"]].dropna()
        worse = (known["challenger"] - known["truth"]) ** 2 - (known["champion"] - known["truth"]) ** 2
        self._days = [values.to_numpy("float64") for _, values in worse.groupby(known["at"].dt.floor("D"))]
        if len(self._days) < 3:
            raise InvalidData(f"there are {len(self._days)} days of traffic; peeking needs at least three.")
        chance = np.random.default_rng(seed)
        many = len(self._days)
        self._coins = chance.choice([-1.0, 1.0], (_TIMES, many))
        self._orders = np.argsort(chance.random((_TIMES, many)), axis=1)
        self._always = lru_cache(maxsize=64)(self._by_the_watch)
        super().__init__(
            {
                "every": RangeInput(label="look every", value=0, names=[_days(each) for each in _EVERY]),
                "bound": RangeInput(label="standard errors", low=1, high=5, step=0.5, value=2, decimals=1),
                "worse": RangeInput(label="truly worse by (Brier)", low=0, high=0.1, step=0.01, value=0, decimals=2),
            }
        )

    def taken_back(self, state: State, *, worse: float) -> tuple[np.ndarray, np.ndarray]:
        """The share of rollouts that are taken back by each day: by standard errors, and by the watch's bound."""
        import numpy as np

        every = _EVERY[int(state["every"])]
        looks = np.array([day % every == every - 1 for day in range(len(self._days))])
        counts = np.array([len(day) for day in self._days], dtype="float64")
        sums = np.array([day.sum() for day in self._days])
        squares = np.array([(day**2).sum() for day in self._days])
        flipped = self._coins * sums
        shifted = squares + 2 * worse * flipped + worse**2 * counts
        n, total, square = (
            np.cumsum(np.take_along_axis(np.broadcast_to(each, self._coins.shape), self._orders, axis=1), axis=1)
            for each in (counts, flipped + worse * counts, shifted)
        )
        mean = total / n
        error = np.sqrt(np.maximum(square / n - mean**2, 1e-18) / n)
        over = (mean / error > state["bound"]) & looks
        return np.maximum.accumulate(over, axis=1).mean(axis=0), self._always(every, worse)

    def _by_the_watch(self, every: int, worse: float) -> np.ndarray:
        import numpy as np
        import pandas as pd

        found = np.zeros((_TIMES, len(self._days)), dtype=bool)
        for place, (coins, order) in enumerate(zip(self._coins, self._orders, strict=True)):
            parts = [coins[day] * self._days[day] + worse for day in order]
            values, which = pd.Series(np.concatenate(parts)), np.repeat(range(len(order)), [len(one) for one in parts])
            days, ends = pd.Series(which), np.cumsum([len(one) for one in parts])
            for look in range(every - 1, len(order), every):
                if least(values.iloc[: ends[look]], days.iloc[: ends[look]]) > 0:
                    found[place, look:] = True
                    break
        return np.asarray(found.mean(axis=0))

    def render(self, state: State) -> View:
        """Both shares day by day."""
        plain, always = self.taken_back(state, worse=state["worse"])
        model = f"a model that is worse by {state['worse']:.2f}" if state["worse"] else "an equal model"
        bound = f"{state['bound']:g} standard errors"
        line = f"looked at every {_days(_EVERY[int(state['every'])])}, {model} is taken back in {plain[-1]:.0%} of "
        line += f"{_TIMES} rollouts at {bound}, and in {always[-1]:.0%} by the watch's bound"
        line = line.replace("every 1 day", "every day").replace("%", " %")
        pairs = zip(plain, always, strict=True)
        words = [f"day  {bound:>19}  the watch's bound"]
        words += [f"{day:>3}  {one:>19.0%}  {other:>17.0%}" for day, (one, other) in enumerate(pairs, 1)]
        good = always[-1] <= 0.05 < plain[-1] if not state["worse"] else always[-1] >= plain[-1]
        picture = self._picture(plain, always, bound, equal=not state["worse"], name=line)
        return View(line, "success" if good else "skipped", picture, "\n".join(words))

    def _picture(self, plain: np.ndarray, always: np.ndarray, bound: str, *, equal: bool, name: str) -> str:
        many, bottom = len(plain), _TOP + _HIGH

        def at(day: float, share: float) -> tuple[float, float]:
            return _LEFT + _PLOT * day / many, bottom - _HIGH * share

        parts = [svg.text(12, 20, "share of rollouts taken back by that day", bold=True)]
        for share in (0, 0.5, 1):
            parts.append(svg.line([at(0, share), at(many, share)], width=0.5))
            parts.append(svg.text(_LEFT - 6, at(0, share)[1] + 4, f"{share:.0%}".replace("%", " %"), anchor="end"))
        if equal:
            parts.append(svg.line([at(0, 0.05), at(many, 0.05)], width=1, dashes="2 3"))
            parts.append(svg.text(_LEFT, bottom + 40, "dotted: 5 %"))
        red, blue = "#c04f00", kind_look("version").border
        ends = []
        for shares, colour, dashes, told in ((plain, red, "6 4", bound), (always, blue, "", "the watch's bound")):
            points = [at(0, 0), *(at(day, float(share)) for day, share in enumerate(shares, 1))]
            parts += [svg.line(points, colour=colour, width=2.5, dashes=dashes)]
            parts += [svg.dot(*point, colour=colour, radius=3, full=not dashes) for point in points[1:]]
            ends.append((points[-1][1], f"{told}: {shares[-1]:.0%}".replace("%", " %")))
        previous = -99.0
        for y, told in sorted(ends):
            previous = max(y, previous + 18)
            parts.append(svg.text(_LEFT + _PLOT + 12, min(previous, bottom - 4) + 4, told, bold=True))
        for day in (1, *range(7, many + 1, 7)):
            parts.append(svg.text(at(day, 0)[0], bottom + 20, str(day), anchor="middle"))
        parts.append(svg.text(_LEFT + _PLOT / 2, bottom + 40, "days of the rollout", anchor="middle"))
        return svg.card("".join(parts), width=_LEFT + _PLOT + _RIGHT, height=bottom + 52, name=name)


def _days(many: int) -> str:
    return f"{many} day" + ("s" if many > 1 else "")
