"""Which contexts and functions may an expression use, depending on the key it stands under?

The table of https://docs.github.com/actions/reference/workflows-and-actions/contexts#context-availability, with the
refinements of GitHub's own workflow schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_lab.ci.expressions.functions import FUNCTIONS
from mlops_lab.ci.expressions.parser import Arity

__all__ = ["PLACES", "Place"]

_STATUS_OF_JOBS: Mapping[str, Arity] = {"success": (0, 255), "failure": (0, 255), "always": (0, 0), "cancelled": (0, 0)}
_STATUS_OF_STEPS: Mapping[str, Arity] = dict.fromkeys(_STATUS_OF_JOBS, (0, 0))
_HASH: Mapping[str, Arity] = {"hashfiles": (1, 255)}
_ALWAYS: Mapping[str, Arity] = {name: (function.fewest, function.most) for name, function in FUNCTIONS.items()}


@dataclass(frozen=True)
class Place:
    """What an expression may use there."""

    contexts: frozenset[str]
    functions: Mapping[str, Arity]


def _place(contexts: str, *functions: Mapping[str, Arity]) -> Place:
    known = dict(_ALWAYS)
    for more in functions:
        known.update(more)
    return Place(frozenset(contexts.split()), known)


_RUN = "github inputs vars"
_JOB = _RUN + " needs strategy matrix"
_STEP = _JOB + " steps job runner env"

PLACES: Mapping[str, Place] = {
    "run-name": _place(_RUN),
    "concurrency": _place(_RUN),
    "env": _place(_RUN + " secrets"),
    "input-default": _place(_RUN),  # of `workflow_call`
    "nothing": _place(""),
    "call-output": _place(_RUN + " jobs"),
    "job-if": _place(_RUN + " needs", _STATUS_OF_JOBS),
    "strategy": _place(_RUN + " needs"),
    "job": _place(_JOB),
    "job-env": _place(_JOB + " secrets"),
    "job-with": _place(_JOB),
    "job-secrets": _place(_JOB + " secrets"),
    "job-defaults": _place(_JOB + " env"),
    "job-outputs": _place(_STEP + " secrets"),
    "environment-url": _place(_STEP),
    "container-credentials": _place(_JOB + " secrets env"),
    "container-env": _place(_STEP + " secrets"),
    "step-if": _place(_STEP, _STATUS_OF_STEPS, _HASH),
    "step": _place(_STEP + " secrets", _HASH),
    # A composite action sees its own inputs, and neither secrets nor needs.
    "action-default": _place("github strategy matrix job runner", _HASH),
    "action-output": _place("github inputs strategy matrix steps job runner env"),
    "action-step": _place("github inputs strategy matrix steps job runner env vars", _HASH),
    "action-step-if": _place("github inputs strategy matrix steps job runner env vars", _STATUS_OF_STEPS, _HASH),
}
