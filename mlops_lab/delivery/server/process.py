"""The server as a process: it comes up, stays polite to slow clients, and goes down without losing a request."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import HomeError, InvalidData, MissingExtra, MlopsLabError
from mlops_lab.delivery.server.app import create_app
from mlops_lab.delivery.server.predictor import Predictor
from mlops_lab.delivery.server.state import AccessLog, Contract, Limits, ServerState

_AGAIN_SECONDS = 0.5  # between two tries to read a home folder that somebody else holds


def serve(
    opened: Callable[[], Predictor],
    name: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    contract: Contract | None = None,
    limits: Limits | None = None,
    log: AccessLog | None = None,
    clock: Clock | None = None,
    with_parent: bool = False,
) -> None:
    """Answer until SIGTERM or Ctrl-C; requests that have begun are finished first.

    The port is open at once (live), the model is loaded meanwhile, and only then is the server ready. A home folder
    that somebody else holds is tried again; a model that is damaged or not trusted ends the server.

    Args:
        opened: gives the predictor; called in a thread of its own.
        name: the registered model.
        host: the address to listen at; only this machine can reach the default.
        port: the port, 0 for any that is free; the log's event `listening` says which.
        contract: routes that a platform asks for.
        limits: what is taken from clients.
        log: where events go; standard error by default.
        clock: what waits between tries.
        with_parent: stop when standard input ends, as it does when the program that started this one dies.

    Raises:
        MissingExtra: uvicorn is not installed.
        InvalidData: the port is taken, or the address is none of this machine.
        MlopsLabError: whatever made the model impossible to load.

    >>> serve(lambda: None, "late", host="203.0.113.1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: cannot listen at 203.0.113.1, port 8080: ...
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("serve") from None
    bounds = Limits() if limits is None else limits
    state = ServerState(name=name, limits=bounds, log=AccessLog() if log is None else log)
    listening = _listening(host, port)
    _allow_connections()
    config = uvicorn.Config(
        create_app(state, contract=contract),
        **server_options(bounds),
        lifespan="auto",  # FastAPI sets its OpenTelemetry up there, where FASTAPI_OTEL_AUTO_CONFIGURE asks for it
        timeout_graceful_shutdown=max(1, round(bounds.grace_seconds)),
    )
    server = _server(config, state)
    failure: list[MlopsLabError] = []
    wait = SystemClock() if clock is None else clock

    def load() -> None:
        while not server.should_exit:
            try:
                state.open(opened())
                gc.collect()
                gc.freeze()  # what is loaded stays; looking through it for rubbish would delay a request now and then
                return
            except HomeError as error:  # another process holds it; that passes
                if state.why != error.why:
                    state.why = "the home folder cannot be read now"
                    state.log.tell("waiting", why=error.why)
                wait.sleep(_AGAIN_SECONDS)
            except MlopsLabError as error:
                failure.append(error)
                break
            except Exception as error:
                failure.append(InvalidData(f"the model cannot be loaded: {type(error).__name__}: {error}"))
                break
        server.should_exit = True

    state.log.tell("listening", host=host, port=listening.getsockname()[1])
    threading.Thread(target=load, name="load", daemon=True).start()
    if with_parent:
        threading.Thread(target=_until_orphaned, args=(server,), name="parent", daemon=True).start()
    try:
        with logged(state.log):
            server.run(sockets=[listening])
    finally:
        listening.close()
    state.log.tell("stopped")
    if failure:
        raise failure[0]


def server_options(limits: Limits) -> dict[str, Any]:
    """What the server and the router of a rollout tell uvicorn."""
    from mlops_lab.delivery.server.polite import Polite

    return {
        "http": partial(Polite, limits),
        "loop": "asyncio",  # uvloop costs as much here, and lets one new client in a turn: 64 at once waited 2 s
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": 75,  # longer than the load balancers' 60, so that it is they who close
    }


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidData(f"cannot listen at {host}, port {port}: {why}.") from None


def _allow_connections() -> None:
    """As many open files as the system lets us have; the soft limit is often 1,024, which idle clients use up."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # there is none on Windows

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _server(config: Any, state: ServerState) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """Stops in two steps: it is not ready any more, then, after `drain_seconds`, it takes no more requests."""

        _asked = 0
        _at: float | None = None

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn calls it so
            self._asked += 1  # nothing else is safe to do inside a signal handler
            if self._asked > 1 and sig == signal.SIGINT:
                self.should_exit = self.force_exit = True

        async def on_tick(self, counter: int) -> bool:
            now = asyncio.get_running_loop().time()
            if self._asked and self._at is None:
                state.close()
                state.log.tell("stopping", drain_seconds=state.limits.drain_seconds)
                self._at = now + state.limits.drain_seconds
            if self._at is not None and now >= self._at:
                self.should_exit = True
            if self.should_exit and not state.stopping:
                state.close()
            return await super().on_tick(counter)

    return Server(config)


def _until_orphaned(server: Any) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # a thread inside sys.stdin's buffer would abort Python at its end
        pass
    server.should_exit = True


class _ToLog(logging.Handler):
    def __init__(self, log: AccessLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._why, self._at = "", 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of it; what is said again and again is told once a second."""
        why, now = record.getMessage().partition("\n")[0], time.monotonic()
        if why == self._why and now - self._at < 1:
            return
        self._why, self._at = why, now
        more = {"traceback": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        self._log.tell("warning", why=why, **more)


@contextmanager
def logged(log: AccessLog) -> Iterator[None]:
    """What uvicorn and asyncio have to say, as events of our log: a line that is no JSON would break whoever reads it.

    >>> from mlops_lab.base.clock import FakeClock
    >>> import sys
    >>> with logged(AccessLog(sys.stdout, clock=FakeClock("2014-01-01"))):
    ...     logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    {"at": "2014-01-01T00:00:00.000+00:00", "event": "warning", "why": "Invalid HTTP request received."}
    """
    handler = _ToLog(log)
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio")]
    propagated = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, before in zip(loggers, propagated, strict=True):
            logger.removeHandler(handler)
            logger.propagate = before
