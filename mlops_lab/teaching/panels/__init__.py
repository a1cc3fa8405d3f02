"""What happens if I move this? Live panels over the real code, with a picture and words where no kernel runs."""

from __future__ import annotations

from mlops_lab.teaching.panels.breaking import BreakPanel as BreakPanel
from mlops_lab.teaching.panels.canary import CanaryPanel as CanaryPanel
from mlops_lab.teaching.panels.controls import RangeInput as RangeInput
from mlops_lab.teaching.panels.dashboard import Dashboard as Dashboard
from mlops_lab.teaching.panels.gate import GatePanel as GatePanel
from mlops_lab.teaching.panels.matrix import MatrixPanel as MatrixPanel
from mlops_lab.teaching.panels.moments import DailyRowPanel as DailyRowPanel
from mlops_lab.teaching.panels.moments import EmbargoPanel as EmbargoPanel
from mlops_lab.teaching.panels.panel import Panel as Panel
from mlops_lab.teaching.panels.peeking import PeekingPanel as PeekingPanel
from mlops_lab.teaching.panels.registry import RegistryPanel as RegistryPanel
from mlops_lab.teaching.panels.retries import RetriesPanel as RetriesPanel
from mlops_lab.teaching.panels.threshold import ThresholdPanel as ThresholdPanel
from mlops_lab.teaching.panels.timeline import JoinTimelinePanel as JoinTimelinePanel
from mlops_lab.teaching.panels.view import View as View
from mlops_lab.teaching.panels.workflow import WorkflowPanel as WorkflowPanel
