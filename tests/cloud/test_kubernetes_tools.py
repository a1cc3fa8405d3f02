"""The Kubernetes files in the hands of the real tools: kustomize, the schemas of Kubernetes 1.37, hadolint."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_lab.adapters.exports import to_kubernetes
from mlops_lab.adapters.kubernetes.manifests import check_manifests, read_manifests

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="python start.py test-engines cloud runs it")
yaml = pytest.importorskip("yaml")
IMAGE = "ghcr.io/ada/late-flights:v3"
SETS = (
    "base",
    *(
        f"overlays/{name}"
        for name in ("staging", "production", "production-canary", "production-argo", "production-kserve")
    ),
)
# A defect, and who sees it: the schema, our own checker, or only an API server (`kubectl apply --dry-run=server`;
# measured against Kubernetes 1.20), which none of the packages that these tests may install holds.
DEFECTS = {
    "an unknown field": ("maxSurge: 1", "maxSruge: 1", "schema"),
    "a mistyped probe": ("startupProbe:", "livenessProb: {}\n        startupProbe:\n          x: {}", "schema"),
    "a number that is text": ("containerPort: 8080", "containerPort: eighty", "schema"),
    "a selector beside its labels": (
        "late-flights\n      track: stable\n  strategy",
        "late\n      track: stable\n  strategy",
        "checker",
    ),
    "a mount without a volume": (
        "sizeLimit: 64Mi\n        name: tmp",
        "sizeLimit: 64Mi\n        name: temp",
        "checker",
    ),
    "a probe of a port nobody named": (
        "port: http\n          periodSeconds: 10",
        "port: htp\n          periodSeconds: 10",
        "checker",
    ),
    "a Service of a port nobody named": ("targetPort: http", "targetPort: web", "checker"),
    "a port too high": ("containerPort: 8080", "containerPort: 80800", "server"),
    "an amount that is none": ("memory: 512Mi", "memory: 512Mb", "server"),
    "a limit below its request": ("memory: 1Gi", "memory: 256Mi", "server"),
    "an update that cannot begin": ("maxSurge: 1", "maxSurge: 0", "server"),
    "a name with capitals": (
        "  name: late-flights\nspec:\n  progress",
        "  name: Late_Flights\nspec:\n  progress",
        "checker",  # as the autoscaler scales another
    ),
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kubernetes")
    for name, text in to_kubernetes(image=IMAGE, challenger="ghcr.io/ada/late-flights:v4").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def rendered(folder):
    def render(name):
        command = [str(BIN / "kubectl"), "kustomize", str(folder / name)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    return {name: render(name) for name in SETS}


def schema_faults(path):
    """What `kubernetes-validate --strict` says; in this process, because the command reads 100 MB of schemas anew."""
    found = []
    for document in filter(None, yaml.safe_load_all(path.read_text())):
        try:
            kubernetes_validate.validate(document, "1.37", strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(error.message)
        except kubernetes_validate.SchemaNotFoundError:
            assert document["apiVersion"].split("/")[0] in ("argoproj.io", "serving.kserve.io")
    return found


@pytest.mark.parametrize("name", SETS)
def test_every_set_renders_and_neither_schema_nor_checker_finds_anything(name, rendered, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(rendered[name])

    assert check_manifests(read_manifests([path])) == []
    assert schema_faults(path) == []


@pytest.mark.parametrize("name", SETS)
def test_every_container_runs_the_image_that_was_asked_for_and_little_else(name, rendered, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(rendered[name])
    pods = [each.get("spec", "template", "spec") or each.get("spec", "predictor") for each in read_manifests([path])]

    for pod in filter(None, pods):
        (container,) = pod["containers"]
        assert container["image"] in (IMAGE, "ghcr.io/ada/late-flights:v4")
        secured = {**pod.get("securityContext", {}), **container["securityContext"]}
        assert secured["runAsNonRoot"] is True
        assert secured["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])
        assert {"readinessProbe", "livenessProbe"} <= set(container)


def test_the_canary_has_another_image_behind_the_same_service(rendered, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(rendered["overlays/production-canary"])
    objects = {repr(each): each for each in read_manifests([path])}

    stable = objects["Deployment late-flights"].get("spec", "template")
    canary = objects["Deployment late-flights-canary"].get("spec", "template")

    assert stable["spec"]["containers"][0]["image"] == IMAGE
    assert canary["spec"]["containers"][0]["image"] == "ghcr.io/ada/late-flights:v4"
    selector = objects["Service late-flights"].get("spec", "selector")
    assert all(selector.items() <= each["metadata"]["labels"].items() for each in (stable, canary))


# What a Knative without feature flags takes: https://github.com/knative/serving/blob/main/pkg/apis/serving/fieldmask.go
KNATIVE_POD = {"automountServiceAccountToken", "containers", "volumes", "serviceAccountName", "imagePullSecrets"}
KNATIVE_SECURITY = {
    *("allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"),
    *("runAsGroup", "runAsNonRoot", "runAsUser", "seccompProfile"),
}
KSERVE_OWN = {"canaryTrafficPercent", "minReplicas", "maxReplicas"}


def test_kserve_asks_knative_for_nothing_that_is_off_by_default(rendered, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(rendered["overlays/production-kserve"])
    (service,) = read_manifests([path])

    predictor = service.get("spec", "predictor")

    assert set(predictor) - KSERVE_OWN <= KNATIVE_POD
    assert set(predictor["containers"][0]["securityContext"]) <= KNATIVE_SECURITY


@pytest.mark.parametrize("name", SETS)
def test_no_number_of_pods_is_written_that_an_apply_would_turn_back(name, rendered, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(rendered[name])

    written = {repr(each): each.get("spec", "replicas") for each in read_manifests([path])}

    assert {name: pods for name, pods in written.items() if pods is not None} == {}


def test_argo_takes_the_pods_over_from_the_deployment(rendered, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(rendered["overlays/production-argo"])
    objects = {repr(each): each for each in read_manifests([path])}

    steps = objects["Rollout late-flights"].get("spec", "strategy", "canary", "steps")

    assert [step["setWeight"] for step in steps if "setWeight" in step] == [5, 25, 100]
    assert objects["Rollout late-flights"].get("spec", "workloadRef", "scaleDown") == "never"
    assert objects["HorizontalPodAutoscaler late-flights"].get("spec", "scaleTargetRef", "kind") == "Rollout"


def argo_faults(rollout):
    """What Argo's own linter refuses of a Rollout like ours (pkg/apis/rollouts/validation in its sources)."""
    spec, canary = rollout["spec"], rollout["spec"]["strategy"]["canary"]
    kinds = {"setWeight", "pause", "analysis", "experiment", "setCanaryScale", "plugin"}
    found = [
        f"step {at}: not one of {sorted(kinds)}"
        for at, step in enumerate(canary["steps"])
        if len(step) != 1 or not kinds & set(step)
    ]
    found += [f"setWeight {step['setWeight']}" for step in canary["steps"] if not 0 <= step.get("setWeight", 0) <= 100]
    found += ["one Service for both"] if canary["canaryService"] == canary["stableService"] else []
    found += (
        ["neither surge nor unavailable"]
        if not canary.get("maxSurge", 1) and not canary.get("maxUnavailable", 0)
        else []
    )
    found += ["a template beside workloadRef"] if "workloadRef" in spec and {"template", "selector"} & set(spec) else []
    found += (
        ["canary options of a traffic router"]
        if "trafficRouting" not in canary
        and {*("scaleDownDelaySeconds", "dynamicStableScale", "abortScaleDownDelaySeconds")} & set(canary)
        else []
    )
    late = spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0)
    return found + (["the deadline is before a pod is ready"] if late else [])


