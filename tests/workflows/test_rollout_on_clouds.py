"""rollout.yml's cloud legs, really run against moto and a Vertex service: their shell, the AWS CLI, both clouds' SDKs.

moto answers for SageMaker, S3, ECR and CloudWatch, by HTTP, as for any process. What it lacks is added as AWS documents
it: an endpoint takes its time for each change, refuses another one meanwhile, and can be given another configuration.
The Vertex service is a gRPC server of the API's own messages, whose operations take their time as well.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from mlops_lab.ci import Outcome
from tests.workflows.test_rollout_legs import IMAGES, SET_UP, Rollout, rollout, states, used  # noqa: F401  a fixture

AWAY = "python start.py test-engines cloud runs it"
boto3 = pytest.importorskip("boto3", reason=AWAY)
moto = pytest.importorskip("moto", reason=AWAY)
grpc = pytest.importorskip("grpc", reason=AWAY)
api = pytest.importorskip("google.cloud.aiplatform_v1", reason=AWAY)
operations = pytest.importorskip("google.longrunning.operations_pb2", reason=AWAY)

REGION, LATE, LOOKS = "eu-west-1", "late", 2
ENDPOINT = "projects/p/locations/europe-west4/endpoints/7"
# In the legs' own Python: no wait is longer than a second, and Google's names lead to this machine.
SITE = """
import os, time
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 1.1))
if "VERTEX_SERVICE" in os.environ:
    import google.auth.transport.requests as transport, grpc, requests
    def channel(target, credentials, options=None, compression=None):
        assert target == "europe-west4-aiplatform.googleapis.com:443", target
        return grpc.insecure_channel(os.environ["VERTEX_SERVICE"], options, compression)
    def get(self, url, timeout):
        return requests.get(url.replace("https://monitoring.googleapis.com", os.environ["MONITORING"]), timeout=timeout)
    grpc.secure_channel, transport.AuthorizedSession.get = channel, get
"""


def serve(handle):
    """A server on loopback that answers by `handle(method, path, headers, body)`: its address, and its end."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = handle(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def close():
        server.shutdown()
        server.server_close()

    return f"http://127.0.0.1:{server.server_port}", close


class Aws:
    """An account in moto with the endpoint `late`, whose champion is v1."""

    def __init__(self, seen):
        self.seen, self.asked, self.looks, self.lock = seen, [], 0, threading.Lock()
        self.sagemaker, self.s3 = boto3.client("sagemaker"), boto3.client("s3")
        self.s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.sagemaker.create_model(
            ModelName="late-v1",
            PrimaryContainer={"Image": "late:v1"},
            ExecutionRoleArn="arn:aws:iam::123456789012:role/r",
        )
        one = {"VariantName": "champion", "ModelName": "late-v1", "InstanceType": "ml.m5.large"}
        one |= {"InitialInstanceCount": 2, "InitialVariantWeight": 1.0}
        self.sagemaker.create_endpoint_config(EndpointConfigName="first", ProductionVariants=[one])
        self.sagemaker.create_endpoint(EndpointName=LATE, EndpointConfigName="first")

    def handle(self, method, path, headers, body):
        """A request of any process, answered by moto; but for what moto lacks."""
        with self.lock:
            service = re.search(r"Credential=[^/]+/\d+/[\w-]+/(\w+)/", headers["Authorization"])[1]
            operation = headers.get("X-Amz-Target", "").rpartition(".")[2]
            self.asked.append(operation or f"{service} {method} {path}")
            if operation.startswith("UpdateEndpoint"):
                if self.looks:
                    return refused('Cannot update in-progress endpoint "late".')
                self.looks = LOOKS
            if operation == "UpdateEndpoint":
                return self.configure(**json.loads(body))
            if service == "monitoring":
                self.measure()
            host = f"api.{service}" if service in ("ecr", "sagemaker") else service
            import requests  # inside moto every request to AWS is moto's

            url = f"https://{host}.{REGION}.amazonaws.com{path}"
            kept = {name: value for name, value in headers.items() if name not in ("Host", "Accept-Encoding")}
            found = requests.request(method, url, headers=kept, data=body, timeout=30)
            content = found.content
            if operation == "DescribeEndpoint" and self.looks:
                self.looks -= 1
                content = content.replace(b'"InService"', b'"Updating"')
            sent = {name: value for name, value in found.headers.items() if name.lower() != "content-length"}
            return found.status_code, sent, content

    def configure(self, EndpointName, EndpointConfigName):  # noqa: N803
        config = self.sagemaker.describe_endpoint_config(EndpointConfigName=EndpointConfigName)
        for one in config["ProductionVariants"]:
            self.sagemaker.describe_model(ModelName=one["ModelName"])  # or it is refused
        self.sagemaker.delete_endpoint(EndpointName=EndpointName)
        self.sagemaker.create_endpoint(EndpointName=EndpointName, EndpointConfigName=EndpointConfigName)
        return (
            200,
            {"Content-Type": "application/x-amz-json-1.1"},
            b'{"EndpointArn": "arn:aws:sagemaker:::endpoint/late"}',
        )

    def measure(self):
        """What SageMaker itself writes of the challenger: in this minute, for whoever asks."""
        variant = [{"Name": "EndpointName", "Value": LATE}, {"Name": "VariantName", "Value": "challenger"}]
        names = {"Invocations": "answers", "Invocation5XXErrors": "errors"}
        data = [
            {"MetricName": name, "Dimensions": variant, "Timestamp": datetime.now(UTC), "Value": self.seen[key]}
            for name, key in names.items()
        ]
        boto3.client("cloudwatch").put_metric_data(Namespace="AWS/SageMaker", MetricData=data)

    @property
    def champion(self):
        """The champion's model, and whether it has the traffic."""
        found = self.sagemaker.describe_endpoint(EndpointName=LATE)
        config = self.sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
        weights = {one["VariantName"]: one.get("CurrentWeight") or 0 for one in found["ProductionVariants"]}
        model = next(one["ModelName"] for one in config["ProductionVariants"] if one["VariantName"] == "champion")
        return model, weights["champion"] > 0 and not weights.get("challenger")


