"""How fast does the server answer, beside four others with the same model?

They are FastAPI with scikit-learn, KServe's own server, MLServer and `mlflow models serve`. Run it in the environment
that `python start.py test-engines serving` makes:

    .venv-serving/bin/python tests/benchmarks/serving.py [SECONDS [SERVER ...]]

All servers are started, then each alone is asked for so many seconds in every case: 1 or 100 rows, over 1, 16 or 64
kept connections. Every answer must be a 200, and every fiftieth is compared with `predict_proba`. CPU and memory
(proportional set size) are those of the server and its children.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_lab.base.clock import FakeClock
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker
from mlops_lab.models.training import train
from mlops_lab.pipeline.flights import flight_store, labelled_flights

CONNECTIONS = (1, 16, 64)
ROWS = (1, 100)
SERVERS = Path(__file__).with_name("servers")
NAME = "late_flights"
_TICKS = os.sysconf("SC_CLK_TCK")


def prepare(home: Path) -> tuple[Any, pd.DataFrame]:
    """The course's model of May in Production; the estimator, and 100 flights as it takes them."""
    from datetime import UTC, datetime

    from mlops_lab.models.training.model import prepare as plain

    clock = FakeClock("2013-06-01")
    store, tracker, registry = flight_store(home, clock=clock), Tracker(home, clock=clock), Registry(home, clock=clock)
    flights = labelled_flights(datetime(2013, 5, 1, tzinfo=UTC), datetime(2013, 6, 1, tzinfo=UTC))
    known = store.get_historical_features(flights, features="as_known")
    run = train(known, tracker, label="late", split_at=datetime(2013, 5, 20, tzinfo=UTC), author="bench")
    version = registry.register_model(run, NAME)
    report = GateReport(
        name=NAME, version=1, artifact=version.artifact, champion=None, holdout="sha256:" + "0" * 64,
            metrics=run.metrics,
        results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),), evaluated_at=clock.now(),
    )  # fmt: skip
    registry.promote(report, actor="bench", why="bench")
    estimator = tracker.artifacts.load_model(version.artifact)
    # Whole rows: a column of nulls alone has no type that a frame made of JSON could find.
    rows = plain(known.frame[[str(name) for name in estimator.feature_names_in_]].dropna().iloc[-100:])
    return estimator, rows.reset_index(drop=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(root: int) -> dict[int, float]:
    """A process and everything below it, each with its seconds of CPU."""
    parents, times = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            text = stat.read_text()
            fields = text[text.rindex(")") + 2 :].split()
            parents[int(stat.parent.name)] = int(fields[1])
            times[int(stat.parent.name)] = sum(int(fields[place]) for place in (11, 12, 13, 14)) / _TICKS
    found, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return {pid: times.get(pid, 0.0) for pid in found}


def memory_mib(root: int) -> float:
    kib = 0
    for pid in family(root):
        with suppress(OSError):
            told = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kib += next(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
    return round(kib / 1024, 1)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return rows.astype("object").where(rows.notna(), None).to_dict("records")


def scores_of(body: bytes) -> list[float]:
    """The probabilities of yes in an answer of any of the servers."""
    said = json.loads(body)
    if "outputs" in said:
        data, shape = said["outputs"][0]["data"], said["outputs"][0]["shape"]
        return data[1::2] if len(shape) == 2 and shape[1] == 2 else data
    found = said["predictions"]
    return [one[1] for one in found] if isinstance(found[0], list) else found


class Connection(asyncio.Protocol):
    """A kept connection that asks the same question over and over; thin, so that the servers are what is measured."""

    def __init__(self, question: bytes, until: float, answered: Callable[[float, int, bytes], None]) -> None:
        self.question, self.until, self.answered = question, until, answered
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.head, self.got, self.length = b"", b"", -1
        self.began = time.perf_counter()
        self.transport.write(self.question)

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.length < 0 and b"\r\n\r\n" in self.got:
            self.head, self.got = self.got.split(b"\r\n\r\n", 1)
            self.length = int(self.head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if self.length < 0 or len(self.got) < self.length:
            return
        self.answered(time.perf_counter() - self.began, int(self.head[9:12]), self.got)
        if time.perf_counter() < self.until:
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None) if error is None else self.ended.set_exception(error)


async def load(server: Server, rows: int, expected: list[float], connections: int, seconds: float) -> dict[str, Any]:
    """Ask over and over, check every answer."""
    waits: list[float] = []
    wrong = 0

    def answered(wait: float, status: int, body: bytes) -> None:
        nonlocal wrong
        waits.append(wait)
        if status != 200 or (len(waits) % 50 == 1 and not np.allclose(scores_of(body), expected)):
            wrong += 1

    body = server.body(rows)
    head = f"POST {server.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    question = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    opened = [
        loop.create_connection(lambda: Connection(question, began + seconds, answered), "127.0.0.1", server.port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.ended for _, protocol in await asyncio.gather(*opened)))
    took = time.perf_counter() - began
    waits.sort()
    return {
        "requests": len(waits), "wrong": wrong, "requests_per_s": round(len(waits) / took, 1),
        "p50_ms": round(1000 * statistics.median(waits), 2),
        "p99_ms": round(1000 * waits[int(0.99 * (len(waits) - 1))], 2),
    }  # fmt: skip


@dataclass
class Server:
    """A server that runs alone in its folder.

    Attributes: `command`, `port`, `ready` (the path that answers 200 from when it is), `path`, `body` (of so many
    rows), `folder`.
    """

    command: Sequence[str | Path]
    port: int
    ready: str
    path: str
    body: Callable[[int], bytes]
    folder: Path

    @contextmanager
    def running(self) -> Iterator[int]:
        """Its process, from when it is ready."""
        paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        here = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PATH": paths, "PYTHONPATH": here}
        told = self.folder / "server.log"
        with told.open("wb") as log:
            process = subprocess.Popen(
                self.command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            until = time.perf_counter() + 300
            while True:
                with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.ready}", timeout=5):
                    break
                if process.poll() is not None or time.perf_counter() > until:
                    raise RuntimeError(told.read_text()[-2000:])
                time.sleep(0.1)
            yield process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


def tensors(rows: pd.DataFrame) -> bytes:
    inputs = []
    for name in rows.columns:
        text = rows[name].dtype == object or str(rows[name].dtype).startswith("str")
        values = rows[name].tolist() if text else [None if value != value else value for value in rows[name].tolist()]
        inputs.append(
            {"name": name, "shape": [len(rows), 1], "datatype": "BYTES" if text else "FP64", "data": values}
            | ({"parameters": {"content_type": "str"}} if text else {})
        )
    return json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs}).encode()


