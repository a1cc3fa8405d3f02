"""Targets: weights as the target really does them, in an order that loses nothing, and neutral where there is none."""

from __future__ import annotations

import json
import os
import stat
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.adapters.split import LostHalfWay, Release
from mlops_lab.adapters.targets import (
    KubernetesTarget,
    SageMakerTarget,
    TargetUnreachable,
    VertexTarget,
    pods_for,
    shift,
)
from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, NotAllowed
from mlops_lab.cli import main

NAMES = ("KUBE_NAMESPACE", "SAGEMAKER_ENDPOINT", "VERTEX_ENDPOINT")


@pytest.fixture(autouse=True)
def nothing_set_up(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


class Cluster:
    """Deployments and their pods; it remembers the fewest pods that were ready at any time."""

    def __init__(self, champion, challenger, autoscaler=None):
        self.pods = {"late-flights": champion, "late-flights-canary": challenger}
        self.autoscaler, self.notes, self.of_canary, self.changes = autoscaler, {}, {}, 0
        self.fewest, self.images = champion + challenger, {}
        self.said = []

    def __call__(self, words):
        self.said.append(" ".join(words[:3]))
        if words[0] == "scale":
            self.pods[words[1].removeprefix("deployment/")] = int(words[2].removeprefix("--replicas="))
            self.fewest = min(self.fewest, sum(self.pods.values()))
        if words[:2] == ["get", "deployment"]:
            notes = {"annotations": self.of_canary} if words[2].endswith("canary") and self.of_canary else {}
            about = {**notes, "resourceVersion": str(self.changes)}
            server = {"name": "server", "image": self.images.get(words[2], "late:v1")}
            template = {"spec": {"containers": [server]}}
            return json.dumps({"metadata": about, "spec": {"replicas": self.pods[words[2]], "template": template}})
        if words[:2] == ["set", "image"]:
            self.images[words[2].removeprefix("deployment/")] = words[3].partition("=")[2]
        if words[0] == "annotate":
            if any(word.startswith("--resource-version=") and word[19:] != str(self.changes) for word in words):
                raise MlopsLabError("kubectl annotate refused: the object has been modified")
            self.changes += 1
            for note in words[2:]:
                key, _, value = note.removesuffix("-").partition("=")
                if value and not note.startswith("--"):
                    self.of_canary[key] = value
                else:
                    self.of_canary.pop(key, None)
        if words[:2] == ["get", "hpa"]:
            return (
                json.dumps({"metadata": {"annotations": self.notes}, "spec": self.autoscaler})
                if self.autoscaler
                else ""
            )
        if words[:2] == ["patch", "hpa"]:
            patch = json.loads(words[4].removeprefix("--patch="))
            self.autoscaler = patch["spec"]
            notes = {**self.notes, **patch["metadata"]["annotations"]}
            self.notes = {key: value for key, value in notes.items() if value is not None}
        return ""


@given(st.integers(0, 100), st.integers(2, 500))
def test_pods_are_the_closest_share_that_gives_both_something(weight, pods):
    champion, challenger = pods_for(weight, pods)

    assert champion + challenger == pods
    assert (challenger == 0) == (weight == 0)
    assert (champion == 0) == (weight == 100)
    best = min(range(1, pods), key=lambda n: abs(100 * n / pods - weight)) if 0 < weight < 100 else challenger
    assert abs(100 * challenger / pods - weight) == pytest.approx(abs(100 * best / pods - weight))


def test_one_pod_cannot_be_shared():
    with pytest.raises(InvalidData, match="ask for 2 at least"):
        pods_for(5, 1)


def test_the_challenger_grows_before_the_champion_shrinks_and_back_the_other_way():
    cluster = Cluster(8, 0)
    target = KubernetesTarget("late", pods=8, call=cluster)

    seen = []
    for weight in (5, 25, 50, 100, 0):
        shift(target, weight)
        seen.append(tuple(cluster.pods.values()))

    assert seen == [(7, 1), (6, 2), (4, 4), (0, 8), (8, 0)]
    assert cluster.fewest == 8


def test_an_autoscaler_is_held_at_the_champions_share_and_only_once():
    cluster = Cluster(8, 0, autoscaler={"minReplicas": 4, "maxReplicas": 20})
    target = KubernetesTarget("late", pods=8, call=cluster)

    shift(target, 25)
    shift(target, 25)

    assert cluster.autoscaler == {"minReplicas": 6, "maxReplicas": 18}  # and 2: as many as it was allowed alone
    assert cluster.said.count("patch hpa late-flights") == 1


def test_an_autoscaler_gets_back_what_it_was_allowed_when_the_champion_has_everything_again():
    cluster = Cluster(8, 0, autoscaler={"minReplicas": 4, "maxReplicas": 20})

    for weight in (5, 25, 100):
        shift(KubernetesTarget("late", pods=8, call=cluster), weight)
    shift(KubernetesTarget("late", pods=8, call=cluster), 0)  # another process, after a crash

    assert cluster.autoscaler == {"minReplicas": 4, "maxReplicas": 20}
    assert cluster.notes == {}


def test_of_two_releases_at_once_the_second_is_told_whose_the_challenger_is():
    cluster = Cluster(8, 0)
    first, second = (KubernetesTarget("late", call=cluster) for _ in range(2))
    first.put_challenger(Release(2, "late:v2"))
    first.set_weight(25)

    with pytest.raises(NotAllowed, match=r"held by the release v2-.*kubectl annotate .* mlops-lab/rollout-"):
        second.put_challenger(Release(3, "late:v3"))
    with pytest.raises(NotAllowed, match="held by the release v2-"):
        second.set_weight(5)

    assert (cluster.images["late-flights-canary"], cluster.pods["late-flights-canary"]) == ("late:v2", 2)
    first.set_weight(50)
    first.make_champion(Release(2, "late:v2"))
    second.put_challenger(Release(3, "late:v3"))
    assert cluster.images == {"late-flights": "late:v2", "late-flights-canary": "late:v3"}


def test_of_two_releases_in_one_moment_the_cluster_takes_one():
    cluster = Cluster(8, 0)
    second = KubernetesTarget("late", call=cluster)

    def slow(words):
        if any(word.startswith("mlops-lab/rollout=") for word in words):
            second.put_challenger(Release(3, "late:v3"))  # between what the first has read and what it writes
        return cluster(words)

    with pytest.raises(NotAllowed, match="changed by somebody else in this moment"):
        KubernetesTarget("late", call=slow).put_challenger(Release(2, "late:v2"))

    assert cluster.images == {"late-flights-canary": "late:v3"}
    second.set_weight(5)


def test_a_release_that_was_taken_back_by_hand_gives_nothing_more():
    cluster = Cluster(8, 0)
    release = KubernetesTarget("late", call=cluster)
    release.put_challenger(Release(2, "late:v2"))
    release.set_weight(25)

    KubernetesTarget("late", call=cluster).set_weight(0)

    assert (cluster.of_canary, cluster.pods) == ({}, {"late-flights": 8, "late-flights-canary": 0})
    for goes_on in (lambda: release.set_weight(50), lambda: release.make_champion(Release(2, "late:v2"))):
        with pytest.raises(NotAllowed, match="taken back by somebody else"):
            goes_on()
    assert cluster.pods == {"late-flights": 8, "late-flights-canary": 0}
    KubernetesTarget("late", call=cluster).put_challenger(Release(3, "late:v3"))


def test_a_release_that_never_got_a_share_lets_go_too():
    cluster = Cluster(8, 0)
    release = KubernetesTarget("late", call=cluster)
    release.put_challenger(Release(2, "late:v2"))

    release.set_weight(0)

    assert cluster.of_canary == {}


@given(
    st.integers(1, 40),
    st.lists(st.sampled_from([0, 1, 5, 25, 50, 99, 100]), min_size=1, max_size=6),
    st.sampled_from([None, 2, 4, 30]),
    st.booleans(),
)
def test_production_never_has_fewer_pods_than_before_whatever_is_asked(running, weights, pods, autoscaled):
    cluster = Cluster(running, 0, autoscaler={"minReplicas": 1, "maxReplicas": 50} if autoscaled else None)

    for weight in weights:
        split = shift(KubernetesTarget("late", pods=pods, call=cluster), weight)
        assert split.how == "{} and {} pods".format(*cluster.pods.values())
    shift(KubernetesTarget("late", pods=pods, call=cluster), 0)

    assert cluster.fewest >= running
    assert cluster.pods["late-flights-canary"] == 0
    assert (cluster.autoscaler, cluster.notes) == (({"minReplicas": 1, "maxReplicas": 50} if autoscaled else None), {})


def test_a_rollback_with_nothing_under_way_changes_nothing():
    cluster = Cluster(12, 0, autoscaler={"minReplicas": 4, "maxReplicas": 20})

    split = shift(KubernetesTarget("late", pods=4, call=cluster), 0)

    assert split.how == "12 and 0 pods"
    assert {said.split()[0] for said in cluster.said} == {"get"}


def test_without_a_number_the_pods_that_run_are_shared():
    cluster = Cluster(12, 0, autoscaler={"minReplicas": 4, "maxReplicas": 20})

    split = shift(KubernetesTarget("late", call=cluster), 25)

    assert split.how == "9 and 3 pods"
    assert cluster.autoscaler == {"minReplicas": 9, "maxReplicas": 17}


def test_a_step_that_was_cut_off_is_gone_on_with_and_adds_no_pods():
    cluster = Cluster(12, 0)

    def cut_off(words):
        if words[0] == "rollout":
            raise MlopsLabError("the job was ended")
        return cluster(words)

    with pytest.raises(MlopsLabError, match="was ended"):
        shift(KubernetesTarget("late", call=cut_off), 25)
    assert cluster.pods == {"late-flights": 12, "late-flights-canary": 3}
    shift(KubernetesTarget("late", call=cluster), 25)

    assert cluster.pods == {"late-flights": 9, "late-flights-canary": 3}
    assert cluster.of_canary == {}


def test_a_step_that_was_cut_off_before_it_changed_anything_is_forgotten_when_it_is_taken_back():
    cluster = Cluster(4, 0)

    def cut_off(words):
        if words[0] == "scale":
            raise KeyboardInterrupt
        return cluster(words)

    with pytest.raises(KeyboardInterrupt):
        KubernetesTarget("late", pods=8, call=cut_off).set_weight(25)
    assert cluster.of_canary == {"mlops-lab/step": "4+0-6+2"}
    shift(KubernetesTarget("late", call=cluster), 0)

    assert (cluster.pods, cluster.of_canary) == ({"late-flights": 4, "late-flights-canary": 0}, {})


def test_what_load_adds_while_the_challenger_starts_stays():
    cluster = Cluster(12, 0)

    def busy(words):
        if words[0] == "rollout" and cluster.pods["late-flights"] == 12:
            cluster.pods["late-flights"] = 16
        return cluster(words)

    split = shift(KubernetesTarget("late", call=busy), 25)

    assert split.how == "12 and 4 pods"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("deployment", {"spec": {"replicas": None}}),
        ("deployment", {"spec": {"replicas": "three"}}),
        ("hpa", {"metadata": None, "spec": {"minReplicas": 1, "maxReplicas": None}}),
        ("hpa", {"spec": {"minReplicas": [1], "maxReplicas": 4}}),
    ],
)
def test_a_number_of_pods_that_is_none_is_an_error_of_ours_and_nothing_is_scaled(kind, answer):
    cluster = Cluster(4, 1)

    with pytest.raises(MlopsLabError, match="for a number of pods"):
        shift(KubernetesTarget("late", call=lambda w: json.dumps(answer) if w[1] == kind else cluster(w)), 25)

    assert not any(said.startswith(("scale", "patch")) for said in cluster.said)


