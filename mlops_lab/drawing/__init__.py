"""Pictures that are data: DOT text and a text outline by pure functions, SVG when somebody looks.

`draw_dag`, `draw_lineage`, `draw_store`, `draw_jobs` and `draw_workflow` return a `Drawing`; `plots` has the figures
for numbers.
"""

from __future__ import annotations

from mlops_lab.drawing.dag import draw_dag
from mlops_lab.drawing.drawing import Drawing
from mlops_lab.drawing.jobs import JobBox, draw_jobs
from mlops_lab.drawing.lineage import draw_lineage
from mlops_lab.drawing.render import renderers
from mlops_lab.drawing.store import draw_store
from mlops_lab.drawing.workflow import draw_workflow

__all__ = ["Drawing", "JobBox", "draw_dag", "draw_jobs", "draw_lineage", "draw_store", "draw_workflow", "renderers"]
