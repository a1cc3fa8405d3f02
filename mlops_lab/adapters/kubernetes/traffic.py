"""How does a Kubernetes cluster give a challenger its share: by numbers of pods behind one Service?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from mlops_lab.adapters.split import TargetUnreachable, TrafficSplit
from mlops_lab.base.errors import InvalidData, MlopsLabError

__all__ = ["KubernetesTarget", "pods_for"]

_KEPT = "mlops-lab/allowed"
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


def _kubectl(arguments: Sequence[str], text: str = "") -> str:
    command = ["kubectl", *arguments]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
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

    The share is whole pods: the challenger's Deployment grows first and must be ready, then the champion's shrinks (its
    autoscaler's bounds are moved with it, or it would grow back), so that nothing is lost on the way. The other way
    round when it is taken back.

    Args:
        namespace: where they are.
        name: the champion's Deployment; the challenger's is the same with `-canary`.
        pods: pods of both together.
        call: what runs kubectl with arguments and a text for its input; for tests.

    >>> said = []
    >>> target = KubernetesTarget("late-flights", pods=4, call=lambda words, text="": said.append(words[0]) or "{}")
    >>> target.set_weight(25)
    TrafficSplit(kubernetes late-flights/late-flights: champion 75 %, challenger 25 %; 3 and 1 pods)
    >>> said
    ['scale', 'rollout', 'get', 'scale', 'rollout']
    """

    def __init__(
        self,
        namespace: str,
        *,
        name: str = "late-flights",
        pods: int = 4,
        call: Callable[..., str] = _kubectl,
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.pods = pods
        self._call = call
        self._changed = False

    def set_weight(self, weight: int) -> TrafficSplit:
        """Scale the two Deployments; whichever grows is ready before the other shrinks."""
        champion, challenger = pods_for(weight, self.pods)
        steps = [(f"{self.name}-canary", challenger), (self.name, champion)]
        for deployment, pods in steps if weight else reversed(steps):
            if deployment == self.name:
                self._bound(pods, all_of_it=not weight)
            self._scale(deployment, pods)
        share = 100 * challenger / (champion + challenger)
        how = f"{champion} and {challenger} pods"
        return TrafficSplit(
            "kubernetes", f"{self.namespace}/{self.name}", 100 - share, share, asked=float(weight), how=how
        )

    def _ask(self, words: Sequence[str]) -> str:
        """What kubectl answers; once it has changed something, being away is no longer neutral."""
        try:
            answer = self._call(words)
        except TargetUnreachable as error:
            if not self._changed:
                raise
            raise MlopsLabError(f"kubernetes was lost half-way ({error.why}); ask for the same weight again.") from None
        self._changed = self._changed or words[0] in ("scale", "patch")
        return answer

    def _scale(self, deployment: str, pods: int) -> None:
        where = ["--namespace", self.namespace]
        self._ask(["scale", f"deployment/{deployment}", f"--replicas={pods}", *where])
        self._ask(["rollout", "status", f"deployment/{deployment}", "--timeout=300s", *where])

    def _bound(self, pods: int, *, all_of_it: bool) -> None:
        """Hold the champion's autoscaler at its share, and let it go again when the champion has everything.

        What it was allowed before is kept in an annotation of its own, so that another process can give it back.
        """
        where = ["--namespace", self.namespace]
        found = _autoscaler(self._ask(["get", "hpa", self.name, "--ignore-not-found", "--output=json", *where]))
        if not found or not pods:
            return  # at 0 pods an autoscaler rests
        allowed = (found["spec"].get("minReplicas", 1), found["spec"]["maxReplicas"])
        kept = (found.get("metadata", {}).get("annotations") or {}).get(_KEPT)
        if all_of_it and kept is None:
            return
        if all_of_it:
            least, _, most = str(kept).partition("-")
            wanted, note = (int(least), int(most)), None
        else:
            wanted, note = (pods, max(pods, self.pods)), kept or f"{allowed[0]}-{allowed[1]}"
        if wanted != allowed or note != kept:
            spec = {"minReplicas": wanted[0], "maxReplicas": wanted[1]}
            patch = json.dumps({"metadata": {"annotations": {_KEPT: note}}, "spec": spec})
            self._ask(["patch", "hpa", self.name, "--type=merge", f"--patch={patch}", *where])


def _autoscaler(text: str) -> dict[str, Any]:
    """What `kubectl get hpa` answered; empty where there is none."""
    try:
        found = json.loads(text or "{}")
        return dict(found) if found and "maxReplicas" in found["spec"] else {}
    except (ValueError, KeyError, TypeError):
        raise MlopsLabError("kubectl get hpa answered no autoscaler.") from None