@pytest.mark.parametrize("note", ["x", "3-", "4 - 20"])
def test_bounds_of_an_autoscaler_that_somebody_wrote_over_stay_as_they_are(note):
    cluster = Cluster(6, 2, autoscaler={"minReplicas": 4, "maxReplicas": 20})
    cluster.notes = {"mlops-lab/allowed": note}

    shift(KubernetesTarget("late", call=cluster), 0)

    assert (cluster.autoscaler, cluster.notes) == ({"minReplicas": 4, "maxReplicas": 20}, {})


def test_a_challenger_that_is_not_there_is_told_and_nothing_is_scaled():
    cluster = Cluster(4, 0)

    def without(words):
        return "" if words[1:3] == ["deployment", "late-flights-canary"] else cluster(words)

    with pytest.raises(MlopsLabError, match="has no Deployment late-flights-canary; apply the overlay"):
        shift(KubernetesTarget("late", call=without), 25)
    assert cluster.pods == {"late-flights": 4, "late-flights-canary": 0}


def test_a_challenger_that_vanished_is_taken_back_and_the_autoscaler_is_let_go():
    cluster = Cluster(12, 0, autoscaler={"minReplicas": 4, "maxReplicas": 20})
    shift(KubernetesTarget("late", call=cluster), 25)

    def without(words):
        if any(word.endswith("late-flights-canary") for word in words[1:3]):
            if words[0] == "get":
                return ""
            raise MlopsLabError('deployments.apps "late-flights-canary" not found')
        return cluster(words)

    split = shift(KubernetesTarget("late", call=without), 0)

    assert (split.champion, split.how) == (100.0, "9 and 0 pods")
    assert (cluster.autoscaler, cluster.notes) == ({"minReplicas": 4, "maxReplicas": 20}, {})


