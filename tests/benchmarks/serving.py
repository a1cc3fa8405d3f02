"""How fast does the server answer, beside `mlflow models serve` and MLServer with the same model?

Run it in the environment that `python start.py test-engines serving` makes:

    .venv-serving/bin/python tests/benchmarks/serving.py [SECONDS]

Each server runs alone and is asked over 16 kept connections for so many seconds, with one flight and with 64. Every
answer must be a 200, and every fiftieth is compared with `predict_proba`. CPU is that of the server and its children.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_lab.base.clock import FakeClock
from mlops_lab.delivery.live import Client
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker
from mlops_lab.models.training import train
from mlops_lab.pipeline.flights import flight_store, labelled_flights

CONNECTIONS = 16
NAME = "late_flights"
_TICKS = os.sysconf("SC_CLK_TCK")


def prepare(home: Path) -> tuple[Any, pd.DataFrame]:
    """The course's model of May in Production; the estimator, and 64 flights as it takes them."""
    from datetime import UTC, datetime

    from mlops_lab.models.training.model import prepare as plain

    clock = FakeClock("2013-06-01")
    store, tracker, registry = flight_store(home, clock=clock), Tracker(home, clock=clock), Registry(home, clock=clock)
    flights = labelled_flights(datetime(2013, 5, 1, tzinfo=UTC), datetime(2013, 6, 1, tzinfo=UTC))
    known = store.get_historical_features(flights, features="as_known")
    run = train(known, tracker, label="late", split_at=datetime(2013, 5, 20, tzinfo=UTC), author="bench")
    version = registry.register_model(run, NAME)
    report = GateReport(
        name=NAME, version=1, artefact=version.artefact, champion=None, holdout="sha256:" + "0" * 64,
            metrics=run.metrics,
        results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),), evaluated_at=clock.now(),
    )  # fmt: skip
    registry.promote(report, actor="bench", why="bench")
    estimator = tracker.artefacts.load_model(version.artefact)
    # Whole rows: a column of nulls alone has no type that a frame made of JSON could find.
    rows = plain(known.frame[[str(name) for name in estimator.feature_names_in_]].dropna().iloc[-64:])
    return estimator, rows.reset_index(drop=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(root: int) -> float:
    """Of a process and everything below it."""
    parents, times = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            text = stat.read_text()
            fields = text[text.rindex(")") + 2 :].split()
            parents[int(stat.parent.name)] = int(fields[1])
            times[int(stat.parent.name)] = sum(int(fields[place]) for place in (11, 12, 13, 14))
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family, grown = family | more, bool(more)
    return sum(times.get(pid, 0) for pid in family) / _TICKS


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


async def load(port: int, path: str, body: bytes, expected: list[float], seconds: float) -> dict[str, Any]:
    """Ask over and over, check every answer."""
    client, waits, wrong = Client("127.0.0.1", port, seconds=60), [], 0
    until = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal wrong
        while time.perf_counter() < until:
            began = time.perf_counter()
            answer = await client.ask("POST", path, body)
            waits.append(time.perf_counter() - began)
            if answer.status != 200 or (len(waits) % 50 == 1 and not np.allclose(scores_of(answer.body), expected)):
                wrong += 1

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    took = time.perf_counter() - began
    await client.close()
    return {
        "requests": len(waits), "wrong": wrong, "requests_per_s": round(len(waits) / took, 1),
        "p50_ms": round(1000 * statistics.median(waits), 2),
        "p99_ms": round(1000 * sorted(waits)[int(0.99 * (len(waits) - 1))], 2),
    }  # fmt: skip


def measure(command: list[str], port: int, ready: str, path: str, bodies: dict[int, bytes], expected: list[float],
            seconds: float, cwd: Path) -> dict[str, Any]:  # fmt: skip
    """Start, wait until ready, ask, stop."""
    began = time.perf_counter()
    with (cwd / "server.log").open("wb") as log:
        beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, "PATH": beside}, stdout=log, stderr=log, start_new_session=True
        )
    found: dict[str, Any] = {}
    try:
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5) as answer:
                if answer.status == 200:
                    break
            if process.poll() is not None or time.perf_counter() - began > 300:
                raise RuntimeError((cwd / "server.log").read_text()[-2000:])
            time.sleep(0.05)
        found["start_s"] = round(time.perf_counter() - began, 1)
        found["start_cpu_s"] = round(cpu_seconds(process.pid), 1)
        for count, body in bodies.items():
            asyncio.run(load(port, path, body, expected[:count], min(1.0, seconds)))  # warm
            before = cpu_seconds(process.pid)
            told = asyncio.run(load(port, path, body, expected[:count], seconds))
            told["cpu_ms_per_request"] = round(1000 * (cpu_seconds(process.pid) - before) / told["requests"], 3)
            found[f"{count} rows"] = told
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
    return found


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


