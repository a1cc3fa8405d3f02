"""When may a job start? Its concurrency groups, and the rules of its environment."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from mlops_lab.ci.calling import contexts_of_call
from mlops_lab.ci.environments import refused_branch
from mlops_lab.ci.evaluation import TemplateError, evaluating
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import to_text
from mlops_lab.ci.scheduling import Sleep, Wait

if TYPE_CHECKING:
    from mlops_lab.ci.legs import Leg

__all__ = ["EMPTY_GROUP", "enter_environment", "enter_group"]

EMPTY_GROUP = "Concurrency group name cannot be empty"


def enter_group(leg: Leg) -> Generator[Sleep | Wait, None, None]:
    """Enter the concurrency groups of the job, waiting for its turn; a deadlock cancels it."""
    for concurrency, callee in leg.graph.groups_of(leg.job):
        contexts = leg.contexts if callee is None else contexts_of_call(leg, callee)
        with evaluating("concurrency", leg.job.id):
            group = leg.evaluate.text(concurrency.group, contexts)
            cancel = to_text(leg.evaluate.value(concurrency.cancel_in_progress, contexts)).lower() == "true"
            queue = leg.evaluate.text(concurrency.queue, contexts)
            if not group:
                raise TemplateError(leg.evaluate.file, concurrency.group, ExpressionError("evaluation", EMPTY_GROUP))
        holder = leg.graph.held_above(group)
        if holder:
            leg.cancelled = (
                f"Canceling since a deadlock for concurrency group '{group}' was detected "
                f"between '{holder}' and '{leg.name}'"
            )
            return
        if not leg.state.groups.enter(group, leg.name, cancel_in_progress=cancel, queue=queue):
            leg.status = "pending"
            leg.state.moment(leg.name, "pending", f"behind {leg.state.groups.running(group)} in group '{group}'")
        leg.groups.append(group)
        while not leg.cancelled and leg.state.groups.running(group) != leg.name:
            yield Wait()


def enter_environment(leg: Leg) -> Generator[Sleep | Wait, None, str]:
    """Wait for reviewers and timer; the result says why it may not enter, and is empty when it may."""
    if not leg.environment:
        return ""
    environment = leg.state.environments.get(leg.environment.lower())
    if environment is None:
        leg.note(f"{leg.name}: the environment {leg.environment!r} was not described; it was taken as unprotected")
        return ""
    if refused := refused_branch(environment, leg.state.trigger.executing_ref):
        return refused
    leg.asked_at = leg.now
    ready = leg.now + timedelta(minutes=environment.wait_timer)
    if environment.reviewers or environment.wait_timer:
        leg.status = "waiting"
        reviewers = [f"a review by one of {', '.join(environment.reviewers)}"] if environment.reviewers else []
        timer = [f"{environment.wait_timer:g} minutes"] if environment.wait_timer else []
        leg.reason = f"{environment.name} asks for {' and '.join(reviewers + timer)}"
        leg.state.moment(leg.name, "waiting", leg.reason)
    if environment.reviewers:
        leg.state.desk.ask(leg, environment)
        while not leg.cancelled and not leg.decision[0]:
            yield Wait()
    if leg.decision[0] in ("rejected", "expired"):
        return f"rejected {leg.decision[1]}" if leg.decision[0] == "rejected" else leg.decision[1]
    while leg.now < ready and not leg.cancelled:
        yield Sleep((ready - leg.now) / timedelta(seconds=1))
    leg.reason = ""
    leg.secrets.update({} if leg.state.trigger.is_untrusted else environment.secrets)
    variables = leg.contexts.get("vars")
    leg.contexts["vars"] = {**(variables if isinstance(variables, Mapping) else {}), **environment.variables}
    return ""
