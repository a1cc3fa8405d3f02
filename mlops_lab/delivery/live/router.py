"""One address in front of the servers of a rollout, on Starlette and httptools.

Every row goes to the version that its key decides. A version that cannot answer is replaced by the other one; an answer
of a version that was taken back meanwhile does not leave the router, the question is asked again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_lab.base.display import counted
from mlops_lab.base.errors import MissingExtra
from mlops_lab.delivery.live.client import Answer, Client, Unreachable
from mlops_lab.delivery.live.plan import Entry, Plan, Routing, bounded_key
from mlops_lab.delivery.server import AccessLog, RequestError, ServerState
from mlops_lab.delivery.server.app import Facts, Handler, handled, predictions, read_body, reply, wanted_type
from mlops_lab.delivery.server.bodies import check_rows, parse_json
from mlops_lab.delivery.server.process import logged, server_options

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_PATIENCE = 10  # times as long: nobody waits for a shadow, but the watch needs it
_TRIES = 3  # answers of the servers for one request; a mistake that repeats itself is not asked about for ever
_PAUSE = 0.05  # seconds before a server that is being started again is asked again
_PASSED_ON = ("accept", "inference-header-content-length", "prefer", "traceparent")
_HANDED_BACK = ("content-type", "inference-header-content-length", "x-model-name", "x-model-version")

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
    scores: list[float | None] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    failed: bool = False
    heard: bool = False  # was its server asked at all?
    body: bytes = b""  # the request as it came, where all of its rows are here

    def to(self, version: int) -> Part:
        """The same rows, to be asked of another version."""
        return Part(self.places, self.rows, version, body=self.body)


class Router:
    """What stands in front of the servers of a rollout.

    >>> router = Router(lambda: Plan(champion=1, challenger=None), {}, seconds=0.01)
    >>> asyncio.run(router.answer([{"flight_id": "a"}]))
    Traceback (most recent call last):
    mlops_lab.delivery.server.bodies.RequestError: no server could answer within 0.01 seconds; ask again in a moment.
    """

    def __init__(
        self,
        plan: Routing | Callable[[], Plan],
        servers: Mapping[int, Client],
        *,
        key: str = "flight_id",
        seconds: float = 30.0,
        is_number: bool = False,
        on_entry: Callable[[Entry], None] | None = None,
    ) -> None:
        """Stand before some servers.

        Args:
            plan: who may answer at this moment.
            servers: the client of each version's server; may change while the router works.
            key: the column that says who is asked about; it decides which version answers.
            seconds: how long a request is tried.
            is_number: do the models answer with numbers, and no probabilities?
            on_entry: told of each request, once both models were asked.
        """
        self._plan = plan
        self.servers = servers
        self._key = key
        self._seconds = seconds
        self._most = sys.float_info.max if is_number else 1.0
        self._least = -self._most if is_number else 0.0
        self._on_entry = on_entry
        self._behind: set[asyncio.Task[None]] = set()
        self._trouble: BaseException | None = None
        #: What happened: `delivered v1`, `failed v2` (it could not answer), `withheld v2` (it was taken back before
        #: its answer could leave), `asked again`.
        self.counts: Counter[str] = Counter()
        #: When (seconds of `perf_counter`) the plan was asked that let the last answer of each version out.
        self.last_delivered: dict[int, float] = {}

    async def answer(
        self, rows: Rows, *, headers: Mapping[str, str] | None = None, errors: list[dict[str, Any]] | None = None,
        body: bytes = b"",
    ) -> list[tuple[int, float | None]]:  # fmt: skip
        """The version that answered and what it said, for each row in order; None where `errors` is told why.

        `body` is the request that the rows came in, if that is to be passed on as it is.

        Raises:
            RequestError: no server could answer in time, or one refused the rows themselves.
        """
        told, until = dict(headers or {}), time.perf_counter() + self._seconds
        waiting, done = self._parts(list(range(len(rows))), rows, await self._look()), list[Part]()
        failed, tries, answered = set[int](), 0, 0
        if len(waiting) == 1:
            waiting[0].body = body
        while waiting:
            tries += 1
            if tries > 2:  # neither could: their keeper is starting them again
                await asyncio.sleep(_PAUSE)
            await asyncio.gather(*(self._ask_or_fail(part, told) for part in waiting))
            answered += any(part.failed and part.heard for part in waiting)
            failed |= {place for part in waiting if part.failed for place in part.places}
            done += [part for part in waiting if not part.failed]
            waiting = [part for part in waiting if part.failed]
            moment, now = time.perf_counter(), await self._look()
            late = [part for part in done if not now.allows(part.version)]
            done = [part for part in done if now.allows(part.version)]
            self.counts.update(f"withheld v{part.version}" for part in late)
            if (waiting or late) and (moment > until or answered >= _TRIES):
                raise self._nobody(answered)
            waiting = [part.to(now.instead(part.version)) for part in waiting] + [
                again for part in late for again in self._parts(part.places, rows, now)
            ]
            if waiting:
                self.counts["asked again"] += 1
        # From the last look at the plan to here nothing was awaited: what is delivered was allowed at that moment.
        found: list[tuple[int, float | None]] = [(0, None)] * len(rows)
        for part in done:
            self.last_delivered[part.version] = moment
            self.counts[f"delivered v{part.version}"] += len(part.places)
            for place, score in zip(part.places, part.scores, strict=True):
                found[place] = (part.version, score)
            if errors is not None:
                errors += [{**one, "row": part.places[one["row"]]} for one in part.errors]
        if self._on_entry is not None and now.challenger is not None and now.champion is not None:
            self._later(self._note(rows, done, now, failed))
        return found

    async def pass_on(
        self, path: str, body: bytes, kind: str, routing_key: str, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask with a body that is not ours to read: tensors, CSV. Its `routing_key` decides who answers.

        Raises:
            RequestError: no server could answer in time.
        """
        told = {**(headers or {}), "content-type": kind}
        until, lost, answered = time.perf_counter() + self._seconds, False, 0
        while True:
            plan = await self._look()
            version = plan.answers(routing_key)
            if lost:
                version = plan.instead(version)
            found, heard = await self._try(version, path, body, told)
            challenged = version == plan.challenger and plan.instead(version) != version
            if found is not None and challenged and self._mean(found) is None:
                found = None  # the champion may know better; where it does not, its refusal is the answer
            answered += heard
            moment = time.perf_counter()
            if found is not None and (await self._look()).allows(version):
                self.counts[f"delivered v{version}"] += 1
                self.last_delivered[version] = moment
                if self._on_entry is not None and plan.challenger is not None and plan.champion is not None:
                    self._later(self._note_whole(routing_key, path, body, told, plan, version, found, lost))
                return found
            self.counts[f"failed v{version}" if found is None else f"withheld v{version}"] += 1
            lost = found is None and not lost
            if time.perf_counter() > until or answered >= _TRIES:
                raise self._nobody(answered)
            await asyncio.sleep(_PAUSE if found is None and not lost else 0)

    async def settled(self) -> None:
        """Wait until both models were asked about everything so far. Raises: what kept one from being noted."""
        while self._behind:
            await asyncio.wait(self._behind)
        if self._trouble is not None:
            raise self._trouble

    def key_of(self, row: Mapping[str, Any]) -> str:
        """What decides who answers a row: its key, or all of it."""
        found = row.get(self._key)
        return bounded_key(str(found) if found is not None else json.dumps(row, sort_keys=True, default=str))

    def _parts(self, places: list[int], rows: Rows, plan: Plan) -> list[Part]:
        parts: dict[int, Part] = {}
        for place in places:
            version = plan.answers(self.key_of(rows[place]))
            part = parts.setdefault(version, Part([], [], version))
            part.places.append(place)
            part.rows.append(rows[place])
        return list(parts.values())

    async def _look(self) -> Plan:
        return await self._plan.look() if isinstance(self._plan, Routing) else self._plan()

    def _nobody(self, answered: int) -> RequestError:
        what = f"the servers failed at this request {counted(answered, 'time')}"
        if answered < _TRIES:
            what = f"no server could answer within {self._seconds:g} seconds"
        return RequestError(503, "NoServer", f"{what}; ask again in a moment.")

    async def _try(
        self, version: int, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[Answer | None, bool]:
        """The answer of a version's server, None when it has none to give; and whether it was asked at all."""
        client = self.servers.get(version)
        if client is None:
            return None, False
        try:
            found = await client.ask("POST", path, body, headers=headers)
        except Unreachable as error:
            return None, error.heard
        return (None if found.status >= 500 else found), True

    async def _ask(self, part: Part, headers: Mapping[str, str]) -> None:
        """Ask about the rows of a part: its scores, or that it failed.

        Raises:
            RequestError: the server refused the rows.
        """
        part.failed = False
        body = part.body or json.dumps({"instances": part.rows}).encode()
        began = time.perf_counter()
        found, part.heard = await self._try(part.version, "/invocations", body, headers)
        part.seconds = time.perf_counter() - began
        refused: RequestError | None = None
        try:
            if found is None:
                raise ValueError("no answer")
            told = parse_json(found.body)
            if found.status in (400, 404, 413, 422):
                refused = RequestError(
                    found.status, str(told.get("kind", "Refused")), str(told.get("error", "refused."))
                )
            else:
                part.scores, part.errors = self._scores(found.status, told, len(part.rows))
        except (ValueError, KeyError, TypeError, AttributeError):  # no JSON, a redirect, NaN, null, 7.5
            part.failed = True
            self.counts[f"failed v{part.version}"] += 1
        if refused is not None:
            raise refused

    async def _ask_or_fail(self, part: Part, headers: Mapping[str, str]) -> None:
        """Ask; what the challenger alone refuses, a single row even, the champion is asked about."""
        refused: RequestError | None = None
        try:
            await self._ask(part, headers)
        except RequestError as error:
            refused = error
        if refused is None and not part.errors:
            return
        plan = await self._look()
        if part.version == plan.challenger and plan.instead(part.version) != part.version:
            part.failed = True
            self.counts[f"failed v{part.version}"] += 1
        elif refused is not None:
            raise refused

    async def _ask_quietly(self, part: Part, *, patient: bool) -> None:
        """Ask the model whom nobody hears; the champion until it is there, as its absence says nothing of the other."""
        until, answered = time.perf_counter() + (_PATIENCE * self._seconds if patient else 0), 0
        while True:
            try:
                await self._ask(part, {})
            except RequestError:
                part.failed = True
                return
            answered += part.heard
            if not part.failed or answered >= _TRIES or time.perf_counter() >= until:
                return
            await asyncio.sleep(_PAUSE)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
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
            other = part.to(plan.other(part.version))
            champion_is_missing = other.version != plan.challenger
            if champion_is_missing or not failed & set(
                part.places
            ):  # else it was asked before, and failed: that is noted
                await self._ask_quietly(other, patient=champion_is_missing)
            took = part.seconds if part.version == plan.challenger else other.seconds
            for at, place in enumerate(part.places):
                other_score = other.scores[at] if other.scores else None
                said = {part.version: part.scores[at], other.version: other_score}
                self._write(self.key_of(rows[place]), plan, part.version, said, took)

    async def _note_whole(
        self, key: str, path: str, body: bytes, headers: Mapping[str, str], plan: Plan, version: int, found: Answer,
        lost: bool,
    ) -> None:  # fmt: skip
        """The same for a body that was passed on: the mean of its predictions stands for all of its rows."""
        said, other = {version: self._mean(found)}, plan.other(version)
        began = time.perf_counter()
        if not (lost and other == plan.challenger):
            heard, _ = await self._try(other, path, body, headers)
            said[other] = None if heard is None else self._mean(heard)
        if any(one is not None for one in said.values()):  # else both refused it: that says nothing of either
            self._write(key, plan, version, said, time.perf_counter() - began)

    def _write(self, key: str, plan: Plan, version: int, said: Mapping[int, float | None], seconds: float) -> None:
        challenger, champion = said.get(plan.challenger or 0), said.get(plan.champion or 0)
        took = round(seconds, 6) if challenger is not None else None
        if self._on_entry is not None:
            self._on_entry(Entry(key, version, challenger, champion, took))

    def _scores(self, status: int, told: Any, rows: int) -> tuple[list[float | None], list[dict[str, Any]]]:
        """The predictions of an answer, None only for rows that its errors name.

        Raises:
            ValueError, KeyError, TypeError: it is no such answer.
        """
        scores, errors = told["predictions"], told.get("errors") or []
        unanswered = {one["row"]: type(one["row"]) for one in errors}
        good = status == 200 and isinstance(scores, list) and len(scores) == rows
        if not good or unanswered != {at: int for at, one in enumerate(scores) if one is None}:
            raise ValueError("not a prediction for each row")
        if not self._all_good([one for one in scores if one is not None]):
            raise ValueError("no such predictions")
        return [None if one is None else float(one) for one in scores], errors

    def _all_good(self, values: list[Any]) -> bool:
        return all(type(one) in (int, float) and self._least <= one <= self._most for one in values)

    def _mean(self, answer: Answer) -> float | None:
        """The mean of the predictions in an answer of any form; None where there are none."""
        kind, length = answer.headers.get("content-type", ""), answer.headers.get("inference-header-content-length")
        try:
            if length is not None:
                import numpy as np

                values = np.frombuffer(answer.body[int(length) :], dtype="<f8").tolist()
            elif kind.startswith("text/csv"):
                values = [float(line) for line in answer.body.split()]
            elif kind.startswith("application/jsonlines"):
                values = [parse_json(line)["prediction"] for line in answer.body.splitlines()]
            else:
                told = parse_json(answer.body)
                values = told["outputs"][0]["data"] if "outputs" in told else told["predictions"]
            if answer.status != 200 or not values or not self._all_good(values):
                return None
            return float(sum(one / len(values) for one in values))  # the sum of large numbers could be infinite
        except (ValueError, KeyError, TypeError, IndexError):
            return None


@asynccontextmanager
async def listening_router(
    router: Router, name: str, *, port: int = 0, log: AccessLog | None = None
) -> AsyncIterator[int]:
    """Let the router listen on this machine, and give its port.

    `POST /invocations` and `/predict` with `{"instances": [{...}, ...]}` are split by the key of each row; whatever
    else is sent there goes whole to the version that the header `x-routing-key` decides, or the body itself.

    Raises:
        MissingExtra: fastapi or uvicorn is not installed.

    >>> async def opened():
    ...     async with listening_router(Router(lambda: Plan(1, None), {}), "late") as port:
    ...         return port > 0
    >>> asyncio.run(opened())
    True
    """
    try:
        import uvicorn
        from starlette import routing
        from starlette.responses import Response
    except ImportError:
        raise MissingExtra("serve") from None
    state = ServerState(name=name, log=AccessLog(quiet=True) if log is None else log)

    async def live(_request: Request, facts: Facts) -> Response:
        facts.is_probe = True
        return reply({"live": True})

    async def ready(_request: Request, facts: Facts) -> Response:
        facts.is_probe = True
        there = bool(router.servers) and not state.stopping
        return reply({"ready": there, "servers": sorted(router.servers)}, status=200 if there else 503)

    async def metrics(_request: Request, facts: Facts) -> Response:
        facts.is_probe = True
        for what, count in router.counts.items():
            did, _, version = what.rpartition(" ")
            state.metrics.routed.labels(did, version).set(count)
        state.metrics.ready.set(bool(router.servers))
        return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def ask(request: Request, facts: Facts) -> Response:
        body = await read_body(request, state)
        kind = request.headers.get("content-type", "application/json")
        told = {one: request.headers[one] for one in _PASSED_ON if one in request.headers}
        told["x-request-id"] = facts.request_id  # one id in every log, header and body
        path = request.scope["path"]  # request.url holds the client's Host header too, which may say anything
        rows = _rows(body, kind) if path in ("/invocations", "/predict") else None
        check_rows(len(rows or ()), state.limits.rows)  # before each is looked at for its key
        if rows is None or wanted_type(request, usual="application/json") != "application/json":
            key = bounded_key(request.headers.get("x-routing-key", "")) or hashlib.sha256(body).hexdigest()
            found = await router.pass_on(path, body, kind, key, headers=told)
            kept = {one: found.headers[one] for one in _HANDED_BACK if one in found.headers}
            return Response(found.body, status_code=found.status, headers=kept)
        told.pop("accept", None)  # the servers may read it as another form, and JSON is what is put together here
        errors: list[dict[str, Any]] = []
        answers = await router.answer(rows, headers=told, errors=errors, body=body)
        facts.scores = [score for _, score in answers if score is not None]
        versions = [version for version, _ in answers]
        version = ",".join(map(str, sorted(set(versions))))
        said: dict[str, Any] = {
            "predictions": [score for _, score in answers],
            "model_name": name,
            "model_version": version,
        }
        said |= {"versions": versions} | ({"errors": sorted(errors, key=lambda one: one["row"])} if errors else {})
        response = predictions(said)
        response.headers["x-model-version"] = version
        return response

    def route(path: str, handler: Handler, method: str = "GET") -> routing.Route:
        return routing.Route(path, handled(state, path, handler, bounded=method == "POST"), methods=[method])

    routes = [route(path, ask, "POST") for path in ("/invocations", "/predict", f"/v2/models/{name}/infer")]
    routes += [route(path, ready) for path in ("/ping", "/health", "/v2/health/ready", f"/v2/models/{name}/ready")]
    routes += [route("/v2/health/live", live), route("/metrics", metrics)]
    app = routing.Router(routes, redirect_slashes=False)
    config = uvicorn.Config(app, **server_options(state.limits), lifespan="off")
    server = uvicorn.Server(config)
    with logged(state.log), socket.create_server(("127.0.0.1", port), backlog=2048) as listening:
        serving = asyncio.create_task(server._serve([listening]))  # `serve` would take our signals
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            yield int(listening.getsockname()[1])
        finally:
            state.close()
            server.should_exit = True
            await serving


def _rows(body: bytes, kind: str) -> list[dict[str, Any]] | None:
    """The rows that the router can tell apart; None for what only the servers can read."""
    from pydantic_core import from_json

    if kind.partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        found = from_json(
            body, cache_strings="keys"
        )  # stricter than the servers: nothing is too deep to be written again
    except ValueError:
        return None
    rows = found.get("instances") if isinstance(found, dict) else None
    good = isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    return rows if good else None
