"""Uvicorn's own protocol, impatient at the beginning of a request and patient at the end of a server."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlops_lab.delivery.server.state import Limits

_LAST_SECONDS = 1.0  # that a kept connection without a question is left open when the server stops
_HEAD_BYTES = 65_536  # of a request's address and headers, and of what a chunked body has beside its data
_AHEAD = 32  # questions that a client may send before it has read an answer


class Polite(HttpToolsProtocol):
    """One connection.

    A client that does not finish its headers in time, or never ends them, is sent away; so is one that asks and asks
    and reads no answer. A client that keeps its connection may be sending its next question while the server stops:
    closed at once, the question would be lost. It is answered, with the word `connection: close`, and only who is
    silent for a moment is hung up on.
    """

    def __init__(self, limits: Limits, *words: Any, **settings: Any) -> None:
        super().__init__(*words, **settings)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._last: asyncio.TimerHandle | None = None
        self._head = 0  # bytes since something of a request was whole

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Answer without delay, and wait for a first request for so long only."""
        super().connection_made(transport)
        # asyncio does this only for sockets that say that they are TCP, and one made by create_server does not.
        # Without it every answer but the first on a kept connection waits 40 ms for an acknowledgement.
        asked = transport.get_extra_info("socket")
        asked.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: hangs up on who does not take its answer
            wait = round(1000 * self._limits.answer_seconds)
            asked.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, wait)
        self._timer = self.loop.call_later(self._limits.body_seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as a request gets on."""
        self._head += len(data)
        self._read(data)
        if self._head > _HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
        elif not self._between and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif self._between and self._timer is None:
            self._timer = self.loop.call_later(self._limits.body_seconds, self._give_up)

    def _read(self, data: bytes) -> None:
        self._data = data
        super().data_received(data)
        self._data = b""  # an idle connection keeps nothing of it

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request that offers another protocol, or `CONNECT`, again without the offer.

        The offer is nobody's duty (RFC 9110, 7.8): Java's client offers HTTP/2 with its requests. But httptools takes
        all that follows the head for the other protocol; its error says where that begins.
        """
        method, error = self.parser.get_method(), sys.exc_info()[1]
        if method == b"CONNECT" or not isinstance(error, HttpParserUpgrade):
            self.send_400_response("CONNECT is not served here.")
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % one for one in self.headers if one[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self._read(b"\r\n".join(lines) + b"\r\n\r\n" + self._data[error.args[0] :])

    @property
    def _between(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def on_headers_complete(self) -> None:
        """Begin to answer, or wait for the answers before."""
        self._head = 0
        if self.parser.should_upgrade():
            return  # it is read again
        if len(self.pipeline) >= _AHEAD:
            raise ValueError("too many questions at once")  # which ends the connection, as any nonsense does
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._head = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there to be waited for."""
        for timer in (self._timer, self._last):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Let a question that is on its way arrive."""
        if self._last is None and not self.transport.is_closing():
            self._last = self.loop.call_later(_LAST_SECONDS, super().shutdown)

    def _give_up(self) -> None:
        self._timer = None
        if self._between:
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            if self._between:  # else it would stand in the middle of an answer
                self.transport.write(b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
            self.transport.close()
