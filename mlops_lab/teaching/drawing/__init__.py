"""Pictures that are data: DOT text and a text outline by pure functions, SVG when somebody looks.

`draw_dag`, `draw_lineage`, `draw_store` and `draw_workflow` return a `Drawing`; `plots` has the figures
for numbers.
"""

from __future__ import annotations

from mlops_lab.teaching.drawing.dag import draw_dag as draw_dag
from mlops_lab.teaching.drawing.dag import draw_map as draw_map
from mlops_lab.teaching.drawing.drawing import Drawing as Drawing
from mlops_lab.teaching.drawing.lineage import draw_lineage as draw_lineage
from mlops_lab.teaching.drawing.lineage import draw_stages as draw_stages
from mlops_lab.teaching.drawing.render import renderers as renderers
from mlops_lab.teaching.drawing.store import draw_store as draw_store
from mlops_lab.teaching.drawing.workflow import draw_workflow as draw_workflow
