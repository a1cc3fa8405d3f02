"""Who answers a request, and what if that one cannot?

Every flight goes to the version that its key decides. Whoever cannot answer is replaced by the other one; an answer
of a version that was taken back meanwhile does not leave the door, the question is asked again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_lab.delivery.live.asking import Answer, Client, Unreachable
from mlops_lab.delivery.live.journal import Entry
from mlops_lab.delivery.live.routing import Plan, Routing
from mlops_lab.delivery.server import Refusal

__all__ = ["Door", "Part"]

_PATIENCE = 10  # times as long: nobody waits for a shadow, but the watch needs it
_TRIES = 3  # answers of the servers for one request; a mistake that repeats itself is not asked about for ever
_PAUSE = 0.05  # seconds before a server that is being started again is asked again

Rows = Sequence[Mapping[str, Any]]


@dataclass
class Part:
    """Some rows of one request that go to the same version.

    >>> Part([0], [{"flight_id": "a"}], version=2).scores
    []
    """

    places: list[int]
    rows: list[Mapping[str, Any]]
    version: int
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    failed: bool = False
    whole: bool = False  # was its server asked at all?


class Door:
    """One address in front of the servers of a rollout.

    >>> door = Door(lambda: Plan(champion=1, challenger=None), {}, seconds=0.01)
    >>> asyncio.run(door.answer([{"flight_id": "a"}]))
    Traceback (most recent call last):
    mlops_lab.delivery.server.refusal.Refusal: no server could answer within 0.01 seconds; ask again in a moment.
    """

    def __init__(
        self,
        plan: Routing | Callable[[], Plan],
        servers: Mapping[int, Client],
        *,
        key: str = "flight_id",
        seconds: float = 30.0,
        on_entry: Callable[[Entry], None] | None = None,
    ) -> None:
        """Stand before some servers.

        Args:
            plan: who may answer at this moment.
            servers: the client of each version's server; may change while the door is open.
            key: the column that says who is asked about; it decides which version answers.
            seconds: how long a request is tried.
            on_entry: told of each request, once both models were asked.
        """
        self._plan = plan
        self.servers = servers
        self._key = key
        self._seconds = seconds
        self._on_entry = on_entry
        self._behind: set[asyncio.Task[None]] = set()
        self._trouble: BaseException | None = None
        #: What happened: `delivered v1`, `failed v2` (it could not answer), `withheld v2` (it was taken back before
        #: its answer could leave), `asked again`.
        self.counts: Counter[str] = Counter()
        #: When (seconds of `perf_counter`) the plan was asked that let the last answer of each version out.
        self.last_delivered: dict[int, float] = {}

    async def answer(self, rows: Rows) -> list[tuple[int, float]]:
        """The version that answered and its probability, for each row in order.

        Raises:
            Refusal: no server could answer in time, or one refused the rows themselves.
        """
        until = time.perf_counter() + self._seconds
        waiting, done = self._parts(list(range(len(rows))), rows, await self._look()), list[Part]()
        failed, tries, answered = set[int](), 0, 0
        while waiting:
            tries += 1
            if tries > 2:  # neither could: their keeper is starting them again
                await asyncio.sleep(_PAUSE)
            await asyncio.gather(*(self._ask_or(part) for part in waiting))
            answered += any(part.failed and part.whole for part in waiting)
            failed |= {place for part in waiting if part.failed for place in part.places}
            done += [part for part in waiting if not part.failed]
            waiting = [part for part in waiting if part.failed]
            moment, now = time.perf_counter(), await self._look()
            late = [part for part in done if not now.allows(part.version)]
            done = [part for part in done if now.allows(part.version)]
            self.counts.update(f"withheld v{part.version}" for part in late)
            if (waiting or late) and (moment > until or answered >= _TRIES):
                raise self._nobody()
            waiting = [again for part in waiting for again in self._instead(part, rows, now)] + [
                again for part in late for again in self._parts(part.places, rows, now)
            ]
            if waiting:
                self.counts["asked again"] += 1
        # From the last look at the plan to here nothing was awaited: what is delivered was allowed at that moment.
        found: list[tuple[int, float]] = [(0, 0.0)] * len(rows)
        for part in done:
            self.last_delivered[part.version] = moment
            self.counts[f"delivered v{part.version}"] += len(part.places)
            for place, score in zip(part.places, part.scores, strict=True):
                found[place] = (part.version, score)
        if self._on_entry is not None and now.challenger is not None and now.champion is not None:
            self._later(self._note(rows, done, now, failed))
        return found

    async def pass_on(self, path: str, body: bytes, kind: str, routing_key: str) -> Answer:
        """Ask with a body that is not ours to read: tensors, CSV. Its `routing_key` decides who answers.

        Raises:
            Refusal: no server could answer in time.
        """
        until, lost, answered = time.perf_counter() + self._seconds, False, 0
        while True:
            plan = await self._look()
            version = plan.answers(routing_key)
            if lost:
                version = plan.instead(version)
            found, whole = await self._try(version, path, body, kind)
            if (
                found is not None
                and version == plan.challenger
                and found.status != 200
                and plan.instead(version) != version
            ):
                found = None  # the champion may know better; where it does not, its refusal is the answer
            answered += whole
            moment = time.perf_counter()
            if found is not None and (await self._look()).allows(version):
                self.counts[f"delivered v{version}"] += 1
                self.last_delivered[version] = moment
                return found
            self.counts[f"failed v{version}" if found is None else f"withheld v{version}"] += 1
            lost = found is None and not lost
            if time.perf_counter() > until or answered >= _TRIES:
                raise self._nobody()
            await asyncio.sleep(_PAUSE if found is None and not lost else 0)

    async def settled(self) -> None:
        """Wait until both models were asked about everything so far. Raises: what kept one from being noted."""
        while self._behind:
            await asyncio.wait(self._behind)
        if self._trouble is not None:
            raise self._trouble

    def _parts(self, places: list[int], rows: Rows, plan: Plan) -> list[Part]:
        parts: dict[int, Part] = {}
        for place in places:
            version = plan.answers(self.key_of(rows[place]))
            part = parts.setdefault(version, Part([], [], version))
            part.places.append(place)
            part.rows.append(rows[place])
        return list(parts.values())

    def _instead(self, part: Part, rows: Rows, plan: Plan) -> list[Part]:
        return [Part(part.places, [rows[place] for place in part.places], plan.instead(part.version))]

    def key_of(self, row: Mapping[str, Any]) -> str:
        """What decides who answers a row: its key, or all of it."""
        found = row.get(self._key)
        return str(found) if found is not None else json.dumps(row, sort_keys=True, default=str)

    async def _look(self) -> Plan:
        return await self._plan.look() if isinstance(self._plan, Routing) else self._plan()

    def _nobody(self) -> Refusal:
        why = f"no server could answer within {self._seconds:g} seconds; ask again in a moment."
        return Refusal(503, "NoServer", why)

    async def _ask(self, part: Part) -> None:
        part.failed = False
        body = json.dumps({"instances": part.rows}).encode()
        began = time.perf_counter()
        found, part.whole = await self._try(part.version, "/invocations", body, "application/json")
        part.seconds = time.perf_counter() - began
        if found is None:
            part.failed = True
            self.counts[f"failed v{part.version}"] += 1
            return
        try:
            told = json.loads(found.body)
            if found.status == 422 or found.status in (400, 404, 413):
                refusal = Refusal(found.status, str(told.get("kind", "Refused")), str(told.get("error", "refused.")))
            else:
                refusal, scores = None, told["predictions"]
                good = found.status == 200 and isinstance(scores, list) and len(scores) == len(part.rows)
                if not good or not all(type(one) in (int, float) and 0 <= one <= 1 for one in scores):
                    raise ValueError("no probabilities")
        except (ValueError, KeyError, TypeError, AttributeError):  # no JSON, a redirect, NaN, null, 7.5
            part.failed = True
            self.counts[f"failed v{part.version}"] += 1
            return
        if refusal is not None:
            raise refusal
        part.scores = [float(one) for one in scores]

    async def _ask_or(self, part: Part) -> None:
        """Ask; what the challenger alone refuses, the champion is asked about."""
        try:
            await self._ask(part)
        except Refusal:
            plan = await self._look()
            if part.version != plan.challenger or plan.instead(part.version) == part.version:
                raise
            part.failed = True
            self.counts[f"failed v{part.version}"] += 1

    async def _ask_once(self, part: Part) -> None:
        try:
            await self._ask(part)
        except Refusal:
            part.failed = True

    async def _ask_patiently(self, part: Part) -> None:
        """Ask the champion's shadow until it is there: that it was away says nothing about the challenger."""
        until = time.perf_counter() + _PATIENCE * self._seconds
        await self._ask_once(part)
        while part.failed and time.perf_counter() < until:
            await asyncio.sleep(_PAUSE)
            await self._ask_once(part)

    async def _try(self, version: int, path: str, body: bytes, kind: str) -> tuple[Answer | None, bool]:
        """The answer of a version's server, None when it has none to give; and whether it was asked at all."""
        client = self.servers.get(version)
        if client is None:
            return None, False
        try:
            found = await client.ask("POST", path, body, headers={"content-type": kind})
        except Unreachable as error:
            return None, error.heard
        return (None if found.status >= 500 else found), True

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._noted)

    def _noted(self, task: asyncio.Task[None]) -> None:
        self._behind.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._trouble = task.exception()

    async def _note(self, rows: Rows, done: list[Part], plan: Plan, failed: set[int]) -> None:
        """Ask the other model, whom nobody hears, and write down what both said."""
        for part in done:
            other = Part(part.places, part.rows, plan.other(part.version))
            if other.version != plan.challenger:
                await self._ask_patiently(other)
            elif not failed & set(part.places):  # else it was asked before, and was silent: that is what is noted
                await self._ask_once(other)
            for at, place in enumerate(part.places):
                said = {part.version: part.scores[at], other.version: other.scores[at] if other.scores else None}
                took = part.seconds if part.version == plan.challenger else other.seconds
                entry = Entry(
                    self.key_of(rows[place]),
                    part.version,
                    said.get(plan.challenger or 0),
                    said.get(plan.champion or 0),
                    round(took, 6) if said.get(plan.challenger or 0) is not None else None,
                )
                if self._on_entry is not None:
                    self._on_entry(entry)
