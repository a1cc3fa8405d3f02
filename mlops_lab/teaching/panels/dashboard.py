"""All panels on one page for a projector: a tab a lesson, in big letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from mlops_lab.teaching.classroom.results import load_measured, load_traffic
from mlops_lab.teaching.panels.breaking import BreakPanel
from mlops_lab.teaching.panels.canary import CanaryPanel
from mlops_lab.teaching.panels.gate import GatePanel
from mlops_lab.teaching.panels.panel import Panel
from mlops_lab.teaching.panels.registry import RegistryPanel
from mlops_lab.teaching.panels.retries import RetriesPanel
from mlops_lab.teaching.panels.timeline import JoinTimelinePanel
from mlops_lab.teaching.panels.workflow import WorkflowPanel


@dataclass(frozen=True)
class Lesson:
    """A tab: the notebook it belongs to, its short name, the question, what to try, and the panel."""

    notebook: str
    name: str
    question: str
    attempt: str
    panel: Callable[[], Panel]


def _weather() -> Panel:
    """Three reports of the weather at JFK, as notebook 01 has them."""
    rows = [
        {"name": f"{hour}:00", "event_timestamp": f"2013-01-01T{hour}:00Z", "created_timestamp": known, "temp": temp}
        for hour, known, temp in (
            ("16", "2013-01-01T17:00Z", 39.02),
            ("17", "2013-01-01T18:00Z", 37.94),
            ("18", "2013-01-01T19:00Z", 37.04),
        )
    ]
    return JoinTimelinePanel(rows, decision="2013-01-01T18:35Z", feature="temp")


def _registry() -> Panel:
    served = {name: round(one.metrics["served.roc_auc"], 3) for name, one in load_measured().items()}
    return RegistryPanel([0.73, served["as_known"], served["daily_averages"]], floor=0.66)


def _workflow() -> Panel:
    from mlops_lab.ci import load_workflow

    here = Path(__file__).resolve().parents[3] / ".github" / "workflows" / "train.yml"
    return WorkflowPanel(
        load_workflow(here), gate="train/pipeline", reviewers=("ada", "grace"), outputs={"version": "1"}
    )


LESSONS: tuple[Lesson, ...] = (
    Lesson("01", "Features", "What was known, and when?", "Move the decision past 19:00, then shorten ttl.", _weather),
    Lesson(
        "03",
        "Gate",
        "What must be true before a model may replace another?",
        "Choose daily_averages: the best one offline is the worst as served. Then raise the floor for the honest one.",
        lambda: GatePanel(load_measured()),
    ),
    Lesson(
        "04",
        "Registry",
        "Which model is in charge, and who said so?",
        "As ada, promote version 2. Then ask, become grace, approve and promote.",
        _registry,
    ),
    Lesson(
        "05",
        "Retries",
        "Who runs this at night, and what if it fails?",
        "Give the task more failures than retries, and see what depends on it.",
        RetriesPanel,
    ),
    Lesson(
        "06",
        "Workflow",
        "How do I make sure nobody skips the gate?",
        "Let the author approve her own run, then somebody else, then let the gate refuse.",
        _workflow,
    ),
    Lesson(
        "07",
        "Canary",
        "How do I put it to work, and take it back?",
        "The leaking model takes over: how many passengers meet it before it is taken back?",
        lambda: CanaryPanel(load_traffic()),
    ),
    Lesson("00", "Break it", "What else goes wrong?", "Choose a failure, break it, read, reset.", BreakPanel),
)


class Dashboard(widgets.VBox):  # type: ignore[misc]
    """One page for all panels: a row of tabs, below it the question of the lesson and its panel.

    A panel is made when its tab is first opened, so the page stands at once; the tabs are buttons, reached and pressed
    by keyboard as any other.

    Args:
        lessons: the tabs, by the name on them; all lessons when left out.

    >>> page = Dashboard({"Retries": LESSONS[3]})
    >>> page
    Dashboard(Retries of 1 lesson)
    >>> page.panel
    Retries: ✓ the run succeeded: fetch needed 3 tries and 3 min, 2 min of it waiting
    """

    def __init__(self, lessons: Mapping[str, Lesson] | None = None) -> None:
        self._lessons = dict(lessons) if lessons is not None else {one.name: one for one in LESSONS}
        self._panels: dict[str, Panel] = {}
        self._place = widgets.VBox()
        self.tabs = widgets.ToggleButtons(options=list(self._lessons), style={"button_width": "auto"})
        self.tabs.add_class("lab-tabs")
        super().__init__([self.tabs, self._place])
        self.add_class("lab-dashboard")
        self.tabs.observe(self._opened, names="value")
        self._opened({})

    @property
    def panel(self) -> Panel:
        """The panel of the open tab."""
        name = self.tabs.value
        if name not in self._panels:
            self._panels[name] = self._lessons[name].panel()
        return self._panels[name]

    def _opened(self, _change: Mapping[str, Any]) -> None:
        lesson = self._lessons[self.tabs.value]
        where = f"notebook {lesson.notebook}" if lesson.notebook != "00" else "all notebooks"
        head = f"<h2>{escape(lesson.question)}</h2><p>{escape(lesson.attempt)} ({where})</p>"
        self._place.children = [widgets.HTML(head), self.panel]

    def warm(self) -> Dashboard:
        """Make every panel now: for a page that stands before anybody asks for it."""
        for name in self._lessons:
            self._panels.setdefault(name, self._lessons[name].panel())
        return self

    def __repr__(self) -> str:
        many = len(self._lessons)
        return f"Dashboard({self.tabs.value} of {many} {'lesson' if many == 1 else 'lessons'})"