def servers(place: Path, estimator: Any, rows: pd.DataFrame) -> dict[str, Server]:
    """Each that can be had here, in a folder of its own with the model."""
    import joblib

    def instances(count: int) -> bytes:
        return json.dumps({"instances": records(rows.iloc[:count])}).encode()

    def split(count: int) -> bytes:  # to_json would round to ten digits
        data = rows.iloc[:count].to_numpy("object").tolist()
        return json.dumps({"dataframe_split": {"columns": list(rows.columns), "data": data}}).encode()

    def folder(name: str) -> Path:
        made = place / name
        made.mkdir()
        joblib.dump(estimator, made / "model.joblib")
        return made

    def beside(name: str) -> str:
        return str(Path(sys.executable).with_name(name))

    port = free_port()
    words = ["serve", NAME, "--home", place / "home", "--port", str(port), "--quiet"]
    ours = [sys.executable, "-m", "mlops_lab", *words]
    found = {"mlops-lab serve": Server(ours, port, "/ping", "/invocations", instances, folder("ours"))}
    port = free_port()
    words = [SERVERS / "fastapi_server.py", str(port)]
    found["FastAPI + scikit-learn"] = Server(
        [sys.executable, *words], port, "/health", "/predict", instances, folder("fastapi")
    )
    if find_spec("kserve"):
        port, name = free_port(), f"/v1/models/{NAME}"
        words = [SERVERS / "kserve_server.py", f"--http_port={port}", f"--grpc_port={free_port()}"]
        found["KServe"] = Server([sys.executable, *words], port, name, f"{name}:predict", instances, folder("kserve"))
    if find_spec("mlserver"):
        port, name, made = free_port(), f"/v2/models/{NAME}", folder("mlserver")
        shutil.copy(SERVERS / "mlserver_runtime.py", made)
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
        (made / "settings.json").write_text(json.dumps({"parallel_workers": 0, **ports}))
        settings = {"name": NAME, "implementation": "mlserver_runtime.Late"}
        (made / "model-settings.json").write_text(json.dumps(settings))
        command = [beside("mlserver"), "start", "."]
        found["MLServer"] = Server(
            command, port, f"{name}/ready", f"{name}/infer", lambda count: tensors(rows.iloc[:count]), made
        )
    if find_spec("mlflow"):
        import mlflow.sklearn

        port, made = free_port(), folder("mlflow")
        mlflow.sklearn.save_model(
            estimator, str(made / "model"), pyfunc_predict_fn="predict_proba", serialization_format="pickle"
        )
        words = ["-m", "mlflow", "models", "serve", "-m", "model", "-p", str(port), "--env-manager", "local"]
        found["mlflow models serve"] = Server([sys.executable, *words], port, "/ping", "/invocations", split, made)
    return found


def main(seconds: float, *names: str) -> None:
    """Print one JSON object with every figure."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        estimator, rows = prepare(place / "home")
        expected = estimator.predict_proba(rows)[:, 1].tolist()
        chosen = {name: one for name, one in servers(place, estimator, rows).items() if name in names or not names}
        running = {name: stack.enter_context(server.running()) for name, server in chosen.items()}
        table: dict[str, Any] = {name: {} for name in chosen}
        for count, connections in product(ROWS, CONNECTIONS):
            for name, server in chosen.items():
                asyncio.run(load(server, count, expected[:count], connections, min(0.5, seconds)))  # warm
                before = sum(family(running[name]).values())
                told = asyncio.run(load(server, count, expected[:count], connections, seconds))
                used = sum(family(running[name]).values()) - before
                told |= {"cpu_ms": round(1000 * used / told["requests"], 3), "memory_mib": memory_mib(running[name])}
                table[name][f"rows={count} connections={connections}"] = told
                print(f"{count:4} rows {connections:3} connections  {name:24}", told, file=sys.stderr)
        print(json.dumps({"seconds": seconds, "servers": table}, indent=1))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, *sys.argv[2:])
