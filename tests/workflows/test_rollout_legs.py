"""rollout.yml, really run on each target: neutral without one, delivered and judged with one, and taken back from both.

Real are the workflow, its actions, bash, the course and the registry. A cluster, SageMaker (whose endpoint takes its
time and refuses changes meanwhile) and Vertex are files, Prometheus, CloudWatch and Cloud Monitoring recorded answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.ci import WorkflowRun, execute, load_workflow
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY, ROLLOUT = "octo-org/octo-repo", ".github/workflows/rollout.yml"
TARGETS = ("kubernetes", "sagemaker", "vertex")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("bash") is None or shutil.which("jq") is None, reason="bash, jq"
)

# What every program of a cloud keeps: who stands where with how much, which metrics it has, and at what it fails.
WORLD = """
import hashlib, json, os, pathlib, sys
kept = pathlib.Path(os.environ["WORLD"])
world = json.loads(kept.read_text())
def save():
    kept.write_text(json.dumps(world))
def say(*words):
    world["asked"].append(" ".join(map(str, words)))
    save()
    if world["fails"] and world["fails"] in world["asked"][-1]:
        raise SystemExit("no room")
"""
KUBECTL = """
words = sys.argv[1:]
say(*words)
name = next((word.rpartition("/")[2] for word in words[1:] if "late-flights" in word and "=" not in word), "")
one = world["cluster"].get(name, {})
if words[0] == "get" and words[1] == "deployment":
    container = {"name": "server", "image": one["image"]}
    spec = {"replicas": one["pods"], "template": {"spec": {"containers": [container]}}}
    print(json.dumps({"metadata": {"annotations": one.get("notes", {})}, "spec": spec}))
elif words[0] == "annotate":
    for note in words[2:]:
        key, _, value = note.removesuffix("-").partition("=")
        if not note.startswith("--"):
            one.setdefault("notes", {}).update({key: value})
            value or one["notes"].pop(key)
elif words[0] == "scale":
    one["pods"] = int(words[2].partition("=")[2])
elif words[:2] == ["set", "image"]:
    one["image"] = words[3].partition("=")[2]
save()
"""
DOCKER = """
words = sys.argv[1:]
say("docker", *words)
if words[0] == "login":
    sys.stdin.read()
if words[0] == "pull":
    sys.exit(0 if words[-1] in world["images"] else 1)
if words[0] == "build":
    world["built"] = dict([words[words.index("--label") + 1].split("=")])["org.mlops-lab.home"]
if words[0] == "push":
    digest = hashlib.sha256((words[1] + world["built"]).encode()).hexdigest()
    world["images"][words[1]] = {"home": world["built"], "digest": digest}
if words[:2] == ["image", "inspect"]:
    one = world["images"][words[-1]]
    name = words[-1].rpartition(":")[0]
    digests = f"mirror.example.org/late@sha256:{'0' * 64}\\n{name}@sha256:{one['digest']}"
    print(digests if "RepoDigests" in words[3] else one["home"])
save()
"""
BOTO3 = """
class Client:
    def __getattr__(self, operation):
        def call(**request):
            say(operation, json.dumps(request, default=str))
            if operation == "get_metric_data":
                seen = world["seen"]
                values = {"answers": seen["answers"], "errors": seen["errors"], "seconds": seen["seconds"] * 1e6}
                return {"MetricDataResults": [{"Id": name, "Values": [value]} for name, value in values.items()]}
            end = world["endpoint"]
            if operation == "describe_endpoint":
                changing, end["looks"] = end["looks"] > 0, max(0, end["looks"] - 1)
                found = [{"VariantName": name, "CurrentWeight": one["weight"], "CurrentInstanceCount": 1}
                         for name, one in end["variants"].items()]
                save()
                return {"EndpointStatus": "Updating" if changing else "InService", "ProductionVariants": found,
                        "EndpointConfigName": end["config"]}
            if operation == "describe_endpoint_config":
                return {"ProductionVariants": end["configs"][request["EndpointConfigName"]]}
            if operation == "create_endpoint_config":
                end["configs"][request["EndpointConfigName"]] = request["ProductionVariants"]
            if operation.startswith("update"):
                assert not end["looks"], "Cannot update in-progress endpoint"
                end["looks"] = 2
                if operation == "update_endpoint":
                    end["config"] = request["EndpointConfigName"]
                    end["variants"] = {}
                    for one in end["configs"][end["config"]]:
                        variant = {"model": one["ModelName"], "weight": one["InitialVariantWeight"]}
                        end["variants"][one["VariantName"]] = variant
                else:
                    for one in request["DesiredWeightsAndCapacities"]:
                        end["variants"][one["VariantName"]]["weight"] = one["DesiredWeight"]
            save()
            return {}
        return call
