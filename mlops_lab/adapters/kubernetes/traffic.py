"""A challenger's share on a Kubernetes cluster: numbers of pods behind one Service."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from mlops_lab.adapters.split import LostHalfWay, Release, TargetUnreachable, TrafficSplit
from mlops_lab.base.errors import InvalidData, MlopsLabError, NotAllowed

_KEPT = "mlops-lab/allowed"  # on the autoscaler: its bounds before the rollout
_STEP = "mlops-lab/step"  # on the challenger: from which numbers of pods to which, while a step is under way
_HELD = "mlops-lab/rollout"  # on the challenger: whose it is while a release is under way
_SECONDS = 330  # the Deployments' own progressDeadlineSeconds is 300
_NO_CLUSTER = ("connection refused", "no such host", "no configuration", "i/o timeout", "was refused", "timed out")


def pods_for(weight: int, pods: int) -> tuple[int, int]:
    """How many of `pods` pods are the champion's and how many the challenger's, closest to `weight` percent.

    A challenger that is given anything gets one pod at least, and so does the champion below 100 percent: a Service
    knows whole pods only.

    >>> pods_for(5, 4), pods_for(5, 20), pods_for(25, 4), pods_for(0, 4), pods_for(100, 4)
    ((3, 1), (19, 1), (3, 1), (4, 0), (0, 4))
    """
    if pods < 1 or (pods < 2 and 0 < weight < 100):
        raise InvalidData(f"{pods} pods cannot be shared between a champion and a challenger; ask for 2 at least.")
    challenger = round(weight * pods / 100)
    if 0 < weight < 100:
        challenger = min(max(challenger, 1), pods - 1)
    return pods - challenger, challenger


def _kubectl(arguments: Sequence[str]) -> str:
    command = ["kubectl", *arguments]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
    except FileNotFoundError:
        raise TargetUnreachable("kubernetes", "kubectl is not installed") from None
    except subprocess.TimeoutExpired:
        raise MlopsLabError(f"kubectl {arguments[0]} did not end within {_SECONDS} s.") from None
    if done.returncode:
        told = " ".join(done.stderr.split())
        if any(words in told.lower() for words in _NO_CLUSTER) and "progress deadline" not in told:
            raise TargetUnreachable("kubernetes", "no cluster answers kubectl")
        raise MlopsLabError(f"kubectl {arguments[0]} refused: {told[:300]}")
    return done.stdout


class KubernetesTarget:
    """Two Deployments behind one Service, as `mlops-lab export kubernetes` writes them in production-canary.

    The share is whole pods of those that run, whatever their number is: whichever Deployment grows is ready before the
    other shrinks, and both together never become fewer. The champion's autoscaler is held at its share (it would grow
    back otherwise) and may still add pods under load. Where nothing was given, there is nothing to take back.

    A release holds both from `put_challenger` on until the champion has everything again; meanwhile nobody else gives
    the challenger a share. Taking it back is always possible, and ends the release.

    Args:
        namespace: where they are.
        name: the champion's Deployment; the challenger's is the same with `-canary`.
        pods: so many pods of both together at least; those that run when left out.
        call: what runs kubectl with arguments; for tests.

    >>> running = {"late-flights": 12, "late-flights-canary": 0}
    >>> def kubectl(words):
    ...     if words[0] == "scale":
    ...         running[words[1].partition("/")[2]] = int(words[2].partition("=")[2])
    ...     return json.dumps({"spec": {"replicas": running[words[2]]}}) if words[:2] == ["get", "deployment"] else ""
    >>> KubernetesTarget("late-flights", call=kubectl).set_weight(25)
    TrafficSplit(kubernetes late-flights/late-flights: champion 75 %, challenger 25 %; 9 and 3 pods)
    """

    def __init__(
        self,
        namespace: str,
        *,
        name: str = "late-flights",
        pods: int | None = None,
        call: Callable[..., str] = _kubectl,
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.pods = pods
        self._call = call
        self._changed = False
        self._release = ""  # what holds the two Deployments, when this one has put its challenger

    def set_weight(self, weight: int) -> TrafficSplit:
        """Scale the two Deployments; whichever grows is ready before the other shrinks."""
        canary = f"{self.name}-canary"
        champion_now, _ = self._running(self.name)
        challenger_now, notes = self._running(canary, missing_is_none=not weight)
        held = "" if notes is None else notes.get(_HELD, "")
        if held != self._release and (weight or self._release):
            raise self._taken(held)
        allowed, kept = self._autoscaler()
        if notes is None or (not weight and not challenger_now and kept is None):  # gone, or nothing was given
            self._bound(champion_now, 0, allowed, kept, all_of_it=True)
            if held or (notes or {}).get(_STEP):  # a step that was cut off before it changed anything
                self._annotate(None, ends=bool(held))
            return self._split(champion_now, 0, weight)
        cut_off = notes.get(_STEP, "")
        total = _total(champion_now, challenger_now, cut_off)
        if weight:
            total = max(total, self.pods or 0, 2 if weight < 100 else 1)
        champion, challenger = pods_for(weight, total) if total else (0, 0)
        grows = champion >= champion_now
        self._annotate(f"{champion_now}+{challenger_now}-{champion}+{challenger}")
        if challenger >= challenger_now:
            self._scale(canary, challenger, challenger_now)
            added = self._running(self.name)[0] - champion_now  # by load, while the challenger was starting
            if added > 0:
                champion, more = pods_for(weight, total + added)
                self._scale(canary, more, challenger)
                challenger = more
        self._bound(champion, challenger, allowed, kept, all_of_it=not weight)
        running = self._running(self.name)[0]
        if grows:  # its autoscaler may have been faster
            champion = max(champion, running)
        self._scale(self.name, champion, running)
        if challenger < challenger_now:
            self._scale(canary, challenger, challenger_now)
        self._annotate(None, ends=not weight)
        return self._split(champion, challenger, weight)

    def put_challenger(self, release: Release) -> None:
        """The challenger's Deployment gets the release's image, while it has no pods and nobody else holds it."""
        pods = self._mine()
        if pods and self._image(f"{self.name}-canary") != release.image:
            raise NotAllowed(
                f"{self.name}-canary has {pods} pods of another image; take that one back first: --rollback."
            )
        self._hold(release)
        self._ask("set", "image", f"deployment/{self.name}-canary", f"server={release.image}")

    def make_champion(self, release: Release) -> None:
        """The champion's Deployment gets the image, and then all of the traffic, once its pods are ready."""
        self._mine()
        before = self._image(self.name)
        try:
            self._ask("set", "image", f"deployment/{self.name}", f"server={release.image}")
            self.set_weight(0)
            self._ask("rollout", "status", f"deployment/{self.name}", "--timeout=300s")
        except MlopsLabError:
            self._ask("set", "image", f"deployment/{self.name}", f"server={before}")
            raise

    def _mine(self) -> int:
        """The challenger's pods, where nobody else holds it."""
        pods, notes = self._running(f"{self.name}-canary")
        if (held := (notes or {}).get(_HELD, "")) != self._release:
            raise self._taken(held)
        return pods

    def _hold(self, release: Release) -> None:
        """Write whose the challenger is, where nobody wrote since it was read; kubectl refuses the slower of two."""
        canary = f"{self.name}-canary"
        version = self._object("deployment", canary).get("metadata", {}).get("resourceVersion")
        whose = self._release or f"v{release.version}-{uuid.uuid4().hex[:8]}"
        unchanged = [f"--resource-version={version}"] if version else []
        try:
            self._ask("annotate", f"deployment/{canary}", f"{_HELD}={whose}", "--overwrite", *unchanged)
        except TargetUnreachable:
            raise
        except MlopsLabError as error:
            raise NotAllowed(
                f"{canary} was changed by somebody else in this moment; look, and try again: {error}"
            ) from None
        self._release = whose

    def _taken(self, held: str) -> NotAllowed:
        canary = f"{self.name}-canary"
        if not held:
            return NotAllowed(f"{canary} was taken back by somebody else meanwhile.")
        return NotAllowed(
            f"{canary} is held by the release {held}. It ends by itself, or by --rollback; where its process was "
            f"killed, also by: kubectl annotate deployment/{canary} {_HELD}- --namespace {self.namespace}"
        )

    def _image(self, deployment: str) -> str:
        try:
            return str(self._object("deployment", deployment)["spec"]["template"]["spec"]["containers"][0]["image"])
        except (KeyError, IndexError, TypeError):
            raise MlopsLabError(f"kubectl get deployment {deployment} answered no image.") from None

    def _split(self, champion: int, challenger: int, weight: int) -> TrafficSplit:
        share = 100 * challenger / (champion + challenger) if challenger else 0.0
        how = f"{champion} and {challenger} pods"
        return TrafficSplit(
            "kubernetes", f"{self.namespace}/{self.name}", 100 - share, share, asked=float(weight), how=how
        )

    def _ask(self, *words: str) -> str:
        """What kubectl answers; once it has changed something, being away is no longer neutral."""
        try:
            answer = self._call([*words, "--namespace", self.namespace])
        except TargetUnreachable as error:
            if not self._changed:
                raise
            raise LostHalfWay("kubernetes", error.why) from None
        self._changed = self._changed or words[0] in ("annotate", "scale", "patch", "set")
        return answer

    def _running(self, deployment: str, *, missing_is_none: bool = False) -> tuple[int, dict[str, str] | None]:
        """How many pods a Deployment is to have, and its annotations; None where there is no such Deployment."""
        found = self._object("deployment", deployment)
        if not found and missing_is_none:
            return 0, None
        if not found:
            raise NotAllowed(
                f"the namespace {self.namespace} has no Deployment {deployment}; apply the overlay production-canary."
            )
        notes = (found.get("metadata") or {}).get("annotations") or {}
        return _whole(found["spec"].get("replicas", 1)), {str(key): str(value) for key, value in notes.items()}

    def _scale(self, deployment: str, pods: int, present: int) -> None:
        if pods != present:
            self._ask("scale", f"deployment/{deployment}", f"--replicas={pods}")
        self._ask("rollout", "status", f"deployment/{deployment}", "--timeout=300s")

    def _annotate(self, step: str | None, *, ends: bool = False) -> None:
        """Write which step is under way; at its end None, and at the end of a release that nobody holds it any more."""
        notes = [f"{_STEP}-" if step is None else f"{_STEP}={step}", *([f"{_HELD}-"] if ends else [])]
        self._ask("annotate", f"deployment/{self.name}-canary", *notes, "--overwrite")
        self._release = "" if ends else self._release

    def _autoscaler(self) -> tuple[tuple[int, int] | None, str | None]:
        """The bounds of the champion's autoscaler, None without one; and what they were before the rollout."""
        found = self._object("hpa", self.name)
        if not found:
            return None, None
        kept = ((found.get("metadata") or {}).get("annotations") or {}).get(_KEPT)
        return (_whole(found["spec"].get("minReplicas", 1)), _whole(found["spec"].get("maxReplicas"))), kept

    def _bound(
        self, champion: int, challenger: int, allowed: tuple[int, int] | None, kept: str | None, *, all_of_it: bool
    ) -> None:
        """Hold the champion's autoscaler at its share, and let it go again when the champion has everything.

        What it was allowed before is kept in an annotation of its own, so that another process can give it back. Both
        Deployments together may grow to what the champion was allowed alone.
        """
        if allowed is None or not champion:  # at 0 pods an autoscaler rests
            return
        before = re.fullmatch(r"(\d+)-(\d+)", kept or "")  # else somebody wrote into it: what is allowed now stays
        least, most = (int(before[1]), int(before[2])) if before else allowed
        if all_of_it:
            wanted, note = (least, most), None
        else:
            wanted, note = (champion, max(champion, most - challenger)), f"{least}-{most}"
        if wanted != allowed or note != kept:
            spec = {"minReplicas": wanted[0], "maxReplicas": wanted[1]}
            patch = json.dumps({"metadata": {"annotations": {_KEPT: note}}, "spec": spec})
            self._ask("patch", "hpa", self.name, "--type=merge", f"--patch={patch}")

    def _object(self, kind: str, name: str) -> dict[str, Any]:
        """What `kubectl get` answers; empty where there is no such object."""
        text = self._ask("get", kind, name, "--ignore-not-found", "--output=json")
        needed = {"deployment": "spec", "hpa": "maxReplicas"}[kind]
        try:
            found = dict(json.loads(text or "{}"))
            if found and needed not in {**found, **found["spec"]}:
                raise ValueError(needed)
        except (ValueError, KeyError, TypeError):
            raise MlopsLabError(f"kubectl get {kind} {name} answered something else.") from None
        return found


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MlopsLabError(f"kubectl answered {value!r:.40} for a number of pods.")
    return value


def _total(champion: int, challenger: int, cut_off: str) -> int:
    """The pods of both together; those before the step, where it was cut off after one of the two had grown."""
    found = re.fullmatch(r"(\d+)\+(\d+)-(\d+)\+(\d+)", cut_off)
    if found is not None:
        before, then = (int(found[1]), int(found[2])), (int(found[3]), int(found[4]))
        if champion in (before[0], then[0]) and challenger in (before[1], then[1]):
            return max(sum(before), sum(then))
    return champion + challenger
