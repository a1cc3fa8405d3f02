"""How does every route read a request, tell what became of it, and never show a traceback?"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from mlops_lab.delivery.server.refusal import Refusal
from mlops_lab.delivery.server.station import Station

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Handler", "Told", "answering", "read_body", "reply", "wanted_type"]

#: What a handler notes about its answer for the log: `scores`, and `probe` for what is not worth a line.
Told = dict[str, Any]
Handler = Callable[["Request", Told], Awaitable["Response"]]

_CLOSED = {408, 413}  # the rest of the body is still on its way; only closing the connection spares us reading it
# A client that is still sending does not read: it would find its connection reset and never see why. So a body that is
# too large is read to its end and thrown away, up to here.
_LINGER = 64_000_000
_ID_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")


def answering(
    station: Station, route: str, handler: Handler, *, bounded: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """The handler as a route: timed, counted and logged; a `Refusal` becomes its status, a bug a bare 500.

    One that is `bounded` counts towards the limit of requests at once; probes and metrics never do.
    """

    async def answer(request: Request) -> Response:
        from starlette.requests import ClientDisconnect

        began, told = time.perf_counter(), Told()
        number = _id(request) or station.next_id()
        station.under_way += bounded
        try:
            if bounded and station.under_way > station.limits.connections:
                raise Refusal(503, "Busy", f"{station.limits.connections:,} requests are under way; ask again soon.")
            response = await handler(request, told)
        except Refusal as refusal:
            told["why"] = str(refusal)
            response = refused(refusal.status, refusal.kind, str(refusal), number)
        except ClientDisconnect:
            told["why"] = "the client went away"
            response = refused(499, "ClientGone", "the client went away.", number)
        except Exception as error:  # whatever it is, the client hears of it without its inside
            told["why"] = f"{type(error).__name__}: {error}"
            told["traceback"] = traceback.format_exc()
            response = refused(500, "InternalError", "the server failed; its log knows more of this request.", number)
        finally:
            station.under_way -= bounded
        seconds, scores = time.perf_counter() - began, told.pop("scores", None)
        headers = response.raw_headers
        headers.append((b"x-request-id", number.encode()))
        if told.get("features_age") is not None:
            headers.append((b"x-features-age-seconds", f"{told['features_age']:.0f}".encode()))
            station.figures.features_are(told["features_age"])
        if station.stopping:
            headers.append((b"connection", b"close"))  # whoever asks again should ask another server
        desk = station.desk
        if desk is not None:
            headers.append((b"x-model-name", desk.model.name.encode("ascii", "replace")))
            headers.append((b"x-model-version", str(desk.model.version).encode()))
            told |= {"model": desk.model.name, "version": desk.model.version}
        station.figures.answered(route, response.status_code, seconds=seconds, scores=scores)
        if scores is not None:
            told["rows"] = len(scores)
        if told.pop("probe", False):
            return response  # asked every few seconds by machines
        station.log.request(
            route=route, status=response.status_code, ms=round(1000 * seconds, 3), request_id=number, **told
        )
        return response

    answer.__name__ = route.strip("/").replace("/", "_") or "root"
    return answer


def reply(value: Any, *, status: int = 200) -> Response:
    """A JSON answer."""
    from starlette.responses import Response

    return Response(json.dumps(value, allow_nan=False), status_code=status, media_type="application/json")


def refused(status: int, kind: str, message: str, number: str) -> Response:
    """The answer to a request that gets no prediction; V2 asks for the key `error`."""
    response = reply({"error": message, "kind": kind, "status": status, "request_id": number}, status=status)
    if status in _CLOSED:
        response.headers["connection"] = "close"
    if status == 503:
        response.headers["retry-after"] = "1"
    return response


async def read_body(request: Request, station: Station) -> bytes:
    """The body, if it is not too large and comes in time.

    Raises:
        Refusal: 400, 408, 413 or 415.
    """
    limit = station.limits.body_bytes
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "UnsupportedType", "a compressed body is not read here.")
    too_large = Refusal(413, "TooLarge", f"the body is larger than {limit:,} bytes.")
    length = request.headers.get("content-length", "")
    announced = int(length[:19]) if length.isdigit() else 0
    if announced > _LINGER or (announced > limit and request.headers.get("expect")):
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(station.limits.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size <= limit:
                    parts.append(part)
                elif size > _LINGER:
                    raise too_large
    except TimeoutError:
        if size > limit:
            raise too_large from None
        told = f"the body did not arrive within {station.limits.body_seconds:g} seconds."
        raise Refusal(408, "SlowBody", told) from None
    if size > limit:
        raise too_large
    if not size:
        raise Refusal(400, "MalformedBody", "the body is empty.")
    return b"".join(parts)


def wanted_type(request: Request, *, usual: str) -> str:
    """In which media type does the client want its answer?

    Raises:
        Refusal: 406, in none that is spoken here.
    """
    accept = request.headers.get("accept", "*/*").lower()
    for media in _by_weight(accept):
        if media in ("*/*", "", "application/*" if usual == "application/json" else "text/*"):
            return usual
        if media in ("application/json", "application/*"):
            return "application/json"
        if media in ("text/csv", "text/*"):
            return "text/csv"
        if media == "application/jsonlines":
            return "application/jsonlines"
    raise Refusal(406, "NotAcceptable", f"no answer can be {accept!r:.80}; there is application/json and text/csv.")


def _by_weight(accept: str) -> list[str]:
    """The media types of an Accept header, most wanted first, without those of weight 0 (RFC 9110, 12.5.1)."""
    found: list[tuple[float, str]] = []
    for part in accept.split(","):
        media, *parameters = (word.strip() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        try:
            found.append((float(weight), media))
        except ValueError:
            continue
    return [media for weight, media in sorted(found, key=lambda one: -one[0]) if weight > 0]


def _id(request: Request) -> str:
    """The name that the client gave its request, where it is harmless in a header and in a log."""
    found = request.headers.get("x-request-id", "")
    return found if len(found) <= 128 and set(found) <= _ID_LETTERS else ""
