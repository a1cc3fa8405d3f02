"""The steps of a job, one after the other.

Conditions, outcome and conclusion, timeouts, cancellation, outputs, composite actions. Time passes by yielding.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.ci.evaluation import Evaluator
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.loading import is_local, local_path
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.results import StepRun
from mlops_lab.ci.run_state import RunState, Sleep, Task, Wait
from mlops_lab.ci.step_runner import Outcome, StepRequest
from mlops_lab.ci.workflow import Action, Job, Step, Workflow

_DEFAULT_MINUTES = 360.0


class RunningJob:
    """A job as its steps see it: what it may read, until when it may run, and how it is stopped."""

    def __init__(
        self, name: str, definition: Job, workflow: Workflow, state: RunState, *, contexts: Mapping[str, Value],
        secrets: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.name = name
        self.definition = definition
        self.workflow = workflow
        self.state = state
        self.contexts = dict(contexts)
        self.secrets = dict(secrets)
        self.runs_on = ""
        self.status = "queued"
        self.conclusion: str | None = None
        self.minutes = _DEFAULT_MINUTES
        self.deadline = self.now
        self.cancelled = ""
        self.interrupted = False
        self.cancel_called: Callable[[str], None] = lambda _: None  # the jobs of a called workflow
        self.asked_at: datetime | None = None
        self.decision = ("", "")
        self.task: Task | None = None

    @property
    def now(self) -> datetime:
        """The moment in the run."""
        return self.state.scheduler.now

    def note(self, text: str) -> None:
        """Say what was not modelled."""
        self.state.note(f"{self.name}: {text}")

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
        self.cancel_called(why)
        self.wake()

    def decide(self, decision: str, why: str) -> None:
        """A reviewer has decided, or time has."""
        self.decision = (decision, why)
        self.state.moment(self.name, decision, why)
        self.wake()

    def evaluator(self, file: str, unknown: Callable[[], set[str]]) -> Evaluator:
        """An evaluator for a file, which notes what is read and not known."""

        def watch(path: tuple[str, ...]) -> None:
            if len(path) >= 4 and path[0] == "steps" and path[2] == "outputs" and path[1] in unknown():
                self.note(f"{'.'.join(path)} is not known when nothing is executed; it was taken as empty")
            self.state.read(path, self.contexts.get("github"))
            if len(path) == 2 and path[0] == "secrets" and path[1] not in map(str.lower, self.secrets):
                self.note(f"the secret {path[1].upper()} was not given; it was taken as empty")

        return Evaluator(file, workspace=self.state.runner.workspace(self.name), on_reference=watch)


@dataclass
class Scope:
    """What a sequence of steps shares: a job's steps, or a composite action's."""

    evaluator: Evaluator
    contexts: dict[str, Value]  # without `env` and `steps`
    env: dict[str, str]
    defaults: Sequence[Mapping[str, Node]] = ()
    path: tuple[str, ...] = ()
    steps: dict[str, Value] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)  # steps whose outputs nobody knows
    status: str = "success"

    def all(self) -> dict[str, Value]:
        """The contexts of this moment."""
        job = self.contexts.get("job")
        return {
            **self.contexts,
            "env": dict(self.env),
            "steps": self.steps,
            **({"job": {**job, "status": self.status}} if isinstance(job, Mapping) and not self.path else {}),
        }


Steps = Generator["Sleep | Wait", None, tuple[StepRun, ...]]


def run_steps(job: RunningJob, steps: Sequence[Step], scope: Scope) -> Steps:
    """Run steps one after the other; the scope's status says how it went."""
    done: list[StepRun] = []
    for number, step in enumerate(steps, start=1):
        run = yield from _run_step(job, step, number, scope)
        done.append(run)
        scope.steps[step.id] = {
            "outputs": dict(run.outputs),
            "outcome": run.outcome or "",
            "conclusion": run.conclusion or "",
        }
    return tuple(done)


