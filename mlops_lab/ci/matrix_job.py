"""One job, or one combination of its matrix, from queued to completed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci.admission import refused_branch
from mlops_lab.ci.evaluation import Evaluator, evaluating
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.results import StepRun
from mlops_lab.ci.run_state import Process, RunState, Sleep, Task, Wait
from mlops_lab.ci.step_runner import GivenOutcomes
from mlops_lab.ci.steps import Scope, run_steps
from mlops_lab.ci.trigger import called_inputs
from mlops_lab.ci.workflow import Concurrency, Job, Workflow

__all__ = ["Graph", "MatrixJob"]

_DEFAULT_MINUTES = 360.0
_LONGEST_NAME = 100
_INTEL = ("-intel", "-large", "macos-13", "macos-12")  # GitHub's other machines with macOS have ARM
_SYSTEMS = (("windows", "Windows"), ("macos", "macOS"))


class Graph(Protocol):
    """What a job asks of the graph it belongs to."""

    state: RunState
    workflow: Workflow
    prefix: str
    secrets: dict[str, str]
    contexts: dict[str, Value]

    @property
    def is_done(self) -> bool:
        """Are all jobs completed?"""

    def may_start(self, job: MatrixJob) -> bool:
        """Is there a place for it under `max-parallel`?"""

    def completed(self, job: MatrixJob) -> None:
        """It is done."""

    def held_above(self, group: str) -> str:
        """Who, on the way up, holds that concurrency group already."""

    def call(self, job: MatrixJob, callee: Workflow) -> Graph:
        """Start the jobs of the workflow that the job calls."""

    def cancel(self, why: str) -> None:
        """Cancel its jobs."""

    def result(self) -> str:
        """What the jobs together come to."""

    def outputs(self) -> dict[str, str]:
        """The outputs of `on.workflow_call`."""


def _runner(labels: str, temp: str) -> dict[str, Value]:
    """The `runner` context of a machine of GitHub's with those labels."""
    words = labels.lower()
    system = next((name for word, name in _SYSTEMS if word in words), "Linux")
    is_own = "self-hosted" in words
    is_arm = "arm" in words or (system == "macOS" and not is_own and not any(word in words for word in _INTEL))
    return {
        "name": "Hosted Agent",
        "os": system,
        "arch": "ARM64" if is_arm else "X64",
        "temp": temp,
        "tool_cache": "/opt/hostedtoolcache",
        "environment": "self-hosted" if is_own else "github-hosted",
        "debug": "",
    }


