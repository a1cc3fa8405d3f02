"""Are features served from Feast and models from MLflow as from the course's own, and rolled out as well?"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from mlops_lab.adapters import choose_engines, open_registry, open_tracker
from mlops_lab.base.clock import FakeClock, SystemClock
from mlops_lab.cli import main
from mlops_lab.delivery.live import Routing, Servers, live_rollout
from mlops_lab.delivery.server import RequestError, load_predictor
from mlops_lab.models.registry import GateReport, RuleResult
from mlops_lab.models.rollout import RolloutPolicy, begin, promotion_of, stop

TESTS = Path(__file__).parents[1]


def shared(name, path):
    """The homes and the traffic of the server's and the fleet's own tests."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """The same two versions of the same model, kept by the embedded engines and by Feast and MLflow."""
    build, folder = shared("serving_homes_here", TESTS / "serving" / "conftest.py").build_home, tmp_path_factory
    return {
        "embedded": build(folder.mktemp("embedded")),
        "engines": build(folder.mktemp("engines"), features="feast", registry="mlflow"),
    }


@pytest.fixture(scope="module")
def desks(homes):
    return {name: load_predictor(home, "late") for name, home in homes.items()}


def told(desk, rows):
    table = desk.table(json.dumps({"instances": rows}).encode(), "application/json")
    try:
        return desk.scores(table)
    except RequestError as error:
        return error.status, error.kind, str(error)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"flight_id": f"flight {n}", "origin": o} for n in range(750) for o in ("EWR",)], id="all"),
        pytest.param([{"flight_id": "flight 3", "origin": "XXX"}], id="an airport without anything recent"),
        pytest.param([{"flight_id": "nobody", "origin": "EWR"}], id="an unknown flight"),
        pytest.param([{"flight_id": None, "origin": "EWR"}], id="null"),
        pytest.param([{"flight_id": 3, "origin": "EWR"}], id="another type"),
        pytest.param([{"flight_id": "flight 3"}], id="half a key"),
        pytest.param([{"airline": "UA", "hour": 7, "delay": None, "waiting": 3.0, "in_air": True}], id="whole"),
    ],
)
def test_a_request_is_answered_by_feast_and_mlflow_as_by_the_courses_own(desks, rows):
    said = {name: told(desk, rows) for name, desk in desks.items()}

    assert desks["engines"].model.artifact == desks["embedded"].model.artifact
    assert said["engines"] == said["embedded"]


@pytest.mark.nightly
def test_a_rollout_over_servers_decides_as_with_the_courses_own_and_loses_nothing(homes, tmp_path):
    traffic = shared("fleet_homes_here", TESTS / "fleet" / "conftest.py").traffic.__wrapped__()
    policy, steps, counts = RolloutPolicy(weights=(20, 50, 100), min_labels=20, margin=0.02), {}, {}

    for name, filled in homes.items():
        home = shutil.copytree(filled, tmp_path / name)
        promotion = promotion_of(open_registry(home, clock=SystemClock()), "late")
        servers = Servers(home, "late", seconds=60.0)
        found = asyncio.run(live_rollout(promotion, home, traffic=traffic, policy=policy, servers=servers))
        steps[name] = [(step.until, step.weight, step.decision, step.labels) for step in found.deployment.steps]
        counts[name] = found.sent, found.lost, found.after_the_end, found.deployment.state

    assert counts["embedded"][1:] == (0, 0, "finished")
    assert counts["engines"] == counts["embedded"]
    assert steps["engines"] == steps["embedded"]
    assert open_registry(tmp_path / "engines", clock=SystemClock()).verify()


def test_the_image_serves_the_version_that_the_cloud_asks_for(homes, monkeypatch):
    served = []
    monkeypatch.setenv("MLOPS_LAB_HOME", str(homes["engines"]))
    monkeypatch.setenv("MLOPS_LAB_VERSION", "latest")
    monkeypatch.setattr("mlops_lab.cli.container.model_of", lambda _: "late")
    monkeypatch.setattr("mlops_lab.delivery.server.serve", lambda opened, *_, **__: served.append(opened().model))

    code = main(["container", "serve"])

    assert code == 0
    assert [(model.name, model.version) for model in served] == [("late", 2)]


def promoted(home, name, *, versions):
    clock = FakeClock("2014-01-01")
    tracker, registry = open_tracker(home, clock=clock), open_registry(home, clock=clock)
    for number in range(versions):
        model = tracker.artifacts.put_bytes(f"{name} {number}".encode())
        run = tracker.log_run("train", metrics={"auc": 0.7}, params={"n": number}, artifact=model, author="ada")
        version = registry.register_model(run, name)
        champion = registry.get_production(name)
        report = GateReport(
            name=name, version=version.version, artifact=version.artifact, holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7},
            results=(RuleResult("floor", True, 0.70, 0.65, "AUC 0.70 is at least 0.65."),),
            champion=None if champion is None else champion.version, evaluated_at=clock.now(),
        )  # fmt: skip
        registry.promote(report, actor="ada", why="better")
    return registry


@pytest.mark.parametrize("where", ["a file", "a server"])
def test_the_door_hears_of_a_rollback_at_the_next_look_wherever_mlflow_keeps_it(where, request, tmp_path):
    uri = request.getfixturevalue("server") if where == "a server" else None
    choose_engines(tmp_path, registry="mlflow", registry_uri=uri)
    registry = promoted(tmp_path, "routed", versions=2)
    promotion = promotion_of(registry, "routed")
    begin(promotion, registry, policy=RolloutPolicy(), actor="ada")
    routing, asked = Routing(tmp_path, "routed"), []
    ask = routing.now
    routing.now = lambda: (asked.append(1), ask())[1]

    async def look(times):
        return await asyncio.gather(*(routing.look() for _ in range(times)))

    before = asyncio.run(look(1))
    stop(promotion, registry, actor="grace", why="storm")
    after = asyncio.run(look(50))
    routing.close()

    assert (before[0].state, before[0].champion, before[0].challenger) == ("running", 1, 2)
    assert {(plan.state, plan.champion, plan.challenger) for plan in after} == {("stopped", 1, None)}
    assert len(asked) == (51 if where == "a file" else 2)  # one question to a server answers all who wait
