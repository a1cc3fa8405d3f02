"""A model of numbers is served under its own name, and its canary is judged in the unit of the truth."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.delivery.live import Answer, live_rollout
from mlops_lab.delivery.server import AccessLog, ServerState, create_app, load_predictor
from mlops_lab.models.gates import Floor, GatePolicy
from mlops_lab.models.registry import Registry
from mlops_lab.models.rollout import RolloutPolicy, promotion_of
from mlops_lab.pipeline.problem import outcome, run_problem
from tests.problem.made import Made

MADE = Made(11, rows=1200, kind="regression")
PROBLEM = replace(
    MADE.problem(),
    models="ridge",
    policy=GatePolicy([Floor("served.r2", -1.0)]),
    rollout=RolloutPolicy(weights=(50, 100), min_labels=20, patience_days=30),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    run = run_problem(PROBLEM, folder, params={"author": "ada"}, clock=FakeClock("2024-05-01"))
    assert outcome(run) == "promoted", [each.why for each in run.task_instances if each.why]
    return folder


@pytest.fixture
def ask(home):
    import httpx

    state = ServerState("returns", log=AccessLog(quiet=True))
    state.open(load_predictor(home, "returns"))
    app = create_app(state)

    def answer(method: str, path: str, body: object = None) -> tuple[int, dict]:
        async def one() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
                return await client.request(method, path, json=body)

        found = asyncio.run(one())
        return found.status_code, found.json()

    return answer


def inputs(**more):
    row = {"amount": (20.0, "FP64"), "channel": ("web", "BYTES"), "rating": (0.1, "FP64"), "day_mean": (3.0, "FP64")}
    tensors = [
        {"name": name, "shape": [1], "datatype": kind, "data": [value]}
        for name, (value, kind) in {**row, "day_orders": (2, "INT64")}.items()
    ]
    return {"inputs": tensors, **more}


def test_its_output_is_a_prediction_and_no_probability(ask):
    _, about = ask("GET", "/v2/models/returns")
    status, said = ask("POST", "/v2/models/returns/infer", inputs(outputs=[{"name": "prediction"}]))
    wrong, told = ask("POST", "/v2/models/returns/infer", inputs(outputs=[{"name": "probability"}]))

    assert about["outputs"][0]["name"] == "prediction"
    assert (status, said["outputs"][0]["name"]) == (200, "prediction")
    assert abs(said["outputs"][0]["data"][0]) > 1
    assert wrong == 422
    assert "one output, 'prediction'" in told["error"]


class Models:
    """The servers of two versions: v1 knows the truth up to some noise, v2 up to what it is told."""

    def __init__(self, truth, worse: float) -> None:
        chance = np.random.default_rng(0)
        noise = {1: 0.1, 2: worse}
        self.clients = {
            v: Said({k: t + chance.normal(0, noise[v]) * MADE.rows["returned"].std() for k, t in truth.items()})
            for v in (1, 2)
        }
        self.restarts: dict[int, int] = {}

    async def start(self, *versions): ...

    async def all_gone(self):
        await asyncio.Event().wait()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_): ...


class Said:
    def __init__(self, values) -> None:
        self.values = values

    async def ask(self, method, path, body=b"", **_):
        rows = json.loads(body)["instances"]
        said = {"predictions": [self.values[row["order_id"]] for row in rows]}
        return Answer(200, {"content-type": "application/json"}, json.dumps(said).encode())

    async def close(self): ...


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("worse", "state", "told"),
    [
        (0.1, "finished", "all"),
        (1.5, "rolled_back", "all"),
        (1.5, "rolled_back", "a policy in the scale of probabilities"),
        (1.5, "rolled_back", "nothing"),
    ],
)
def test_a_canary_of_numbers_goes_through_the_router_and_is_judged(worse, state, told, home, tmp_path):
    import shutil

    mine = tmp_path / "home"
    shutil.copytree(home, mine)
    again = run_problem(PROBLEM, mine, params={"author": "ada", "seed": 1}, clock=FakeClock("2024-05-02"))
    registry = Registry(mine)
    promotion = promotion_of(registry, "returns")
    promotion = replace(promotion, event=promotion.event + 1000)  # the replay has finished; this one has not begun
    traffic = (
        PROBLEM.rows.head(600)[["order_id", "event_timestamp", "label_timestamp", "returned"]]
        .set_axis(["key", "at", "known_at", "truth"], axis=1)
        .assign(row=[{"order_id": key} for key in PROBLEM.rows["order_id"].head(600)])
    )
    servers = Models(dict(zip(traffic["key"], traffic["truth"], strict=True)), worse)
    unit = float(traffic["truth"].std())
    settings = {
        "all": {"policy": replace(PROBLEM.canary, margin=0.02), "key": "order_id", "unit": unit},
        "a policy in the scale of probabilities": {"policy": PROBLEM.rollout, "key": "order_id", "unit": unit},
        "nothing": {},
    }[told]

    found = asyncio.run(live_rollout(promotion, mine, traffic=traffic, servers=servers, **settings))

    assert outcome(again) == "promoted"
    assert found.deployment.state == state, found.deployment.steps[-1]
    assert (found.lost, found.after_the_end) == (0, 0)