def _run_step(job: RunningJob, step: Step, number: int, scope: Scope) -> Generator[Sleep | Wait, None, StepRun]:
    started = job.now
    name = step.title
    status = "cancelled" if job.cancelled else scope.status
    if step.unmodelled:
        job.note(f"{step.unmodelled!r} steps are not modelled; {name!r} did not run")
        return _ended(step, name, "skipped", f"{step.unmodelled} steps are not modelled")
    try:
        contexts = scope.all()
        env = {**scope.env, **scope.evaluator.texts(step.env, contexts)}
        contexts["env"] = dict(env)
        name = scope.evaluator.text(step.name, contexts) if step.name is not None else name
        if not scope.evaluator.condition(step.condition, contexts, status):
            return _ended(step, name, "skipped", _why_skipped(step, status, scope, contexts))
        forgiving = _truth(scope.evaluator.value(step.continue_on_error, contexts))
        minutes = scope.evaluator.minutes(step.timeout_minutes, contexts) if step.timeout_minutes else None
        request = _request(job, step, number, scope, name, env, contexts, minutes)
    except ExpressionError as error:
        scope.status = "failure"
        why = f"The template is not valid. {error}{_cure(job, step, scope)}"
        return _ended(step, name, "failure", why, started=started, ended=started)
    action, missing = _local_action(job, step, number)
    if missing:
        run = _ended(step, name, "failure", missing)
    elif action is not None and action.using == "composite" and not job.state.runner.tells(request):
        run = yield from _run_composite(job, request, action, scope)
    else:
        run = yield from _perform(job, request, scope)
    conclusion = "success" if run.outcome == "failure" and forgiving else run.outcome
    if conclusion == "failure" and scope.status == "success":
        scope.status = "failure"
    return replace(run, conclusion=conclusion, started=started, ended=job.now)


def _ended(step: Step, name: str, outcome: str, reason: str = "", **more: Any) -> StepRun:
    """The record of a step before `continue-on-error` is looked at."""
    return StepRun(step.id, name, outcome, outcome, reason, **more)


def _local_action(job: RunningJob, step: Step, number: int) -> tuple[Action | None, str]:
    """The local action of a step, or why it cannot be found.

    `./` comes into the workspace with the checkout; `$/` is of the commit.
    """
    if step.uses is None or not is_local(step.uses):
        return None, ""
    action, root = job.workflow.actions.get(step.uses), job.workflow.root
    folder = local_path(root, step.uses)
    if action is None:
        job.note(f"there is no local action {step.uses}; GitHub would fail here unless a step makes it")
    if step.uses.startswith("$/"):
        if action is not None or (folder is not None and (folder / "Dockerfile").is_file()):
            return action, ""
        return None, f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' for action '{step.uses}'."
    before = job.definition.steps[: number - 1]
    if not any((other.uses or "").startswith("actions/checkout@") for other in before):
        job.note(f"{step.uses} is used without actions/checkout before it; GitHub would not find it")
    workspace = job.state.runner.workspace(job.name)
    if workspace is None or not job.state.runner.real:
        made = folder is not None or any(other.run is not None or is_local(other.uses or "") for other in before)
        outside = f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile': '{step.uses}' is outside of the repository."
        return (action, "") if made else (None, outside)
    folder = workspace / (step.uses[2:] if folder is None else folder.relative_to(root))  # a step may put it outside
    if any((folder / name).is_file() for name in ("action.yml", "action.yaml", "Dockerfile")):
        return action, ""
    return None, (
        f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{folder}'. "
        "Did you forget to run actions/checkout before running your local action?"
    )


def _request(
    job: RunningJob, step: Step, number: int, scope: Scope, name: str, env: Mapping[str, str],
    contexts: Mapping[str, Value], minutes: float | None,
) -> StepRequest:  # fmt: skip
    evaluator = scope.evaluator
    own = {"shell": step.shell, "working-directory": step.working_directory}
    given = evaluator.texts({name: node for name, node in own.items() if node is not None}, contexts)
    for defaults in scope.defaults if step.run is not None else ():
        given = {**evaluator.texts(defaults, contexts), **given}
    return StepRequest(
        job_name=job.name,
        job=job.definition,
        step=step,
        number=number,
        name=name,
        env=env,
        contexts=contexts,
        secrets=job.secrets,
        run=evaluator.text(step.run, contexts) if step.run is not None else None,
        shell=given.get("shell"),
        working_directory=given.get("working-directory"),
        arguments=evaluator.texts(step.arguments, contexts),
        timeout_seconds=minutes * 60 if minutes else None,
        job_seconds=job.minutes * 60,
        path=scope.path,
        runs_on=job.runs_on,
    )


def _why_skipped(step: Step, status: str, scope: Scope, contexts: Mapping[str, Value]) -> str:
    """What decided: the status of the job, or the `if`, with what in it nobody knows."""
    if step.condition is None or (
        status != "success" and not scope.evaluator.looks_past_status(step.condition, contexts)
    ):
        return f"the job's status is {status}"
    unknown = [".".join(path) for path in _unknown(scope, [step.condition], contexts)]
    told = f"; {' and '.join(unknown)} not known, taken as empty" if unknown else ""
    return f"if: {step.condition.word.strip()}{told}"


def _unknown(scope: Scope, nodes: Sequence[Node | None], contexts: Mapping[str, Value]) -> dict[tuple[str, ...], None]:
    """The outputs that these read and that nobody knows, because nothing was executed."""
    paths = [path for node in nodes for path in scope.evaluator.paths(node, contexts)]
    read = [path for path in paths if path[0] == "steps" and len(path) > 3 and path[2] == "outputs"]
    return dict.fromkeys(path for path in read if path[1] in scope.unknown)


