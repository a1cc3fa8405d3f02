"""A client of one server of a rollout: kept connections, and an answer or the reason why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mlops_lab.base.errors import MissingExtra, MlopsLabError

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


class _Connection(asyncio.Protocol):
    """One connection, over which one question at a time is asked; httptools calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        import httptools

        self._parser = httptools.HttpResponseParser(self)
        self._found: asyncio.Future[Answer] | None = None
        self.kept = True  # may another question be asked?

    async def ask(self, question: bytes) -> Answer:
        """Send a request; its whole answer. Raises: `EOFError`, `OSError`, there is none."""
        self._size = 0
        self._found = asyncio.get_running_loop().create_future()
        self.transport.write(question)
        return await self._found

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        from httptools import HttpParserError, HttpParserUpgrade

        self._size += len(data)
        try:
            if self._size > _MOST_BYTES:
                raise EOFError(f"the answer is longer than {_MOST_BYTES:,} bytes")
            self._parser.feed_data(data)
        except (EOFError, HttpParserError, HttpParserUpgrade) as error:
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error if isinstance(error, OSError) else EOFError("closed before the end of an answer"))

    def _fail(self, error: Exception) -> None:
        self.kept = False
        self.transport.close()
        if self._found is not None and not self._found.done():
            self._found.set_exception(error if isinstance(error, OSError) else EOFError(str(error)))

    def on_message_begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._found is None or self._found.done():
            self._fail(EOFError("an answer to nothing"))
        elif status >= 200:  # before it may come hints
            self.kept = self._parser.should_keep_alive()
            self._found.set_result(Answer(status, self._headers, b"".join(self._parts)))


class Client:
    """Kept connections to one server on this machine.

    On httptools, as uvicorn is, because it is what a request costs the router: see tests/benchmarks/router.py.

    >>> client = Client("127.0.0.1", 9)  # the discard port: nobody listens
    >>> asyncio.run(client.ask("POST", "/invocations", b"{}"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mlops_lab.delivery.live.client.Unreachable: 127.0.0.1:9: ConnectionRefusedError: ...
    """

    def __init__(self, host: str, port: int, *, seconds: float = 10.0) -> None:
        try:
            import httptools  # noqa: F401
        except ImportError:
            raise MissingExtra("serve") from None
        self.host = host
        self.port = port
        self._seconds = seconds
        self._kept: list[_Connection] = []

    def __repr__(self) -> str:
        return f"Client({self.host}:{self.port})"

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and wait for its whole answer.

        Raises:
            Unreachable: no whole answer came in time.
        """
        told = {"content-type": "application/json", **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        where = f"{method} {quote(path, safe='/:')} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\n"
        question = f"{where}{lines}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body
        connection = None
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._connection()
                found = await connection.ask(question)
            if connection.kept and len(self._kept) < _KEPT:
                self._kept.append(connection)
                connection = None
            return found
        except TimeoutError:
            raise Unreachable(f"{self.host}:{self.port}: too late", heard=True) from None
        except (OSError, EOFError) as error:
            why = f"{self.host}:{self.port}: {type(error).__name__}: {error}"
            raise Unreachable(why, heard=connection is not None) from None
        finally:
            if connection is not None:
                connection.transport.close()

    async def _connection(self) -> _Connection:
        while self._kept:
            found = self._kept.pop()
            if found.kept and not found.transport.is_closing():
                return found
        return (await asyncio.get_running_loop().create_connection(_Connection, self.host, self.port))[1]

    async def close(self) -> None:
        """Close every kept connection."""
        while self._kept:
            self._kept.pop().transport.close()
