"""What do clients see that go on asking while servers take over from one another?"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from mlops_lab.delivery.live.asking import Client, Unreachable
from mlops_lab.delivery.live.door import Door

__all__ = ["Load"]


class Load:
    """Clients that ask about flight after flight, and count what becomes of it.

    `told` are the moments at which answered requests were sent, each with the version that answered; `lost` counts the
    others by reason.
    """

    def __init__(self, door: Door, client: Client, connections: int, challenger: int) -> None:
        self.door, self.client = door, client
        self.taken_back: float | None = None  # the moment at which nobody may hear the challenger any more
        self._connections, self._challenger = connections, challenger
        self.told: list[tuple[float, int]] = []
        self.lost: Counter[str] = Counter()

    async def send(self, flights: list[tuple[str, Mapping[str, Any]]]) -> None:
        """Ask about these flights, so many at once; return when each of them was answered or lost."""
        waiting = iter(flights)

        async def one_client() -> None:
            for _, row in waiting:
                body, began = json.dumps({"instances": [row]}).encode(), time.perf_counter()
                try:
                    found = await self.client.ask("POST", "/invocations", body)
                except Unreachable as error:
                    self.lost[str(error)] += 1
                    continue
                if found.status != 200:
                    self.lost[f"status {found.status}: {found.body[:200].decode('utf-8', 'replace')}"] += 1
                    continue
                self.told.append((began, json.loads(found.body)["versions"][0]))

        await asyncio.gather(*(one_client() for _ in range(self._connections)))

    def after_the_end(self) -> int:
        """How often the challenger was heard although it had been taken back when a request was sent, or answered."""
        if self.taken_back is None:
            return 0
        wrong = sum(sent > self.taken_back and version == self._challenger for sent, version in self.told)
        return int(wrong + (self.door.last_delivered.get(self._challenger, 0.0) > self.taken_back))
