"""Pictures that are data: DOT text and a text outline by pure functions, SVG when somebody looks.

`draw_dag`, `draw_lineage`, `draw_store` and `draw_workflow` return a `Drawing`; `plots` has the figures
for numbers.
"""

from __future__ import annotations

from mlops_lab.teaching.drawing.dag import draw_dag, draw_map
from mlops_lab.teaching.drawing.drawing import Drawing
from mlops_lab.teaching.drawing.lineage import draw_lineage, draw_stages
from mlops_lab.teaching.drawing.render import renderers
from mlops_lab.teaching.drawing.store import draw_store
from mlops_lab.teaching.drawing.workflow import draw_workflow

__all__ = [
    "Drawing",
    "draw_dag",
    "draw_lineage",
    "draw_map",
    "draw_stages",
    "draw_store",
    "draw_workflow",
    "renderers",
]