def test_an_autoscaler_that_asks_for_more_than_the_share_is_held_at_it_and_gets_its_bounds_back():
    cluster = Cluster(12, 0, autoscaler={"minReplicas": 10, "maxReplicas": 12})
    target = KubernetesTarget("late", call=cluster)

    half = shift(target, 50)
    held = dict(cluster.autoscaler)
    shift(target, 0)

    assert (half.how, held) == ("6 and 6 pods", {"minReplicas": 6, "maxReplicas": 6})
    assert (cluster.pods["late-flights"], cluster.autoscaler) == (12, {"minReplicas": 10, "maxReplicas": 12})


def test_a_cluster_that_is_lost_half_way_is_an_error_and_not_neutral():
    cluster = Cluster(4, 0)

    def lost(words):
        if words[0] == "rollout":
            raise TargetUnreachable("kubernetes", "no cluster answers kubectl")
        return cluster(words)

    with pytest.raises(MlopsLabError, match="lost half-way") as caught:
        shift(KubernetesTarget("late", call=lost), 25)
    assert not isinstance(caught.value, TargetUnreachable)


class Refusing:
    """A client whose every call fails as botocore's do, with a secret in the request."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        def call(**request):
            raise self.error

        return call


class LostAtTheUpdate(Refusing):
    def describe_endpoint(self, **request):
        variants = [{"VariantName": name} for name in ("champion", "challenger")]
        return {"EndpointStatus": "InService", "ProductionVariants": variants}


def test_an_endpoint_that_is_lost_at_the_update_is_an_error_and_not_neutral():
    class EndpointConnectionError(Exception):
        pass

    with pytest.raises(MlopsLabError, match="lost half-way") as caught:
        shift(SageMakerTarget("late", client=LostAtTheUpdate(EndpointConnectionError())), 5)
    assert not isinstance(caught.value, TargetUnreachable)


@pytest.mark.parametrize("weight", [-1, 101, 5.0, True, "5", None])
def test_what_is_no_weight_is_refused_before_anything_is_asked(weight):
    cluster = Cluster(4, 0)

    with pytest.raises(InvalidData, match="whole number of percent"):
        shift(KubernetesTarget("late", call=cluster), weight)

    assert cluster.said == []


@pytest.mark.parametrize("name", ["late", "projects/p/locations/x", "projects/p/locations/x/endpoints/1/y/z", ""])
def test_what_is_no_vertex_endpoint_is_refused(name):
    with pytest.raises(InvalidDefinition, match="write projects/P"):
        VertexTarget(name)


def kubectl(folder, text):
    """A kubectl on the path that does what the text says."""
    path = folder / "kubectl"
    path.write_text(f"#!{sys.executable}\nimport sys\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


TWO_DEPLOYMENTS = """
pods = 4 * ("late-flights" in sys.argv)
if sys.argv[1:3] == ["get", "deployment"]:
    print('{"spec": {"replicas": %d}}' % pods)
