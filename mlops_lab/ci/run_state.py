"""What all jobs of one run share: time and who is due, timeline, notes, groups, reviews.

Each job is a generator that yields what it waits for: a number of seconds, or being woken by somebody. The scheduler
resumes them in the order of time, so a run of hours takes no time, and two runs of the same file are the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from mlops_lab.base.clock import Clock
from mlops_lab.ci.admission import EXPIRY, ConcurrencyGroups, Environment, Review, refused_review
from mlops_lab.ci.expressions.values import Value, lookup
from mlops_lab.ci.results import Moment
from mlops_lab.ci.step_runner import StepRunner
from mlops_lab.ci.trigger import Trigger

__all__ = ["Process", "ReviewQueue", "RunState", "Scheduler", "Sleep", "Wait"]


@dataclass(frozen=True)
class Sleep:
    """Resume me after so many seconds; of those due at the same moment, the urgent ones first."""

    seconds: float
    urgent: bool = False


@dataclass(frozen=True)
class Wait:
    """Resume me when somebody wakes me."""


Process: TypeAlias = Generator[Sleep | Wait, None, None]


class Task:
    """A process that was started."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.done = False
        self.turn = 0  # a wake-up meant for an earlier turn is void


class Scheduler:
    """Time, and who is due when."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._due: list[tuple[datetime, int, int, Task, int]] = []
        self._count = 0

    def start(self, process: Process) -> Task:
        """Start a process, at this moment, behind those already due."""
        task = Task(process)
        self._push(task, self.now, 1)
        return task

    def wake(self, task: Task) -> None:
        """Resume a waiting or sleeping process at this moment."""
        if not task.done:
            task.turn += 1
            self._push(task, self.now, 1)

    def run(self) -> None:
        """Let everything happen until nobody is due any more; some may wait for ever."""
        while self._due:
            at, _, _, task, turn = heapq.heappop(self._due)
            if task.done or turn != task.turn:
                continue
            self.now = max(self.now, at)
            task.turn += 1
            try:
                request = next(task.process)
            except StopIteration:
                task.done = True
                continue
            if isinstance(request, Sleep):
                self._push(task, self.now + timedelta(seconds=request.seconds), 0 if request.urgent else 1)

    def _push(self, task: Task, at: datetime, order: int) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, order, self._count, task, task.turn))


class HeldJob(Protocol):
    """A job as those see it who let it wait, go on, or stop."""

    asked_at: datetime | None

    def wake(self) -> None:
        """Look again at what it waits for."""

    def cancel(self, why: str) -> None:
        """Stop, if it is not done."""

    def decide(self, decision: str, why: str) -> None:
        """A reviewer has decided, or time has."""


@dataclass
class RunState:
    """The run as it happens."""

    scheduler: Scheduler
    clock: Clock
    trigger: Trigger
    runner: StepRunner
    environments: Mapping[str, Environment]
    groups: ConcurrencyGroups
    variables: Mapping[str, str]
    reviews: ReviewQueue = field(init=False)
    timeline: list[Moment] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    jobs: dict[str, HeldJob] = field(default_factory=dict)
    cancelled: str = ""

    def moment(self, subject: str, what: str, why: str = "") -> None:
        """Write into the timeline."""
        self.timeline.append(Moment(self.scheduler.now, subject, what, why))

    def note(self, text: str) -> None:
        """Say, once, what was not modelled or had to be assumed."""
        self.notes.setdefault(text)

    def read(self, path: tuple[str, ...], github: Value) -> None:
        """An expression reads a name: say so where the event has it and nobody told it."""
        if self.trigger.untold(path, lookup(github, "event") if isinstance(github, Mapping) else None):
            self.note(f"{'.'.join(path)} is not known without a payload; it was taken as empty")

    def leave(self, group: str, who: str) -> None:
        """Leave a concurrency group and wake the one whose turn it is, if it is of this run."""
        following = self.groups.leave(group, who)
        if following in self.jobs:
            self.jobs[following].wake()

    def cancel_named(self, who: str, why: str) -> None:
        """Somebody of a concurrency group has to go: a job of this run, or another run."""
        if who in self.jobs:
            self.jobs[who].cancel(why)
        else:
            self.groups.cancelled.append((who, why))
            self.moment(who, "cancelled", why)

    def cancel(self, why: str) -> None:
        """Cancel the whole run: running jobs are interrupted, those not started see `cancelled()`."""
        self.cancelled = why
        self.moment("run", "cancelled", why)
        for job in list(self.jobs.values()):
            job.cancel(why)


class ReviewQueue:
    """Where jobs wait for reviewers, and reviews are used up one by one.

    A review decides for all jobs that wait for its environment at that moment; a job that arrives later needs another.
    """

    def __init__(self, state: RunState, reviews: Sequence[Review]) -> None:
        self.state = state
        self.reviews = list(reviews)
        self.waiting: dict[str, list[HeldJob]] = {}

    def ask(self, job: HeldJob, environment: Environment) -> None:
        """Let a job wait for a decision about an environment; it is woken when there is one."""
        queue = self.waiting.setdefault(environment.name.lower(), [])
        queue.append(job)
        if len(queue) == 1:
            self.state.scheduler.start(self._decide(environment, queue))

    def _decide(self, environment: Environment, queue: list[HeldJob]) -> Process:
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
                job = queue.pop(0)
                job.decide("expired", f"nobody reviewed it within {EXPIRY.days} days")
                continue
            self.reviews.remove(review)
            refused = refused_review(environment, review, self.state.trigger.actor)
            if refused:
                self.state.moment(environment.name, "review refused", refused)
                continue
            comment = f": {review.comment}" if review.comment else ""
            decided, queue[:] = list(queue), []
            for job in decided:
                job.decide("approved" if review.approved else "rejected", f"by {review.by}{comment}")

    def _next(self, name: str) -> Review | None:
        return next((review for review in self.reviews if review.environment.lower() == name.lower()), None)

    def forget(self, job: HeldJob) -> None:
        """The job does not wait any more."""
        for queue in self.waiting.values():
            if job in queue:
                queue.remove(job)
