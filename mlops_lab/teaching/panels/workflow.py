"""The workflow panel: a gate that refuses, and a person who may not approve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci import Environment, Outcome, Review, Trigger, Workflow, WorkflowRun, simulate
from mlops_lab.teaching.drawing import draw_workflow
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import RangeInput, choice, switch
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

_START = "2013-10-01T06:00Z"
_GATE = {"passes": "success", "refuses": "failure"}
_NOBODY = "nobody"


class WorkflowPanel(Panel):
    """Let a workflow's gate pass or refuse, ask for an approval, give it or not, and wait.

    Every picture is a `simulate` of the file itself, started by hand by the first of the reviewers.

    Args:
        workflow: as read by `load_workflow`; it listens to `workflow_dispatch`.
        gate: the step that judges, as `job/step`.
        environment: what the reviewers guard.
        reviewers: who may review, the person who starts the run first.
        outputs: what the step gives when it passes.

    Raises:
        InvalidData: fewer than two reviewers.
        UnknownName: the workflow does not listen to `workflow_dispatch`, or has no such step.

    >>> from mlops_lab.ci import parse_workflow
    >>> text = '''
    ... on: workflow_dispatch
    ... jobs:
    ...   train: {runs-on: x, steps: [{id: gate, run: train}]}
    ...   ship: {runs-on: x, needs: train, environment: production, steps: [{run: ship}]}
    ... '''
    >>> panel = WorkflowPanel(parse_workflow(text), gate="train/gate", reviewers=("ada", "grace"))
    >>> panel
    The workflow: ‖ waiting: ship, production asks for a review by one of ada, grace
    >>> panel.set(review="ada approves")
    >>> panel.view.line
    'waiting: ship, ada started this run and may not review it: production prevents self-review'
    >>> panel.set(review="grace approves")
    >>> panel.view
    ✓ success: all that was asked for ran
    >>> panel.set(gate="refuses")
    >>> panel.run.job("ship").conclusion
    'skipped'
    """

    title: ClassVar[str] = "The workflow"

    def __init__(
        self,
        workflow: Workflow,
        *,
        gate: str,
        environment: str = "production",
        reviewers: Sequence[str] = ("ada", "grace"),
        outputs: dict[str, str] | None = None,
    ) -> None:
        if len(reviewers) < 2:
            raise InvalidData("a panel on approvals takes two reviewers or more, the one who starts the run first.")
        if "workflow_dispatch" not in workflow.events:
            raise UnknownName("event", "workflow_dispatch", workflow.events, where=f"`on` of {workflow.file}")
        self._workflow, self._gate, self._environment = workflow, gate, environment
        self._reviewers, self._outputs = tuple(reviewers), dict(outputs or {})
        reviews = [_NOBODY, *(f"{who} {verb}" for who in reviewers for verb in ("approves", "rejects"))]
        super().__init__(
            {
                "gate": choice("the gate", list(_GATE), "passes"),
                "review": choice("who answers", reviews, _NOBODY),
                "self_review": switch("whoever started the run may review it"),
                "days": RangeInput(label="days later", high=40, value=0, decimals=0),
            }
        )

    @property
    def run(self) -> WorkflowRun:
        """The run for the controls as they are."""
        return self.run_for(self.state)

    def run_for(self, state: State) -> WorkflowRun:
        """What becomes of the workflow, so many days after it was started."""
        clock = FakeClock(_START)
        began = clock.now()
        clock.advance(timedelta(days=float(state["days"])))
        refused = state["gate"] == "refuses"
        reason = "Process completed with exit code 2." if refused else ""
        outcome = Outcome(_GATE[state["gate"]], outputs={} if refused else self._outputs, reason=reason)
        who, _, verb = str(state["review"]).rpartition(" ")
        rules = Environment(self._environment, reviewers=self._reviewers, prevent_self_review=not state["self_review"])
        return simulate(
            self._workflow,
            Trigger("workflow_dispatch", actor=self._reviewers[0]),
            outcomes={self._gate: outcome},
            environments={self._environment: rules},
            approvals=[Review(self._environment, by=who, approved=verb == "approves")] if who else [],
            clock=clock,
            started=began,
        )

    def render(self, state: State) -> View:
        """The jobs with their states, and what happened, moment by moment."""
        run = self.run_for(state)
        drawing = draw_workflow(self._workflow, run)
        word = run.conclusion or run.status
        words = [drawing.outline, ""]
        words += [f"{each.at:%Y-%m-%d %H:%M}  {each.subject}: {each.what}{_why(each.why)}" for each in run.timeline]
        return View(f"{word}: {_reason(run)}", word, svg.drawn(drawing), "\n".join(words))


def _why(why: str) -> str:
    return f", {why}" if why else ""


def _reason(run: WorkflowRun) -> str:
    """Why the run is where it is, in a few words."""
    if run.conclusion == "success":
        return "all that was asked for ran"
    waiting = next((job for job in run.jobs if job.status == "waiting"), None)
    if waiting is not None:
        refused = [each.why for each in run.timeline if each.what == "review refused"]
        return f"{waiting.name.rpartition(' / ')[2]}, {refused[-1] if refused else waiting.reason}"
    failed = [job for job in run.jobs if job.conclusion == "failure"]
    first = next((job for job in failed if job.reason), failed[0] if failed else None)
    return f"{first.name}, {first.reason}" if first is not None else run.status
