"""What all jobs of one run share: time and who is due, timeline, notes, concurrency groups, environments, reviews.

Each job is a generator that yields what it waits for: a number of seconds, or being woken by somebody. The scheduler
resumes them in the order of time, so a run of hours takes no time, and two runs of the same file are the same.

Groups are as https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency:
one runs, one waits; a newer one takes the waiting one's place, or with `queue: max` waits behind up to a hundred; with
`cancel-in-progress` it takes the running one's place. Group names do not know upper and lower case.

Environments are as https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments;
simplified: teams are names like any other, and custom protection rules of GitHub Apps do not exist.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from mlops_lab.base.clock import Clock
from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.ci.expressions.values import Value, lookup
from mlops_lab.ci.globs import ref_matches
from mlops_lab.ci.results import Moment
from mlops_lab.ci.step_runner import StepRunner
from mlops_lab.ci.trigger import Trigger

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
