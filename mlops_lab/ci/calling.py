"""How does a job call another workflow, and what does it get back?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci.evaluation import Evaluator
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value
from mlops_lab.ci.inputs import called_inputs

if TYPE_CHECKING:
    from mlops_lab.ci.legs import Leg
    from mlops_lab.ci.running_jobs import JobGraph
    from mlops_lab.ci.workflow import Workflow

__all__ = ["call", "contexts_of_call", "outputs_of_call"]


def call(leg: Leg, callee: Workflow) -> JobGraph:
    """Start the jobs of the workflow that a job calls, with the inputs and secrets it passes.

    The caller's `env` is not passed, and `github` is the caller's.

    Raises:
        ExpressionError: an input with a value it cannot have.
    """
    from mlops_lab.ci.running_jobs import JobGraph

    known = contexts_of_call(leg, callee)
    github, inputs = known["github"], known["inputs"]
    contexts = {**leg.contexts, "secrets": {"GITHUB_TOKEN": "***", **leg.secrets}}
    passed = leg.evaluate.texts(leg.job.secrets, contexts)
    secrets = (
        leg.graph.secrets if leg.job.inherits_secrets else {name: value for name, value in passed.items() if value}
    )
    graph = JobGraph(
        leg.state,
        callee,
        github=github if isinstance(github, Mapping) else {},
        inputs=inputs if isinstance(inputs, dict) else {},
        secrets=secrets,
        caller=leg,
        level=leg.graph.level_of(leg.job),
    )
    graph.start()
    return graph


def contexts_of_call(leg: Leg, callee: Workflow) -> dict[str, Value]:
    """What the called workflow sees at its top, in its concurrency group for one: its own inputs, not the caller's.

    Raises:
        ExpressionError: an input with a value it cannot have.
    """
    outer = leg.graph.contexts
    contexts = {**leg.contexts, "secrets": {"GITHUB_TOKEN": "***", **leg.secrets}}
    given = {name: leg.evaluate.value(node, contexts) for name, node in leg.job.arguments.items()}
    evaluate = leg.evaluator(callee.file, set)
    known: dict[str, Value] = {"github": outer["github"], "vars": outer["vars"], "inputs": {}}
    declared = callee.events["workflow_call"].inputs
    try:
        known["inputs"] = called_inputs(declared, given, lambda node: evaluate.value(node, known))
    except MlopsLabError as error:
        raise ExpressionError("evaluation", str(error)) from None
    return known


def outputs_of_call(graph: JobGraph) -> dict[str, str]:
    """The outputs of `on.workflow_call`, from the `jobs` context."""
    event = graph.workflow.events.get("workflow_call")
    if event is None:
        return {}
    evaluate = Evaluator(graph.workflow.file, workspace=None, on_reference=lambda _: None)
    jobs: dict[str, Value] = graph.needs_of(list(graph.jobs))
    return evaluate.texts(event.outputs, {**graph.contexts, "jobs": jobs})
