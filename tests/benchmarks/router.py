"""How many requests a second go through the router of a rollout, and what does it add to each?

    .venv-serving/bin/python tests/benchmarks/router.py [SECONDS]

Two servers of the course's model stand behind it, as champion and as challenger at 25 percent; each request is answered
by one of them and shown to the other. Asked is with one row and a flight's key, over 1, 16 and 64 kept connections, and
one server alone the same way. CPU is that of the router's own process, and of the two servers together.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from serving import CONNECTIONS, NAME, Server, family, free_port, load, prepare, records

from mlops_lab.delivery.live import Client, Plan, Router
from mlops_lab.delivery.live.router import listening_router


async def route(port: int, servers: list[int]) -> None:
    """The router as a process of its own."""
    clients = {version: Client("127.0.0.1", one) for version, one in enumerate(servers, 1)}
    router = Router(lambda: Plan(1, 2, weight=25, state="running"), clients, on_entry=lambda _entry: None)
    async with listening_router(router, NAME, port=port):
        await asyncio.Event().wait()


def main(seconds: float) -> None:
    """Print one JSON object with every figure."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        estimator, rows = prepare(place / "home")
        expected = estimator.predict_proba(rows)[:, 1].tolist()

        def body(count: int) -> bytes:
            return json.dumps({"instances": records(rows.iloc[:count])}).encode()

        def server(command: list[str | Path], port: int, ready: str, name: str) -> Server:
            (place / name).mkdir()
            return Server([sys.executable, *command], port, ready, "/invocations", body, place / name)

        ports = [free_port() for _ in range(3)]
        words = ["-m", "mlops_lab", "serve", NAME, "--home", place / "home", "--quiet", "--port"]
        found = [server([*words, str(port)], port, "/ping", f"server {port}") for port in ports[:2]]
        found.append(server([Path(__file__), "route", *map(str, ports)], ports[2], "/health", "router"))
        pids = [stack.enter_context(one.running()) for one in found]
        table: dict[str, Any] = {}
        for connections in CONNECTIONS:
            for name, asked in (("one server alone", found[0]), ("router", found[2])):
                asyncio.run(load(asked, 1, expected[:1], connections, min(0.5, seconds)))  # warm
                before = [sum(family(pid).values()) for pid in pids]
                told = asyncio.run(load(asked, 1, expected[:1], connections, seconds))
                used = [1000 * (sum(family(pid).values()) - one) / told["requests"] for pid, one in zip(pids, before)]  # noqa: B905
                told |= {"router_cpu_ms": round(used[2], 3), "servers_cpu_ms": round(used[0] + used[1], 3)}
                table[f"{name}, {connections} connections"] = told
        print(json.dumps({"seconds": seconds, "table": table}, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["route"]:
        asyncio.run(route(int(sys.argv[4]), [int(sys.argv[2]), int(sys.argv[3])]))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
