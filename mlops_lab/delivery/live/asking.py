"""How does the door ask one of its servers, and how does it notice that nobody is there?

A small HTTP/1.1 client over kept connections: it knows our own servers and nothing else (bodies with a length, no
redirects, no TLS), which is what makes it fast.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mlops_lab.base.errors import MlopsLabError

__all__ = ["Answer", "Client", "Unreachable"]


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
    """Connections to one server on this machine.

    >>> client = Client("127.0.0.1", 9)  # the discard port: nobody listens
    >>> asyncio.run(client.ask("POST", "/invocations", b"{}"))
    Traceback (most recent call last):
    mlops_lab.delivery.live.asking.Unreachable: 127.0.0.1:9: Connect call failed ('127.0.0.1', 9)
    """

    def __init__(self, host: str, port: int, *, seconds: float = 10.0) -> None:
        self.host = host
        self.port = port
        self._seconds = seconds
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    def __repr__(self) -> str:
        return f"Client({self.host}:{self.port})"

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and wait for its answer.

        A kept connection that turns out to be closed is replaced by a new one, once: the server may have gone to sleep
        on it between two requests.

        Raises:
            Unreachable: no whole answer came in time.
        """
        told = {"content-type": "application/json", **(headers or {})}
        head = [f"{method} {path} HTTP/1.1", f"host: {self.host}:{self.port}", f"content-length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in told.items()]
        message = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body
        heard = False
        try:
            async with asyncio.timeout(self._seconds):
                while self._idle:
                    reader, writer = self._idle.pop()
                    with suppress(OSError, EOFError, ValueError):
                        return await self._exchange(reader, writer, message)
                reader, writer = await asyncio.open_connection(self.host, self.port)
                heard = True
                return await self._exchange(reader, writer, message)
        except (OSError, EOFError, ValueError) as error:  # TimeoutError is an OSError
            why = (
                (getattr(error, "strerror", None) or str(error)) if not isinstance(error, TimeoutError) else "too late"
            )
            raise Unreachable(f"{self.host}:{self.port}: {why}", heard=heard) from None

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> Answer:
        whole = False
        try:
            writer.write(message)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ", 2)[1])
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
            body = await reader.readexactly(int(headers["content-length"]))
            whole = headers.get("connection", "").lower() != "close"
            return Answer(status, headers, body)
        except (KeyError, IndexError):
            raise ValueError("what came is no answer of one of our servers") from None
        finally:
            if whole:
                self._idle.append((reader, writer))
            else:
                writer.close()

    def close(self) -> None:
        """Close every kept connection."""
        while self._idle:
            self._idle.pop()[1].close()
