"""Something that happened to a repository: whether it starts the workflow, and with which inputs.

Filters follow https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci.expressions.values import Value, kind_of, lookup, to_number, to_text
from mlops_lab.ci.globs import glob_matches
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.workflow import Event, Input, Workflow

_SKIPS = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")
_TRAILER = re.compile(r"\n\n(?:.*\n)*?skip-checks: ?true\s*$")
_PRIVILEGED = ("pull_request_target", "workflow_run", "issue_comment")
_OF_DEPENDABOT = ("push", "create", "deployment", "deployment_status", "pull_request_target")
_PARTS: Mapping[str, Sequence[str]] = {  # what is in `github.event`, where that is not the event's own name
    "push": ("head_commit", "commits", "before", "forced", "created", "deleted"),
    "issues": ("issue",),
    "issue_comment": ("issue", "comment"),
    "pull_request_review": ("pull_request", "review"),
    "pull_request_review_comment": ("pull_request", "comment"),
    "repository_dispatch": ("client_payload",),
    "deployment_status": ("deployment", "deployment_status"),
    "discussion_comment": ("discussion", "comment"),
}
_DEFAULT_TYPES = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}


@dataclass(frozen=True)
class Trigger:
    """Something that happened to a repository.

    >>> Trigger("push", ref="refs/heads/main", actor="mona")
    Trigger(event='push', ref='refs/heads/main', actor='mona')

    Attributes: `event`, `ref`, `actor`, `sha`, `repository`, `activity` (`opened` …; of `schedule`, the cron),
    `base_ref` (where a pull request or a merge group goes), `head_ref` (where it, or a `workflow_run`, comes from),
    `fork` (a pull request of a fork), `paths` (the files changed; None, unknown, matches every filter), `payload`
    (`github.event`).
    """

    event: str
    ref: str = "refs/heads/main"
    actor: str = "octocat"
    sha: str = field(default="0" * 39 + "1", repr=False)
    repository: str = field(default="octo-org/octo-repo", repr=False)
    activity: str | None = field(default=None, repr=False)
    base_ref: str = field(default="main", repr=False)
    head_ref: str = field(default="feature", repr=False)
    paths: Sequence[str] | None = field(default=None, repr=False)
    payload: Mapping[str, Value] = field(default_factory=dict, repr=False)
    run_number: int = field(default=1, repr=False)
    fork: bool = field(default=False, repr=False)

    @property
    def is_pull_request(self) -> bool:
        """Is it one of the pull request events that have a base branch?"""
        return self.event in ("pull_request", "pull_request_target")

    @property
    def executing_ref(self) -> str:
        """What is checked out, and what an environment's rules look at: of a pull request, its merge."""
        merged = self.event.startswith("pull_request") and self.event != "pull_request_target"
        return "refs/pull/1/merge" if merged and not self.ref.startswith("refs/pull/") else self.ref

    @property
    def is_untrusted(self) -> bool:
        """Does it get no secrets and a token that only reads: a pull request of a fork, or what Dependabot causes?"""
        asks = self.event.startswith("pull_request") and self.event != "pull_request_target"
        return (asks and self.fork) or (self.actor == "dependabot[bot]" and (asks or self.event in _OF_DEPENDABOT))

    def privileges(self) -> str:
        """What somebody must know of what a run of this event may do; the empty string for the ordinary."""
        if self.is_untrusted:
            return f"{self.event} of a fork or of Dependabot: no secrets are given, and the token may only read"
        if self.event in _PRIVILEGED:
            return (
                f"{self.event} runs on the default branch with its secrets and a token that may write, whoever caused "
                "it: nothing that the cause brought may be run"
            )
        return ""

    def event_of(self, workflow: Workflow) -> dict[str, Value]:
        """The `github.event`: what the trigger itself tells, below what the payload says."""
        owner, _, name = self.repository.partition("/")
        default = self.base_ref if self.is_pull_request else "main"
        repository: dict[str, Value] = {"full_name": self.repository, "name": name, "owner": {"login": owner}}
        event: dict[str, Value] = {"sender": {"login": self.actor}}
        event["repository"] = {**repository, "default_branch": default}
        if self.activity and self.event != "schedule":
            event["action"] = self.activity
        if self.event == "schedule":
            crons = [cron for cron, _ in workflow.events["schedule"].schedules] if "schedule" in workflow.events else []
            event["schedule"] = self.activity or next(iter(crons), None)
        elif self.event == "push":
            event["ref"] = self.ref
        elif self.is_pull_request:
            theirs = {**repository, "full_name": f"somebody/{name}", "owner": {"login": "somebody"}}
            head: dict[str, Value] = {"ref": self.head_ref, "repo": theirs if self.fork else repository}
            pull: dict[str, Value] = {"number": 1.0, "head": head, "base": {"ref": self.base_ref, "repo": repository}}
            event |= {"number": 1.0, "pull_request": {**pull, "user": {"login": self.actor}}}
        return event | dict(self.payload)

    def untold(self, path: Sequence[str], event: Value) -> bool:
        """Does an expression read what GitHub's event has, and what nobody told here?"""
        keys = _PARTS.get(self.event, ("pull_request",) if self.is_pull_request else (self.event,))
        if tuple(path[:2]) != ("github", "event") or len(path) < 3 or path[2] not in keys:
            return False
        for name in path[2:]:
            event = lookup(event, name) if isinstance(event, Mapping) else None
        return event is None

    def github(self, workflow: Workflow) -> dict[str, Value]:
        """The `github` context."""
        ref = self.executing_ref
        kind, _, name = ref.removeprefix("refs/").partition("/")
        owner = self.repository.partition("/")[0]
        return {
            "event_name": self.event,
            "event": self.event_of(workflow),
            "ref": ref,
            "ref_name": name,
            "ref_type": "tag" if kind == "tags" else "branch",
            "ref_protected": False,
            "base_ref": self.base_ref if self.is_pull_request else "",
            "head_ref": self.head_ref if self.is_pull_request else "",
            "sha": self.sha,
            "actor": self.actor,
            "triggering_actor": self.actor,
            "repository": self.repository,
            "repository_owner": owner,
            "workflow": workflow.name,
            "workflow_ref": f"{self.repository}/{workflow.file}@{self.ref}",
            "workflow_sha": self.sha,
            "run_id": str(1000 + self.run_number),
            "run_number": str(self.run_number),
            "run_attempt": "1",
            "server_url": "https://github.com",
            "api_url": "https://api.github.com",
            "graphql_url": "https://api.github.com/graphql",
            "secret_source": "Actions",
            "token": "***",
        }


