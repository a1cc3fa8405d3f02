"""How does one job, or one leg of a matrix, come through: its turn, its group, its environment, its steps?"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlops_lab.ci.calling import call, outputs_of_call
from mlops_lab.ci.entering import enter_environment, enter_group
from mlops_lab.ci.evaluation import Evaluator, evaluating
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.performing import Outcome, StepRequest, ToldOutcomes
from mlops_lab.ci.results import StepRun
from mlops_lab.ci.running_steps import Scope, run_steps
from mlops_lab.ci.scheduling import Process, Sleep, Task, Wait
from mlops_lab.ci.workflow import Job

if TYPE_CHECKING:
    from mlops_lab.ci.running_jobs import JobGraph

__all__ = ["Leg"]

_DEFAULT_MINUTES = 360.0
_LONGEST_NAME = 100
_SYSTEMS = (("windows", "Windows"), ("macos", "macOS"))


def _runner(labels: str, temp: str) -> dict[str, Value]:
    """The `runner` context of a machine of GitHub's with those labels."""
    system = next((name for word, name in _SYSTEMS if word in labels.lower()), "Linux")
    return {
        "name": "Hosted Agent",
        "os": system,
        "arch": "X64",
        "temp": temp,
        "tool_cache": "/opt/hostedtoolcache",
        "environment": "github-hosted",
        "debug": "",
    }