def _cure(job: RunningJob, step: Step, scope: Scope) -> str:
    """How to tell what a step reads and nobody knows, when it cannot be computed without; else nothing."""
    nodes = [step.condition, step.run, step.name, step.timeout_minutes, *step.env.values(), *step.arguments.values()]
    unknown = [] if scope.path else _unknown(scope, nodes, scope.all())
    told = " ".join(f"--output {job.definition.id}/{path[1]}.{path[3]}='{{}}'" for path in unknown)
    return f". Say it with {told}: nothing was executed, so nobody knows this output" if told else ""


def _truth(value: Value) -> bool:
    return value is True or to_text(value).lower() == "true"


def _perform(job: RunningJob, request: StepRequest, scope: Scope) -> Generator[Sleep | Wait, None, StepRun]:
    """Have the step done, and let its time pass; its own timeout, the job's, or a cancellation may end it early."""
    outcome = job.state.runner.run(request)
    seconds, limit = outcome.seconds, request.timeout_seconds
    late = limit is not None and seconds > limit
    if late:
        minutes = f"{limit / 60:g}" if limit is not None else ""
        reason = f"The action '{request.name}' has timed out after {minutes} minutes."
        outcome = Outcome("failure", seconds=limit or 0, reason=reason, log=outcome.log)
        seconds = limit or 0
    left = (job.deadline - job.now) / timedelta(seconds=1)
    if seconds > left and not job.cancelled:
        yield Sleep(left, urgent=True)
        job.cancel(f"The job has exceeded the maximum execution time of {job.minutes:g} minutes.")
    else:
        yield from _pass_time(job, seconds, urgent=outcome.conclusion != "success")
    if outcome.conclusion == "cancelled":
        job.cancel(outcome.reason or "The operation was canceled.")
    if job.interrupted:
        job.interrupted = False
        return _ended(request.step, request.name, "cancelled", "The operation was canceled.", log=outcome.log)
    scope.env.update(outcome.exported)
    if not outcome.knows_outputs:
        scope.unknown.add(request.step.id.lower())
    more = {"outputs": dict(outcome.outputs), "log": outcome.log, "stubbed": outcome.stubbed}
    return _ended(request.step, request.name, outcome.conclusion, outcome.reason, **more)


def _pass_time(job: RunningJob, seconds: float, *, urgent: bool) -> Generator[Sleep | Wait, None, None]:
    """Sleep, unless the job is cancelled meanwhile; a step that runs after a cancellation (`always()`) has its time."""
    end = job.now + timedelta(seconds=seconds)
    while job.now < end and not job.interrupted:
        yield Sleep((end - job.now) / timedelta(seconds=1), urgent=urgent)


def _run_composite(
    job: RunningJob, request: StepRequest, action: Action, outer: Scope
) -> Generator[Sleep | Wait, None, StepRun]:
    """The steps of a composite action: inputs and steps of their own, the job's environment around them."""
    step = request.step
    evaluator = job.evaluator(action.file, lambda: scope.unknown)
    github = outer.contexts.get("github")
    contexts: dict[str, Value] = {
        name: outer.contexts[name] for name in ("strategy", "matrix", "job", "runner", "vars") if name in outer.contexts
    }
    contexts["github"] = {
        **(github if isinstance(github, Mapping) else {}),
        "action_path": str(job.state.runner.relocated(action.folder)),
    }
    scope = Scope(evaluator, contexts, dict(request.env), path=(*outer.path, step.id))
    scope.contexts["inputs"] = _action_inputs(action, request.arguments, evaluator, scope)
    before = dict(scope.env)
    try:
        inner = yield from run_steps(job, action.steps, scope)
        outputs = {name: evaluator.text(node, scope.all()) for name, node in action.outputs.items() if node is not None}
    except ExpressionError as error:
        return _ended(step, request.name, "failure", f"The template is not valid. {error}")
    changed = {name: value for name, value in scope.env.items() if before.get(name) != value}
    outer.env.update(changed)
    outcome = "cancelled" if job.cancelled and any(run.conclusion == "cancelled" for run in inner) else scope.status
    reason = next((run.reason for run in inner if run.conclusion == "failure"), "")
    return _ended(step, request.name, outcome, reason, outputs=outputs, steps=inner)


def _action_inputs(action: Action, given: Mapping[str, str], evaluator: Evaluator, scope: Scope) -> dict[str, Value]:
    lower = {name.lower(): value for name, value in given.items()}
    return {
        name: lower[name.lower()] if name.lower() in lower else evaluator.text(entry.default, scope.all())
        for name, entry in action.inputs.items()
    }
