"""Small figures for notebooks, from plain values: each a `Plot` with its key numbers as text."""

from __future__ import annotations

from mlops_lab.teaching.drawing.plots.bars import plot_bars, plot_drift, plot_line, plot_points
from mlops_lab.teaching.drawing.plots.plot import Plot
from mlops_lab.teaching.drawing.plots.scores import plot_calibration, plot_roc
from mlops_lab.teaching.drawing.plots.timeline import plot_join_timeline

__all__ = [
    "Plot",
    "plot_bars",
    "plot_calibration",
    "plot_drift",
    "plot_join_timeline",
    "plot_line",
    "plot_points",
    "plot_roc",
]
