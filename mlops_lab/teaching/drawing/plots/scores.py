"""Figures of how well a model ranks, and whether it keeps what it promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData
from mlops_lab.teaching.drawing.plots.plot import COLOURS, QUIET, Plot, letters
from mlops_lab.teaching.drawing.style import INK
from mlops_lab.teaching.drawing.words import plain, shortened

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    Numbers = np.ndarray[Any, np.dtype[np.float64]]


Pairs = tuple[Sequence[float], Sequence[float]]
_DASHES = ("-", "--", "-.", ":")
_MARKERS = "os^Dvx"


def plot_roc(
    curves: Mapping[str, Pairs], *, title: str = "Share of late flights found, by share of false alarms"
) -> Plot:
    """Receiver operating characteristic curves with the area under each.

    Rows of one score count together, as in scikit-learn:
    https://scikit-learn.org/stable/modules/model_evaluation.html#receiver-operating-characteristic-roc

    Args:
        curves: Name to (outcomes, scores): of each row whether it happened (0 or 1), and how likely it seemed.
        title: One line.

    Raises:
        InvalidData: no curve, no rows, unequal lengths, a missing number, or outcomes all alike.

    >>> plot_roc({"as known": ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])}, title="ROC")
    ROC
    as known: AUC 0.750 (4 rows, 2 positive)
    """
    found: dict[str, tuple[Numbers, Numbers, float]] = {}
    lines = [plain(title)]
    for name, pairs in _checked(curves).items():
        false_alarms, hits, area = _roc(*pairs, name=name)
        found[name] = (false_alarms, hits, area)
        lines.append(f"{plain(name)}: AUC {area:.3f} ({len(pairs[0]):,} rows, {int(pairs[0].sum()):,} positive)")

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (1, 3)))
        _along_diagonal(axes, "guessing", at=0.8)
        for place, (name, (false_alarms, hits, area)) in enumerate(found.items()):
            label = f"{letters(shortened(name, 26))}\nAUC {area:.2f}"
            _line(axes, place, false_alarms, hits, marker="", label=label)
        axes.set(xlabel="false alarms, share of negatives", ylabel="found, share of positives")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        _names_beside(axes)

    return Plot(plain(title), "\n".join(lines), draw, size=(7.0, 4.2))


def plot_calibration(models: Mapping[str, Pairs], *, bins: int = 10, title: str = "Promised and observed") -> Plot:
    """Of rows promised p, which share happened? In bins of equally many rows.

    On the diagonal promises are kept. The bins are those of `training.calibration_error` and, ties apart, of
    scikit-learn's `calibration_curve(strategy="quantile")`.

    Args:
        models: Name to (outcomes, probabilities).
        bins: How many bins; at most one a row.
        title: One line.

    Raises:
        InvalidData: as `plot_roc`, or a probability outside 0 to 1, or no bins.

    >>> plot_calibration({"m": ([0, 1, 1, 1], [0.2, 0.4, 0.8, 1.0])}, bins=2, title="calibration")
    calibration
    m: mean gap 0.150 (4 rows)
      promised 0.300  observed 0.500  rows 2
      promised 0.900  observed 1.000  rows 2
    """
    import numpy as np

    if bins < 1:
        raise InvalidData(f"a calibration plot needs at least 1 bin, not {bins}.")
    found: dict[str, tuple[list[float], list[float]]] = {}
    lines = [plain(title)]
    for name, (outcomes, chances) in _checked(models).items():
        if not ((chances >= 0) & (chances <= 1)).all():
            raise InvalidData(f"a probability of {name!r} is outside 0 to 1; give probabilities, not scores.")
        parts = [part for part in np.array_split(np.argsort(chances, kind="stable"), bins) if len(part)]
        promised = [float(chances[part].mean()) for part in parts]
        observed = [float(outcomes[part].mean()) for part in parts]
        found[name] = (promised, observed)
        gaps = [abs(said - was) * len(part) for said, was, part in zip(promised, observed, parts, strict=True)]
        lines.append(f"{plain(name)}: mean gap {sum(gaps) / len(chances):.3f} ({len(chances):,} rows)")
        lines += [
            f"  promised {said:.3f}  observed {was:.3f}  rows {len(part):,}"
            for said, was, part in zip(promised, observed, parts, strict=True)
        ]

    def draw(axes: Axes) -> None:
        for place, (name, (promised, observed)) in enumerate(found.items()):
            label = letters(shortened(name, 26))
            _line(axes, place, promised, observed, marker=_MARKERS[place % len(_MARKERS)], label=label)
        # beside the lines and not along the diagonal: where promises are kept the line would run through the words
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (1, 3)), zorder=1, label="promises kept")
        axes.set(xlabel="promised probability", ylabel="observed share")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        _names_beside(axes)

    return Plot(plain(title), "\n".join(lines), draw, size=(7.0, 4.2))


def _line(axes: Axes, place: int, x: Any, y: Any, *, marker: str, label: str) -> None:
    colour, dashes = COLOURS[place % len(COLOURS)], _DASHES[place % len(_DASHES)]
    axes.plot(x, y, color=colour, linestyle=dashes, linewidth=2, marker=marker, markersize=5, label=label)


def _names_beside(axes: Axes) -> None:
    """The names to the right, each beside a piece of its line: readable without colour, and on light and dark."""
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, labelcolor=INK, handlelength=3.2)
    axes.set_box_aspect(1)
    axes.set_anchor("W")


def _along_diagonal(axes: Axes, words: str, *, at: float) -> None:
    axes.annotate(words, (at, at - 0.04), color=QUIET, ha="center", va="center", rotation=45, fontsize=9)


def _roc(outcomes: Numbers, scores: Numbers, *, name: str) -> tuple[Numbers, Numbers, float]:
    from sklearn.metrics import auc, roc_curve

    if len(set(outcomes)) < 2:
        raise InvalidData(f"the outcomes of {name!r} are all alike, so there is nothing to rank; take more rows.")
    false_alarms, hits, _ = roc_curve(outcomes, scores, drop_intermediate=False)
    return false_alarms, hits, float(auc(false_alarms, hits))


def _checked(models: Mapping[str, Pairs]) -> dict[str, tuple[Numbers, Numbers]]:
    import numpy as np

    if not models:
        raise InvalidData("there is nothing to plot: give at least one name with its outcomes and scores.")
    checked = {}
    for name, (outcomes, scores) in models.items():
        try:
            truth, numbers = np.asarray(outcomes, dtype="float64"), np.asarray(scores, dtype="float64")
        except (TypeError, ValueError):
            raise InvalidData(f"the outcomes and scores of {name!r} must be numbers.") from None
        if truth.shape != numbers.shape or truth.ndim != 1 or not len(truth):
            raise InvalidData(
                f"{name!r} has outcomes of shape {truth.shape}, scores of {numbers.shape}; give one of each a row."
            )
        if not np.isin(truth, (0.0, 1.0)).all():
            raise InvalidData(f"an outcome of {name!r} is neither 0 nor 1.")
        if not np.isfinite(numbers).all():
            raise InvalidData(f"a score of {name!r} is missing or infinite.")
        checked[str(name)] = (truth, numbers)
    return checked
