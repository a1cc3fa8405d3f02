"""A home folder with two small models, and servers in front of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_lab.adapters import choose_engines, open_feature_store, open_registry, open_tracker
from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.data.features import Entity, FeatureService, FeatureView, Field, Source
from mlops_lab.delivery.server import AccessLog, Limits, ServerState, create_app, load_predictor
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.rollout import RolloutPolicy, begin, look, promotion_of
from mlops_lab.models.training import train

FIRST_DAY = parse_utc("2013-12-01")
DAYS, A_DAY = 5, 150
KNOWN = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}
KEYS = {"flight_id": "flight 3", "origin": "EWR"}


def flights() -> pd.DataFrame:
    """Five days of 150 flights; those that wait long at a busy airport are late."""
    chance, rows = np.random.default_rng(0), DAYS * A_DAY
    at = pd.date_range(FIRST_DAY, periods=rows, freq="9min", tz="UTC")
    waiting = chance.integers(0, 20, rows).astype("float64")
    return pd.DataFrame(
        {
            "flight_id": [f"flight {number}" for number in range(rows)],
            "origin": chance.choice(["EWR", "JFK", "LGA"], rows),
            "event_timestamp": at,
            "label_timestamp": at + pd.Timedelta("3h"),
            "airline": chance.choice(["UA", "AA", "B6"], rows),
            "hour": at.hour.astype("int64"),
            "delay": np.where(chance.random(rows) < 0.1, np.nan, chance.normal(10, 20, rows).round(1)),
            "waiting": waiting,
            "in_air": chance.random(rows) < 0.5,
            "late": chance.random(rows) < 0.1 + 0.04 * waiting,
        }
    )


def promote(registry: Registry, run, why: str, name: str = "late"):
    version = registry.register_model(run, name)
    champion = registry.get_production(name)
    report = GateReport(
        name=name,
        version=version.version,
        artifact=version.artifact,
        results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
        champion=champion.version if champion else None,
        holdout="sha256:" + "0" * 64,
        metrics=run.metrics,
        evaluated_at=registry.clock.now(),
    )
    return registry.promote(report, actor="ada", why=why)


def build_home(
    home: Path, *, features: str = "embedded", registry: str = "embedded", name: str = "late", rolled_out: bool = False
) -> Path:
    """Version 1 knows the schedule only; version 2, in Production, knows all; its rollout is finished or not begun."""
    choose_engines(home, features=features, registry=registry)
    clock, frame = FakeClock("2013-12-07"), flights()
    facts = frame[["flight_id", "airline", "hour", "delay", "in_air", "event_timestamp"]]
    facts = facts.assign(event_timestamp=facts["event_timestamp"] - pd.Timedelta("1h"))
    airports = frame[["origin", "waiting", "event_timestamp"]]
    schedule = FeatureView(
        "facts",
        entities=[Entity("flight", join_keys=["flight_id"])],
        schema=[Field("airline", "string"), Field("hour", "int64"), Field("delay", "float64"), Field("in_air", "bool")],
        ttl=None,
        source=Source("facts", facts),
    )
    waiting = FeatureView(
        "airports",
        entities=[Entity("airport", join_keys=["origin"])],
        schema=[Field("waiting", "float64")],
        ttl=timedelta(hours=2),
        source=Source("airports", airports),
    )
    store, tracker = open_feature_store(home, clock=clock), open_tracker(home, clock=clock)
    models = open_registry(home, clock=clock)
    store.apply(
        [schedule, waiting, FeatureService("facts_only", [schedule]), FeatureService("all", [schedule, waiting])]
    )
    store.materialize("2013-12-07")
    asked = frame[["flight_id", "origin", "event_timestamp", "label_timestamp", "late"]]
    for service in ("facts_only", "all"):
        known = store.get_historical_features(asked, features=service)
        run = train(known, tracker, label="late", split_at=parse_utc("2013-12-05"), author="ada")
        promote(models, run, why=service, name=name)
    if rolled_out:
        finish(models, name, frame)
    models.close()
    tracker.close()
    return home


def finish(registry: Registry, name: str, frame: pd.DataFrame) -> None:
    """Take the newest version through a rollout in which it is as good as the champion."""
    promotion = promotion_of(registry, name)
    policy = RolloutPolicy(weights=(100,), min_labels=1, margin=0.5)
    seen = pd.DataFrame(
        {"key": frame["flight_id"], "at": frame["event_timestamp"], "known_at": frame["label_timestamp"],
         "truth": frame["late"].astype("int8"), "challenger": 0.2, "champion": 0.2}
    )  # fmt: skip
    begin(promotion, registry, policy=policy)
    for day in (1, 2):
        until = FIRST_DAY + timedelta(days=day)
        look(promotion, registry, seen=seen[seen["at"] < until], until=until, policy=policy)


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory) -> Path:
    return build_home(tmp_path_factory.mktemp("filled"), rolled_out=True)


@pytest.fixture
def home(filled_home, tmp_path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(filled_home, tmp_path / "home")
    return tmp_path / "home"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class App:
    """The routes of a server, called in this process."""

    def __init__(self, state: ServerState, **settings):
        self.state = state
        self._app = create_app(state, **settings)

    def __call__(self, method: str, path: str, body: bytes | str | dict | None = None, **headers: str) -> Reply:
        import httpx

        async def ask() -> httpx.Response:
            # Whatever goes wrong inside must come back as an answer, never as an exception.
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=True)
            content = json.dumps(body) if isinstance(body, dict | list) else body
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                return await client.request(method, path, content=content, headers=told)

        found = asyncio.run(ask())
        return Reply(found.status_code, dict(found.headers), found.content)

    def predict(self, body, kind: str = "application/json", path: str = "/invocations", **headers: str) -> Reply:
        return self("POST", path, body, content_type=kind, **headers)


@pytest.fixture
def app(filled_home) -> App:
    limits = Limits(rows=50, body_bytes=20_000)
    state = ServerState("late", limits=limits, log=AccessLog(quiet=True))
    state.open(load_predictor(filled_home, "late", max_rows=limits.rows))
    return App(state)


class Process:
    """`mlops-lab serve` as a process of its own."""

    def __init__(self, home: Path, *words: str):
        command = [sys.executable, "-m", "mlops_lab", "serve", "late", "--home", str(home), "--port", "0", *words]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.port = 0

    def read_until(self, event: str) -> dict:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            told = json.loads(line) if line.startswith("{") else {}
            if told.get("event") == "listening":
                self.port = told["port"]
            if told.get("event") == event:
                return told
        raise AssertionError(f"it ended without {event!r}: {self.lines}")

    def end(self, sig: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, sig)
        _, err = self.process.communicate(timeout=60)
        self.lines += err.splitlines()
        return self.process.returncode


@pytest.fixture(scope="session")
def launch() -> type[Process]:
    """Servers that a module keeps; it ends them itself."""
    return Process


@pytest.fixture
def serve() -> Iterator[Callable[..., Process]]:
    begun: list[Process] = []

    def start(home: Path, *words: str) -> Process:
        begun.append(Process(home, *words))
        return begun[-1]

    yield start
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate(timeout=60)
