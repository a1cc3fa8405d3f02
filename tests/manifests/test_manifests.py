"""The checker of manifests: each defect that a schema lets through is found, with its line, and nothing else is."""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlops_lab.adapters.exports import to_kubernetes
from mlops_lab.adapters.kubernetes.manifests import RULES, check_manifests, quantity, read_manifests
from mlops_lab.adapters.kubernetes.manifests.analysis import verdict
from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.cli import main

SOUND = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: late-flights
spec:
  replicas: 4
  selector:
    matchLabels: {app: late-flights}
  strategy:
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  template:
    metadata:
      labels: {app: late-flights, track: stable}
    spec:
      containers:
        - name: server
          image: example.com/late-flights:v3
          ports:
            - name: http
              containerPort: 8080
          readinessProbe:
            httpGet: {path: /v2/health/ready, port: http}
          resources:
            requests: {cpu: 250m, memory: 512Mi}
            limits: {memory: 1Gi}
          volumeMounts:
            - {name: home, mountPath: /home}
      volumes:
        - name: home
          emptyDir: {}
---
apiVersion: v1
kind: Service
metadata:
  name: late-flights
spec:
  selector: {app: late-flights}
  ports:
    - {port: 80, targetPort: http}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: late-flights
spec:
  minAvailable: 2
  selector:
    matchLabels: {app: late-flights}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: late-flights
spec:
  minReplicas: 4
  maxReplicas: 12
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: late-flights}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata:
  name: late-flights
spec:
  metrics:
    - name: error-rate
      successCondition: len(result) > 0 && result[0] < 0.01
      failureCondition: len(result) > 0 && result[0] >= 0.01
      provider:
        prometheus: {query: "sum(rate(failed[5m])) / sum(rate(asked[5m]))"}
