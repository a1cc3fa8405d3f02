"""Does a concurrency group stop what must not be stopped, or wait for itself?

GitHub computes a group where it stands; in a called workflow `github` is still the caller's, so that the common
`${{ github.workflow }}-${{ github.ref }}` is one and the same group in both, and the run is cancelled as a deadlock.
See https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflow_files import Finding, Job, WorkflowFile, text_of

from mlops_lab.base.errors import InvalidData
from mlops_lab.ci import expand_matrix

__all__ = ["cancelled_deployment", "deadlock", "is_deployment"]

_DEPTH = 10  # of calls, as GitHub allows
_LOGINS = ("aws-actions/configure-aws-credentials", "google-github-actions/auth", "azure/login", "azure/k8s-deploy")


def is_deployment(job: Job) -> bool:
    """Does a job change what serves or what stands in Production, or log in to a cloud?"""
    from workflow_commands import deploys

    actions = [str(step.get("uses", "")).lower() for step in job.steps]
    scripts = [str(step.get("run", "")) for step in [*job.steps, *job.steps_of_local_actions()]]
    return any(action.startswith(_LOGINS) for action in actions) or any(map(deploys, scripts))


def _contexts(file: WorkflowFile, event: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    name = file.data.get("name", file.path)
    github = {"event_name": event, "ref": "refs/heads/main", "ref_name": "main", "head_ref": "", "workflow": name}
    github |= {"run_id": "1", "run_number": "1", "sha": "0" * 40, "repository": "owner/name", "actor": "ada"}
    more: dict[str, Any] = {name: {} for name in ("vars", "needs", "matrix", "strategy", "env", "secrets")}
    return {"github": github, "inputs": dict(inputs), **more}


def _defaults(file: WorkflowFile, event: str) -> dict[str, Any]:
    on = file.data.get("on")
    trigger = on.get(event) if isinstance(on, Mapping) else None
    inputs = trigger.get("inputs") if isinstance(trigger, Mapping) else None
    return {name: (one or {}).get("default", "") for name, one in (inputs or {}).items()}


def _group(place: Mapping[str, Any], contexts: Mapping[str, Any]) -> str:
    """The group as GitHub compares it: computed, in small letters; empty where there is none."""
    concurrency = place.get("concurrency")
    group = concurrency.get("group") if isinstance(concurrency, Mapping) else concurrency
    return str(text_of(group, contexts) or "").lower()


def deadlock(file: WorkflowFile) -> Iterator[Finding]:
    """No job asks for a group that its own run, or the run that called it, already holds."""
    found = set()
    for event in file.events:
        contexts = _contexts(file, event, _defaults(file, event))
        found |= set(_waits(file, contexts, held={}, depth=0))
    yield from sorted(found)


def _waits(file: WorkflowFile, contexts: dict[str, Any], *, held: dict[str, str], depth: int) -> Iterator[Finding]:
    own = _group(file.data, contexts)
    if own in held:
        sentence = f"this run waits for itself: the group {own!r} is held by {held[own]}"
        yield file.finding(file.data["concurrency"], "concurrency-deadlock", sentence)
    held = {**held, **({own: file.path} if own else {})}
    for job, leg in [(each, leg) for each in file.jobs for leg in _legs(each)]:
        here = {**contexts, "matrix": leg}
        group = _group(job.data, here)
        if group in held:
            sentence = f"the job {job.name} waits for itself: the group {group!r} is held by {held[group]}"
            yield file.finding(job, "concurrency-deadlock", sentence)
        called = file.called(job)
        if called is not None and depth < _DEPTH:
            given = {name: text_of(value, here) for name, value in (job.data.get("with") or {}).items()}
            theirs = {**contexts, "inputs": _defaults(called, "workflow_call") | given}
            holding = {**held, **({group: f"the job {job.name} of {file.path}"} if group else {})}
            yield from _waits(called, theirs, held=holding, depth=depth + 1)


def _legs(job: Job) -> list[dict[str, Any]]:
    """The legs of the job's matrix; one empty leg where it has none, or one that only a run can tell."""
    matrix = (job.data.get("strategy") or {}).get("matrix")
    try:
        return expand_matrix(matrix) if isinstance(matrix, Mapping) else [{}]
    except InvalidData:
        return [{}]


def cancelled_deployment(file: WorkflowFile) -> Iterator[Finding]:
    """Nothing cancels a running deployment: whatever a job deploys is finished or rolled back by itself."""
    deploying = [job for job in file.jobs if _reaches_deployment(file, job, 0)]
    places = [(file.data, bool(deploying)), *((job.data, True) for job in deploying)]
    for place, matters in places:
        concurrency = place.get("concurrency")
        if matters and isinstance(concurrency, Mapping) and _cancels(file, concurrency):
            names = ", ".join(job.name for job in deploying if place in (file.data, job.data))
            sentence = f"a newer run would cancel a deployment half-way: {names}"
            yield file.finding(concurrency, "cancelled-deployment", sentence)


def _cancels(file: WorkflowFile, concurrency: Mapping[str, Any]) -> bool:
    """Whether it cancels for any event but a pull request, from which nothing is deployed."""
    events = [event for event in file.events if not event.startswith("pull_request")]
    value = concurrency.get("cancel-in-progress", False)
    return any(text_of(value, _contexts(file, event, _defaults(file, event))) is True for event in events)


def _reaches_deployment(file: WorkflowFile, job: Job, depth: int) -> bool:
    called = file.called(job)
    if called is None or depth >= _DEPTH:
        return is_deployment(job)
    return any(_reaches_deployment(called, each, depth + 1) for each in called.jobs)
