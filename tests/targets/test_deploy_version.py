"""`deploy --version` on each target: deployed, judged, and taken back together with the registry."""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from mlops_lab.adapters.metrics import Prometheus
from mlops_lab.adapters.split import Release
from mlops_lab.adapters.targets import KubernetesTarget, SageMakerTarget, VertexTarget
from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.errors import InvalidDefinition, MlopsLabError, NotAllowed
from mlops_lab.cli import main
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for kubectl is a script")

# A cluster in a file: it knows what `kubectl` of the command asks, and nothing else.
KUBECTL = """
import json, pathlib
state = pathlib.Path(__file__).with_name("cluster.json")
world = json.loads(state.read_text())
words = [word for word in sys.argv[1:]]
world["said"].append(" ".join(words[:3]))
name = words[1].rpartition("/")[2]
if words[0] == "get" and words[1] == "deployment":
    each = world["deployments"][words[2]]
    server = {"name": "server", "image": each["image"]}
    notes = {"annotations": each.get("notes", {})}
    spec = {"replicas": each["pods"], "template": {"spec": {"containers": [server]}}}
    print(json.dumps({"metadata": notes, "spec": spec}))
elif words[0] == "annotate":
    notes = world["deployments"][name].setdefault("notes", {})
    for note in words[2:]:
        key, _, value = note.removesuffix("-").partition("=")
        if not note.startswith("--"):
            notes.update({key: value})
            value or notes.pop(key)
elif words[0] == "scale":
    world["deployments"][name]["pods"] = int(words[2].partition("=")[2])
elif words[:2] == ["set", "image"]:
    container, _, image = words[3].partition("=")
    world["deployments"][words[2].rpartition("/")[2]]["image"] = image
elif words[0] == "rollout" and world["deployments"][words[2].rpartition("/")[2]]["image"] == world["broken"]:
    state.write_text(json.dumps(world)); sys.exit("error: exceeded its progress deadline")
state.write_text(json.dumps(world))
"""


class Cluster:
    def __init__(self, folder, broken=""):
        self.state = folder / "cluster.json"
        deployments = {
            "late-flights": {"pods": 4, "image": "late:v1"},
            "late-flights-canary": {"pods": 0, "image": "x"},
        }
        self.state.write_text(json.dumps({"deployments": deployments, "said": [], "broken": broken}))
        script = folder / "kubectl"
        script.write_text(f"#!{sys.executable} -IS\nimport sys\n{KUBECTL}")
        script.chmod(0o755)

    @property
    def now(self):
        found = json.loads(self.state.read_text())["deployments"]
        return {
            name.removeprefix("late-flights") or "champion": (one["pods"], one["image"]) for name, one in found.items()
        }