def starts(workflow: Workflow, trigger: Trigger) -> str:
    """Why the trigger does not start the workflow; the empty string when it does.

    Raises:
        UnknownName: the workflow does not listen to that event at all.
    """
    event = workflow.events.get(trigger.event)
    if event is None:
        raise UnknownName("event", trigger.event, workflow.events, where=f"`on` of {workflow.file}")
    if event.name == "schedule":
        crons = [cron for cron, _ in event.schedules]
        known = not trigger.activity or trigger.activity in crons
        return "" if known else f"the schedule {trigger.activity!r} is not one of: {', '.join(crons)}"
    if skipped := _skipped(trigger):
        return skipped
    types = event.filters.get("types") or _DEFAULT_TYPES.get(event.name, ())
    if trigger.activity and types and trigger.activity not in types:
        return f"the activity {trigger.activity} is not one of: {', '.join(types)}"
    return _refs(event, trigger) or _paths(event, trigger)


def _refs(event: Event, trigger: Trigger) -> str:
    """Branch and tag filters: of a pull request or a merge group, where it goes; of a `workflow_run`, where it was."""
    if not {"branches", "branches-ignore", "tags", "tags-ignore"} & set(event.filters):
        return ""
    is_tag = trigger.ref.startswith("refs/tags/") and trigger.event == "push"
    name = re.sub(r"^refs/[^/]+/", "", _looked_at(trigger))
    kind = "tags" if is_tag else "branches"
    other = "branches" if is_tag else "tags"
    if kind in event.filters:
        return "" if glob_matches(event.filters[kind], name) else f"{name} matches none of {kind}"
    if f"{kind}-ignore" in event.filters:
        ignored = glob_matches(event.filters[f"{kind}-ignore"], name)
        return f"{name} matches {kind}-ignore" if ignored else ""
    return f"only {other} are asked for" if {other, f"{other}-ignore"} & set(event.filters) else ""


