"""What happened that may start a workflow, and does it?

Filters follow https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops_lab.base.errors import UnknownName
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.globs import glob_matches
from mlops_lab.ci.workflow import Event, Workflow

__all__ = ["Trigger", "starts"]

_SKIPS = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")
_TRAILER = re.compile(r"\n\n(?:.*\n)*?skip-checks: ?true\s*$")
_PRIVILEGED = ("pull_request_target", "workflow_run", "issue_comment")
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
        """Does it get no secrets and a token that only reads: a pull request of a fork, or of Dependabot?"""
        asks = self.event.startswith("pull_request") and self.event != "pull_request_target"
        return asks and (self.fork or self.actor == "dependabot[bot]")

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

    def _event(self, workflow: Workflow) -> dict[str, Value]:
        event: dict[str, Value] = dict(self.payload)
        if self.event == "schedule":
            crons = [cron for cron, _ in workflow.events["schedule"].schedules] if "schedule" in workflow.events else []
            return {"schedule": self.activity or next(iter(crons), None), **event}
        return event | ({"action": self.activity} if self.activity else {})

    def github(self, workflow: Workflow) -> dict[str, Value]:
        """The `github` context."""
        ref = self.executing_ref
        kind, _, name = ref.removeprefix("refs/").partition("/")
        owner = self.repository.partition("/")[0]
        return {
            "event_name": self.event,
            "event": self._event(workflow),
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
