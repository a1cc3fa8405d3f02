"""How do the steps of a job follow one another?

Conditions, outcome and conclusion, timeouts, cancellation, outputs, composite actions. Time passes by yielding.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from mlops_lab.ci.evaluation import Evaluator
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.local_actions import action_of, missing_action
from mlops_lab.ci.performing import Outcome, StepRequest
from mlops_lab.ci.results import StepRun
from mlops_lab.ci.scheduling import Sleep, Wait
from mlops_lab.ci.workflow import Action, Defaults, Step

if TYPE_CHECKING:
    from mlops_lab.ci.legs import Leg

__all__ = ["Scope", "run_steps"]


@dataclass
class Scope:
    """What a sequence of steps shares: a job's steps, or a composite action's."""

    evaluator: Evaluator
    contexts: dict[str, Value]  # without `env` and `steps`
    env: dict[str, str]
    defaults: Sequence[Defaults] = ()
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


def run_steps(leg: Leg, steps: Sequence[Step], scope: Scope) -> Steps:
    """Run steps one after the other; the scope's status says how it went."""
    done: list[StepRun] = []
    for number, step in enumerate(steps, start=1):
        run = yield from _run_step(leg, step, number, scope)
        done.append(run)
        scope.steps[step.id] = {
            "outputs": dict(run.outputs),
            "outcome": run.outcome or "",
            "conclusion": run.conclusion or "",
        }
    return tuple(done)


def _run_step(leg: Leg, step: Step, number: int, scope: Scope) -> Generator[Sleep | Wait, None, StepRun]:
    started = leg.now
    name = step.title
    status = "cancelled" if leg.cancelled else scope.status
    if step.unmodelled:
        leg.note(f"{leg.name}: {step.unmodelled!r} steps are not modelled; {name!r} did not run")
        return StepRun(step.id, name, "skipped", "skipped", f"{step.unmodelled} steps are not modelled")
    try:
        contexts = scope.all()
        env = {**scope.env, **scope.evaluator.texts(step.env, contexts)}
        contexts["env"] = dict(env)
        name = scope.evaluator.text(step.name, contexts) if step.name is not None else name
        if not scope.evaluator.condition(step.condition, contexts, status):
            return StepRun(step.id, name, "skipped", "skipped", _why_skipped(step, status, scope, contexts))
        forgiving = _truth(scope.evaluator.value(step.continue_on_error, contexts))
        minutes = scope.evaluator.minutes(step.timeout_minutes, contexts) if step.timeout_minutes else None
        request = _request(leg, step, number, scope, name, env, contexts, minutes)
    except ExpressionError as error:
        scope.status = "failure"
        return StepRun(
            step.id, name, "failure", "failure", f"The template is not valid. {error}", started=started, ended=started
        )
    action = action_of(leg, step)
    missing = missing_action(leg, step, number)
    if missing:
        run = StepRun(step.id, name, "failure", "failure", missing)
    elif action is not None and action.using == "composite":
        run = yield from _run_composite(leg, request, action, scope)
    else:
        run = yield from _perform(leg, request, scope)
    conclusion = "success" if run.outcome == "failure" and forgiving else run.outcome
    if conclusion == "failure" and scope.status == "success":
        scope.status = "failure"
    return StepRun(**{**run.__dict__, "conclusion": conclusion, "started": started, "ended": leg.now})


def _request(
    leg: Leg, step: Step, number: int, scope: Scope, name: str, env: Mapping[str, str],
    contexts: Mapping[str, Value], minutes: float | None,
) -> StepRequest:  # fmt: skip
    evaluator = scope.evaluator
    shell, folder = step.shell, step.working_directory
    for defaults in scope.defaults if step.run is not None else ():
        shell = shell or defaults.shell
        folder = folder or defaults.working_directory
    return StepRequest(
        leg=leg.name,
        job=leg.job,
        step=step,
        number=number,
        name=name,
        env=env,
        contexts=contexts,
        secrets=leg.secrets,
        run=evaluator.text(step.run, contexts) if step.run is not None else None,
        shell=evaluator.text(shell, contexts) if shell is not None else None,
        working_directory=evaluator.text(folder, contexts) if folder is not None else None,
        arguments=evaluator.texts(step.arguments, contexts),
        timeout_seconds=minutes * 60 if minutes else None,
        job_seconds=leg.minutes * 60,
        path=scope.path,
        runs_on=leg.runs_on,
    )