"""
# What is written in the place of what, the rule that must see it, and what the message must name.
PLANTED = {
    "an unknown field": ("maxSurge: 1", "maxSruge: 1", "unknown-field", "did you mean 'maxSurge'?"),
    "a selector beside its labels": (
        "matchLabels: {app: late-flights}",
        "matchLabels: {app: l}",
        "selector",
        "app: l}",
    ),
    "a port too high": ("containerPort: 8080", "containerPort: 80800", "port-range", "80800"),
    "an amount that is none": ("memory: 512Mi", "memory: 512Mb", "quantity", "'512Mb'"),
    "a limit below its request": ("memory: 1Gi", "memory: 256Mi", "limit-below-request", "256Mi"),
    "an update that cannot begin": ("maxSurge: 1", "maxSurge: 0", "no-way-forward", "no update can begin"),
    "a name with capitals": (
        "  name: late-flights\nspec:\n  replicas",
        "  name: Late_Flights\nspec:\n  replicas",
        "name",
        "'Late_Flights'",
    ),
    "a probe that asks nothing": (
        "httpGet: {path: /v2/health/ready, port: http}",
        "periodSeconds: 5",
        "probe-handler",
        "asks nothing",
    ),
    "a mount without a volume": ("{name: home, mountPath", "{name: hom, mountPath", "mount-without-volume", "'hom'"),
    "a probe of a port nobody named": ("ready, port: http", "ready, port: htp", "port-name", "did you mean 'http'?"),
    "a probe that asks twice": (
        "readinessProbe:\n",
        "readinessProbe:\n            tcpSocket: {port: http}\n",
        "probe-handler",
        "2 ways",
    ),
    "a probe of port 0": ("ready, port: http", "ready, port: 0", "port-range", "port 0"),
    "a mistyped field of a probe": (
        "readinessProbe:\n",
        "readinessProbe:\n            periodSecond: 5\n",
        "unknown-field",
        "'periodSeconds'",
    ),
    "a Service that chooses no pod": (
        "  selector: {app: late-flights}",
        "  selector: {app: late-flight}",
        "selector",
        "no pod",
    ),
    "a Service of a port nobody named": ("targetPort: http", "targetPort: https", "port-name", "'https'"),
    "a budget that blocks every drain": ("minAvailable: 2", "minAvailable: 4", "no-way-forward", "drained"),
    "a budget that blocks in percent": ("minAvailable: 2", "minAvailable: 100%", "no-way-forward", "drained"),
    "an autoscaler of nothing": (
        "kind: Deployment, name: late-flights",
        "kind: Deployment, name: late",
        "scale-target",
        "'late'",
    ),
    "an analysis that no answer passes": (
        "len(result) > 0 && result[0] < 0.01",
        "len(result) == 0 || isNaN(result[0]) || result[0] < 0.01",
        "no-answer",
        "an empty answer and NaN",
    ),
    "an autoscaler upside down": ("minReplicas: 4", "minReplicas: 40", "no-way-forward", "maxReplicas 12"),
}


def written(folder, text, name="all.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def test_sound_manifests_have_no_findings(tmp_path):
    assert check_manifests([written(tmp_path, SOUND)]) == []


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_defect_is_found_alone_and_on_its_line(planted, tmp_path):
    before, after, rule, named = PLANTED[planted]
    assert before in SOUND
    text = SOUND.replace(before, after, 1)

    found = check_manifests([written(tmp_path, text)])

    line = found[0].line
    assert [each.rule for each in found] in ([rule], [rule, "selector", "selector"], [rule, "scale-target"]), found
    assert named in found[0].message
    changed = {n for n, (a, b) in enumerate(zip(SOUND.split("\n"), text.split("\n"), strict=False), 1) if a != b}
    assert min(changed) - 4 <= line <= max(changed) + 1


def test_every_rule_is_planted():
    assert {rule for _, _, rule, _ in PLANTED.values()} == set(RULES)


# What a metric says, and which answers of Prometheus it takes for a success; Argo's own order is: failure, success,
# inconclusive; without a successCondition everything that is no failure is a success; an error is an error.
CONDITIONS = {
    "both, silence is neither": ("len(result) > 0 && result[0] < 0.01", "len(result) > 0 && result[0] >= 0.01", None),
    "only success": ("result[0] < 0.01", None, None),
    "only success, asked first": ("len(result) > 0 && !isNaN(result[0]) && result[0] <= 0.01", None, None),
    "only failure": (None, "result[0] >= 0.01", "NaN"),
    "only failure, asked first": (None, "len(result) > 0 && result[0] >= 0.01", "an empty answer and NaN"),
    "failure that knows of silence": (None, "len(result) == 0 || isNaN(result[0]) || result[0] > 0.01", None),
    "in words": ("result[0] < 0.01 or isNaN(result[0])", None, "NaN"),
    "negated": ("!(result[0] >= 0.01)", None, "NaN"),
    "a default": ("default(result[0], 0) < 0.01", None, None),  # not read here, so nothing is said of it
    "no YAML text": (3, None, None),
    "no conditions": (None, None, "an empty answer and NaN"),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_an_analysis_may_not_take_silence_for_success(name, tmp_path):
    success, failure, told = CONDITIONS[name]
    metric = {"name": "errors", "provider": {"prometheus": {"query": "up"}}}
    metric |= {"successCondition": success} if success is not None else {}
    metric |= {"failureCondition": failure} if failure is not None else {}
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "ClusterAnalysisTemplate", "metadata": {"name": "late"},
        "spec": {"metrics": [metric, {"name": "job", "provider": {"job": {}}}]},
    }  # fmt: skip

    found = check_manifests([written(tmp_path, json.dumps(manifest), "analysis.json")])

    assert [each.rule for each in found] == (["no-answer"] if told else [])
    assert told is None or f"takes {told} for" in found[0].message


def shipped_analysis():
    files = to_kubernetes()
    (template,) = [
        each for each in YAML(typ="safe").load_all(files["overlays/production-argo/analysis.yaml"]) if each is not None
    ]
    (metric,) = template["spec"]["metrics"]
    return metric


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        ([], "Inconclusive"),  # no request was ever counted: the canary is not scraped, or nobody is sent to it
        ([float("nan")], "Inconclusive"),  # nobody asked for five minutes
        ([0.0], "Successful"),
        ([0.0099], "Successful"),
        ([0.01], "Failed"),
        ([1.0], "Failed"),
    ],
)
def test_the_shipped_analysis_promotes_nobody_whom_nobody_asked(answer, phase):
    metric = shipped_analysis()

    assert verdict(metric, answer) == phase
    assert 0 <= metric["inconclusiveLimit"] < metric["count"] / 2  # else the rollout goes on, quiet as it is


def test_the_shipped_analysis_counts_only_what_clients_ask():
    query = shipped_analysis()["provider"]["prometheus"]["query"]

    routes = set(re.findall(r'route=~"([^"]*)"', query))
    (pattern,) = routes
    assert query.count("route=~") == query.count("mlops_lab_requests_total")
    asked = ["/invocations", "/predict", "/v1/models:predict", "/v2/models/infer"]
    probes = ["/ping", "/health", "/v2/health/ready", "/v2/health/live", "/metrics", "/v2/models/ready", "/v2"]
    assert [route for route in asked + probes if re.fullmatch(pattern, route)] == asked
    # A server that never failed has no series of failures; without this the whole answer would be empty.
    assert "or vector(0)" in query.partition("/ sum")[0]


def test_relations_are_looked_for_across_files(tmp_path):
    deployment, rest = SOUND.split("---\n", 1)
    written(tmp_path, deployment, "a.yaml")
    written(tmp_path, rest.replace("targetPort: http", "targetPort: web"), "b.yml")

    found = check_manifests([tmp_path])

    assert [(each.path.endswith("b.yml"), each.rule) for each in found] == [(True, "port-name")]


def test_a_partial_patch_is_no_defect(tmp_path):
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: late}\nspec: {replicas: 2}\n"

    assert check_manifests([written(tmp_path, patch)]) == []


def test_the_objects_of_a_list_are_checked(tmp_path):
    text = (
        "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Namespace\n    metadata:\n      name: A_B\n"
    )

    found = check_manifests([written(tmp_path, text)])

    assert [(each.line, each.rule) for each in found] == [(7, "name")]


@pytest.mark.parametrize(
    "text", ["", "---\n---\n", "a: 1\n", "- op: add\n  path: /x\n", "null", "42", "kind: 3\napiVersion: 4\n"]
)
def test_what_is_no_object_is_passed_over(text, tmp_path):
    assert check_manifests([written(tmp_path, text)]) == []


@pytest.mark.parametrize("text", ["a: [1", "a: 1\n b: 2", "\tx", "a: &x *y", "a: {b: 'c"])
def test_what_is_no_yaml_is_told_with_its_file_and_line(text, tmp_path):
    path = written(tmp_path, text)

    with pytest.raises(InvalidData, match=r"all\.yaml:[12]: no YAML"):
        check_manifests([path])


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(UnknownName, match="no file or folder"):
        read_manifests([tmp_path / "nothing"])
    with pytest.raises(InvalidData, match=r"there is no \.yaml"):
        read_manifests([tmp_path])


def test_bytes_that_are_no_text_are_told(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InvalidData, match="UTF-8"):
        read_manifests([tmp_path])


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 99999) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "containers",
                        "ports",
                        "name",
                        "readinessProbe",
                        "resources",
                        "limits",
                        "volumeMounts",
                        "httpGet",
                        "port",
                        "metadata",
                        "labels",
                        "matchLabels",
                        "cpu",
                        "spec",
                        "template",
                        "selector",
                        "replicas",
                        "minAvailable",
                        "matchExpressions",
                        "scaleTargetRef",
                        "volumes",
                        "strategy",
                        "rollingUpdate",
                        "maxSurge",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=25,
    ),
    st.sampled_from(["Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "StatefulSet", "Pod"]),
)
def test_no_shape_of_an_object_breaks_the_checker(tmp_path_factory, spec, kind):
    folder = tmp_path_factory.mktemp("shape")
    whole = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}

    found = check_manifests([written(folder, json.dumps(whole) + "\n---\n" + SOUND)])

    assert all(each.rule in RULES for each in found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("5.", 5),
        ("100m", "0.1"),
        ("1Ki", 1024),
        ("1k", 1000),
        ("2E", 2 * 10**18),
        ("1e3", 1000),
        ("-1", -1),
        (2, 2),
        (0.5, "0.5"),
        ("12E2", 1200),
    ],
)
def test_quantities_mean_what_kubernetes_takes_them_for(text, value):
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "Mi", "1KiB", "1K", "512Mb", "1 Gi", "0x10", "1e", "1e3Mi", "ten", None, True, [], "9" * 99]
)
def test_what_is_no_quantity_is_none(text):
    assert quantity(text) is None


def test_the_command_prints_each_finding_and_fails(tmp_path, capsys):
    path = written(tmp_path, SOUND.replace("512Mi", "512Mb"))

    code = main(["manifests", "check", str(path)])

    told = capsys.readouterr()
    assert code == 1
    assert told.out.startswith(f"{path.as_posix()}:26: quantity: Deployment late-flights: memory '512Mb'")
    assert "1 defect in 5 objects" in told.err


def test_the_command_answers_in_json_and_reads_a_pipe(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(SOUND.replace("512Mi", "512Mb")))

    code = main(["manifests", "check", "-", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [(each["path"], each["rule"]) for each in told["findings"]] == [("<stdin>", "quantity")]


def test_the_command_is_content_with_sound_manifests(tmp_path, capsys):
    assert main(["manifests", "check", str(written(tmp_path, SOUND))]) == 0
    assert capsys.readouterr().out == "5 objects, nothing found.\n"
