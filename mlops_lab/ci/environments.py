"""May a job enter its environment? Reviewers, wait timers, branches, and when its secrets may be read.

As https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments; simplified: teams are
names like any other, and custom protection rules of GitHub Apps do not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.ci.globs import glob_matches

__all__ = ["EXPIRY", "Environment", "Review", "environments_from", "refused_branch", "refused_review"]

EXPIRY = timedelta(days=30)
_MAX_REVIEWERS = 6
_MAX_WAIT = 43_200  # minutes: thirty days


@dataclass(frozen=True)
class Environment:
    """The protection rules and the secrets of an environment.

    >>> Environment("production", reviewers=("ana", "ben"), prevent_self_review=True, wait_timer=10)
    Environment('production', reviewers ana, ben, no self-review, wait 10 min)

    Attributes: `reviewers` (one approval suffices), `prevent_self_review`, `wait_timer` (minutes), `branches`, `tags`
    (patterns of what may deploy; none of either: everything; a pull request's branch is `refs/pull/N/merge`),
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
    if not (environment.branches or environment.tags) or glob_matches(list(wanted), name):
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