def main(seconds: float) -> None:
    """Print one JSON object with every figure."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        estimator, rows = prepare(place / "home")
        expected = estimator.predict_proba(rows)[:, 1].tolist()
        instances = {n: json.dumps({"instances": records(rows.iloc[:n])}).encode() for n in (1, 64)}
        table: dict[str, Any] = {}
        port = free_port()
        ours = ["serve", NAME, "--home", str(place / "home"), "--port", str(port), "--quiet"]
        table["mlops-lab serve"] = measure(
            [sys.executable, "-m", "mlops_lab", *ours],
            port,
            "/ping",
            "/invocations",
            instances,
            expected,
            seconds,
            place,
        )
        with suppress(ImportError):
            import mlflow.sklearn

            mlflow.sklearn.save_model(
                estimator, str(place / "mlflow"), pyfunc_predict_fn="predict_proba", serialization_format="pickle"
            )
            port = free_port()
            columns, data = list(rows.columns), rows.to_numpy("object").tolist()  # to_json would round to ten digits
            split = {
                n: json.dumps({"dataframe_split": {"columns": columns, "data": data[:n]}}).encode() for n in (1, 64)
            }
            words = ["models", "serve", "-m", str(place / "mlflow"), "-p", str(port), "--env-manager", "local"]
            table["mlflow models serve"] = measure(
                [sys.executable, "-m", "mlflow", *words], port, "/ping", "/invocations", split, expected, seconds, place
            )
        with suppress(ImportError):
            import joblib
            import mlserver  # noqa: F401

            folder_ = place / "mlserver"
            folder_.mkdir()
            joblib.dump(estimator, folder_ / "model.joblib")
            # MLServer's own scikit-learn runtime is a package of its own; this is its predict_proba, frame in.
            (folder_ / "runtime.py").write_text(
                "import joblib\nimport pandas as pd\nfrom mlserver import MLModel\n"
                "from mlserver.codecs import NumpyCodec, PandasCodec\n"
                "from mlserver.types import InferenceResponse\n\n\n"
                "class Late(MLModel):\n"
                "    async def load(self):\n"
                "        self._model = joblib.load('model.joblib')\n"
                "        return True\n\n"
                "    async def predict(self, payload):\n"
                "        frame = self.decode_request(payload, default_codec=PandasCodec)\n"
                "        for name in frame.columns:\n"
                "            if payload_types(payload)[name] != 'BYTES':\n"
                "                frame[name] = frame[name].astype('float64')\n"
                "        found = self._model.predict_proba(frame)[:, 1]\n"
                "        output = NumpyCodec.encode_output('probability', found)\n"
                "        return InferenceResponse(model_name=self.name, outputs=[output])\n\n\n"
                "def payload_types(payload):\n"
                "    return {one.name: one.datatype for one in payload.inputs}\n"
            )
            port = free_port()
            (folder_ / "settings.json").write_text(
                json.dumps({"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
                            "parallel_workers": 0, "host": "127.0.0.1"})
            )  # fmt: skip
            (folder_ / "model-settings.json").write_text(json.dumps({"name": NAME, "implementation": "runtime.Late"}))
            bodies = {n: tensors(rows.iloc[:n]) for n in (1, 64)}
            table["MLServer"] = measure(
                [str(Path(sys.executable).with_name("mlserver")), "start", "."], port, f"/v2/models/{NAME}/ready",
                f"/v2/models/{NAME}/infer", bodies, expected, seconds, folder_,
            )  # fmt: skip
        print(json.dumps({"connections": CONNECTIONS, "seconds": seconds, "servers": table}, indent=1))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
