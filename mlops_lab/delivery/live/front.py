"""At which address does the door stand?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import MissingExtra
from mlops_lab.delivery.live.door import Door
from mlops_lab.delivery.server import Log, Station
from mlops_lab.delivery.server.answering import Told, answering, read_body, reply
from mlops_lab.delivery.server.connections import polite_protocol, telling_the_log

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["at_the_door"]


@asynccontextmanager
async def at_the_door(door: Door, name: str, *, port: int = 0, log: Log | None = None) -> AsyncIterator[int]:
    """Open the door on this machine, and give its port.

    `POST /invocations` and `/predict` with `{"instances": [{...}, ...]}` are split by the key of each row; whatever
    else is sent there goes whole to the version that the header `x-routing-key` decides, or the body itself.

    Raises:
        MissingExtra: fastapi or uvicorn is not installed.

    >>> from mlops_lab.delivery.live.routing import Plan
    >>> async def opened():
    ...     async with at_the_door(Door(lambda: Plan(1, None), {}), "late") as port:
    ...         return port > 0
    >>> asyncio.run(opened())
    True
    """
    try:
        import uvicorn
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError:
        raise MissingExtra("serve") from None
    station = Station(name=name, log=Log(quiet=True) if log is None else log)

    async def ping(_request: Request, told: Told) -> Response:
        told["probe"] = True
        there = bool(door.servers)
        return reply({"ready": there}, status=200 if there else 503)

    async def ask(request: Request, told: Told) -> Response:
        body = await read_body(request, station)
        kind = request.headers.get("content-type", "application/json")
        rows = _rows(body, kind)
        if rows is None:
            return _whole(await door.pass_on(request.url.path, body, kind, _routing_key(request, body)))
        found = await door.answer(rows)
        told["scores"] = [score for _, score in found]
        versions = sorted({version for version, _ in found})
        answer = {
            "predictions": told["scores"],
            "model_name": name,
            "model_version": ",".join(map(str, versions)),
            "versions": [version for version, _ in found],
        }
        response = reply(answer)
        response.headers["x-model-version"] = answer["model_version"]
        return response

    routes = [Route(path, answering(station, path, ask), methods=["POST"]) for path in ("/invocations", "/predict")]
    infer = answering(station, "/v2/models/infer", ask)
    app = Starlette(
        routes=[
            Route("/ping", answering(station, "/ping", ping)),
            *routes,
            Route(f"/v2/models/{name}/infer", infer, methods=["POST"]),
        ]
    )
    config = uvicorn.Config(
        app, http=polite_protocol(station.limits), lifespan="off", log_config=None, access_log=False,
        server_header=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    with telling_the_log(station.log), socket.create_server(("127.0.0.1", port), backlog=2048) as listening:
        serving = asyncio.create_task(server._serve([listening]))  # `serve` would take our signals
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            yield int(listening.getsockname()[1])
        finally:
            station.close()
            server.should_exit = True
            await serving


def _rows(body: bytes, kind: str) -> list[dict[str, Any]] | None:
    """The rows that the door can tell apart; None for what only the servers can read."""
    if kind.partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    rows = found.get("instances") if isinstance(found, dict) else None
    good = isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    return rows if good else None


def _routing_key(request: Request, body: bytes) -> str:
    return request.headers.get("x-routing-key") or hashlib.sha256(body).hexdigest()


def _whole(answer: Any) -> Response:
    from starlette.responses import Response

    kept = {name: answer.headers[name] for name in ("content-type", "x-model-version") if name in answer.headers}
    return Response(answer.body, status_code=answer.status, headers=kept)