"""


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script")
@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (TWO_DEPLOYMENTS, 0, "champion 75 %, challenger 25 %; 3 and 1 pods"),
        ("sys.exit('The connection to the server localhost:8080 was refused')", 4, "no cluster answers kubectl"),
        ("sys.exit('dial tcp: lookup x: no such host')", 4, "no cluster answers kubectl"),
        ("sys.exit('Error from server (Forbidden): deployments is forbidden')", 1, "kubectl get refused"),
        (
            f"{TWO_DEPLOYMENTS}if sys.argv[1] == 'rollout': sys.exit('error: exceeded its progress deadline')",
            1,
            "progress deadline",
        ),
    ],
)
def test_the_command_calls_kubectl_and_tells_away_from_refused(text, code, told, tmp_path, monkeypatch, capsys):
    kubectl(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["deploy", "kubernetes", "--weight", "25", "--endpoint", "late"]) == code
    heard = capsys.readouterr()
    assert told in heard.out + heard.err


def test_without_kubectl_it_is_neutral(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KUBE_NAMESPACE", "late")

    assert main(["deploy", "kubernetes", "--rollback", "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["reached"], told["split"]) == (False, None)
    assert told["why"] == "kubernetes cannot be reached from here: kubectl is not installed. Nothing was changed."


@pytest.mark.parametrize(("target", "name"), tuple(zip(("kubernetes", "sagemaker", "vertex"), NAMES, strict=True)))
def test_a_target_that_is_not_set_up_is_neutral_and_names_the_variable(target, name, capsys):
    assert main(["deploy", target, "--weight", "5"]) == 4
    assert f"the variable {name} is not set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["kubernetes"], "either --weight PERCENT or --rollback"),
        (["kubernetes", "--weight", "5", "--rollback"], "either --weight PERCENT or --rollback"),
        (["kubernets", "--rollback"], "Did you mean 'kubernetes'?"),
        (["vertex", "--rollback", "--endpoint", "x"], "is no endpoint"),
        (["sagemaker", "--weight", "101"], "101"),
    ],
)
def test_what_cannot_be_asked_is_one_line(words, told, capsys):
    assert main(["deploy", *words]) == 1
    assert told in capsys.readouterr().err


class ClientError(Exception):
    def __init__(self):
        super().__init__("x-amz-security-token: SECRET")
        self.response = {"Error": {"Code": "AccessDeniedException", "Message": "not authorised"}}


class NoCredentialsError(Exception):
    pass


def test_a_refusal_is_told_by_code_and_message_and_never_by_the_request():
    with pytest.raises(MlopsLabError) as caught:
        shift(SageMakerTarget("late", client=Refusing(ClientError())), 5)

    assert str(caught.value) == "sagemaker describe_endpoint refused: AccessDeniedException: not authorised"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_missing_credentials_are_away_and_no_refusal():
    with pytest.raises(TargetUnreachable, match="NoCredentialsError"):
        shift(SageMakerTarget("late", client=Refusing(NoCredentialsError("SECRET"))), 5)


class Endpoint:
    """An endpoint that takes so many looks to settle after each change, and refuses another change meanwhile."""

    def __init__(self, looks=3, state="InService", then="InService"):
        self.looks, self.state, self.then, self.left = looks, state, then, looks if state == "Updating" else 0
        self.weights = {"champion": 1.0, "challenger": 0.0}
        self.asked = []

    def describe_endpoint(self, **request):
        if self.state == "Updating":
            self.left -= 1
            self.state = "Updating" if self.left else self.then
        variants = [{"VariantName": name, "CurrentWeight": each} for name, each in self.weights.items()]
        return {"EndpointStatus": self.state, "ProductionVariants": variants}

    def update_endpoint_weights_and_capacities(self, DesiredWeightsAndCapacities, **request):  # noqa: N803
        assert self.state != "Updating"
        wanted = {each["VariantName"]: each["DesiredWeight"] for each in DesiredWeightsAndCapacities}
        self.asked.append(wanted["challenger"])
        if self.then == "InService":
            self.weights = wanted
        self.state, self.left = "Updating", self.looks


def test_each_weight_waits_until_the_endpoint_is_in_service_again():
    endpoint = Endpoint()
    target = SageMakerTarget("late", client=endpoint, clock=FakeClock())

    for weight in (5, 25, 100, 0):
        shift(target, weight)
        assert endpoint.state == "InService"

    assert endpoint.asked == [5, 25, 100, 0]


def test_an_endpoint_that_never_settles_is_told_after_the_longest_wait():
    clock = FakeClock("2014-01-01")

    with pytest.raises(MlopsLabError, match=r"is Updating after 6\d\d? s; wait until it is InService"):
        shift(SageMakerTarget("late", client=Endpoint(10**9, "Updating"), clock=clock, seconds=60), 5)

    assert clock.now() < parse_utc("2014-01-01T00:02:00Z")


@pytest.mark.parametrize("state", ["Updating", "Failed", "UpdateRollbackFailed", "OutOfService"])
def test_a_rollback_is_asked_for_in_whatever_state_the_endpoint_rests(state):
    endpoint = Endpoint(state=state)

    split = shift(SageMakerTarget("late", client=endpoint, clock=FakeClock()), 0)

    assert (endpoint.asked, split.challenger) == ([0], 0)


@pytest.mark.parametrize("state", ["Failed", "OutOfService"])
def test_an_endpoint_that_is_broken_is_given_no_weight(state):
    endpoint = Endpoint(state=state)

    with pytest.raises(MlopsLabError, match=f"is {state}; wait until it is InService"):
        shift(SageMakerTarget("late", client=endpoint, clock=FakeClock()), 5)

    assert endpoint.asked == []


def test_a_change_that_ends_elsewhere_is_no_success():
    with pytest.raises(MlopsLabError, match="is Failed"):
        shift(SageMakerTarget("late", client=Endpoint(then="Failed"), clock=FakeClock()), 5)


def test_a_change_that_the_service_took_back_is_no_success():
    class Stubborn(Endpoint):
        def update_endpoint_weights_and_capacities(self, **request):
            self.state, self.left = "Updating", 2

    with pytest.raises(MlopsLabError, match="with the weights champion 1 and challenger 0: it rolled back by itself"):
        shift(SageMakerTarget("late", client=Stubborn(), clock=FakeClock()), 5)


class ReadTimeoutError(Exception):
    pass


class Answered(Exception):
    """An error that AWS answers with."""

    def __init__(self, code, message=""):
        super().__init__(code)
        self.response = {"Error": {"Code": code, "Message": message}}


class Lossy(Endpoint):
    """An endpoint whose looks are lost so many times after the change."""

    def __init__(self, error, times):
        super().__init__()
        self.error, self.times = error, times

    def describe_endpoint(self, **request):
        if self.asked and self.times:
            self.times -= 1
            raise self.error
        return super().describe_endpoint(**request)


@pytest.mark.parametrize("error", [ReadTimeoutError(), Answered("ThrottlingException")], ids=repr)
def test_a_look_that_is_lost_while_an_endpoint_settles_is_taken_again(error):
    clock = FakeClock()

    found = shift(SageMakerTarget("late", client=Lossy(error, 3), clock=clock), 5)

    assert found.challenger == 5.0


def test_an_endpoint_that_stays_lost_after_the_change_is_not_neutral_and_one_that_vanished_is_told_at_once():
    for error, told, times in (
        (ReadTimeoutError(), "lost half-way", 10**6),
        (Answered("ValidationException", "Could not find endpoint"), "Could not find", 1),
    ):
        clock = FakeClock("2014-01-01")
        with pytest.raises(MlopsLabError, match=told) as caught:
            shift(SageMakerTarget("late", client=Lossy(error, times), clock=clock), 5)
        assert not isinstance(caught.value, TargetUnreachable)
        assert (clock.now() - FakeClock("2014-01-01").now()).total_seconds() < (2000 if times > 1 else 1)


class ServiceUnavailable(Exception):
    pass


class VertexEndpoint:
    """An endpoint with models of these names, the older first, whose deployments succeed at once."""

    def __init__(self, *names, lost=""):
        self.models = [
            SimpleNamespace(
                id=str(at), display_name=name, model=f"m{at}", dedicated_resources=None, create_time=f"2014-01-0{at}"
            )
            for at, name in enumerate(names, 1)
        ]
        self.lost, self.split = lost, None

    def __getattr__(self, operation):
        def call(request, **_):
            if operation == self.lost:
                raise ServiceUnavailable
            if operation == "get_endpoint":
                return SimpleNamespace(deployed_models=self.models, traffic_split={})
            if operation == "update_endpoint":
                self.split = request["endpoint"]["traffic_split"]
            return SimpleNamespace(result=lambda timeout: SimpleNamespace(model="m"))

        return call


PLACE = "projects/p/locations/r/endpoints/7"


def test_a_vertex_endpoint_that_is_lost_after_a_change_is_not_neutral():
    for lost, kind in (("get_endpoint", TargetUnreachable), ("deploy_model", None), ("undeploy_model", None)):
        target = VertexTarget(PLACE, client=VertexEndpoint("champion", "challenger", lost=lost))
        with pytest.raises(MlopsLabError) as caught:
            target.make_champion(Release(2, "late:v2"))
        assert isinstance(caught.value, kind or LostHalfWay)
        assert isinstance(caught.value, TargetUnreachable) == (kind is TargetUnreachable)


@pytest.mark.parametrize("names", [("champion", "challenger", "champion"), ("champion", "champion", "challenger")])
def test_of_two_champions_after_a_cut_off_change_the_older_gets_the_traffic_back(names):
    endpoint = VertexEndpoint(*names)

    shift(VertexTarget(PLACE, client=endpoint), 0)

    assert endpoint.split["1"] == 100
    assert sum(endpoint.split.values()) == 100
