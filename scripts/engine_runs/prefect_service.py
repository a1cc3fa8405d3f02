"""How does Prefect run as a service of this machine, with a deployment that is served? In Prefect's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine_runs.service import end, free_ports, until

__all__ = ["deploy_and_serve", "service"]

_OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@contextmanager
def service(folder: Path) -> Iterator[str]:
    """Prefect's server on a port of its own, until the end of the block; the address of its API."""
    port = str(free_ports(1)[0])
    url = f"http://127.0.0.1:{port}/api"
    server = _start(folder, {}, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port)
    try:
        until(lambda: _get(f"{url}/health") is not None, "Prefect's server", [server])
        yield url
    finally:
        end(server)


def _start(folder: Path, settings: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *words], cwd=folder, env={**os.environ, **settings})


def _get(url: str, body: Any = None) -> Any:
    import httpx

    try:
        answer = httpx.get(url, timeout=30) if body is None else httpx.post(url, json=body, timeout=60)
    except httpx.TransportError:
        return None
    if answer.is_error and answer.status_code not in (404, 503):  # not there; busy
        raise RuntimeError(f"{url}: {answer.status_code} {answer.text[:500]}")
    return None if answer.is_error else answer.json()


def deploy_and_serve(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Deploy a flow by its `prefect.yaml`, then serve it by its own file, and have the server start a run of it.

    What comes back: the deployments as the server knows them after each, and how the run ended.
    """
    Path(folder, asked["flow_file"]).write_text(asked["text"], "utf-8")
    Path(folder, "prefect.yaml").write_text(asked["prefect_yaml"], "utf-8")
    with service(folder) as url:
        here = {"PREFECT_API_URL": url, "MLOPS_LAB_HOME": asked["home"]}
        for words in (["work-pool", "create", "default", "--type", "process"], ["--no-prompt", "deploy", "--all"]):
            process = _start(folder, here, "-m", "prefect", *words)
            if code := process.wait(900):
                raise RuntimeError(f"prefect {' '.join(words)} ended with {code}")
        deployed = until(lambda: _get(f"{url}/deployments/filter", {}), "the deployment")
        serving = _start(folder, here, asked["flow_file"])
        try:
            served = until(lambda: _served(url), "the flow to be served", [serving])
            body = {"parameters": asked["params"], "state": {"type": "SCHEDULED", "name": "Scheduled"}}
            run = until(lambda: _get(f"{url}/deployments/{served['id']}/create_flow_run", body), "a run", [serving])
            ended = until(lambda: _ended(url, run["id"]), "the run to end", [serving])
        finally:
            end(serving)
    return {"deployed": deployed, "served": served, "state": ended["state"]["type"], "parameters": ended["parameters"]}


def _served(url: str) -> Any:
    """The deployment that the flow's own file made: it needs no work pool."""
    found = _get(f"{url}/deployments/filter", {}) or []
    return next((each for each in found if not each["work_pool_name"]), None)


def _ended(url: str, run: str) -> Any:
    found = _get(f"{url}/flow_runs/{run}")
    return found if found and found["state"] and found["state"]["type"] in _OVER else None