class MatrixJob:
    """One job as it happens."""

    def __init__(
        self, graph: Graph, definition: Job, contexts: Mapping[str, Value], *, suffix: str, unique: str
    ) -> None:
        self.graph = graph
        self.definition = definition
        self.workflow = graph.workflow
        self.state = graph.state
        self.contexts = dict(contexts)
        with evaluating("name", definition.id):
            named = Evaluator(self.workflow.file).text(definition.name, contexts) or definition.id
        plain = definition.name is None or "${{" not in definition.name.word
        whole = f"{named} ({suffix})" if suffix and plain else named
        self.name: str = graph.prefix + (whole[:97] + "..." if plain and len(whole) > _LONGEST_NAME else whole)
        if self.name in self.state.jobs:
            self.name += f" [{unique}]"
        self.secrets: dict[str, str] = dict(graph.secrets)
        self.evaluate = self.evaluator(self.workflow.file, set)
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
        self.called: Graph | None = None
        self.task: Task | None = None
        self.state.jobs[self.name] = self

    @property
    def now(self) -> datetime:
        """The moment in the run."""
        return self.state.scheduler.now

    def note(self, text: str) -> None:
        """Say what was not modelled."""
        self.state.note(f"{self.name}: {text}")

    def evaluator(self, file: str, unknown: Callable[[], set[str]]) -> Evaluator:
        """An evaluator for a file, which notes what is read and not known."""

        def watch(path: tuple[str, ...]) -> None:
            if len(path) >= 4 and path[0] == "steps" and path[2] == "outputs" and path[1] in unknown():
                self.note(f"{'.'.join(path)} is not known when nothing is executed; it was taken as empty")
            self.state.read(path, self.contexts.get("github"))
            if len(path) == 2 and path[0] == "secrets" and path[1] not in map(str.lower, self.secrets):
                self.note(f"the secret {path[1].upper()} was not given; it was taken as empty")

        return Evaluator(file, workspace=self.state.runner.workspace(self.name), on_reference=watch)

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
        self.state.reviews.forget(self)
        if self.called is not None:
            self.called.cancel(why)
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

    def _live(self) -> Process:
        if self.cancelled:
            return
        self._prepare()
        yield from self._enter_groups()
        refused = "" if self._is_cancelled() else (yield from self._enter_environment())
        if refused:
            self.reason, self.conclusion = refused, "failure"
        if refused or self._is_cancelled():
            return
        self.status, self.started = "in_progress", self.now
        self.deadline = self.now + timedelta(minutes=self.minutes)
        self.state.moment(self.name, "started")
        yield from self._call() if self.definition.uses is not None else self._run()

    def _is_cancelled(self) -> bool:
        return bool(self.cancelled)

    def _prepare(self) -> None:
        evaluate, contexts, job = self.evaluate, self.contexts, self.definition
        with evaluating("runs-on", job.id):
            runs_on = evaluate.value(job.runs_on, contexts)
        if isinstance(runs_on, Mapping):
            runs_on = runs_on.get("labels") or runs_on.get("group")
        self.runs_on = ", ".join(map(to_text, runs_on)) if isinstance(runs_on, list) else to_text(runs_on)
        with evaluating("continue-on-error", job.id):
            self.forgiving = evaluate.text(job.continue_on_error, contexts).lower() == "true"
        if job.timeout_minutes is not None:
            with evaluating("timeout-minutes", job.id):
                self.minutes = evaluate.minutes(job.timeout_minutes, contexts)
        with evaluating("environment", job.id):
            self.environment = evaluate.text(job.environment, contexts)
        for key in job.unmodelled:
            self.note(f"'{key}' is read and checked, and not simulated")

    def _groups(self) -> list[tuple[Concurrency, Workflow | None]]:
        """The concurrency groups that it has to enter: its own, and that of the workflow it calls, with it."""
        callee = self.workflow.called.get(self.definition.uses or "")
        found = [(self.definition.concurrency, None), (callee.concurrency if callee is not None else None, callee)]
        return [(concurrency, named) for concurrency, named in found if concurrency is not None]

    def _enter_groups(self) -> Process:
        """Enter the concurrency groups of the job, waiting for its turn; a deadlock cancels it."""
        groups = self.state.groups
        for concurrency, callee in self._groups():
            contexts = self.contexts if callee is None else self.contexts_of_call(callee)
            with evaluating("concurrency", self.definition.id):
                group, cancel, queue = self.evaluate.concurrency(concurrency, contexts)
            holder = self.graph.held_above(group)
            if holder:
                self.cancelled = (
                    f"Canceling since a deadlock for concurrency group '{group}' was detected "
                    f"between '{holder}' and '{self.name}'"
                )
                return
            if not groups.enter(group, self.name, cancel_in_progress=cancel, queue=queue):
                self.status = "pending"
                self.state.moment(self.name, "pending", f"behind {groups.running(group)} in group '{group}'")
            self.groups.append(group)
            while not self.cancelled and groups.running(group) != self.name:
                yield Wait()

    def _enter_environment(self) -> Generator[Sleep | Wait, None, str]:
        """Wait for reviewers and timer; the result says why it may not enter, and is empty when it may."""
        if not self.environment:
            return ""
        environment = self.state.environments.get(self.environment.lower())
        if environment is None:
            self.note(f"the environment {self.environment!r} was not described; it was taken as unprotected")
            return ""
        if refused := refused_branch(environment, self.state.trigger.executing_ref):
            return refused
        self.asked_at = self.now
        ready = self.now + timedelta(minutes=environment.wait_timer)
        if environment.reviewers or environment.wait_timer:
            self.status = "waiting"
            reviewers = [f"a review by one of {', '.join(environment.reviewers)}"] if environment.reviewers else []
            timer = [f"{environment.wait_timer:g} minutes"] if environment.wait_timer else []
            self.reason = f"{environment.name} asks for {' and '.join(reviewers + timer)}"
            self.state.moment(self.name, "waiting", self.reason)
        if environment.reviewers:
            self.state.reviews.ask(self, environment)
            while not self.cancelled and not self.decision[0]:
                yield Wait()
        if self.decision[0] in ("rejected", "expired"):
            return f"rejected {self.decision[1]}" if self.decision[0] == "rejected" else self.decision[1]
        while self.now < ready and not self.cancelled:
            yield Sleep((ready - self.now) / timedelta(seconds=1))
        self.reason = ""
        self.secrets.update({} if self.state.trigger.is_untrusted else environment.secrets)
        variables = self.contexts.get("vars")
        self.contexts["vars"] = {**(variables if isinstance(variables, Mapping) else {}), **environment.variables}
        return ""

    def _run(self) -> Process:
        known = self.contexts.get("github")
        github = known if isinstance(known, Mapping) else {}
        workspace, temp = self.state.runner.places(self.name, to_text(github.get("repository")))
        contexts: dict[str, Value] = {
            **self.contexts,
            "github": {**github, "job": self.definition.id, "workspace": workspace},
            "secrets": {"GITHUB_TOKEN": "***", **self.secrets},
            "job": {"status": "success", "container": {}, "services": {}},
            "runner": _runner(self.runs_on, temp),
        }
        scope = Scope(
            self.evaluator(self.workflow.file, lambda: scope.unknown),
            contexts,
            {},
            defaults=(self.definition.defaults, self.workflow.defaults),
        )
        for layer in (self.workflow.env, self.definition.env):
            scope.env.update(scope.evaluator.texts(layer, contexts))
        self.steps = yield from run_steps(self, self.definition.steps, scope)
        self.conclusion = "cancelled" if self.cancelled else scope.status
        self.reason = self.cancelled or next(
            (run.reason for run in self.steps if run.conclusion == "failure" and run.reason), ""
        )
        everything = {**scope.all(), "job": {"status": self.conclusion}}
        for name, value in scope.evaluator.texts(self.definition.outputs, everything).items():
            if self.state.runner.conceals(value) or any(one and one in value for one in self.secrets.values()):
                self.note(f"Skip output '{name}' since it may contain secret.")
            else:
                self.outputs[name] = value

    def _call(self) -> Process:
        callee = self.workflow.called.get(self.definition.uses or "")
        if callee is None:
            runner = self.state.runner
            outcome = runner.of_job([self.name, self.definition.id]) if isinstance(runner, GivenOutcomes) else None
            self.note(f"{self.definition.uses} is of another repository; its jobs are not known")
            self.conclusion = outcome.conclusion if outcome else "success"
            self.outputs = dict(outcome.outputs) if outcome else {}
            yield Sleep(outcome.seconds if outcome else 1.0)
            return
        self.called = self.graph.call(self, callee)
        while not self.called.is_done:
            yield Wait()
        self.conclusion = self.called.result()
        self.outputs = self.called.outputs()

    def contexts_of_call(self, callee: Workflow) -> dict[str, Value]:
        """What the called workflow sees at its top, in its concurrency group for one: its own inputs, not the caller's.

        Raises:
            ExpressionError: an input with a value it cannot have.
        """
        contexts = {**self.contexts, "secrets": {"GITHUB_TOKEN": "***", **self.secrets}}
        given = {name: self.evaluate.value(node, contexts) for name, node in self.definition.arguments.items()}
        evaluate = self.evaluator(callee.file, set)
        outer = self.graph.contexts
        known: dict[str, Value] = {"github": outer["github"], "vars": outer["vars"], "inputs": {}}
        declared = callee.events["workflow_call"].inputs
        try:
            known["inputs"] = called_inputs(declared, given, lambda node: evaluate.value(node, known))
        except MlopsLabError as error:
            raise ExpressionError("evaluation", str(error)) from None
        return known

    def secrets_of_call(self) -> dict[str, str]:
        """The secrets that it passes to the workflow it calls."""
        if self.definition.inherits_secrets:
            return self.graph.secrets
        contexts = {**self.contexts, "secrets": {"GITHUB_TOKEN": "***", **self.secrets}}
        passed = self.evaluate.texts(self.definition.secrets, contexts)
        return {name: value for name, value in passed.items() if value}

    def _finish(self) -> None:
        if self.conclusion is None:
            self.conclusion, self.reason = "cancelled", self.cancelled
        self.status, self.ended = "completed", self.now
        self.result = "success" if self.conclusion == "failure" and self.forgiving else self.conclusion
        for group in self.groups:
            self.state.leave(group, self.name)
        self.state.moment(self.name, self.conclusion, self.reason.splitlines()[0] if self.reason else "")
        self.graph.completed(self)