def _why_skipped(step: Step, status: str, scope: Scope, contexts: Mapping[str, Value]) -> str:
    """What decided: the status of the job, or the `if`, with what in it nobody knows."""
    if step.condition is None or (
        status != "success" and not scope.evaluator.looks_past_status(step.condition, contexts)
    ):
        return f"the job's status is {status}"
    paths = scope.evaluator.paths(step.condition, contexts)
    unknown = [
        ".".join(path)
        for path in paths
        if path[0] == "steps" and path[2:3] == ("outputs",) and path[1] in scope.unknown
    ]
    told = f"; {' and '.join(dict.fromkeys(unknown))} not known, taken as empty" if unknown else ""
    return f"if: {step.condition.word.strip()}{told}"


def _truth(value: Value) -> bool:
    return value is True or to_text(value).lower() == "true"


def _perform(leg: Leg, request: StepRequest, scope: Scope) -> Generator[Sleep | Wait, None, StepRun]:
    """Have the step done, and let its time pass; its own timeout, the job's, or a cancellation may end it early."""
    outcome = leg.perform(request)
    seconds, limit = outcome.seconds, request.timeout_seconds
    late = limit is not None and seconds > limit
    if late:
        minutes = f"{limit / 60:g}" if limit is not None else ""
        reason = f"The action '{request.name}' has timed out after {minutes} minutes."
        outcome = Outcome("failure", seconds=limit or 0, reason=reason, log=outcome.log)
        seconds = limit or 0
    left = (leg.deadline - leg.now) / timedelta(seconds=1)
    if seconds > left and not leg.cancelled:
        yield Sleep(left, urgent=True)
        leg.cancel(f"The job has exceeded the maximum execution time of {leg.minutes:g} minutes.")
    else:
        yield from _pass_time(leg, seconds, urgent=outcome.conclusion != "success")
    if outcome.conclusion == "cancelled":
        leg.cancel(outcome.reason or "The operation was canceled.")
    if leg.interrupted:
        leg.interrupted = False
        return StepRun(
            request.step.id, request.name, "cancelled", "cancelled", "The operation was canceled.", log=outcome.log
        )
    scope.env.update(outcome.exported)
    if not outcome.knows_outputs:
        scope.unknown.add(request.step.id.lower())
    return StepRun(
        request.step.id,
        request.name,
        outcome.conclusion,
        outcome.conclusion,
        outcome.reason,
        outputs=dict(outcome.outputs),
        log=outcome.log,
        stubbed=outcome.stubbed,
    )


def _pass_time(leg: Leg, seconds: float, *, urgent: bool) -> Generator[Sleep | Wait, None, None]:
    """Sleep, unless the job is cancelled meanwhile; a step that runs after a cancellation (`always()`) has its time."""
    end = leg.now + timedelta(seconds=seconds)
    while leg.now < end and not leg.interrupted:
        yield Sleep((end - leg.now) / timedelta(seconds=1), urgent=urgent)


def _run_composite(
    leg: Leg, request: StepRequest, action: Action, outer: Scope
) -> Generator[Sleep | Wait, None, StepRun]:
    """The steps of a composite action: inputs and steps of their own, the job's environment around them."""
    step = request.step
    evaluator = leg.evaluator(action.file, lambda: scope.unknown)
    github = outer.contexts.get("github")
    contexts: dict[str, Value] = {
        name: outer.contexts[name] for name in ("strategy", "matrix", "job", "runner", "vars") if name in outer.contexts
    }
    contexts["github"] = {
        **(github if isinstance(github, Mapping) else {}),
        "action_path": str(leg.state.performer.relocated(action.folder)),
    }
    scope = Scope(evaluator, contexts, dict(request.env), path=(*outer.path, step.id))
    scope.contexts["inputs"] = _action_inputs(action, request.arguments, evaluator, scope)
    before = dict(scope.env)
    try:
        inner = yield from run_steps(leg, action.steps, scope)
        outputs = {name: evaluator.text(node, scope.all()) for name, node in action.outputs.items() if node is not None}
    except ExpressionError as error:
        return StepRun(step.id, request.name, "failure", "failure", f"The template is not valid. {error}")
    changed = {name: value for name, value in scope.env.items() if before.get(name) != value}
    outer.env.update(changed)
    outcome = "cancelled" if leg.cancelled and any(run.conclusion == "cancelled" for run in inner) else scope.status
    reason = next((run.reason for run in inner if run.conclusion == "failure"), "")
    return StepRun(step.id, request.name, outcome, outcome, reason, outputs=outputs, steps=inner)


def _action_inputs(action: Action, given: Mapping[str, str], evaluator: Evaluator, scope: Scope) -> dict[str, Value]:
    lower = {name.lower(): value for name, value in given.items()}
    return {
        name: lower[name.lower()] if name.lower() in lower else evaluator.text(entry.default, scope.all())
        for name, entry in action.inputs.items()
    }