class Leg:
    """One job as it happens."""

    graph_of_call: JobGraph | None = None

    def __init__(self, graph: JobGraph, job: Job, contexts: Mapping[str, Value], *, suffix: str, unique: str) -> None:
        self.graph = graph
        self.job = job
        self.state = graph.state
        self.contexts = dict(contexts)
        naming = Evaluator(graph.workflow.file, workspace=None, on_reference=lambda _: None)
        with evaluating("name", job.id):
            named = naming.text(job.name, contexts) or job.id
        plain = job.name is None or "${{" not in job.name.word
        whole = f"{named} ({suffix})" if suffix and plain else named
        self.name: str = graph.prefix + (whole[:97] + "..." if plain and len(whole) > _LONGEST_NAME else whole)
        if self.name in self.state.legs:
            self.name += f" [{unique}]"
        self.secrets: dict[str, str] = dict(graph.secrets)
        self.evaluate = self.evaluator(graph.workflow.file, set)
        self.status = "queued"
        self.conclusion: str | None = None
        self.result: str | None = None
        self.reason = ""
        self.cancelled = ""
        self.interrupted = False
        self.forgiving = False
        self.has_place = False
        self.minutes = _DEFAULT_MINUTES
        self.deadline = self.now
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.asked_at: datetime | None = None
        self.decision = ("", "")
        self.environment = ""
        self.runs_on = ""
        self.groups: list[str] = []
        self.outputs: dict[str, str] = {}
        self.steps: tuple[StepRun, ...] = ()
        self.task: Task | None = None
        self.state.legs[self.name] = self

    @property
    def now(self) -> datetime:
        """The moment in the run."""
        return self.state.scheduler.now

    def note(self, text: str) -> None:
        """Say what was not modelled."""
        self.state.note(text)

    @property
    def is_cancelled(self) -> bool:
        """Has somebody, or something, cancelled it?"""
        return bool(self.cancelled)

    def evaluator(self, file: str, unknown: Callable[[], set[str]]) -> Evaluator:
        """An evaluator for a file, which notes what is read and not known."""

        def watch(path: tuple[str, ...]) -> None:
            if len(path) >= 4 and path[0] == "steps" and path[2] == "outputs" and path[1] in unknown():
                shown = ".".join(path)
                self.note(f"{self.name}: {shown} is not known when nothing is executed; it was taken as empty")
            if len(path) == 2 and path[0] == "secrets" and path[1] not in map(str.lower, self.secrets):
                self.note(f"{self.name}: the secret {path[1].upper()} was not given; it was taken as empty")

        return Evaluator(file, workspace=self.state.performer.workspace(self.name), on_reference=watch)

    def perform(self, request: StepRequest) -> Outcome:
        """Have a step done."""
        return self.state.performer.perform(request)

    # -- from outside ---------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look again at what it waits for."""
        if self.task is not None:
            self.state.scheduler.wake(self.task)

    def cancel(self, why: str) -> None:
        """Cancel it, if it is not done; a step that runs is interrupted, and `always()` steps still run."""
        if self.conclusion is not None or self.cancelled:
            return
        self.cancelled = why
        self.interrupted = self.status == "in_progress"
        self.state.desk.forget(self)
        if self.graph_of_call is not None:
            self.graph_of_call.cancel(why)
        self.wake()

    def decide(self, decision: str, why: str) -> None:
        """A reviewer has decided, or time has."""
        self.decision = (decision, why)
        self.state.moment(self.name, decision, why)
        self.wake()

    # -- its own life ---------------------------------------------------------------------------------------------

    def process(self) -> Process:
        """From queued to completed."""
        self.state.moment(self.name, "queued")
        try:
            while not self.cancelled and not self.graph.may_start(self):
                yield Wait()
            yield from self._live()
        except ExpressionError as error:
            self.reason = str(error)
            self.conclusion = "failure"
        self._finish()

    def _live(self) -> Generator[Sleep | Wait, None, None]:
        if self.is_cancelled:
            return
        self._prepare()
        yield from enter_group(self)
        refused = "" if self.is_cancelled else (yield from enter_environment(self))
        if refused:
            self.reason, self.conclusion = refused, "failure"
        if refused or self.is_cancelled:
            return
        self.status, self.started = "in_progress", self.now
        self.deadline = self.now + timedelta(minutes=self.minutes)
        self.state.moment(self.name, "started")
        if self.job.uses is not None:
            yield from self._call()
        else:
            yield from self._run()

    def _prepare(self) -> None:
        evaluate, contexts, job = self.evaluate, self.contexts, self.job
        with evaluating("runs-on", job.id):
            runs_on = evaluate.value(job.runs_on, contexts)
        if isinstance(runs_on, Mapping):
            runs_on = runs_on.get("labels") or runs_on.get("group")
        self.runs_on = ", ".join(map(to_text, runs_on)) if isinstance(runs_on, list) else to_text(runs_on)
        with evaluating("continue-on-error", job.id):
            forgiving = evaluate.value(job.continue_on_error, contexts)
        self.forgiving = to_text(forgiving).lower() == "true"
        if job.timeout_minutes is not None:
            with evaluating("timeout-minutes", job.id):
                self.minutes = evaluate.minutes(job.timeout_minutes, contexts)
        with evaluating("environment", job.id):
            self.environment = evaluate.text(job.environment, contexts)
        for key in job.unmodelled:
            self.note(f"{self.name}: '{key}' is read and checked, and not simulated")

    def _run(self) -> Generator[Sleep | Wait, None, None]:
        known = self.contexts.get("github")
        github = known if isinstance(known, Mapping) else {}
        workspace, temp = self.state.performer.places(self.name, to_text(github.get("repository")))
        contexts: dict[str, Value] = {
            **self.contexts,
            "github": {**github, "job": self.job.id, "workspace": workspace},
            "secrets": {"GITHUB_TOKEN": "***", **self.secrets},
            "job": {"status": "success", "container": {}, "services": {}},
            "runner": _runner(self.runs_on, temp),
        }
        scope = Scope(
            self.evaluator(self.graph.workflow.file, lambda: scope.unknown),
            contexts,
            {},
            defaults=(self.job.defaults, self.graph.workflow.defaults),
        )
        for layer in (self.graph.workflow.env, self.job.env):
            scope.env.update(scope.evaluator.texts(layer, contexts))
        self.steps = yield from run_steps(self, self.job.steps, scope)
        self.conclusion = "cancelled" if self.cancelled else scope.status
        self.reason = self.cancelled or next(
            (run.reason for run in self.steps if run.conclusion == "failure" and run.reason), ""
        )
        everything = {**scope.all(), "job": {"status": self.conclusion}}
        for name, value in scope.evaluator.texts(self.job.outputs, everything).items():
            if self.state.performer.conceals(value) or any(one and one in value for one in self.secrets.values()):
                self.note(f"{self.name}: Skip output '{name}' since it may contain secret.")
            else:
                self.outputs[name] = value

    def _call(self) -> Generator[Sleep | Wait, None, None]:
        callee = self.graph.workflow.called.get(self.job.uses or "")
        if callee is None:
            told = self.state.performer
            outcome = told.of_job([self.name, self.job.id]) if isinstance(told, ToldOutcomes) else None
            self.note(f"{self.name}: {self.job.uses} is of another repository; its jobs are not known")
            self.conclusion = outcome.conclusion if outcome else "success"
            self.outputs = dict(outcome.outputs) if outcome else {}
            yield Sleep(outcome.seconds if outcome else 1.0)
            return
        self.graph_of_call = call(self, callee)
        while not self.graph_of_call.is_done:
            yield Wait()
        self.conclusion = self.graph_of_call.result()
        self.outputs = outputs_of_call(self.graph_of_call)

    def _finish(self) -> None:
        if self.conclusion is None:
            self.conclusion = "cancelled"
            self.reason = self.cancelled
        self.status, self.ended = "completed", self.now
        self.result = "success" if self.conclusion == "failure" and self.forgiving else self.conclusion
        for group in self.groups:
            self.state.leave(group, self.name)
        self.state.moment(self.name, self.conclusion, self.reason.splitlines()[0] if self.reason else "")
        self.graph.completed(self)