@pytest.fixture
def prometheus():
    """A Prometheus that answers every query with the figures of `seen`: answers, errors and seconds."""
    seen, asked = {"answers": "1000", "errors": "0", "seconds": "0.02"}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            asked.append(query)
            key = "seconds" if "quantile" in query else "errors" if "5.." in query else "answers"
            body = json.dumps({"status": "success", "data": {"result": [{"value": [0, seen[key]]}]}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", seen=seen, asked=asked)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def home(tmp_path):
    clock = FakeClock("2013-12-01")
    home = tmp_path / "home"
    registry, tracker = Registry(home, clock=clock), Tracker(home, clock=clock)
    for number in (1, 2):
        artifact = tracker.artifacts.put_bytes(b"model %d" % number)
        run = tracker.log_run("train", metrics={"auc": 0.7}, artifact=artifact, author="ada")
        version = registry.register_model(run, "late")
        report = GateReport(
            name="late",
            version=number,
            artifact=version.artifact,
            results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
            champion=number - 1 or None,
            holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7},
            evaluated_at=clock.now(),
        )
        registry.promote(report, actor="ada", why="the gate passed")
    registry.close()
    tracker.close()
    return home


def deploy(home, *words):
    common = ["--version", "2", "--model", "late", "--home", str(home), "--wait", "0", "--looks", "2", "--by", "ada"]
    return main(["deploy", *words, *common])


def production(home):
    registry = Registry(home)
    try:
        assert registry.verify()
        return registry.get_production("late").version, registry.history("late")[-1].action
    finally:
        registry.close()


@pytest.mark.slow
def test_a_good_version_is_the_champion_of_a_cluster_and_each_step_is_in_the_history(
    home, tmp_path, prometheus, monkeypatch, capsys
):
    cluster = Cluster(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KUBE_NAMESPACE", "late")

    code = deploy(home, "kubernetes", "--image", "late:v2", "--metrics", prometheus.url, "--json")

    told = json.loads(capsys.readouterr().out)
    assert (code, told["state"], told["weight"]) == (0, "delivered", 100)
    assert cluster.now == {"champion": (4, "late:v2"), "-canary": (0, "late:v2")}
    assert production(home) == (2, "delivery_finished")
    assert all('track="canary"' in query for query in prometheus.asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"errors": "40"}, "it failed to answer 40 of 1000 requests"),
        ({"seconds": "3"}, "one answer in twenty takes 3.00 s"),
        ({"answers": "12"}, "after 2 looks nothing shows that it is good enough"),
        ({"answers": "NaN"}, "after 2 looks nothing shows that it is good enough"),
    ],
    ids=["errors", "slow", "too-few", "no-traffic"],
)
def test_a_bad_version_ends_with_2_and_the_cluster_and_the_registry_are_as_before(
    seen, why, home, tmp_path, prometheus, monkeypatch, capsys
):
    cluster = Cluster(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    prometheus.seen.update(seen)

    code = deploy(home, "kubernetes", "--endpoint", "late", "--image", "late:v2", "--metrics", prometheus.url)

    assert (code, cluster.now["champion"]) == (2, (4, "late:v1"))
    assert cluster.now["-canary"][0] == 0
    assert production(home) == (1, "rollout_rolled_back")
    assert why in capsys.readouterr().out


def test_pods_that_never_start_take_everything_back(home, tmp_path, prometheus, monkeypatch, capsys):
    cluster = Cluster(tmp_path, broken="late:v2")
    monkeypatch.setenv("PATH", str(tmp_path))

    code = deploy(home, "kubernetes", "--endpoint", "late", "--image", "late:v2", "--metrics", prometheus.url)

    assert code == 1
    assert cluster.now["champion"] == (4, "late:v1")
    assert production(home)[0] == 1
    assert "progress deadline" in capsys.readouterr().err


def test_by_hand_a_delivered_version_is_taken_back_from_both_and_twice_is_once(home, tmp_path, monkeypatch, capsys):
    Cluster(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    codes = [deploy(home, "kubernetes", "--endpoint", "late", "--rollback") for _ in range(2)]

    assert codes == [0, 0]
    assert production(home) == (1, "rollout_rolled_back")
    assert capsys.readouterr().out == "taken back\ntaken back\n"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["kubernetes", "--endpoint", "late", "--image", "late:v2"], 1, "--metrics"),
        (["kubernetes", "--endpoint", "late", "--metrics", "http://p:9090"], 1, "--image"),
        (["kubernetes", "--endpoint", "late", "--image", "x:2", "--metrics", "p:9090"], 1, "no address of"),
        (["kubernetes", "--endpoint", "late", "--image", "x:2", "--metrics", "http://p:9"], 4, "kubectl is not"),
        (["kubernetes", "--image", "x:2", "--metrics", "http://p:9"], 4, "KUBE_NAMESPACE is not set"),
        (["kubernetes", "--endpoint", "late", "--image", "x:2", "--weights", "5,x"], 1, "write numbers"),
        (["kubernetes", "--endpoint", "late", "--weight", "5", "--image", "x:2"], 1, "--weights"),
    ],
)  # fmt: skip
def test_what_cannot_be_delivered_changes_nothing(words, code, told, home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBE_NAMESPACE", raising=False)

    assert deploy(home, *words) == code
    assert told in capsys.readouterr().err
    assert production(home)[0] == 2


class SageMaker:
    """Endpoint, configurations and models, as far as a delivery goes; a change takes one look."""

    def __init__(self):
        one = {
            "VariantName": "champion",
            "ModelName": "late-v1",
            "InitialInstanceCount": 2,
            "InstanceType": "ml.m5.large",
        }
        self.configs, self.models, self.config = (
            {"late-1": [{**one, "InitialVariantWeight": 1.0}]},
            {"late-v1"},
            "late-1",
        )
        self.weights, self.asked, self.changing = {"champion": 1.0}, [], False

    def describe_endpoint(self, EndpointName):  # noqa: N803
        status, self.changing = "Updating" if self.changing else "InService", False
        variants = [
            {"VariantName": one["VariantName"], "CurrentWeight": self.weights[one["VariantName"]],
             "CurrentInstanceCount": one["InitialInstanceCount"]}
            for one in self.configs[self.config]
        ]  # fmt: skip
        return {"EndpointStatus": status, "EndpointConfigName": self.config, "ProductionVariants": variants}

    def describe_endpoint_config(self, EndpointConfigName):  # noqa: N803
        return {"ProductionVariants": self.configs[EndpointConfigName]}

    def create_model(self, ModelName, PrimaryContainer, ExecutionRoleArn):  # noqa: N803
        assert PrimaryContainer["ModelDataUrl"].startswith("s3://")
        self.models.add(ModelName)

    def create_endpoint_config(self, EndpointConfigName, ProductionVariants):  # noqa: N803
        assert {one["ModelName"] for one in ProductionVariants} <= self.models
        self.configs[EndpointConfigName] = ProductionVariants

    def update_endpoint(self, EndpointName, EndpointConfigName):  # noqa: N803
        assert not self.changing
        self.config, self.changing = EndpointConfigName, True
        self.weights = {one["VariantName"]: one["InitialVariantWeight"] for one in self.configs[self.config]}

    def update_endpoint_weights_and_capacities(self, EndpointName, DesiredWeightsAndCapacities):  # noqa: N803
        self.weights = {one["VariantName"]: one["DesiredWeight"] for one in DesiredWeightsAndCapacities}
        self.asked.append(self.weights["challenger"])
        self.changing = True

    def serves(self):
        return {
            one["VariantName"]: (one["ModelName"], self.weights[one["VariantName"]])
            for one in self.configs[self.config]
        }


ROLE = Release(2, "late:v2", "s3://bucket/v2/model.tar.gz", "arn:aws:iam::1:role/late")


def test_sagemaker_gets_a_challenger_beside_the_champion_and_then_in_its_place():
    client = SageMaker()
    target = SageMakerTarget("late", client=client, clock=FakeClock())

    target.put_challenger(ROLE)
    beside = client.serves()
    target.put_challenger(ROLE)  # a job that was cut off runs again
    target.set_weight(25)
    target.make_champion(ROLE)

    assert beside == {"champion": ("late-v1", 1.0), "challenger": ("late-v2", 0.0)}
    assert client.serves() == {"champion": ("late-v2", 1.0), "challenger": ("late-v2", 0.0)}
    assert len(client.configs) == 3


def test_sagemaker_keeps_a_challenger_that_has_traffic_and_needs_data_and_a_role():
    client = SageMaker()
    target = SageMakerTarget("late", client=client, clock=FakeClock())
    target.put_challenger(ROLE)
    target.set_weight(25)

    with pytest.raises(NotAllowed, match="a challenger with traffic"):
        target.put_challenger(Release(3, "late:v3", ROLE.model_data, ROLE.role))
    with pytest.raises(NotAllowed, match="not v3"):
        target.make_champion(Release(3, "late:v3"))
    with pytest.raises(InvalidDefinition, match="S3"):
        target.put_challenger(Release(3, "late:v3"))


class Vertex:
    """An endpoint and its models, whose long operations end at once."""

    def __init__(self):
        self.deployed = [SimpleNamespace(id="1", display_name="champion", model="m1", dedicated_resources="two n1")]
        self.traffic, self.next = {"1": 100}, 2

    def get_endpoint(self, request, **_):
        return SimpleNamespace(deployed_models=list(self.deployed), traffic_split=dict(self.traffic))

    def upload_model(self, request, **_):
        assert request["model"]["container_spec"]["env"][0] == {"name": "MLOPS_LAB_VERSION", "value": "2"}
        return self.done(model="m2")

    def deploy_model(self, request, **_):
        one = request["deployed_model"]
        number, self.next = str(self.next), self.next + 1
        self.deployed.append(SimpleNamespace(id=number, **one))
        self.traffic = {
            key.replace("0", number) if key == "0" else key: share for key, share in request["traffic_split"].items()
        }
        return self.done()

    def undeploy_model(self, request, **_):
        number = request["deployed_model_id"]
        assert not self.traffic.get(number), "a model with traffic is never taken away"
        self.deployed = [one for one in self.deployed if one.id != number]
        return self.done()

    def update_endpoint(self, request, **_):
        self.traffic = dict(request["endpoint"]["traffic_split"])

    @staticmethod
    def done(**found):
        return SimpleNamespace(result=lambda timeout: SimpleNamespace(**found))

    def serves(self):
        return {one.display_name: (one.model, self.traffic.get(one.id, 0)) for one in self.deployed}


def test_vertex_gets_a_challenger_beside_the_champion_and_then_in_its_place():
    client = Vertex()
    target = VertexTarget("projects/p/locations/r/endpoints/7", client=client, models=client)

    target.put_challenger(ROLE)
    beside = client.serves()
    target.put_challenger(ROLE)
    target.set_weight(25)
    target.make_champion(ROLE)

    assert beside == {"champion": ("m1", 100), "challenger": ("m2", 0)}
    assert client.serves() == {"champion": ("m2", 100)}
    assert len(client.deployed) == 1


@pytest.mark.parametrize("answer", ["", "{", "[]", '{"status": "error"}', '{"status": "success", "data": {}}'])
def test_metrics_that_are_none_are_an_error_and_no_good_news(answer):
    with pytest.raises(MlopsLabError, match="answered no metrics"):
        Prometheus("http://p:9", fetch=lambda _url: answer)(parse_utc("2014-01-01"), parse_utc("2014-01-02"))


def test_a_kubernetes_challenger_of_another_image_that_has_pods_is_kept():
    def kubectl(words):
        server = {"image": "late:v3"}
        return json.dumps({"spec": {"replicas": 1, "template": {"spec": {"containers": [server]}}}})

    with pytest.raises(NotAllowed, match="take that one back first"):
        KubernetesTarget("late", call=kubectl).put_challenger(ROLE)
