"""What happened that may start a workflow, and does it?

Filters follow https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mlops_lab.base.errors import UnknownName
from mlops_lab.ci.expressions.values import Value
from mlops_lab.ci.workflow import Event, Workflow

__all__ = ["Trigger", "glob_matches", "starts"]

_DEFAULT_TYPES = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}


@dataclass(frozen=True)
class Trigger:
    """Something that happened to a repository.

    >>> Trigger("push", ref="refs/heads/main", actor="mona")
    Trigger(event='push', ref='refs/heads/main', actor='mona')

    Attributes: `event`, `ref`, `actor`, `sha`, `repository`, `activity` (`opened` …), `base_ref` and `head_ref` of a
    pull request, `paths` (the files changed; None, unknown, matches every filter), `payload` (`github.event`).
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

    @property
    def is_pull_request(self) -> bool:
        """Is it one of the pull request events that have a base branch?"""
        return self.event in ("pull_request", "pull_request_target")

    def github(self, workflow: Workflow) -> dict[str, Value]:
        """The `github` context."""
        ref = "refs/pull/1/merge" if self.event == "pull_request" and self.ref == "refs/heads/main" else self.ref
        kind, _, name = ref.removeprefix("refs/").partition("/")
        owner = self.repository.partition("/")[0]
        return {
            "event_name": self.event,
            "event": dict(self.payload) | ({"action": self.activity} if self.activity else {}),
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
    types = event.filters.get("types") or _DEFAULT_TYPES.get(event.name, ())
    if trigger.activity and types and trigger.activity not in types:
        return f"the activity {trigger.activity} is not one of: {', '.join(types)}"
    return _refs(event, trigger) or _paths(event, trigger)


def _refs(event: Event, trigger: Trigger) -> str:
    """Branch and tag filters; of a pull request, the base branch counts."""
    if not {"branches", "branches-ignore", "tags", "tags-ignore"} & set(event.filters):
        return ""
    is_tag = trigger.ref.startswith("refs/tags/") and not trigger.is_pull_request
    name = trigger.base_ref if trigger.is_pull_request else re.sub(r"^refs/[^/]+/", "", trigger.ref)
    kind = "tags" if is_tag else "branches"
    other = "branches" if is_tag else "tags"
    if kind in event.filters:
        return "" if glob_matches(event.filters[kind], name) else f"{name} matches none of {kind}"
    if f"{kind}-ignore" in event.filters:
        ignored = glob_matches(event.filters[f"{kind}-ignore"], name)
        return f"{name} matches {kind}-ignore" if ignored else ""
    return f"only {other} are asked for" if other in event.filters else ""


def _paths(event: Event, trigger: Trigger) -> str:
    if trigger.paths is None or trigger.ref.startswith("refs/tags/"):
        return ""
    wanted, ignored = event.filters.get("paths"), event.filters.get("paths-ignore")
    if wanted is not None and not any(glob_matches(wanted, path) for path in trigger.paths):
        return "no changed file matches paths"
    if ignored is not None and trigger.paths and all(glob_matches(ignored, path) for path in trigger.paths):
        return "all changed files match paths-ignore"
    return ""


def glob_matches(patterns: Sequence[str], name: str) -> bool:
    """Does a name match GitHub's filter patterns? The last one that matches decides; a leading `!` takes away.

    >>> glob_matches(["releases/**", "!releases/**-alpha"], "releases/10-alpha")
    False
    >>> glob_matches(["v[12].[0-9]+.?"], "v1.10."), glob_matches(["*"], "a/b"), glob_matches(["**"], "a/b")
    (True, False, True)
    """
    matched = False
    for pattern in patterns:
        if _glob(pattern.removeprefix("!")).fullmatch(name):
            matched = not pattern.startswith("!")
    return matched


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    """`*` all but a slash, `**` all, `?` and `+` repeat what stands before them, `[…]` one of, a backslash escapes."""
    pieces: list[str] = []
    for glyph in re.findall(r"\*\*/|\*\*|\*|\\.|\[[^\]]+\]|.", pattern, re.DOTALL):
        if glyph == "**/":
            pieces.append("(?:.*/)?" if not pieces or pieces[-1].endswith("/") else ".*/")
        elif glyph.startswith("*"):
            pieces.append(".*" if glyph == "**" else "[^/]*")
        elif glyph in "?+":
            pieces.append(glyph if pieces and pieces[-1][-1] not in "?+*" else re.escape(glyph))
        elif len(glyph) > 1 and glyph[0] == "[":
            pieces.append("[" + glyph[1:-1].replace("\\", "\\\\").replace("^", "\\^").replace("[", "\\[") + "]")
        else:
            pieces.append(re.escape(glyph.removeprefix("\\") or glyph))
    try:
        return re.compile("".join(pieces), re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))