def client(name, region_name=None):
    return Client()
"""
VERTEX = """
from types import SimpleNamespace as Name
class Client:
    def __init__(self, **_): pass
    def __getattr__(self, operation):
        def call(request, **_):
            say(operation, json.dumps(request, default=str))
            vertex = world["vertex"]
            answer = {}
            if operation == "get_endpoint":
                return Name(deployed_models=[Name(dedicated_resources="n1", **one) for one in vertex["deployed"]],
                            traffic_split=vertex["traffic"])
            if operation == "upload_model":
                answer = {"model": "m" + request["model"]["container_spec"]["env"][0]["value"]}
            if operation == "deploy_model":
                number = str(len(world["asked"]))
                one = request["deployed_model"]
                vertex["deployed"].append({"id": number, "display_name": one["display_name"], "model": one["model"]})
                vertex["traffic"] = {number if key == "0" else key: n for key, n in request["traffic_split"].items()}
            if operation == "undeploy_model":
                assert not vertex["traffic"].get(request["deployed_model_id"])
                vertex["deployed"] = [one for one in vertex["deployed"] if one["id"] != request["deployed_model_id"]]
            if operation == "update_endpoint":
                vertex["traffic"] = request["endpoint"]["traffic_split"]
            save()
            return Name(result=lambda timeout: Name(**answer))
        return call
EndpointServiceClient = ModelServiceClient = Client
"""
GOOGLE_AUTH = """
def default(scopes): return None, None
"""
SESSION = """
class AuthorizedSession:
    def __init__(self, _): pass
    def get(self, url, timeout):
        from types import SimpleNamespace as Name
        seen = world["seen"]
        value = seen["seconds"] * 1000 if "latencies" in url else seen["errors"] if "5xx" in url else seen["answers"]
        return Name(text=json.dumps({"timeSeries": [{"points": [{"value": {"doubleValue": value}}]}]}))
"""
# No second is waited, and Prometheus is asked no further than this.
SITE = """
import io, time, urllib.request
time.sleep = lambda seconds: None
def urlopen(url, timeout=None):
    seen = world["seen"]
    value = seen["seconds"] if "quantile" in url else seen["errors"] if "5.." in url else seen["answers"]
    return io.BytesIO(json.dumps({"status": "success", "data": {"result": [{"value": [0, str(value)]}]}}).encode())
if "WORLD" in os.environ:
    urllib.request.urlopen = urlopen
