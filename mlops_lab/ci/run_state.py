"""What do all jobs of one run share? Time, timeline, notes, groups, environments, who does the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from mlops_lab.base.clock import Clock
from mlops_lab.ci.concurrency import ConcurrencyGroups
from mlops_lab.ci.environments import EXPIRY, Environment, Review, refused_review
from mlops_lab.ci.performing import Performer
from mlops_lab.ci.results import Moment
from mlops_lab.ci.scheduling import Process, Scheduler, Sleep
from mlops_lab.ci.trigger import Trigger

if TYPE_CHECKING:
    from mlops_lab.ci.legs import Leg

__all__ = ["ReviewDesk", "RunState"]


@dataclass
class RunState:
    """The run as it happens."""

    scheduler: Scheduler
    clock: Clock
    trigger: Trigger
    performer: Performer
    environments: Mapping[str, Environment]
    groups: ConcurrencyGroups
    variables: Mapping[str, str]
    desk: ReviewDesk = field(init=False)
    timeline: list[Moment] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    legs: dict[str, Leg] = field(default_factory=dict)
    cancelled: str = ""

    def moment(self, subject: str, what: str, why: str = "") -> None:
        """Write into the timeline."""
        self.timeline.append(Moment(self.scheduler.now, subject, what, why))

    def note(self, text: str) -> None:
        """Say, once, what was not modelled or had to be assumed."""
        self.notes.setdefault(text)

    def leave(self, group: str, who: str) -> None:
        """Leave a concurrency group and wake the one whose turn it is, if it is of this run."""
        following = self.groups.leave(group, who)
        if following in self.legs:
            self.legs[following].wake()

    def cancel_named(self, who: str, why: str) -> None:
        """Somebody of a concurrency group has to go: a job of this run, or another run."""
        if who in self.legs:
            self.legs[who].cancel(why)
        else:
            self.groups.cancelled.append((who, why))
            self.moment(who, "cancelled", why)

    def cancel(self, why: str) -> None:
        """Cancel the whole run: running jobs are interrupted, those not started see `cancelled()`."""
        self.cancelled = why
        self.moment("run", "cancelled", why)
        for leg in list(self.legs.values()):
            leg.cancel(why)


class ReviewDesk:
    """Where jobs wait for reviewers, and reviews are used up one by one.

    A review decides for all jobs that wait for its environment at that moment; a job that arrives later needs another.
    """

    def __init__(self, state: RunState, reviews: Sequence[Review]) -> None:
        self.state = state
        self.reviews = list(reviews)
        self.waiting: dict[str, list[Leg]] = {}

    def ask(self, leg: Leg, environment: Environment) -> None:
        """Let a job wait for a decision about an environment; it is woken when there is one."""
        queue = self.waiting.setdefault(environment.name.lower(), [])
        queue.append(leg)
        if len(queue) == 1:
            self.state.scheduler.start(self._decide(environment, queue))

    def _decide(self, environment: Environment, queue: list[Leg]) -> Process:
        scheduler = self.state.scheduler
        while queue:
            asked = queue[0].asked_at or scheduler.now
            review = self._next(environment.name)
            expires = review is None or review.after >= EXPIRY
            if expires and self.state.clock.now() < asked + EXPIRY and review is None:
                queue.clear()  # nobody has decided yet: they wait on
                return
            moment = asked + (EXPIRY if expires or review is None else review.after)
            yield Sleep(max(0.0, (moment - scheduler.now) / timedelta(seconds=1)))
            if not queue:
                return
            if expires or review is None:
                leg = queue.pop(0)
                leg.decide("expired", f"nobody reviewed it within {EXPIRY.days} days")
                continue
            self.reviews.remove(review)
            refused = refused_review(environment, review, self.state.trigger.actor)
            if refused:
                self.state.moment(environment.name, "review refused", refused)
                continue
            comment = f": {review.comment}" if review.comment else ""
            decided, queue[:] = list(queue), []
            for leg in decided:
                leg.decide("approved" if review.approved else "rejected", f"by {review.by}{comment}")

    def _next(self, name: str) -> Review | None:
        return next((review for review in self.reviews if review.environment.lower() == name.lower()), None)

    def forget(self, leg: Leg) -> None:
        """The job does not wait any more."""
        for queue in self.waiting.values():
            if leg in queue:
                queue.remove(leg)
