"""Small figures for notebooks, from plain values: each a `Plot` with its key numbers as text."""

from __future__ import annotations

from mlops_lab.teaching.drawing.plots.bars import plot_bars as plot_bars
from mlops_lab.teaching.drawing.plots.bars import plot_drift as plot_drift
from mlops_lab.teaching.drawing.plots.bars import plot_line as plot_line
from mlops_lab.teaching.drawing.plots.bars import plot_points as plot_points
from mlops_lab.teaching.drawing.plots.plot import Plot as Plot
from mlops_lab.teaching.drawing.plots.scores import plot_calibration as plot_calibration
from mlops_lab.teaching.drawing.plots.scores import plot_roc as plot_roc
from mlops_lab.teaching.drawing.plots.timeline import plot_join_timeline as plot_join_timeline
