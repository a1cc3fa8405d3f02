"""Which defects lie between objects: a Service that finds no pod, an autoscaler of nothing?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_lab.adapters.kubernetes.manifests.findings import Finding
from mlops_lab.adapters.kubernetes.manifests.objects import matches
from mlops_lab.adapters.kubernetes.manifests.pods import pod_place, port_names
from mlops_lab.adapters.kubernetes.manifests.quantities import share
from mlops_lab.adapters.kubernetes.manifests.reading import Manifest
from mlops_lab.base.errors import closest

__all__ = ["relation_findings"]


def relation_findings(manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Everything that is wrong between the objects of one set."""
    for manifest in manifests:
        if manifest.kind == "Service":
            yield from _service(manifest, manifests)
        elif manifest.kind == "PodDisruptionBudget":
            yield from _budget(manifest, manifests)
        elif manifest.kind == "HorizontalPodAutoscaler":
            yield from _autoscaler(manifest, manifests)


def _found(manifest: Manifest, rule: str, place: tuple[Any, ...], told: str) -> Finding:
    return Finding(manifest.path, manifest.line(*place), rule, f"{manifest!r}: {told}")


def _chosen(selector: Any, manifests: Sequence[Manifest]) -> list[Manifest]:
    """The objects whose pods a selector chooses."""
    pods = [each for each in manifests if pod_place(each)]
    return [each for each in pods if matches(selector, each.get(*pod_place(each)[:-1], "metadata", "labels"))]


def _service(service: Manifest, manifests: Sequence[Manifest]) -> Iterator[Finding]:
    selector = service.get("spec", "selector")
    if not isinstance(selector, Mapping) or not any(pod_place(each) for each in manifests):
        return
    chosen = _chosen(selector, manifests)
    if not chosen:
        yield _found(service, "selector", ("spec", "selector"), "its selector chooses no pod of these manifests.")
        return
    names = set.union(*(port_names(each) for each in chosen))
    ports = service.get("spec", "ports")
    for number, port in enumerate(ports if isinstance(ports, list) else []):
        target = port.get("targetPort") if isinstance(port, Mapping) else None
        if isinstance(target, str) and target not in names:
            meant = closest(target, names)
            told = f"targetPort {target!r} is no port of its pods, which name {', '.join(sorted(names)) or 'none'}"
            place = ("spec", "ports", number, "targetPort")
            yield _found(service, "port-name", place, told + (f"; did you mean {meant!r}?" if meant else "."))


def _budget(budget: Manifest, manifests: Sequence[Manifest]) -> Iterator[Finding]:
    selector, least = budget.get("spec", "selector"), budget.get("spec", "minAvailable")
    chosen = _chosen(selector, manifests)
    if any(pod_place(each) for each in manifests) and not chosen:
        yield _found(budget, "selector", ("spec", "selector"), "its selector chooses no pod of these manifests.")
    replicas = [_least_replicas(each, manifests) for each in chosen]
    if least is None or not replicas or None in replicas:
        return
    pods = sum(each for each in replicas if each is not None)
    needed = share(least, pods, up=True)
    if needed is not None and needed >= pods:
        told = f"{least} of {pods} pods must stay, so no node with one of them can ever be drained."
        yield _found(budget, "no-way-forward", ("spec", "minAvailable"), told)


def _least_replicas(workload: Manifest, manifests: Sequence[Manifest]) -> int | None:
    """How few pods it may have: what its autoscaler says, else what it says itself."""
    for scaler in manifests:
        target = scaler.get("spec", "scaleTargetRef")
        if isinstance(target, Mapping) and (target.get("kind"), target.get("name")) == (workload.kind, workload.name):
            least = scaler.get("spec", "minReplicas")
            return least if isinstance(least, int) else 1
    replicas = workload.get("spec", "replicas")
    return replicas if isinstance(replicas, int) else None


def _autoscaler(scaler: Manifest, manifests: Sequence[Manifest]) -> Iterator[Finding]:
    place = ("spec", "scaleTargetRef")
    target = scaler.get(*place)
    if isinstance(target, Mapping) and target.get("name"):
        kind, name = str(target.get("kind")), str(target.get("name"))
        there = [each.name for each in manifests if each.kind == kind]
        if there and name not in there:
            meant = closest(name, there)
            told = f"it scales {kind} {name!r}, and there is {', '.join(sorted(there))}"
            yield _found(
                scaler, "scale-target", (*place, "name"), told + (f"; did you mean {meant!r}?" if meant else ".")
            )
    least, most = scaler.get("spec", "minReplicas"), scaler.get("spec", "maxReplicas")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        told = f"minReplicas {least} is more than maxReplicas {most}."
        yield _found(scaler, "no-way-forward", ("spec", "maxReplicas"), told)
