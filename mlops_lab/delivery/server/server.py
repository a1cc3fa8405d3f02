"""How does the server come up, stay polite to slow clients, and go down without losing a request?"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import HomeError, InvalidData, MissingExtra, MlopsLabError
from mlops_lab.delivery.server.app import create_app
from mlops_lab.delivery.server.connections import polite_protocol, telling_the_log
from mlops_lab.delivery.server.contract import Contract
from mlops_lab.delivery.server.desk import Desk
from mlops_lab.delivery.server.limits import Limits
from mlops_lab.delivery.server.lookup import Lookup, has_online_store
from mlops_lab.delivery.server.model import load_served_model
from mlops_lab.delivery.server.station import Station
from mlops_lab.delivery.server.telling import Log
from mlops_lab.pipeline.engines import has_registry

__all__ = ["open_desk", "serve"]

_AGAIN_SECONDS = 0.5  # between two tries to read a home folder that somebody else holds


def open_desk(
    home: str | Path,
    name: str,
    *,
    version: int | str = "champion",
    features_at: str = "materialized",
    archived: bool = False,
    limits: Limits | None = None,
) -> Desk:
    """A desk for a version of a home folder's registry, with the online store where its run names a feature service.

    Raises:
        UnknownName, IntegrityError, NotAllowed, InvalidData, HomeError: as `load_served_model`.

    >>> open_desk("nowhere", "late")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: there is no registry in the home folder nowhere.
    """
    if not has_registry(home):
        raise InvalidData(f"there is no registry in the home folder {home}.")
    model = load_served_model(home, name, version=version, archived=archived)
    lookup = None
    if model.service and has_online_store(home):
        lookup = Lookup(home, model.service, at=features_at)
        lookup.warm_up()
    return Desk(model, lookup=lookup, limits=limits)


def serve(
    opened: Callable[[], Desk],
    name: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    contract: Contract | None = None,
    limits: Limits | None = None,
    log: Log | None = None,
    clock: Clock | None = None,
    with_parent: bool = False,
) -> None:
    """Answer until SIGTERM or Ctrl-C; requests that have begun are finished first.

    The port is open at once (live), the model is loaded meanwhile, and only then is the server ready. A home folder
    that somebody else holds is tried again; a model that is damaged or not trusted ends the server.

    Args:
        opened: gives the desk; called in a thread of its own.
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

    >>> serve(lambda: open_desk("nowhere", "late"), "late", host="203.0.113.1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: cannot listen at 203.0.113.1, port 8080: ...
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("serve") from None
    bounds = Limits() if limits is None else limits
    station = Station(name=name, limits=bounds, log=Log() if log is None else log)
    door = _listening(host, port)
    config = uvicorn.Config(
        create_app(station, contract=contract),
        http=polite_protocol(bounds),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than the load balancers' 60, so that it is they who close
        timeout_graceful_shutdown=max(1, round(bounds.grace_seconds)),
    )
    server = _server(config, station)
    failure: list[MlopsLabError] = []
    wait = SystemClock() if clock is None else clock

    def load() -> None:
        while not server.should_exit:
            try:
                station.open(opened())
                return
            except HomeError as error:  # another process holds it; that passes
                if station.why != error.why:
                    station.why = "the home folder cannot be read now"
                    station.log.tell("waiting", why=error.why)
                wait.sleep(_AGAIN_SECONDS)
            except MlopsLabError as error:
                failure.append(error)
                break
            except Exception as error:
                failure.append(InvalidData(f"the model cannot be loaded: {type(error).__name__}: {error}"))
                break
        server.should_exit = True

    station.log.tell("listening", host=host, port=door.getsockname()[1])
    threading.Thread(target=load, name="load", daemon=True).start()
    if with_parent:
        threading.Thread(target=_until_orphaned, args=(server,), name="parent", daemon=True).start()
    try:
        with telling_the_log(station.log):
            server.run(sockets=[door])
    finally:
        door.close()
    station.log.tell("stopped")
    if failure:
        raise failure[0]


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidData(f"cannot listen at {host}, port {port}: {why}.") from None


def _server(config: Any, station: Station) -> Any:
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
                station.close()
                station.log.tell("stopping", drain_seconds=station.limits.drain_seconds)
                self._at = now + station.limits.drain_seconds
            if self._at is not None and now >= self._at:
                self.should_exit = True
            if self.should_exit and not station.stopping:
                station.close()
            return await super().on_tick(counter)

    return Server(config)


def _until_orphaned(server: Any) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    server.should_exit = True
