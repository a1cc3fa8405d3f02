"""How long does a connection stay open: for a client that dawdles, and for one whose next question is on its way?"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlops_lab.delivery.server.limits import Limits
from mlops_lab.delivery.server.telling import Log

__all__ = ["polite_protocol", "telling_the_log"]

_LAST_SECONDS = 1.0  # that a kept connection without a question is left open when the server stops


def polite_protocol(limits: Limits) -> Any:
    """Uvicorn's own protocol, impatient at the beginning of a request and patient at the end of a server.

    A client that does not finish its headers in time is shown the door. A client that keeps its connection may be
    sending its next question while the server stops: closed at once, the question would be lost. It is answered, with
    the word `connection: close`, and only who is silent for a moment is hung up on.

    >>> polite_protocol(Limits()).__name__
    'Polite'
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class Polite(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        _timer: asyncio.TimerHandle | None = None
        _last: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            # asyncio does this only for sockets that say that they are TCP, and one made by create_server does not.
            # Without it every answer but the first on a kept connection waits 40 ms for an acknowledgement.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._timer = self.loop.call_later(limits.body_seconds, self._give_up)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            between = self.cycle is None or self.cycle.response_complete
            if not between and self._timer is not None:
                self._timer.cancel()
                self._timer = None
            elif between and self._timer is None:
                self._timer = self.loop.call_later(limits.body_seconds, self._give_up)

        def connection_lost(self, exc: Exception | None) -> None:
            for timer in (self._timer, self._last):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def shutdown(self) -> None:
            if self._last is None and not self.transport.is_closing():
                self._last = self.loop.call_later(_LAST_SECONDS, super().shutdown)

        def _give_up(self) -> None:
            self._timer = None
            if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()

    return Polite


class _ToLog(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.tell("warning", why=record.getMessage())


@contextmanager
def telling_the_log(log: Log) -> Iterator[None]:
    """What uvicorn has to say, as events of our log: a line that is no JSON would break whoever reads it.

    >>> from mlops_lab.base.clock import FakeClock
    >>> import sys
    >>> with telling_the_log(Log(sys.stdout, clock=FakeClock("2014-01-01"))):
    ...     logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    {"at": "2014-01-01T00:00:00.000+00:00", "event": "warning", "why": "Invalid HTTP request received."}
    """
    logger, handler = logging.getLogger("uvicorn.error"), _ToLog(log)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