def kserve_faults(service):
    """What KServe's webhook refuses of an InferenceService like ours (pkg/apis/serving/v1beta1 in its sources)."""
    predictor = service["spec"]["predictor"]
    found = [] if re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", service["metadata"]["name"]) else ["the name"]
    found += ["fewer at most than at least"] if 0 < predictor["maxReplicas"] < predictor["minReplicas"] else []
    found += ["a share above all"] if not 0 <= predictor["canaryTrafficPercent"] <= 100 else []
    containers = predictor["containers"]
    found += ["another first container"] if containers[0]["name"] != "kserve-container" else []
    ports = [port for one in containers for port in one.get("ports", ())]
    named = len(ports) == 1 and ports[0].get("name") in (None, "", "http1", "h2c")
    return found + ([] if named else ["Knative takes one port, named http1 or h2c"])


@pytest.mark.parametrize(
    ("overlay", "kind", "faults", "before", "after"),
    [
        ("argo", "Rollout", argo_faults, "setWeight: 5", "setWeight: 105"),
        ("argo", "Rollout", argo_faults, "canaryService: late-flights-canary", "canaryService: late-flights-stable"),
        ("argo", "Rollout", argo_faults, "maxSurge: 1", "maxSurge: 0"),
        ("argo", "Rollout", argo_faults, "progressDeadlineSeconds: 600", "progressDeadlineSeconds: 0"),
        ("argo", "Rollout", argo_faults, "strategy:", "template: {}\n  strategy:"),
        ("kserve", "InferenceService", kserve_faults, "maxReplicas: 20", "maxReplicas: 1"),
        ("kserve", "InferenceService", kserve_faults, "canaryTrafficPercent: 100", "canaryTrafficPercent: 101"),
        ("kserve", "InferenceService", kserve_faults, "name: kserve-container", "name: server"),
        ("kserve", "InferenceService", kserve_faults, "name: http1", "name: http"),
    ],
)
def test_the_rules_of_argo_s_linter_and_kserve_s_webhook_hold_and_see_a_planted_fault(
    rendered, overlay, kind, faults, before, after
):
    text = rendered[f"overlays/production-{overlay}"]
    assert before in text

    def told(text):
        return [fault for one in yaml.safe_load_all(text) if one and one["kind"] == kind for fault in faults(one)]

    assert told(text) == []
    assert len(told(text.replace(before, after))) == 1


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_seen_where_we_say(defect, rendered, tmp_path):
    before, after, who = DEFECTS[defect]
    assert before in rendered["base"]
    path = tmp_path / "all.yaml"
    path.write_text(rendered["base"].replace(before, after, 1))

    seen = {"schema": schema_faults(path), "checker": check_manifests(read_manifests([path]))}

    assert [name for name, found in seen.items() if found] == ([] if who == "server" else [who])


def test_hadolint_has_nothing_to_say_of_the_dockerfile():
    done = subprocess.run(
        [str(BIN / "hadolint"), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
