"""What happens if I move this? Live panels over the real code, with a picture and words where no kernel runs."""

from __future__ import annotations

from mlops_lab.teaching.panels.breaking import BreakPanel
from mlops_lab.teaching.panels.canary import CanaryPanel
from mlops_lab.teaching.panels.controls import RangeInput
from mlops_lab.teaching.panels.dashboard import Dashboard
from mlops_lab.teaching.panels.gate import GatePanel
from mlops_lab.teaching.panels.matrix import MatrixPanel
from mlops_lab.teaching.panels.moments import DailyRowPanel, EmbargoPanel
from mlops_lab.teaching.panels.panel import Panel
from mlops_lab.teaching.panels.peeking import PeekingPanel
from mlops_lab.teaching.panels.registry import RegistryPanel
from mlops_lab.teaching.panels.retries import RetriesPanel
from mlops_lab.teaching.panels.threshold import ThresholdPanel
from mlops_lab.teaching.panels.timeline import JoinTimelinePanel
from mlops_lab.teaching.panels.view import View
from mlops_lab.teaching.panels.workflow import WorkflowPanel

__all__ = [
    "BreakPanel",
    "CanaryPanel",
    "DailyRowPanel",
    "Dashboard",
    "EmbargoPanel",
    "GatePanel",
    "JoinTimelinePanel",
    "MatrixPanel",
    "Panel",
    "PeekingPanel",
    "RangeInput",
    "RegistryPanel",
    "RetriesPanel",
    "ThresholdPanel",
    "View",
    "WorkflowPanel",
]
