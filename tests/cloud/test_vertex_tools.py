"""The Vertex AI pipeline compiled and really run by KFP, and a traffic split on an endpoint service on loopback."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_lab.adapters.exports import to_vertex
from mlops_lab.adapters.targets import TargetUnreachable, VertexTarget, shift
from mlops_lab.base.errors import MlopsLabError, NotAllowed
from mlops_lab.models.registry import Registry
from mlops_lab.pipeline.flights import MODEL_NAME, flights_pipeline, outcome, run_flights

AWAY = "python start.py test-engines cloud runs it"
pytest.importorskip("kfp", reason=AWAY)
grpc = pytest.importorskip("grpc", reason=AWAY)
api = pytest.importorskip("google.cloud.aiplatform_v1", reason=AWAY)

DATE = "2013-02-10"
SHORT = {"holdout_days": 8, "watch_days": 3}
ENDPOINT = "projects/p/locations/europe-west4/endpoints/7"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("vertex") / "flights_vertex.py"
    path.write_text(to_vertex(flights_pipeline()))
    return path


@pytest.fixture(scope="module")
def pipeline(written):
    spec = importlib.util.spec_from_file_location("flights_vertex", written)
    module = importlib.util.module_from_spec(spec)
    sys.modules["flights_vertex"] = module
    spec.loader.exec_module(module)
    return module.pipeline


def test_it_compiles_to_the_same_pipeline_every_time(written, tmp_path):
    texts = []
    for name in ("one.yaml", "two.yaml"):
        subprocess.run(
            [sys.executable, str(written), str(tmp_path / name)], check=True, timeout=300, capture_output=True
        )
        texts.append((tmp_path / name).read_text())

    assert texts[0] == texts[1]
    assert "registry.example.com/late-flights:v1" in texts[0]


def run(pipeline, folder, date=DATE, **params):
    """What each task ended as, by its name, and the home folder after the last."""
    from kfp import local

    logging.disable(logging.WARNING)
    try:
        local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(folder))
        pipeline(date=date, **SHORT, **params)
    finally:
        logging.disable(logging.NOTSET)
    states, last = {}, None
    for output in sorted(folder.rglob("executor_output.json"), key=lambda path: path.stat().st_mtime_ns):
        home = output.parent / "home"
        for result in home.glob("tasks/*/*.json"):
            states[result.stem] = json.loads(result.read_text())["state"]
        last = home if home.is_dir() else last  # the one that keeps a home folder leaves none of its own
    return states, last


@pytest.fixture(scope="module")
def promoted(pipeline, tmp_path_factory):
    """A first night that promotes: its states, its last home folder, and what it kept for the next one."""
    folder = tmp_path_factory.mktemp("promoted")
    return *run(pipeline, folder / "night", home=str(folder / "production")), folder / "production"


@pytest.mark.parametrize("features", ["as_known", pytest.param("daily_averages", marks=pytest.mark.nightly)])
def test_a_real_run_gives_the_model_and_the_verdict_of_the_embedded_one(features, pipeline, promoted, tmp_path):
    embedded = run_flights(tmp_path / "embedded", date=DATE, params={**SHORT, "features": features})
    expected = Registry(tmp_path / "embedded").search(name=MODEL_NAME)[0]

    if features == "as_known":
        states, home, _ = promoted
    else:
        states, home = run(pipeline, tmp_path / "vertex", features=features)

    found = Registry(home).search(name=MODEL_NAME)[0]
    assert found.artifact == expected.artifact
    assert found.stage == expected.stage
    verdict = Registry(home).get_gate_report(MODEL_NAME, 1)
    assert verdict.results == Registry(tmp_path / "embedded").get_gate_report(MODEL_NAME, 1).results
    ran = {name for name, state in states.items() if state in ("success", "failed")}
    assert ran == {name for name, state in embedded.states.items() if state in ("success", "failed")}
    assert outcome(embedded) == ("promoted" if verdict.passed else "refused")
    below = {"approve", "promote", "roll_out"}
    assert below.isdisjoint(states) if not verdict.passed else below <= set(states)


def test_no_task_is_cached(written, tmp_path):
    import yaml

    compiled = tmp_path / "pipeline.yaml"
    subprocess.run([sys.executable, str(written), str(compiled)], check=True, timeout=300, capture_output=True)
    spec = next(yaml.safe_load_all(compiled.read_text()))

    parts = [spec["root"], *spec["components"].values()]
    tasks = {name: task for part in parts for name, task in part.get("dag", {}).get("tasks", {}).items()}
    runs = {name: task for name, task in tasks.items() if not name.startswith("condition-")}
    assert len(runs) == len(flights_pipeline().tasks) + 3  # home: brought, and kept in one of two ways
    assert [name for name, task in runs.items() if task.get("cachingOptions", {}).get("enableCache")] == []


def test_the_second_night_finds_the_champion_of_the_first(pipeline, promoted, tmp_path):
    kept = shutil.copytree(promoted[2], tmp_path / "production")

    first = Registry(kept / (kept / "NEWEST").read_text())
    assert first.get_production(MODEL_NAME).version == 1
    run(pipeline, tmp_path / "second", date="2013-02-11", home=str(kept))

    second = Registry(kept / (kept / "NEWEST").read_text())
    assert [each.version for each in second.search(name=MODEL_NAME)] == [1, 2]
    assert second.get_gate_report(MODEL_NAME, 2).champion == 1


@pytest.mark.nightly
def test_a_refused_night_is_remembered_too(pipeline, tmp_path):
    kept = tmp_path / "production"

    run(pipeline, tmp_path / "refused", features="daily_averages", home=str(kept))

    found = Registry(kept / (kept / "NEWEST").read_text())
    assert not found.get_gate_report(MODEL_NAME, 1).passed
    assert found.get_production(MODEL_NAME) is None


class Endpoints:
    """An endpoint service with one endpoint, which checks a split as Vertex AI does."""

    def __init__(self):
        deployed = [
            api.DeployedModel(id=str(n), display_name=name) for n, name in ((11, "champion"), (12, "challenger"))
        ]
        self.endpoint = api.Endpoint(name=ENDPOINT, deployed_models=deployed, traffic_split={"11": 100})
        self.asked = []

    def service(self, details):
        method = details.method.rpartition("/")[2]
        kinds = {"GetEndpoint": api.GetEndpointRequest, "UpdateEndpoint": api.UpdateEndpointRequest}
        if method not in kinds:
            return None
        return grpc.unary_unary_rpc_method_handler(
            getattr(self, method), kinds[method].deserialize, lambda answer: type(answer).serialize(answer)
        )

    def GetEndpoint(self, request, context):  # noqa: N802
        if request.name != ENDPOINT:
            context.abort(grpc.StatusCode.NOT_FOUND, f"The Endpoint {request.name} is not found.")
        return self.endpoint

    def UpdateEndpoint(self, request, context):  # noqa: N802
        split = dict(request.endpoint.traffic_split)
        self.asked.append((list(request.update_mask.paths), split))
        if sum(split.values()) != 100 or not set(split) <= {each.id for each in self.endpoint.deployed_models}:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The traffic split must add up to 100.")
        self.endpoint.traffic_split = split
        return self.endpoint


def client_of(channel):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient
    from google.cloud.aiplatform_v1.services.endpoint_service.transports import EndpointServiceGrpcTransport

    return EndpointServiceClient(
        transport=EndpointServiceGrpcTransport(channel=channel, credentials=AnonymousCredentials())
    )


@pytest.fixture
def endpoints():
    service = Endpoints()
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (type("Handler", (grpc.GenericRpcHandler,), {"service": lambda _, d: service.service(d)})(),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    service.client = client_of(channel)
    yield service
    channel.close()
    server.stop(None).wait()


def test_a_split_goes_up_and_back_and_always_adds_up_to_100(endpoints):
    target = VertexTarget(ENDPOINT, client=endpoints.client)

    for weight in (5, 25, 100, 0):
        shift(target, weight)

    splits = [split for _, split in endpoints.asked]
    assert [split["12"] for split in splits] == [5, 25, 100, 0]
    assert all(sum(split.values()) == 100 for split in splits)
    assert all(mask == ["traffic_split"] for mask, _ in endpoints.asked)
    assert dict(endpoints.endpoint.traffic_split) == {"11": 100, "12": 0}


def test_an_endpoint_that_is_not_there_is_told(endpoints):
    other = ENDPOINT.replace("/7", "/8")

    with pytest.raises(MlopsLabError, match=r"vertex get_endpoint refused: The Endpoint .* is not found"):
        shift(VertexTarget(other, client=endpoints.client), 5)


def test_without_a_challenger_nothing_can_be_given_but_all_can_be_taken_back(endpoints):
    endpoints.endpoint.deployed_models = [api.DeployedModel(id="11", display_name="champion")]
    target = VertexTarget(ENDPOINT, client=endpoints.client)

    with pytest.raises(NotAllowed, match="has no challenger deployed; there is: champion"):
        shift(target, 5)
    assert shift(target, 0).champion == 100


def test_a_service_that_is_away_is_neutral():
    channel = grpc.insecure_channel("127.0.0.1:1")
    client = client_of(channel)

    with pytest.raises(TargetUnreachable, match="ServiceUnavailable"):
        shift(VertexTarget(ENDPOINT, client=client), 5)
    channel.close()
