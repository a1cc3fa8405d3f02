"""How does a rollout go over real servers, while flights are asked about all the time?"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import NotAllowed
from mlops_lab.delivery.live.asking import Client
from mlops_lab.delivery.live.door import Door
from mlops_lab.delivery.live.front import at_the_door
from mlops_lab.delivery.live.journal import Entry, Journal, alone
from mlops_lab.delivery.live.load import Load
from mlops_lab.delivery.live.processes import Servers
from mlops_lab.delivery.live.routing import Routing
from mlops_lab.models.registry import Promotion, Registry
from mlops_lab.models.rollout import Deployment, RolloutPolicy, begin, days_of, deployment_of, look
from mlops_lab.pipeline.engines import open_registry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LiveRollout", "live_rollout"]


@dataclass(frozen=True, repr=False)
class LiveRollout:
    """What became of a rollout over servers, and of every request meanwhile.

    Attributes: `deployment`; `sent`, `lost` (no answer, or another status than 200), `by_version` (whose answers the
    clients got), `after_the_end` (answers by a version that had been taken back when the request was sent, or when the
    answer left the door: must be 0), `counts` (of the door), `restarts` (of servers that died).

    >>> LiveRollout(Deployment("late", 2, champion=1, promotion=9), sent=3, by_version=Counter({1: 3}))
    LiveRollout(late v2 over v1: running at 0 %; 3 requests, 0 lost, 0 by a version that was taken back)
    """

    deployment: Deployment
    sent: int = 0
    lost: int = 0
    by_version: Counter[int] = field(default_factory=Counter)
    after_the_end: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    restarts: Mapping[int, int] = field(default_factory=dict)
    why_lost: Counter[str] = field(default_factory=Counter)

    def __repr__(self) -> str:
        what = repr(self.deployment).removeprefix("Deployment(").removesuffix(")")
        lost = f"{self.sent:,} requests, {self.lost} lost, {self.after_the_end} by a version that was taken back"
        return f"LiveRollout({what}; {lost})"

    def to_dict(self) -> dict[str, Any]:
        """The rollout and its counts as JSON values."""
        return {
            "rollout": self.deployment.to_dict(),
            "requests": {"sent": self.sent, "answered": self.sent - self.lost, "lost": self.lost},
            "answered_by": {f"v{version}": count for version, count in sorted(self.by_version.items())},
            "by_a_version_that_was_taken_back": self.after_the_end,
            "door": dict(sorted(self.counts.items())),
            "restarts": {f"v{version}": count for version, count in sorted(self.restarts.items())},
        }


async def live_rollout(
    promotion: Promotion,
    home: str | Path,
    *,
    traffic: pd.DataFrame,
    policy: RolloutPolicy | None = None,
    connections: int = 16,
    shadow: bool = False,
    actor: str = "rollout",
    servers: Servers | None = None,
    on_event: Callable[[str], None] | None = None,
) -> LiveRollout:
    """Take a promotion through its rollout with a server process for each version, under load.

    The flights of the traffic are asked about in their order, over so many connections at once, and never stop for a
    switch: the watch looks at a day while the next one is being flown. Both models are asked about every flight, one of
    them in the shadow; what they said is in a journal of the home folder, so that after a crash the same call goes on.
    After the rollout's end one more day is flown, to show who answers then.

    Args:
        promotion: what is rolled out; a first model has nobody beside it.
        home: the home folder with the registry.
        traffic: one row a flight: `key`, `at`, `known_at`, `truth` as for `rollout`, and `row`, what is sent of it.
        policy: weights and bounds, latency among them.
        connections: how many requests are under way at once.
        shadow: is the challenger only asked, and never heard? Then nothing is decided.
        actor: who is written into the history.
        servers: where the servers come from; real processes by default.
        on_event: told of each step in one line.

    Raises:
        NotAllowed: there is no champion to stand beside, or another process is rolling it out.
        HomeError: what the models said cannot be written down, so nothing can be judged.
        InvalidData: a server does not start.

    >>> from mlops_lab.base.clock import parse_utc
    >>> first = Promotion(name="late", version=1, artefact="sha256:0", archived_version=None, actor="ada",
    ...                   why="the first model", at=parse_utc("2014-01-01"), event=4)
    >>> asyncio.run(live_rollout(first, "home", traffic=None))
    Traceback (most recent call last):
    mlops_lab.base.errors.NotAllowed: late v1 replaces nobody; there is no canary to watch.
    """
    if promotion.archived_version is None:
        raise NotAllowed(f"{promotion.name} v{promotion.version} replaces nobody; there is no canary to watch.")
    tell, rules = on_event or (lambda _line: None), policy if policy is not None else RolloutPolicy(max_seconds=1.0)
    keeper = Servers(home, promotion.name) if servers is None else servers
    with ExitStack() as held:
        held.enter_context(alone(home, promotion.event, f"{promotion.name} v{promotion.version}"))
        registry = held.enter_context(closing(open_registry(home, clock=SystemClock())))
        begin(promotion, registry, policy=rules, actor=actor)
        routing = held.enter_context(closing(Routing(home, promotion.name, shadow=shadow)))
        journal = held.enter_context(Journal(home, promotion.event))
        said = {entry.key: entry for entry in journal}

        def note(entry: Entry) -> None:
            journal.write(entry)
            said[entry.key] = entry

        async with keeper:
            await keeper.start(promotion.archived_version, promotion.version)
            tell(f"v{promotion.archived_version} and v{promotion.version} are ready")
            door = Door(routing, keeper.clients, on_entry=note)
            async with at_the_door(door, promotion.name) as port:
                tell(f"the door is open on port {port}")
                load = Load(door, Client("127.0.0.1", port, seconds=60.0), connections, promotion.version)
                watch = _Watch(registry, promotion, rules, actor, tell)
                await _fly(traffic, said, load, watch, shadow=shadow)
                await door.settled()
                load.client.close()
            found = deployment_of(registry, promotion)
            assert found is not None  # noqa: S101  it was begun
            lost = sum(load.lost.values())
            return LiveRollout(
                found,
                sent=len(load.told) + lost,
                lost=lost,
                by_version=Counter(version for _, version in load.told),
                after_the_end=load.after_the_end(),
                counts=door.counts,
                restarts=dict(keeper.restarts),
                why_lost=load.lost,
            )


class _Watch:
    def __init__(
        self, registry: Registry, promotion: Promotion, policy: RolloutPolicy, actor: str, tell: Callable[[str], None]
    ) -> None:
        self._registry, self._promotion, self._policy, self._actor = registry, promotion, policy, actor
        self._tell = tell
        self.taken_back: float | None = None  # the moment at which nobody may hear the challenger any more

    def look(self, seen: pd.DataFrame, until: Any) -> None:
        before = deployment_of(self._registry, self._promotion)
        found = look(self._promotion, self._registry, seen=seen, until=until, policy=self._policy, actor=self._actor)
        if found.state in ("rolled_back", "stopped") and self.taken_back is None:
            self.taken_back = time.perf_counter()
        if before is None or found.steps != before.steps:
            self._tell(repr(found.steps[-1]).removeprefix("Step(").removesuffix(")"))
        if before is not None and found.state != before.state:
            self._tell(f"{found.state.replace('_', ' ')}: {found.why}")

    @property
    def over(self) -> bool:
        found = deployment_of(self._registry, self._promotion)
        if found is None or found.state == "running":
            return False
        if found.state in ("rolled_back", "stopped") and self.taken_back is None:
            self.taken_back = time.perf_counter()
        return True


async def _fly(traffic: pd.DataFrame, said: dict[str, Entry], load: Load, watch: _Watch, *, shadow: bool) -> None:
    """Day by day; the look at a day is taken while the next one is flown."""
    looking: asyncio.Task[None] | None = None
    more = 1  # a day to fly when it is over
    flown = 0
    for until, seen in days_of(traffic.assign(challenger=0.0, champion=0.0)):
        over = await asyncio.to_thread(lambda: watch.over)
        if over and not more:
            break
        more -= over
        today = seen.iloc[flown:]
        flown = len(seen)
        if not over:
            today = today[~today["key"].isin(said.keys())]  # asked before a crash
        await load.send([*zip(today["key"], today["row"], strict=True)])
        await load.door.settled()
        if looking is not None:
            await looking
        load.taken_back = watch.taken_back
        if not shadow and not over:
            told = seen.assign(**_answers(seen["key"], said))
            looking = asyncio.create_task(asyncio.to_thread(watch.look, told, until))
    if looking is not None:
        await looking


def _answers(keys: pd.Series[Any], said: Mapping[str, Entry]) -> dict[str, list[float]]:
    nothing = Entry("", 0, None, None, None)
    found = [said.get(key, nothing) for key in keys]
    return {
        name: [float("nan") if (value := getattr(entry, name)) is None else value for entry in found]
        for name in ("challenger", "champion", "seconds")
    }
