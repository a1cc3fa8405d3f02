"""A rollout over real servers, while rows are asked about all the time."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.base.storage import lock_file
from mlops_lab.delivery.live.client import Client, Unreachable
from mlops_lab.delivery.live.plan import Entry, Journal, Routing, bounded_key
from mlops_lab.delivery.live.router import Router, listening_router
from mlops_lab.models.registry import Promotion, Registry
from mlops_lab.models.rollout import Deployment, RolloutPolicy, begin, days_of, deployment_of, look
from mlops_lab.pipeline.engines import open_registry
from mlops_lab.pipeline.problem import canary_policy, problem_of, unit_of

if TYPE_CHECKING:
    import pandas as pd

_START_SECONDS = 300.0  # a machine that is busy may need a while to load scikit-learn
_STOP_SECONDS = 15.0
_AGAIN_SECONDS = 0.2
_STARTS = 3  # in a row that end before the server was ready: then it is not started again


@dataclass(frozen=True, repr=False)
class LiveRollout:
    """What became of a rollout over servers, and of every request meanwhile.

    Attributes: `deployment`; `sent`, `lost` (no answer, or another status than 200), `by_version` (whose answers the
    clients got), `after_the_end` (answers by a version that had been taken back when the request was sent, or when the
    answer left the router: must be 0), `counts` (of the router), `restarts` (of servers that died).

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
        lost = (
            f"{counted(self.sent, 'request')}, {self.lost} lost, {self.after_the_end} by a version that was taken back"
        )
        return f"LiveRollout({what}; {lost})"

    def to_dict(self) -> dict[str, Any]:
        """The rollout and its counts as JSON values."""
        return {
            "rollout": self.deployment.to_dict(),
            "requests": {"sent": self.sent, "answered": self.sent - self.lost, "lost": self.lost},
            "answered_by": {f"v{version}": count for version, count in sorted(self.by_version.items())},
            "by_a_version_that_was_taken_back": self.after_the_end,
            "router": dict(sorted(self.counts.items())),
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
    key: str | None = None,
    unit: float | None = None,
    actor: str = "rollout",
    servers: Servers | None = None,
    on_event: Callable[[str], None] | None = None,
) -> LiveRollout:
    """Take a promotion through its rollout with a server process for each version, under load.

    The rows of the traffic are asked about in their order, over so many connections at once, and never stop for a
    switch: the watch looks at a day while the next one is being asked about. Both models are asked about every row, one
    of them in the shadow; what they said is in a journal of the home folder, so that after a crash the same call goes
    on. After the rollout's end one more day is asked about, to show who answers then.

    Args:
        promotion: what is rolled out; a first model has nobody beside it.
        home: the home folder with the registry.
        traffic: one row a decision: `key`, `at`, `known_at`, `truth` as for `rollout`, and `row`, what is sent of it.
        policy: weights and bounds, latency among them; when left out, that of the home's problem, with what a day's
            answers share as the exam shows it.
        connections: how many requests are under way at once.
        shadow: is the challenger only asked, and never heard? Then nothing is decided.
        key: the column of a row that says who is asked about, which decides the version that answers; the problem's
            own when left out.
        unit: of numbers to predict, what they are divided by before they are judged; left out with `policy` or `key`,
            it is the problem's. None where answers are probabilities.
        actor: who is written into the history.
        servers: where the servers come from; real processes by default.
        on_event: told of each step in one line.

    Raises:
        NotAllowed: there is no champion to stand beside, or another process is rolling it out.
        HomeError: what the models said cannot be written down, so nothing can be judged.
        InvalidData: a server does not start.

    >>> from mlops_lab.base.clock import parse_utc
    >>> first = Promotion(name="late", version=1, artifact="sha256:0", archived_version=None, actor="ada",
    ...                   why="the first model", at=parse_utc("2014-01-01"), event=4)
    >>> asyncio.run(live_rollout(first, "home", traffic=None))
    Traceback (most recent call last):
    mlops_lab.base.errors.NotAllowed: late v1 replaces nobody; there is no canary to watch.
    """
    if promotion.archived_version is None:
        raise NotAllowed(f"{promotion.name} v{promotion.version} replaces nobody; there is no canary to watch.")
    tell = on_event or (lambda _line: None)
    if policy is None or key is None:
        problem = problem_of(home)
        key = key or problem.key
        if policy is None:
            with closing(open_registry(home, clock=SystemClock())) as registry:
                both = promotion.version, promotion.archived_version
                challenger, champion = (registry.get_model_version(promotion.name, each) for each in both)
            policy = canary_policy(challenger, champion, home=Path(home), clock=SystemClock())
            policy = replace(policy, max_seconds=policy.max_seconds or 1.0)
        unit = unit or unit_of(problem, traffic.rename(columns={"truth": problem.label}))
    if unit is not None:  # what the answers of a day share is known of probabilities only
        policy = replace(policy, shared=None)
    keeper = Servers(home, promotion.name) if servers is None else servers
    with ExitStack() as held:
        try:  # two watches would judge each other's answers
            held.enter_context(lock_file(Path(home) / "rollouts" / f"{promotion.event}.lock"))
        except BlockingIOError:
            why = "another process is rolling it out; see: mlops-lab rollout status, and end it with: rollout stop"
            raise NotAllowed(f"{promotion.name} v{promotion.version}: {why}") from None
        registry = held.enter_context(closing(open_registry(home, clock=SystemClock())))
        begin(promotion, registry, policy=policy, actor=actor)
        routing = held.enter_context(closing(Routing(home, promotion.name, shadow=shadow)))
        journal = held.enter_context(Journal(home, promotion.event))
        said = {entry.key: entry for entry in journal}

        def note(entry: Entry) -> None:
            journal.write(entry)
            said[entry.key] = entry

        async with keeper:
            await keeper.start(promotion.archived_version, promotion.version)
            tell(f"v{promotion.archived_version} and v{promotion.version} are ready")
            router = Router(routing, keeper.clients, key=key, is_number=unit is not None, on_entry=note)
            async with listening_router(router, promotion.name) as port:
                tell(f"the router listens on port {port}")
                load = _Load(router, Client("127.0.0.1", port, seconds=60.0), connections, promotion.version)
                watch = _Watch(registry, promotion, policy, actor, tell)
                flying = asyncio.create_task(_fly(traffic, said, load, watch, shadow=shadow, unit=unit or 1.0))
                gone = asyncio.create_task(keeper.all_gone())
                try:
                    await asyncio.wait({flying, gone}, return_when=asyncio.FIRST_COMPLETED)
                    if not flying.done():
                        raise InvalidData(f"no server is left: {gone.result()}")
                    await flying
                    await router.settled()
                finally:
                    for task in (flying, gone):
                        task.cancel()
                    await asyncio.gather(flying, gone, return_exceptions=True)
                    await load.client.close()
            found = deployment_of(registry, promotion)
            assert found is not None  # noqa: S101  it was begun
            lost = sum(load.lost.values())
            return LiveRollout(
                found,
                sent=len(load.told) + lost,
                lost=lost,
                by_version=Counter(version for _, version in load.told),
                after_the_end=load.after_the_end(),
                counts=router.counts,
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


async def _fly(
    traffic: pd.DataFrame, said: dict[str, Entry], load: _Load, watch: _Watch, *, shadow: bool, unit: float
) -> None:
    """Day by day; the look at a day is taken while the next one is asked about."""
    looking: asyncio.Task[None] | None = None
    traffic = traffic.assign(key=traffic["key"].map(bounded_key))  # as the router notes them
    more = 1  # a day to ask about when it is over
    asked = 0
    for until, seen in days_of(traffic.assign(challenger=0.0, champion=0.0)):
        over = await asyncio.to_thread(lambda: watch.over)
        if over and not more:
            break
        more -= over
        today = seen.iloc[asked:]
        asked = len(seen)
        if not over:
            today = today[~today["key"].isin(said.keys())]  # asked before a crash
        await load.send([*zip(today["key"], today["row"], strict=True)])
        await load.router.settled()
        if looking is not None:
            await looking
        load.taken_back = watch.taken_back
        if not shadow and not over:
            told = seen.assign(truth=seen["truth"] / unit, **_answers(seen["key"], said, unit))
            looking = asyncio.create_task(asyncio.to_thread(watch.look, told, until))
    if looking is not None:
        await looking


def _answers(keys: pd.Series[Any], said: Mapping[str, Entry], unit: float) -> dict[str, list[float]]:
    nothing = Entry("", 0, None, None, None)
    found = [said.get(key, nothing) for key in keys]
    return {
        name: [float("nan") if (value := getattr(entry, name)) is None else value / by for entry in found]
        for name, by in (("challenger", unit), ("champion", unit), ("seconds", 1.0))
    }


class Servers:
    """A server process for each version, on ports of this machine that happen to be free.

    One that dies is started again. All of them stop when this process does, however it ends: they watch their standard
    input, which ends with it.

    >>> async def nothing():
    ...     async with Servers("home", "late") as servers:
    ...         return servers.clients
    >>> asyncio.run(nothing())
    {}
    """

    def __init__(self, home: str | Path, name: str, *, seconds: float = 2.0) -> None:
        """Start nothing yet; `seconds` is how long one of them may take to answer."""
        self._home = Path(home)
        self._name = name
        self._seconds = seconds
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._ready: dict[int, asyncio.Event] = {}
        self._last: dict[int, str] = {}
        #: The client of each version whose server is ready.
        self.clients: dict[int, Client] = {}
        #: How often each version's server had to be started again.
        self.restarts: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"Servers({self._name}, versions={sorted(self._keepers)})"

    @property
    def pids(self) -> Mapping[int, int]:
        """The process of each version that is running."""
        return {version: one.pid for version, one in self._processes.items() if one.returncode is None}

    async def start(self, *versions: int) -> None:
        """Start servers side by side and wait until they are ready.

        Raises:
            InvalidData: one of them cannot start; the message is its own.
        """
        for version in versions:
            if version not in self._keepers:
                self._ready[version] = asyncio.Event()
                self._keepers[version] = asyncio.create_task(self._keep(version))
        for version in versions:
            keeper, ready = self._keepers[version], asyncio.create_task(self._ready[version].wait())
            await asyncio.wait({keeper, ready}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                why = self._last.get(version, f"not ready within {_START_SECONDS:g} seconds")
                raise InvalidData(f"the server of {self._name} v{version} does not start: {why}")

    async def stop(self, version: int) -> None:
        """Stop one server: it finishes what it has begun."""
        keeper = self._keepers.pop(version, None)
        if keeper is None:
            return
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    async def all_gone(self) -> str:
        """Wait until no server is left that would be started again; what the last of them said."""
        while self._keepers:
            await asyncio.wait(set(self._keepers.values()))
            if all(keeper.done() for keeper in self._keepers.values()):
                break
        return "; ".join(f"v{version}: {why}" for version, why in sorted(self._last.items())) or "they ended"

    async def __aenter__(self) -> Servers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(self.stop(version) for version in list(self._keepers)))

    async def _keep(self, version: int) -> None:
        """Keep a server running until cancelled, or until it does not become ready: at once, or thrice in a row."""
        try:
            was_ready, failed = False, 0
            while failed < (_STARTS if was_ready else 1):
                self._ready[version].clear()
                await self._run(version)
                failed = 0 if self._ready[version].is_set() else failed + 1
                was_ready = was_ready or not failed
                if failed < _STARTS and was_ready:
                    self.restarts[version] = self.restarts.get(version, 0) + 1
                    await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            client = self.clients.pop(version, None)
            if client is not None:
                await client.close()
            process = self._processes.get(version)
            if process is not None and process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), _STOP_SECONDS)
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def _run(self, version: int) -> None:
        words = ["serve", self._name, str(version), "--home", str(self._home.absolute()), "--port", "0"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mlops_lab", *words, "--archived", "--quiet", "--with-parent",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._processes[version] = process
        assert process.stderr is not None  # noqa: S101  asked for above
        port = 0
        while line := await process.stderr.readline():
            told = _event(line)
            if told.get("event") == "listening":
                port = int(told["port"])
            elif told.get("event") == "ready":
                self.clients[version] = Client("127.0.0.1", port, seconds=self._seconds)
                self._ready[version].set()
            elif not told:
                self._last[version] = line.decode("utf-8", "replace").strip()
        gone = self.clients.pop(version, None)
        if gone is not None:
            await gone.close()
        await process.wait()


class _Load:
    """Clients that ask about row after row, and count what becomes of it.

    `told` are the moments at which answered requests were sent, each with the version that answered; `lost` counts the
    others by reason.
    """

    def __init__(self, router: Router, client: Client, connections: int, challenger: int) -> None:
        self.router, self.client = router, client
        self.taken_back: float | None = None  # the moment at which nobody may hear the challenger any more
        self._connections, self._challenger = connections, challenger
        self.told: list[tuple[float, int]] = []
        self.lost: Counter[str] = Counter()

    async def send(self, rows: list[tuple[str, Mapping[str, Any]]]) -> None:
        """Ask about these rows, so many at once; return when each of them was answered or lost."""
        waiting = iter(rows)

        async def one_client() -> None:
            for _, row in waiting:
                body, began = json.dumps({"instances": [row]}).encode(), time.perf_counter()
                try:
                    found = await self.client.ask("POST", "/invocations", body)
                except Unreachable as error:
                    self.lost[str(error)] += 1
                    continue
                if found.status != 200:
                    self.lost[f"status {found.status}: {found.body[:200].decode('utf-8', 'replace')}"] += 1
                    continue
                self.told.append((began, json.loads(found.body)["versions"][0]))

        await asyncio.gather(*(one_client() for _ in range(self._connections)))

    def after_the_end(self) -> int:
        """How often the challenger was heard although it had been taken back when a request was sent, or answered."""
        if self.taken_back is None:
            return 0
        wrong = sum(sent > self.taken_back and version == self._challenger for sent, version in self.told)
        return int(wrong + (self.router.last_delivered.get(self._challenger, 0.0) > self.taken_back))


def _event(line: bytes) -> dict[str, str]:
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}
