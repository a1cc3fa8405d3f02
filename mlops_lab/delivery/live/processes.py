"""How are the servers of a rollout started, watched and stopped?"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlops_lab.base.errors import InvalidData
from mlops_lab.delivery.live.asking import Client

__all__ = ["Servers"]

_START_SECONDS = 300.0  # a machine that is busy may need a while to load scikit-learn
_STOP_SECONDS = 15.0
_AGAIN_SECONDS = 0.2


class Servers:
    """A server process for each version, on ports of this machine that happen to be free.

    One that dies is started again. All of them stop when this process does, however it ends: they watch their standard
    input, which ends with it.

    >>> async def nothing():
    ...     async with Servers("home", "late") as servers:
    ...         return servers.clients
    >>> asyncio.run(nothing())
    {}
    """

    def __init__(self, home: str | Path, name: str, *, seconds: float = 2.0) -> None:
        """Start nothing yet; `seconds` is how long one of them may take to answer."""
        self._home = Path(home)
        self._name = name
        self._seconds = seconds
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._ready: dict[int, asyncio.Event] = {}
        self._last: dict[int, str] = {}
        #: The client of each version whose server is ready.
        self.clients: dict[int, Client] = {}
        #: How often each version's server had to be started again.
        self.restarts: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"Servers({self._name}, versions={sorted(self._keepers)})"

    @property
    def pids(self) -> Mapping[int, int]:
        """The process of each version that is running."""
        return {version: one.pid for version, one in self._processes.items() if one.returncode is None}

    async def start(self, *versions: int) -> None:
        """Start servers side by side and wait until they are ready.

        Raises:
            InvalidData: one of them cannot start; the message is its own.
        """
        for version in versions:
            if version not in self._keepers:
                self._ready[version] = asyncio.Event()
                self._keepers[version] = asyncio.create_task(self._keep(version))
        for version in versions:
            keeper, ready = self._keepers[version], asyncio.create_task(self._ready[version].wait())
            await asyncio.wait({keeper, ready}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                why = self._last.get(version, f"not ready within {_START_SECONDS:g} seconds")
                raise InvalidData(f"the server of {self._name} v{version} does not start: {why}")

    async def stop(self, version: int) -> None:
        """Stop one server: it finishes what it has begun."""
        keeper = self._keepers.pop(version, None)
        if keeper is None:
            return
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    async def __aenter__(self) -> Servers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(self.stop(version) for version in list(self._keepers)))

    async def _keep(self, version: int) -> None:
        """Keep one server running until cancelled, or until it fails before it was ever ready."""
        try:
            while True:
                await self._run(version)
                if not self._ready[version].is_set():
                    return
                self.restarts[version] = self.restarts.get(version, 0) + 1
                await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            client = self.clients.pop(version, None)
            if client is not None:
                client.close()
            process = self._processes.get(version)
            if process is not None and process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), _STOP_SECONDS)
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def _run(self, version: int) -> None:
        words = ["serve", self._name, str(version), "--home", str(self._home.absolute()), "--port", "0"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mlops_lab", *words, "--archived", "--quiet", "--with-parent",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._processes[version] = process
        assert process.stderr is not None  # noqa: S101  asked for above
        port = 0
        while line := await process.stderr.readline():
            told = _event(line)
            if told.get("event") == "listening":
                port = int(told["port"])
            elif told.get("event") == "ready":
                self.clients[version] = Client("127.0.0.1", port, seconds=self._seconds)
                self._ready[version].set()
            elif not told:
                self._last[version] = line.decode("utf-8", "replace").strip()
        gone = self.clients.pop(version, None)
        if gone is not None:
            gone.close()
        await process.wait()


def _event(line: bytes) -> dict[str, str]:
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}
