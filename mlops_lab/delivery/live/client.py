"""A client of one server of a rollout: kept connections, and an answer or the reason why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mlops_lab.base.errors import MissingExtra, MlopsLabError

__all__ = ["Answer", "Client", "Unreachable"]

_KEPT = 256  # connections to one server that nobody uses now
_MOST_BYTES = 50_000_000  # of an answer; one that is longer is none


class Unreachable(MlopsLabError, ConnectionError):
    """No answer came: refused, cut off in the middle, nonsense, or too late.

    Attribute `heard`: was there a server that the request was sent to? Then it may be the request that it died of.
    """

    def __init__(self, message: str, *, heard: bool = False) -> None:
        self.heard = heard
        super().__init__(message)


@dataclass(frozen=True)
class Answer:
    """What a server said.

    >>> Answer(200, {"x-model-version": "2"}, b"{}").status
    200
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Client:
    """Kept connections to one server on this machine.

    On h11, uvicorn's own parser: of 2.1 ms that a request cost the router on httpx, 1.7 ms were httpx.

    >>> client = Client("127.0.0.1", 9)  # the discard port: nobody listens
    >>> asyncio.run(client.ask("POST", "/invocations", b"{}"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mlops_lab.delivery.live.client.Unreachable: 127.0.0.1:9: ConnectionRefusedError: ...
    """

    def __init__(self, host: str, port: int, *, seconds: float = 10.0) -> None:
        try:
            import h11  # noqa: F401
        except ImportError:
            raise MissingExtra("serve") from None
        self.host = host
        self.port = port
        self._seconds = seconds
        self._kept: list[tuple[Any, asyncio.StreamReader, asyncio.StreamWriter]] = []

    def __repr__(self) -> str:
        return f"Client({self.host}:{self.port})"

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and wait for its whole answer.

        Raises:
            Unreachable: no whole answer came in time.
        """
        import h11

        told = {"host": f"{self.host}:{self.port}", "content-type": "application/json", **(headers or {})}
        told["content-length"] = str(len(body))
        writer = None
        try:
            async with asyncio.timeout(self._seconds):
                parser, reader, writer = await self._connection()
                request = h11.Request(method=method, target=quote(path, safe="/:"), headers=list(told.items()))
                sent = (request, h11.Data(data=body), h11.EndOfMessage())
                writer.write(b"".join(parser.send(part) for part in sent))
                found = await _answer(parser, reader)
            if parser.our_state is h11.DONE is parser.their_state and len(self._kept) < _KEPT:
                parser.start_next_cycle()
                self._kept.append((parser, reader, writer))
                writer = None
            return found
        except TimeoutError:
            raise Unreachable(f"{self.host}:{self.port}: too late", heard=True) from None
        except (OSError, EOFError, h11.ProtocolError) as error:
            why = f"{self.host}:{self.port}: {type(error).__name__}: {error}"
            raise Unreachable(why, heard=writer is not None) from None
        finally:
            if writer is not None:
                writer.close()

    async def _connection(self) -> tuple[Any, asyncio.StreamReader, asyncio.StreamWriter]:
        import h11

        while self._kept:
            parser, reader, writer = self._kept.pop()
            if not (reader.at_eof() or reader.exception() or writer.is_closing()):
                return parser, reader, writer
            writer.close()
        return (h11.Connection(h11.CLIENT), *await asyncio.open_connection(self.host, self.port))

    async def close(self) -> None:
        """Close every kept connection."""
        while self._kept:
            writer = self._kept.pop()[2]
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _answer(parser: Any, reader: asyncio.StreamReader) -> Answer:
    """The whole answer on a connection.

    Raises:
        EOFError: it ended too early, does not say where it ends, or is too long.
        h11.ProtocolError: it is not HTTP.
    """
    import h11

    head, parts, size = None, [], 0
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            head = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            status = event.status_code
            if not {"content-length", "transfer-encoding"} & head.keys():
                raise EOFError("the answer does not say where it ends")
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
            size += len(event.data)
            if size > _MOST_BYTES:
                raise EOFError(f"the answer is longer than {_MOST_BYTES:,} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, head or {}, b"".join(parts))
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError("closed without an answer")