def _looked_at(trigger: Trigger) -> str:
    """The branch or tag that the filters of an event look at; what the payload says, counts."""
    if trigger.event == "merge_group":
        return to_text(_payload(trigger, "merge_group", "base_ref")) or trigger.base_ref
    if trigger.event == "workflow_run":
        return to_text(_payload(trigger, "workflow_run", "head_branch")) or trigger.head_ref
    return trigger.base_ref if trigger.is_pull_request else trigger.ref


def _payload(trigger: Trigger, *keys: str) -> Value:
    value: Value = trigger.payload
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _skipped(trigger: Trigger) -> str:
    """Does the message of the commit ask to skip? Only a push and a pull request obey it."""
    message = to_text(_payload(trigger, "head_commit", "message"))
    asked = next((word for word in _SKIPS if word in message), "")
    asked = asked or (_TRAILER.search(message) or [""])[0].strip()
    return f"the message of the commit says {asked}" if asked and trigger.event in ("push", "pull_request") else ""


def _paths(event: Event, trigger: Trigger) -> str:
    if trigger.paths is None or trigger.ref.startswith("refs/tags/"):
        return ""
    wanted, ignored = event.filters.get("paths"), event.filters.get("paths-ignore")
    if wanted is not None and not any(glob_matches(wanted, path) for path in trigger.paths):
        return "no changed file matches paths"
    if ignored is not None and trigger.paths and all(glob_matches(ignored, path) for path in trigger.paths):
        return "all changed files match paths-ignore"
    return ""


def dispatched_inputs(declared: Mapping[str, Input], given: Mapping[str, Value]) -> dict[str, Value]:
    """The `inputs` of a `workflow_dispatch`: booleans stay booleans, all else is text, as GitHub does it.

    Raises:
        UnknownName: an input that is not declared.
        InvalidData: a required one is missing, or a value is none of those allowed.
    """
    _no_strangers(declared, given)
    values: dict[str, Value] = {}
    for name, entry in declared.items():
        value = given.get(name, entry.default.plain() if entry.default is not None else None)
        if value in (None, ""):
            if entry.required:
                raise InvalidData(f"Required input '{name}' not provided")
            value = False if entry.kind == "boolean" else ""
        elif entry.kind == "boolean":
            value = _boolean(name, value)
        elif entry.kind == "number" and to_number(value) != to_number(value):
            raise InvalidData(f"Provided value '{to_text(value)}' for input '{name}' is not a number")
        elif entry.kind == "choice" and to_text(value) not in entry.options:
            allowed = ", ".join(entry.options)
            raise InvalidData(
                f"Provided value '{to_text(value)}' for input '{name}' not in the list of allowed values: {allowed}"
            )
        values[name] = value if isinstance(value, bool) else to_text(value)
    return values


def called_inputs(
    declared: Mapping[str, Input], given: Mapping[str, Value], default: Callable[[Node], Value]
) -> dict[str, Value]:
    """The `inputs` of a called workflow, each of its declared kind; `default` evaluates a default.

    Raises:
        UnknownName: an input that is not declared.
        InvalidData: a required one is missing, or a value of the wrong kind.
    """
    _no_strangers(declared, given)
    lower = {name.lower(): value for name, value in given.items()}
    empty: dict[str, Value] = {"boolean": False, "number": 0, "string": ""}
    values: dict[str, Value] = {}
    for name, entry in declared.items():
        if name.lower() in lower:
            value = lower[name.lower()]
        elif entry.default is not None:
            value = default(entry.default)
        elif entry.required:
            raise InvalidData(f"Input {name} is required, but not provided while calling.")
        else:
            value = empty[entry.kind]
        if entry.kind == "string":
            value = to_text(value)
        elif kind_of(value).lower() != entry.kind:
            raise InvalidData(f"The input '{name}' must be a {entry.kind}; the value is '{to_text(value)}'")
        values[name] = value
    return values


def _no_strangers(declared: Mapping[str, Input], given: Mapping[str, Value]) -> None:
    known = {name.lower() for name in declared}
    for name in given:
        if name.lower() not in known:
            raise UnknownName("input", name, declared, where="the workflow")


def _boolean(name: str, value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if to_text(value).lower() in ("true", "false"):
        return to_text(value).lower() == "true"
    raise InvalidData(f"Provided value '{to_text(value)}' for input '{name}' is neither true nor false")
