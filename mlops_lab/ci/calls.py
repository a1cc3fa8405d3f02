"""Does a job that calls another workflow give it what it asks for, and nothing else?"""

from __future__ import annotations

from pathlib import Path

from mlops_lab.base.errors import closest
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.permissions import excess
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.workflow import Event, Job, Workflow

__all__ = ["check_call", "check_uses_of_job", "is_local", "local_path"]


def is_local(uses: str) -> bool:
    """Is it of the same repository: `./path`, or `$/path`, which GitHub recommends since July 2026?"""
    return uses.startswith(("./", "$/"))


def local_path(root: Path, uses: str) -> Path | None:
    """The file or folder a local `uses` names; None when it is not local or would leave the repository."""
    if not is_local(uses):
        return None
    path = (root / uses[2:]).resolve()
    return path if path.is_relative_to(root) else None


def check_uses_of_job(reader: Reader, uses: str, node: Node) -> bool:
    """Is a job's `uses` well-formed? True when it is of this repository, and so can be read."""
    if is_local(uses):
        parts = uses[2:].split("/")
        if parts[:2] != [".github", "workflows"] or len(parts) != 3 or ".." in parts:
            reason = "invalid value workflow reference: references to workflows must be rooted in '.github/workflows'"
            reader.problem(node, reason)
            return False
        if "@" in uses:
            reader.problem(
                node, "invalid value workflow reference: cannot specify version when calling local workflows"
            )
            return False
        return True
    path, at, ref = uses.partition("@")
    if not at:
        reader.problem(node, "invalid value workflow reference: no version specified")
    elif not ref or path.count("/") < 4 or "/.github/workflows/" not in path:
        reader.problem(node, f"Expected format {{org}}/{{repo}}/.github/workflows/{{file}}@ref. Actual '{uses}'")
    return False


def check_call(reader: Reader, caller: Workflow, job: Job, callee: Workflow, node: Node) -> None:
    """Inputs, secrets and permissions of one call, in GitHub's words."""
    event = callee.events.get("workflow_call")
    if event is None:
        reason = f"workflow is not reusable as it is missing a `on.workflow_call` trigger: '{callee.file}'"
        reader.problem(node, reason)
        return
    _check_inputs(reader, job, event, node)
    _check_secrets(reader, job, event, node)
    place = Node("string", job.id, job.line, job.column)
    allowed = job.permissions if job.permissions is not None else caller.permissions
    if over := excess(callee.permissions, allowed):
        reason = f"The workflow '{job.uses}' is requesting '{over[0]}', but is only allowed '{over[1]}'."
        reader.problem(place, f"Error calling workflow '{job.uses}'. {reason}")
    for inner in callee.jobs.values():
        if over := excess(inner.permissions, allowed):
            name = inner.name.word if inner.name else inner.id
            reason = f"The nested job '{name}' is requesting '{over[0]}', but is only allowed '{over[1]}'."
            reader.problem(place, f"Error calling workflow '{job.uses}'. {reason}")


def _check_inputs(reader: Reader, job: Job, event: Event, node: Node) -> None:
    known = {name.lower(): entry for name, entry in event.inputs.items()}
    given = {name.lower() for name in job.arguments}
    for name, value in job.arguments.items():
        entry = known.get(name.lower())
        if entry is None:
            reason = f"Invalid input, {name} is not defined in the referenced workflow."
            reader.problem(value, reason, meant=closest(name, event.inputs))
        elif entry.kind in ("boolean", "number") and value.kind != entry.kind and "${{" not in value.word:
            reader.problem(value, f"Unexpected value '{value.word}'")
    for name, entry in event.inputs.items():
        if entry.required and entry.default is None and name.lower() not in given:
            reader.problem(node, f"Input {name} is required, but not provided while calling.")


def _check_secrets(reader: Reader, job: Job, event: Event, node: Node) -> None:
    if job.inherits_secrets:
        return
    known = {name.lower() for name in event.secrets} | {"github_token"}
    given = {name.lower() for name in job.secrets}
    for name, value in job.secrets.items():
        if name.lower() not in known:
            reason = f"Invalid secret, {name} is not defined in the referenced workflow."
            reader.problem(value, reason, meant=closest(name, event.secrets))
    for name, required in event.secrets.items():
        if required and name.lower() not in given:
            reader.problem(node, f"Secret {name} is required, but not provided while calling.")
