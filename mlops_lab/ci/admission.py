"""The rules by which a job may start: concurrency groups, environments, reviews.

As https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency: one
runs, one waits; a newer one takes the waiting one's place, or with `queue: max` waits behind up to a hundred; with
`cancel-in-progress` it takes the running one's place. Group names do not know upper and lower case.

As https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments; simplified: teams are
names like any other, and custom protection rules of GitHub Apps do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.ci.globs import ref_matches

__all__ = [
    "EXPIRY",
    "MAX_QUEUE",
    "ConcurrencyGroups",
    "Environment",
    "Review",
    "environments_from",
    "refused_branch",
    "refused_review",
]


MAX_QUEUE = 100


@dataclass
class _Group:
    running: str | None = None
    waiting: list[str] = field(default_factory=list)


class ConcurrencyGroups:
    """The groups of a repository and who is in them.

    >>> groups = ConcurrencyGroups()
    >>> groups.enter("deploy", "run 1"), groups.enter("Deploy", "run 2"), groups.enter("deploy", "run 3")
    (True, False, False)
    >>> groups.cancelled
    [('run 2', "Canceling since a higher priority waiting request for 'deploy' exists")]
    >>> groups.leave("deploy", "run 1")
    'run 3'
    """

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self.cancelled: list[tuple[str, str]] = []
        self.on_cancel: Callable[[str, str], None] = lambda who, why: self.cancelled.append((who, why))

    def enter(self, group: str, who: str, *, cancel_in_progress: bool = False, queue: str = "single") -> bool:
        """Ask to run in a group; True when it may at once, False when it has to wait (see `leave`)."""
        state = self._groups.setdefault(group.lower(), _Group())
        if state.running is None:
            state.running = who
            return True
        if cancel_in_progress:
            gone, state.running = [*state.waiting, state.running], who
            state.waiting = []
            for one in gone:
                self.on_cancel(one, f"Canceling since a higher priority waiting request for '{group}' exists")
            return True
        if queue == "max" and len(state.waiting) >= MAX_QUEUE:
            self.on_cancel(who, f"Canceling since the queue of '{group}' already holds {MAX_QUEUE}")
            return False
        if queue != "max":
            gone, state.waiting = state.waiting, []
            for one in gone:
                self.on_cancel(one, f"Canceling since a higher priority waiting request for '{group}' exists")
        state.waiting.append(who)
        return False

    def leave(self, group: str, who: str) -> str | None:
        """Leave a group, running or waiting; the name of the one that may run now, if that changes."""
        state = self._groups.get(group.lower(), _Group())
        if who in state.waiting:
            state.waiting.remove(who)
            return None
        if state.running != who:
            return None
        state.running = state.waiting.pop(0) if state.waiting else None
        return state.running

    def running(self, group: str) -> str | None:
        """Who runs in a group."""
        return self._groups.get(group.lower(), _Group()).running

    def waiting(self, group: str) -> tuple[str, ...]:
        """Who waits in a group, the next one first."""
        return tuple(self._groups.get(group.lower(), _Group()).waiting)


EXPIRY = timedelta(days=30)
_MAX_REVIEWERS = 6
_MAX_WAIT = 43_200  # minutes: thirty days


@dataclass(frozen=True)
class Environment:
    """The protection rules and the secrets of an environment.

    >>> Environment("production", reviewers=("ana", "ben"), prevent_self_review=True, wait_timer=10)
    Environment('production', reviewers ana, ben, no self-review, wait 10 min)

    Attributes: `reviewers` (one approval suffices), `prevent_self_review`, `wait_timer` (minutes), `branches`, `tags`
    (patterns of Ruby's `File.fnmatch` of what may deploy; none of either: everything; a pull request's branch is
    `refs/pull/N/merge`),
    `secrets` and `variables` (readable only once the rules have passed).

    Raises:
        InvalidDefinition: more than six reviewers, or a timer beyond 43,200 minutes.
    """

    name: str
    reviewers: Sequence[str] = ()
    prevent_self_review: bool = False
    wait_timer: float = 0
    branches: Sequence[str] = ()
    tags: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.reviewers) > _MAX_REVIEWERS:
            raise InvalidDefinition(
                f"environment {self.name!r} has {len(self.reviewers)} reviewers; GitHub allows {_MAX_REVIEWERS}."
            )
        if not 0 <= self.wait_timer <= _MAX_WAIT:
            raise InvalidDefinition(
                f"environment {self.name!r} has a wait timer of {self.wait_timer} minutes; it must be 0 to {_MAX_WAIT}."
            )

    def __repr__(self) -> str:
        rules = [f"reviewers {', '.join(self.reviewers)}"] if self.reviewers else []
        rules += ["no self-review"] if self.prevent_self_review else []
        rules += [f"wait {self.wait_timer:g} min"] if self.wait_timer else []
        rules += [f"branches {', '.join(self.branches)}"] if self.branches else []
        rules += [f"tags {', '.join(self.tags)}"] if self.tags else []
        return f"Environment({', '.join([repr(self.name), *rules])})"


@dataclass(frozen=True)
class Review:
    """Somebody looks at the jobs that wait for an environment, and approves or rejects them.

    >>> Review("production", by="ana", after=timedelta(hours=2))
    Review('production', by ana: approve)

    Attributes: `environment`, `by`, `approved`, `after` (how long after the wait began), `comment`.
    """

    environment: str
    by: str
    approved: bool = True
    after: timedelta = timedelta(0)
    comment: str = ""

    def __repr__(self) -> str:
        return f"Review({self.environment!r}, by {self.by}: {'approve' if self.approved else 'reject'})"


def environments_from(given: Mapping[str, Environment | Mapping[str, Any]]) -> dict[str, Environment]:
    """Environments by lower-case name, from values or from plain mappings (as read from a YAML file).

    Raises:
        UnknownName: a mapping with a key that is no rule.
        InvalidDefinition: a rule that cannot be.
    """
    known = [name for name in Environment.__dataclass_fields__ if name != "name"]
    found = {}
    for name, rules in given.items():
        if not isinstance(rules, Environment):
            for key in rules:
                if key not in known:
                    raise UnknownName("rule", key, known, where=f"environment {name}")
            rules = Environment(name, **rules)
        found[name.lower()] = rules
    return found


def refused_branch(environment: Environment, ref: str) -> str:
    """Why a ref may not deploy there; the empty string when it may."""
    name = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    kind = "Tag" if ref.startswith("refs/tags/") else "Branch"
    wanted = environment.tags if kind == "Tag" else environment.branches
    if not (environment.branches or environment.tags) or any(ref_matches(pattern, name) for pattern in wanted):
        return ""
    return f'{kind} "{name}" is not allowed to deploy to {environment.name} due to environment protection rules.'


def refused_review(environment: Environment, review: Review, actor: str) -> str:
    """Why a review does not count; the empty string when it does."""
    names = [name.lower() for name in environment.reviewers]
    if review.by.lower() not in names:
        return (
            f"{review.by} is not a reviewer of {environment.name}; the reviewers are {', '.join(environment.reviewers)}"
        )
    if environment.prevent_self_review and review.by.lower() == actor.lower():
        return f"{review.by} started this run and may not review it: {environment.name} prevents self-review"
    return ""
