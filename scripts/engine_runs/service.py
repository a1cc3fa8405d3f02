"""Programs of an engine that run for a while: started, waited for, and ended with everything that they started."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from socket import socket
from typing import Any

__all__ = ["end", "free_ports", "until"]

_PATIENCE = 900  # seconds, for any one step; it takes some ten on an idle machine


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, no two the same."""
    sockets = [socket() for _ in range(count)]  # all at once
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def until(done: Callable[[], Any], what: str, needed: Sequence[subprocess.Popen[bytes]] = ()) -> Any:
    """What `done` gives, once it gives anything; all the while the needed programs run.

    Raises:
        RuntimeError: one of them ended.
        TimeoutError: it took too long.
    """
    latest = time.monotonic() + _PATIENCE
    while time.monotonic() < latest:
        if gone := [each.args for each in needed if each.poll() is not None]:
            raise RuntimeError(f"waited for {what}, but {gone[0]!r} ended")
        if found := done():
            return found
        time.sleep(0.5)
    raise TimeoutError(f"waited {_PATIENCE} s for {what}")


def end(*started: subprocess.Popen[bytes]) -> None:
    """End the programs politely, then for good."""
    import psutil

    found: list[Any] = []
    for each in started:
        try:
            process = psutil.Process(each.pid)
            found += [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    for each in started:
        each.terminate()
    left = psutil.wait_procs(found, timeout=15)[1]
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=30)
