"""The checker of manifests: what points at nothing is found, on its line, and nothing else is."""

from __future__ import annotations

import io
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlops_lab.adapters.exports import to_kubernetes
from mlops_lab.adapters.kubernetes.manifests import check_manifests, read_manifests
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
# What is written in the place of what, what the message must name, and what stands in its line.
PLANTED = {
    "a selector beside its labels": (
        "matchLabels: {app: late-flights}",
        "matchLabels: {app: l}",
        "labels of its template",
        "selector:",
    ),
    "a mount without a volume": (
        "{name: home, mountPath",
        "{name: hom, mountPath",
        "did you mean 'home'",
        "{name: hom,",
    ),
    "a volume of another name": (
        "- name: home\n          emptyDir",
        "- name: houses\n          emptyDir",
        "there is houses",
        "{name: home, mount",
    ),
    "a probe of a port nobody named": ("ready, port: http", "ready, port: htp", "did you mean 'http'?", "port: htp"),
    "a port that lost its name": ("- name: http\n", "- name: web\n", "readinessProbe asks port 'http'", "port: http}"),
    "a Service that chooses no pod": (
        "  selector: {app: late-flights}",
        "  selector: {app: late-flight}",
        "no pod",
        "selector:",
    ),
    "a Service of a port nobody named": ("targetPort: http", "targetPort: https", "did you mean 'http'", "https"),
    "a budget that chooses no pod": (
        "minAvailable: 2\n  selector:\n    matchLabels: {app: late-flights}",
        "minAvailable: 2\n  selector:\n    matchLabels: {app: late, track: stable}",
        "no pod",
        "selector:",
    ),
    "a budget that blocks every drain": ("minAvailable: 2", "minAvailable: 4", "drained", "minAvailable: 4"),
    "a budget that blocks in percent": ("minAvailable: 2", "minAvailable: 100%", "drained", "minAvailable: 100%"),
    "an autoscaler that lets a budget block": ("minReplicas: 4", "minReplicas: 2", "2 of 2 pods", "minAvailable: 2"),
    "an autoscaler of nothing": (
        "kind: Deployment, name: late-flights",
        "kind: Deployment, name: late",
        "'late'",
        "name: late}",
    ),
}


def written(folder, text, name="all.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def checked(*paths):
    return check_manifests(read_manifests(paths))


def test_sound_manifests_have_no_findings(tmp_path):
    assert checked(written(tmp_path, SOUND)) == []


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_defect_is_found_on_its_line(planted, tmp_path):
    before, after, named, there = PLANTED[planted]
    assert before in SOUND
    text = SOUND.replace(before, after, 1)

    found = checked(written(tmp_path, text))

    line = next(line for _, line, message in found if named in message)
    assert len(found) <= 2, found  # a port that lost its name is missed by the Service too
    assert there in text.split("\n")[line - 1]


@pytest.mark.parametrize(
    ("change", "defects"),
    [
        pytest.param(
            ("matchLabels: {app: late-flights}\n  strategy", "matchExpressions: [{key: app}]\n  strategy"),
            0,
            id="expressions",
        ),
        pytest.param(("targetPort: http", "targetPort: 8080"), 0, id="a-port-by-number"),
        pytest.param(("minAvailable: 2", "maxUnavailable: 1"), 0, id="another-budget"),
        pytest.param(("minAvailable: 2", "minAvailable: 75%"), 0, id="three-of-four"),
        pytest.param(("kind: Deployment, name: late-flights}", "kind: Rollout, name: late}"), 0, id="scaled-elsewhere"),
    ],
)
def test_what_is_right_in_another_way_is_no_defect(change, defects, tmp_path):
    assert change[0] in SOUND

    assert len(checked(written(tmp_path, SOUND.replace(*change, 1)))) == defects


def measured(condition, answer):
    """A condition in Argo's expression language, with `result` the answer of Prometheus; None where it is an error."""
    text = re.sub(r"!(?!=)", " not ", condition.replace("&&", " and ").replace("||", " or "))
    try:
        return bool(eval(text, {"__builtins__": {}}, {"result": answer, "len": len, "isNaN": math.isnan}))  # noqa: S307
    except IndexError:
        return None


def phase_of(metric, answer):
    """As Argo decides: a failure before a success; of two conditions that are both false nobody knows."""
    failed, passed = (measured(metric[name], answer) for name in ("failureCondition", "successCondition"))
    if failed is None or passed is None:
        return "Error"
    return "Failed" if failed else "Successful" if passed else "Inconclusive"


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

    assert phase_of(metric, answer) == phase
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

    found = checked(tmp_path)

    assert [(path.endswith("b.yml"), line) for path, line, _ in found] == [(True, 8)]


def test_a_partial_patch_is_no_defect(tmp_path):
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: late}\nspec: {replicas: 2}\n"

    assert checked(written(tmp_path, patch)) == []


def test_the_objects_of_a_list_are_checked(tmp_path):
    items = [json.loads(json.dumps(each)) for each in YAML(typ="safe").load_all(SOUND)]
    items[1]["spec"]["selector"] = {"app": "nobody"}

    found = checked(written(tmp_path, json.dumps({"apiVersion": "v1", "kind": "List", "items": items})))

    assert [message for _, _, message in found] == [
        "Service late-flights: its selector chooses no pod of these manifests."
    ]


@pytest.mark.parametrize(
    "text", ["", "---\n---\n", "a: 1\n", "- op: add\n  path: /x\n", "null", "42", "kind: 3\napiVersion: 4\n"]
)
def test_what_is_no_object_is_passed_over(text, tmp_path):
    assert checked(written(tmp_path, text)) == []


@pytest.mark.parametrize("text", ["a: [1", "a: 1\n b: 2", "\tx", "a: &x *y", "a: {b: 'c", 'a: 1\nb: "c\n'])
def test_what_is_no_yaml_is_told_with_its_file_and_line(text, tmp_path):
    path = written(tmp_path, text)

    with pytest.raises(InvalidData, match=r"all\.yaml:[12]: no YAML"):
        checked(path)


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UnknownName, match="no file or folder"):
        read_manifests([tmp_path / "nothing"])
    with pytest.raises(InvalidData, match=r"there is no \.yaml"):
        read_manifests([tmp_path])
    (tmp_path / "x.yaml").write_bytes(b"a: \xff\xfe\x00")
    with pytest.raises(InvalidData, match=r"x\.yaml.*no YAML"):
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

    found = checked(written(folder, json.dumps(whole) + "\n---\n" + SOUND))

    assert all(line > 0 for _, line, _ in found)


def test_the_command_prints_each_finding_and_fails(tmp_path, capsys):
    path = written(tmp_path, SOUND.replace("targetPort: http", "targetPort: web"))

    code = main(["manifests", "check", str(path)])

    told = capsys.readouterr()
    assert code == 1
    assert told.out.startswith(f"{path.as_posix()}:41: Service late-flights: targetPort 'web'")
    assert "1 defect in 5 objects" in told.err


def test_the_command_answers_in_json_and_reads_a_pipe(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(SOUND.replace("targetPort: http", "targetPort: web")))

    code = main(["manifests", "check", "-", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [(each["path"], each["line"]) for each in told["findings"]] == [("<stdin>", 41)]


def test_the_command_is_content_with_sound_manifests(tmp_path, capsys):
    assert main(["manifests", "check", str(written(tmp_path, SOUND))]) == 0
    assert capsys.readouterr().out == "5 objects, nothing found.\n"
