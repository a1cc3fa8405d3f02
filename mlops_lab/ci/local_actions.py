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
    """Why a local action cannot be found: `./` comes into the workspace with the checkout; `$/` is of the commit."""
    if step.uses is None or not is_local(step.uses):
        return ""
    root = leg.graph.workflow.root
    folder = local_path(root, step.uses)
    if step.uses.startswith("$/"):
        there = step.uses in leg.graph.workflow.actions or (folder is not None and (folder / "Dockerfile").is_file())
        return "" if there else f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' for action '{step.uses}'."
    before = leg.job.steps[: number - 1]
    if not any((other.uses or "").startswith("actions/checkout@") for other in before):
        leg.note(f"{leg.name}: {step.uses} is used without actions/checkout before it; GitHub would not find it")
    if folder is None:
        return f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile': '{step.uses}' is outside of the repository."
    workspace = leg.state.performer.workspace(leg.name)
    if workspace is None or not leg.state.performer.real:
        return ""
    folder = workspace / folder.relative_to(root)
    if any((folder / name).is_file() for name in ("action.yml", "action.yaml", "Dockerfile")):
        return ""
    return (
        f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{folder}'. "
        "Did you forget to run actions/checkout before running your local action?"
    )