def refused(message):
    content = json.dumps({"__type": "ValidationException", "message": message}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": "ValidationException"}, content


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with moto.mock_aws():
        account = Aws({"answers": 1000, "errors": 0})
        account.address, close = serve(account.handle)
        yield account
        close()


def on_aws(rollout, aws):  # noqa: F811
    """The leg `sagemaker`, logged in as the action does it: by variables of the environment."""

    def login(call):
        assert (call.argument("role-to-assume"), call.argument("aws-region")) == (
            "arn:aws:iam::123456789012:role/ci",
            REGION,
        )
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
        exported = {**keys, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": aws.address}
        return Outcome(exported=exported)

    (rollout.folder / "bin/aws").unlink()
    variables = {
        **SET_UP, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ci", "AWS_REGION": REGION,
        "SAGEMAKER_ROLE_ARN": "arn:aws:iam::123456789012:role/late-flights",
    }  # fmt: skip
    return rollout.run("sagemaker", variables=variables, actions={"aws-actions/configure-aws-credentials": login})


@pytest.fixture
def real(rollout):  # noqa: F811
    """The legs with the real SDKs in place of the fakes."""
    shutil.rmtree(rollout.folder / "fakes")
    (rollout.folder / "fakes").mkdir()
    (rollout.folder / "fakes/sitecustomize.py").write_text(SITE, encoding="utf-8")
    return rollout


def failures(run):
    return run.outline() + "".join(logs([step for job in run.jobs for step in job.steps if step.outcome == "failure"]))


def logs(steps):
    return [text for step in steps for text in (step.log, *logs(step.steps))]


def test_sagemaker_gets_the_promoted_version_step_by_step_while_its_endpoint_takes_time(real, aws, tmp_path):
    run = on_aws(real, aws)

    assert run.conclusion == "success", failures(run)
    assert aws.champion == ("late-v2", True)
    model = aws.sagemaker.describe_model(ModelName="late-v2")["PrimaryContainer"]
    data = f"late_flights/{real.digest}/model.tar.gz"
    assert (model["ModelDataUrl"], model["Environment"]) == (f"s3://models/{data}", {"MLOPS_LAB_VERSION": "2"})
    assert aws.s3.get_object(Bucket="models", Key=data)["Body"].read() == real.packed.read_bytes()
    assert model["Image"].removeprefix(f"{IMAGES}@sha256:") in real.github["attested"]
    assert aws.asked.count("UpdateEndpointWeightsAndCapacities") == 2
    assert "GetAuthorizationToken" in aws.asked
    assert real.kept(tmp_path / "kept")[0] == 2


def test_sagemaker_takes_a_bad_version_back_and_the_registry_too(real, aws, tmp_path):
    aws.seen = {"answers": 1000, "errors": 60}

    run = on_aws(real, aws)

    assert states(run, "sagemaker")["Deliver"] == "failure"
    assert "judged not good enough" in failures(run)
    assert (
        aws.asked.count("UpdateEndpointWeightsAndCapacities") == 3
    )  # 25 percent, all of it back, and `Roll back` again
    assert aws.champion == ("late-v1", True)
    production, history = real.kept(tmp_path / "kept")
    assert (production, history[-1]) == (1, "rollout_rolled_back")


def _written(message):
    return message.SerializeToString() if hasattr(message, "SerializeToString") else type(message).serialize(message)


class Vertex:
    """Vertex AI's endpoint, model and operation services, with one endpoint whose champion is v1."""

    def __init__(self, seen):
        machine = api.DedicatedResources(
            machine_spec=api.MachineSpec(machine_type="n1-standard-2"), min_replica_count=1
        )
        champion = api.DeployedModel(id="1", display_name="champion", model="m1", dedicated_resources=machine)
        self.endpoint = api.Endpoint(name=ENDPOINT, deployed_models=[champion], traffic_split={"1": 100})
        self.seen, self.models, self.running, self.asked = seen, {"m1": "late:v1"}, {}, []

    def service(self, details):
        method = details.method.rpartition("/")[2]
        self.asked.append(method)
        if method == "GetOperation":
            parse, write = operations.GetOperationRequest.FromString, operations.Operation.SerializeToString
        else:
            request = getattr(api, f"{method}Request")
            parse = request.deserialize
            write = _written
        return grpc.unary_unary_rpc_method_handler(getattr(self, method), parse, write)

    def GetEndpoint(self, request, context):  # noqa: N802
        assert request.name == ENDPOINT
        return self.endpoint

    def UpdateEndpoint(self, request, context):  # noqa: N802
        assert list(request.update_mask.paths) == ["traffic_split"]
        self.split(dict(request.endpoint.traffic_split), context)
        return self.endpoint

    def UploadModel(self, request, context):  # noqa: N802
        assert request.parent == ENDPOINT.partition("/endpoints/")[0]
        name = f"{request.parent}/models/{len(self.models) + 1}"
        self.models[name] = request.model.container_spec.image_uri
        return self.takes_time(api.UploadModelResponse(model=name))

    def DeployModel(self, request, context):  # noqa: N802
        self.at_rest(context)
        one = request.deployed_model
        if one.model not in self.models or not one.dedicated_resources.machine_spec.machine_type:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a model that exists, and a machine for it, are required")
        one.id = str(100 + len(self.asked))
        self.endpoint.deployed_models.append(one)
        split = {one.id if key == "0" else key: share for key, share in request.traffic_split.items()}
        self.split(split, context)
        return self.takes_time(api.DeployModelResponse(deployed_model=one))

    def UndeployModel(self, request, context):  # noqa: N802
        self.at_rest(context)
        if self.endpoint.traffic_split.get(request.deployed_model_id):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the deployed model has traffic")
        left = [one for one in self.endpoint.deployed_models if one.id != request.deployed_model_id]
        if len(left) == len(self.endpoint.deployed_models):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such deployed model")
        self.endpoint.deployed_models = left
        return self.takes_time(api.UndeployModelResponse())

    def GetOperation(self, request, context):  # noqa: N802
        looks, done = self.running[request.name]
        self.running[request.name] = (max(0, looks - 1), done)
        return operations.Operation(name=request.name) if looks else done

    def takes_time(self, answer):
        """An operation that is under way, and done after some looks."""
        name = f"{ENDPOINT}/operations/{len(self.running)}"
        done = operations.Operation(name=name, done=True)
        done.response.Pack(type(answer).pb(answer))
        self.running[name] = (LOOKS, done)
        return operations.Operation(name=name)

    def at_rest(self, context):
        if any(looks for looks, _ in self.running.values()):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "there are other operations running on the endpoint")

    def split(self, split, context):
        if sum(split.values()) != 100 or not set(split) <= {one.id for one in self.endpoint.deployed_models}:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "the traffic split must add up to 100, over what is deployed"
            )
        self.endpoint.traffic_split = split

    def measure(self, method, path, headers, body):
        """Cloud Monitoring's answer: of the challenger that is deployed now, or none."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        wanted = dict(re.findall(r'([\w.]+)="([^"]*)"', asked["filter"]))
        kind = wanted["metric.type"].rpartition("/")[2]
        assert wanted["resource.labels.endpoint_id"] == "7"
        assert asked["aggregation.perSeriesAligner"] == (
            "ALIGN_PERCENTILE_95" if kind == "prediction_latencies" else "ALIGN_SUM"
        )
        key = "seconds" if kind == "prediction_latencies" else "errors" if "5xx" in asked["filter"] else "answers"
        value = {"doubleValue": self.seen[key] * 1000} if key == "seconds" else {"int64Value": str(self.seen[key])}
        deployed = {one.id for one in self.endpoint.deployed_models if one.display_name == "challenger"}
        series = [{"points": [{"value": value}]}] if wanted["metric.labels.deployed_model_id"] in deployed else []
        return 200, {"Content-Type": "application/json"}, json.dumps({"timeSeries": series}).encode()

    @property
    def champion(self):
        """The image of the champion, and its share of the traffic."""
        one = next(each for each in self.endpoint.deployed_models if each.display_name == "champion")
        return self.models[one.model], dict(self.endpoint.traffic_split)[one.id]


@pytest.fixture
def vertex():
    cloud = Vertex({"answers": 1000, "errors": 0, "seconds": 0.02})
    server = grpc.server(ThreadPoolExecutor(2))
    handler = type("Handler", (grpc.GenericRpcHandler,), {"service": lambda _, details: cloud.service(details)})()
    server.add_generic_rpc_handlers((handler,))
    cloud.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    cloud.monitoring, close = serve(cloud.measure)
    yield cloud
    close()
    server.stop(None).wait()


def on_vertex(rollout, vertex):  # noqa: F811
    """The leg `vertex`, logged in as the action does it: by a file of credentials."""
    kept = rollout.folder / "credentials.json"
    kept.write_text(
        json.dumps({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "t"})
    )

    def login(call):
        exported = {"GOOGLE_APPLICATION_CREDENTIALS": str(kept), "GOOGLE_CLOUD_PROJECT": "p"}
        return Outcome(exported={**exported, "VERTEX_SERVICE": vertex.address, "MONITORING": vertex.monitoring})

    variables = {**SET_UP, "VERTEX_ENDPOINT": ENDPOINT}
    return rollout.run("vertex", variables=variables, actions={"google-github-actions/auth": login})


def test_vertex_gets_the_promoted_version_step_by_step_while_its_operations_take_time(real, vertex, tmp_path):
    run = on_vertex(real, vertex)

    assert run.conclusion == "success", failures(run)
    image, share = vertex.champion
    assert image.removeprefix(f"{IMAGES}@sha256:") in real.github["attested"]
    assert (share, len(vertex.endpoint.deployed_models)) == (100, 1)
    assert vertex.asked.count("UpdateEndpoint") == 2
    assert real.kept(tmp_path / "kept")[0] == 2


NIGHTLY = [pytest.param(seen, marks=pytest.mark.nightly) for seen in ({"seconds": 3.0}, {"answers": 3})]


@pytest.mark.parametrize("seen", [{"errors": 60}, *NIGHTLY], ids=str)
def test_vertex_takes_a_bad_version_back_and_the_registry_too(real, vertex, seen, tmp_path):
    vertex.seen.update(seen)

    run = on_vertex(real, vertex)

    assert states(run, "vertex")["Deliver"] == "failure"
    assert "judged not good enough" in failures(run)
    assert vertex.champion == ("late:v1", 100)
    assert real.kept(tmp_path / "kept")[0] == 1
