"""Which local action does a step use, and is it there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_lab.ci.calls import is_local, local_path
from mlops_lab.ci.workflow import Action, Step

if TYPE_CHECKING:
    from mlops_lab.ci.legs import Leg

__all__ = ["action_of", "missing_action"]


def action_of(leg: Leg, step: Step) -> Action | None:
    """The local action of a step, if it uses one that exists."""
    if step.uses is None or not is_local(step.uses):
        return None
    action = leg.graph.workflow.actions.get(step.uses)
    if action is None:
        leg.note(f"{leg.name}: there is no local action {step.uses}; GitHub would fail here unless a step makes it")
    return action


def missing_action(leg: Leg, step: Step, number: int) -> str:
    """Why a `./` action cannot be found: it comes into the workspace with the checkout. `$/` needs none."""
    if step.uses is None or not step.uses.startswith("./"):
        return ""
    before = leg.job.steps[: number - 1]
    if not any((other.uses or "").startswith("actions/checkout@") for other in before):
        leg.note(f"{leg.name}: {step.uses} is used without actions/checkout before it; GitHub would not find it")
    workspace = leg.state.performer.workspace(leg.name)
    folder = local_path(workspace, step.uses) if workspace is not None and leg.state.performer.real else None
    if folder is None or any((folder / name).is_file() for name in ("action.yml", "action.yaml", "Dockerfile")):
        return ""
    return (
        f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{folder}'. "
        "Did you forget to run actions/checkout before running your local action?"
    )