"""
FAKES = {
    "boto3.py": WORLD + BOTO3,
    "google/__init__.py": "",
    "google/auth/__init__.py": GOOGLE_AUTH,
    "google/auth/transport/__init__.py": "",
    "google/auth/transport/requests.py": WORLD + SESSION,
    "google/cloud/__init__.py": "",
    "google/cloud/aiplatform_v1/__init__.py": "",
    "google/cloud/aiplatform_v1/services/__init__.py": "",
    "google/cloud/aiplatform_v1/services/endpoint_service.py": WORLD + VERTEX,
    "google/cloud/aiplatform_v1/services/model_service.py": (
        "from google.cloud.aiplatform_v1.services.endpoint_service import ModelServiceClient"
    ),
    "sitecustomize.py": "import os\nif 'WORLD' in os.environ:\n" + "".join(
        f"    {line}\n" for line in (WORLD + SITE).splitlines() if line
    ),
}  # fmt: skip
IMAGES = "example.org/late"
SET_UP = {
    "KUBE_NAMESPACE": "flights", "PROMETHEUS_URL": "http://prometheus:9090", "IMAGE_REPOSITORY": IMAGES,
    "SAGEMAKER_ENDPOINT": "late", "SAGEMAKER_IMAGE": IMAGES, "SAGEMAKER_ROLE_ARN": "arn:role",
    "MODEL_BUCKET": "s3://models", "VERTEX_ENDPOINT": "projects/p/locations/r/endpoints/7",
}  # fmt: skip


class Rollout:
    """The repository, its GitHub, three clouds, and a home folder with v2 promoted over v1."""

    def __init__(self, folder: Path, github) -> None:
        self.folder, self.github, self.repo = folder, github, folder / "repo"
        shutil.copytree(ROOT / ".github", self.repo / ".github")
        (self.repo / "scripts").mkdir()
        for name in ("scripts/locked.py", "requirements.lock"):
            shutil.copy(ROOT / name, self.repo / name)
        for name, text in FAKES.items():
            path = folder / "fakes" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        path = f"PYTHONPATH={folder / 'fakes'}:{ROOT} exec {sys.executable}"
        programs = {
            "python": f'#!/bin/bash\ncase "$1 $2" in "-m pip") exit 0 ;; esac\n{path} "$@"',
            "kubectl": f"#!{sys.executable} -I\n{WORLD}{KUBECTL}",
            "docker": f"#!{sys.executable} -I\n{WORLD}{DOCKER}",
            "gcloud": "#!/bin/bash",
            "aws": "#!/bin/bash",
        }
        for name, text in programs.items():
            (folder / "bin" / name).write_text(f"{text}\n", encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)
        self.world = folder / "world.json"
        one = {
            "VariantName": "champion",
            "ModelName": "late-v1",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1.0,
        }
        self.world.write_text(
            json.dumps(
                {
                    "asked": [], "fails": "", "images": {}, "seen": {"answers": 1000, "errors": 0, "seconds": 0.02},
                    "cluster": {
                        "late-flights": {"pods": 4, "image": "late:v1"},
                        "late-flights-canary": {"pods": 0, "image": "late:v1"},
                    },
                    "endpoint": {
                        "config": "c", "configs": {"c": [one]}, "looks": 0,
                        "variants": {"champion": {"model": "late-v1", "weight": 1.0}},
                    },
                    "vertex": {
                        "deployed": [{"id": "1", "display_name": "champion", "model": "m1"}], "traffic": {"1": 100},
                    },
                }
            )
        )  # fmt: skip
        self.home = promoted(folder / "home")
        self.packed = github.pack(self.home, folder)
        self.digest = github.attest(self.packed)

    def change(self, **changed) -> None:
        self.world.write_text(json.dumps({**json.loads(self.world.read_text("utf-8")), **changed}))

    @property
    def now(self) -> dict:
        return json.loads(self.world.read_text("utf-8"))

    def champion(self, target: str) -> tuple[str, object]:
        """Which version answers on a target, and with how much."""
        now = self.now
        if target == "kubernetes":
            image = now["cluster"]["late-flights"]["image"]
            tags = {f"{tag.rpartition(':')[0]}@sha256:{one['digest']}": tag for tag, one in now["images"].items()}
            return tags.get(image, image).rpartition(":")[2], now["cluster"]["late-flights"]["pods"]
        if target == "sagemaker":
            one = now["endpoint"]["variants"]["champion"]
            return one["model"].rpartition("-")[2], one["weight"] > 0
        one = next(each for each in now["vertex"]["deployed"] if each["display_name"] == "champion")
        return one["model"].replace("m", "v"), now["vertex"]["traffic"][one["id"]]

    def run(self, target: str, *, variables=None, weights="25 100", actions=None) -> WorkflowRun:
        def download(call) -> None:
            (call.workspace / call.argument("path")).mkdir(exist_ok=True)
            shutil.copy(self.packed, call.workspace / call.argument("path") / "home.tar.gz")

        def attest(call) -> None:
            assert (call.argument("subject-name"), call.argument("push-to-registry")) == (IMAGES, "true")
            self.github.sign(call.argument("subject-digest").removeprefix("sha256:"), workflow="rollout.yml")

        return execute(
            load_workflow(self.repo / ".github/workflows/rollout.yml"),
            "workflow_call",
            inputs={
                "target": target, "run-id": "1001", "version": "2", "digest": self.digest, "weights": weights,
                "options": "--wait=2\n--looks=2\n--answers=50",
            },
            actions={"actions/download-artifact": download, "actions/attest": attest, **(actions or {})},
            variables=SET_UP if variables is None else variables,
            inherit=["WORLD"],
        )  # fmt: skip

    def kept(self, folder: Path) -> tuple[int, list[str]]:
        """Which version the newest kept home has in Production, and the last things that happened."""
        tag = self.github["releases"][-1]["tag_name"].replace("/", "+")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.unpack_archive(self.github.folder / f"{tag}.tar.gz", folder, filter="data")
        registry = Registry(folder)
        try:
            assert registry.verify()
            history = [event.action for event in registry.history("late_flights")]
            return registry.get_production("late_flights").version, history
        finally:
            registry.close()


def promoted(home: Path) -> Path:
    clock = FakeClock("2013-12-01")
    registry, tracker = Registry(home, clock=clock), Tracker(home, clock=clock)
    for number in (1, 2):
        artifact = tracker.artifacts.put_bytes(b"model %d" % number)
        run = tracker.log_run("train", metrics={"auc": 0.7}, artifact=artifact, author="ada")
        version = registry.register_model(run, "late_flights")
        report = GateReport(
            name="late_flights", version=number, artifact=version.artifact,
            results=(RuleResult("floor", True, 0.7, 0.65, "AUC 0.70 is at least 0.65."),),
            champion=number - 1 or None, holdout="sha256:" + "0" * 64, metrics={"auc": 0.7}, evaluated_at=clock.now(),
        )  # fmt: skip
        registry.promote(report, actor="ada", why="the gate passed")
    registry.close()
    tracker.close()
    (home / "began-from").write_text("none\n", encoding="utf-8")
    return home


@pytest.fixture
def rollout(tmp_path: Path, monkeypatch, github) -> Rollout:
    made = Rollout(tmp_path, github)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("WORLD", str(made.world))
    return made


def states(run: WorkflowRun, target: str) -> dict[str, str | None]:
    return {step.name: step.outcome for step in run.job(target).steps}


def there(rollout, home: str, *, workflow: str = "", ref: str = "refs/heads/main", signed: str = "") -> None:
    """The image of v2 is there already, with a label; a workflow signed it, or another digest."""
    digest = hashlib.sha256(b"image").hexdigest()
    rollout.change(images={f"{IMAGES}:v2": {"home": home, "digest": digest}})
    if workflow:
        rollout.github.sign(signed or digest, workflow=workflow, ref=ref)


def used(rollout) -> list[str]:
    """The images that anything was told to run."""
    asked = [words for words in rollout.now["asked"] if not words.startswith("docker")]
    return re.findall(rf"{IMAGES}[^\s\",}}]*", " ".join(asked))


@pytest.mark.parametrize("target", TARGETS)
def test_without_a_target_the_leg_says_so_changes_nothing_and_is_green(rollout, target):
    run = rollout.run(target, variables={})

    deliver = next(step for step in run.job(target).steps if step.id == "deliver")
    assert (run.conclusion, deliver.outputs) == ("success", {"reached": "false"}), run.outline()
    assert "There is no target to reach here" in deliver.steps[0].log
    assert (rollout.now["asked"], rollout.github["releases"]) == ([], [])


@pytest.mark.parametrize("target", [TARGETS[0], *(pytest.param(one, marks=pytest.mark.nightly) for one in TARGETS[1:])])
def test_a_good_version_is_the_champion_and_the_registry_remembers_each_step(rollout, target, tmp_path):
    before = rollout.champion(target)[0]

    run = rollout.run(target)

    assert (before, rollout.champion(target)[0]) == ("v1", "v2"), run.outline()
    assert states(run, target)["Roll back"] == "skipped"
    production, history = rollout.kept(tmp_path / "kept")
    assert (production, history[-1]) == (2, "delivery_finished")
    assert history.count("delivery_step") == 2
    images, attested = (
        used(rollout),
        rollout.github["attested"],
    )  # it runs by the digest that was attested, not by a tag
    assert {image.partition("@sha256:")[0] for image in images} == {IMAGES}
    assert {attested[image.partition("@sha256:")[2]][0] for image in images} == {f"{REPOSITORY}/{ROLLOUT}"}


# Each target and each reason once every day; at night each target with each reason.
BAD = ({"errors": 60}, {"seconds": 3.0}, {"answers": 3})


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        pytest.param(
            target, seen, id=f"{target}-{seen}", marks=() if at == TARGETS.index(target) else pytest.mark.nightly
        )
        for target in TARGETS
        for at, seen in enumerate(BAD)
    ],
)
def test_a_bad_version_ends_red_and_target_and_registry_are_as_before(rollout, target, seen, tmp_path):
    rollout.change(seen={**rollout.now["seen"], **seen})

    run = rollout.run(target)

    assert (run.conclusion, rollout.champion(target)[0]) == ("failure", "v1"), run.outline()
    assert rollout.champion(target)[1] in (4, True, 100)
    assert states(run, target)["Keep the home folder of Production"] == "success"
    production, history = rollout.kept(tmp_path / "kept")
    assert (production, history[-1]) == (1, "rollout_rolled_back")


@pytest.mark.nightly
def test_a_cluster_that_fails_half_way_gives_everything_back(rollout, tmp_path):
    rollout.change(fails="scale deployment/late-flights-canary --replicas=4")

    run = rollout.run("kubernetes")

    assert (run.conclusion, states(run, "kubernetes")["Deliver"]) == ("failure", "failure")
    assert rollout.champion("kubernetes") == ("v1", 4)
    assert rollout.kept(tmp_path / "kept")[0] == 1


@pytest.mark.nightly
def test_the_second_target_goes_on_with_what_the_first_one_kept(rollout, tmp_path):
    rollout.run("kubernetes")
    rollout.run("sagemaker")

    history = rollout.kept(tmp_path / "kept")[1]
    assert [tag["tag_name"] for tag in rollout.github["releases"]] == [
        "home/v2-run1001-kubernetes-1",
        "home/v2-run1001-sagemaker-1",
    ]
    assert history.count("delivery_finished") == 2


def test_a_home_of_a_version_that_another_run_overtook_is_not_delivered(rollout):
    asset = {"name": "home.tar.gz", "state": "uploaded", "digest": "sha256:" + "1" * 64}
    other = {"tag_name": "home/v2-run999-local-1", "draft": False, "published_at": "2013", "assets": [asset]}
    rollout.github["releases"] = [other]

    run = rollout.run("kubernetes")

    assert states(run, "kubernetes")["Bring the promoted version"] == "failure"
    assert (rollout.champion("kubernetes"), rollout.github["releases"]) == (("v1", 4), [other])


@pytest.mark.nightly
def test_an_image_that_is_there_is_used_when_it_is_the_same_and_never_overwritten(rollout):
    there(rollout, "somebody else's", workflow="rollout.yml")
    refused = rollout.run("vertex")
    there(rollout, rollout.digest, workflow="rollout.yml")
    same = rollout.run("vertex")

    assert (refused.conclusion, same.conclusion) == ("failure", "success")
    assert not any(words.startswith(("docker push", "docker build")) for words in rollout.now["asked"])


FORGED = {
    "nobody signed it": {},
    "another workflow signed it": {"workflow": "train.yml"},
    "a branch's rollout.yml signed it": {"workflow": "rollout.yml", "ref": "refs/heads/topic"},
    "another image was signed": {"workflow": "rollout.yml", "signed": "1" * 64},
}


@pytest.mark.parametrize(
    ("target", "forged"),
    [
        pytest.param(each, forged, marks=() if (each, at) == ("kubernetes", 0) else pytest.mark.nightly)
        for each in TARGETS
        for at, forged in enumerate(FORGED)
    ],
)
def test_an_image_with_the_right_label_that_rollout_did_not_build_is_refused(rollout, target, forged):
    there(rollout, rollout.digest, **FORGED[forged])

    run = rollout.run(target)

    assert states(run, target)["Code and promoted home folder in one image"] == "failure"
    assert (used(rollout), rollout.champion(target)[0]) == ([], "v1")


ACTION = "actions/image/action.yml"
GUARD = 'if [ "$ATTESTED" = true ]; then\n          branch'


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(GUARD, GUARD.replace("= true", "= never"), id="it is not verified"),
        pytest.param("if ! gh attestation", "if false && ! gh attestation", id="its answer does not count"),
    ],
)
def test_a_planted_way_round_the_attestation_is_seen(rollout, old, new):
    path = rollout.repo / ".github" / ACTION
    assert old in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")
    there(rollout, rollout.digest)

    rollout.run("kubernetes")

    assert used(rollout), "the forged image must run here, or the tests above could not fail"


@pytest.mark.nightly
def test_only_the_variable_of_a_maintainer_switches_the_image_s_attestation_off(rollout):
    there(rollout, rollout.digest)

    run = rollout.run("kubernetes", variables={**SET_UP, "ATTESTATIONS": "off"})

    assert run.conclusion == "success"


WEIGHTS = ("5 $(touch pwned) 100", "25 5 100", "5 25", "", "0 100", "*", "5;touch pwned;100", "1e2")


@pytest.mark.parametrize(
    "weights", [pytest.param(one, marks=() if at < 1 else pytest.mark.nightly) for at, one in enumerate(WEIGHTS)]
)
def test_weights_that_do_not_rise_to_100_are_refused_before_anything_is_changed(rollout, weights):
    run = rollout.run("sagemaker", weights=weights)

    assert states(run, "sagemaker")["Deliver"] == "failure"
    assert not [words for words in rollout.now["asked"] if words.startswith(("create", "update_endpoint "))]
    assert not list(rollout.folder.rglob("pwned"))
