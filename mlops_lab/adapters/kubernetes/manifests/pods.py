"""Which defects hide in a pod template: its ports, probes, resources and volumes?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops_lab.adapters.kubernetes.manifests.findings import Finding
from mlops_lab.adapters.kubernetes.manifests.quantities import quantity
from mlops_lab.adapters.kubernetes.manifests.reading import Manifest, Step
from mlops_lab.base.errors import closest

__all__ = ["containers", "pod_findings", "pod_place", "port_names"]

_TEMPLATE: Mapping[str, tuple[Step, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "InferenceService": ("spec", "predictor"),
}
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Rollout")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")
_PROBE_KEYS = {
    *_HANDLERS,
    *("failureThreshold", "initialDelaySeconds", "periodSeconds", "successThreshold"),
    *("terminationGracePeriodSeconds", "timeoutSeconds"),
}


def pod_place(manifest: Manifest) -> tuple[Step, ...]:
    """Where the pod's spec stands in an object; () where it has none."""
    place = ("spec", "template", "spec") if manifest.kind in _WORKLOADS else _TEMPLATE.get(manifest.kind, ())
    return place if isinstance(manifest.get(*place), Mapping) else ()


def containers(manifest: Manifest) -> Iterator[tuple[tuple[Step, ...], Mapping[str, Any]]]:
    """Every container of an object's pod, init containers included, with its place."""
    place = pod_place(manifest)
    for group in ("initContainers", "containers"):
        found = manifest.get(*place, group) if place else None
        for number, container in enumerate(found if isinstance(found, list) else []):
            if isinstance(container, Mapping):
                yield (*place, group, number), container


def port_names(manifest: Manifest) -> set[str]:
    """The names that the containers give their ports."""
    ports = [port for _, container in containers(manifest) for port in _mappings(container.get("ports"))]
    return {str(port["name"]) for port in ports if "name" in port}


def pod_findings(manifest: Manifest) -> Iterator[Finding]:
    """Everything that is wrong inside one object's pod template."""
    for place, container in containers(manifest):
        yield from _ports(manifest, place, container)
        yield from _probes(manifest, place, container)
        yield from _resources(manifest, place, container)
        yield from _mounts(manifest, place, container)


def _found(manifest: Manifest, rule: str, place: tuple[Step, ...], told: str) -> Finding:
    return Finding(manifest.path, manifest.line(*place), rule, f"{manifest!r}: {told}")


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _ports(manifest: Manifest, place: tuple[Step, ...], container: Mapping[str, Any]) -> Iterator[Finding]:
    for number, port in enumerate(_mappings(container.get("ports"))):
        for key in ("containerPort", "hostPort"):
            value = port.get(key)
            if value is not None and not _is_port(value):
                told = f"{key} {value!r} is no port; ports go from 1 to 65535."
                yield _found(manifest, "port-range", (*place, "ports", number, key), told)


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def _probes(manifest: Manifest, place: tuple[Step, ...], container: Mapping[str, Any]) -> Iterator[Finding]:
    own = {str(port["name"]) for port in _mappings(container.get("ports")) if "name" in port}
    for name in _PROBES:
        probe, at = container.get(name), (*place, name)
        if not isinstance(probe, Mapping):
            continue
        for key in probe:
            if key not in _PROBE_KEYS:
                meant = closest(str(key), _PROBE_KEYS)
                told = f"{name} has no field {str(key)!r}" + (f"; did you mean {meant!r}?" if meant else ".")
                yield _found(manifest, "unknown-field", (*at, str(key)), told)
        handlers = [each for each in _HANDLERS if isinstance(probe.get(each), Mapping)]
        if len(handlers) != 1:
            told = f"{name} asks nothing" if not handlers else f"{name} asks in {len(handlers)} ways"
            yield _found(manifest, "probe-handler", at, f"{told}; give it exactly one of {', '.join(_HANDLERS)}.")
        for handler in handlers:
            port = probe[handler].get("port")
            where = (*at, handler, "port")
            if isinstance(port, str) and port not in own:
                told = f"{name} asks port {port!r}, and the container names {_listed(own)}"
                meant = closest(port, own)
                yield _found(manifest, "port-name", where, told + (f"; did you mean {meant!r}?" if meant else "."))
            elif port is not None and not isinstance(port, str) and not _is_port(port):
                yield _found(manifest, "port-range", where, f"{name} asks port {port!r}; ports go from 1 to 65535.")


def _listed(names: set[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"


def _resources(manifest: Manifest, place: tuple[Step, ...], container: Mapping[str, Any]) -> Iterator[Finding]:
    resources = container.get("resources")
    if not isinstance(resources, Mapping):
        return
    amounts: dict[str, dict[str, Any]] = {}
    for side in ("requests", "limits"):
        found = resources.get(side)
        amounts[side] = {}
        for name, value in found.items() if isinstance(found, Mapping) else ():
            amount = quantity(value)
            if amount is None:
                told = f"{name} {value!r} is no quantity; write 500m for cores, 512Mi or 512M for bytes."
                yield _found(manifest, "quantity", (*place, "resources", side, name), told)
            else:
                amounts[side][name] = amount
    for name, limit in amounts["limits"].items():
        request = amounts["requests"].get(name)
        if request is not None and limit < request:
            told = f"{name} is limited to {resources['limits'][name]} and asks for {resources['requests'][name]}."
            yield _found(manifest, "limit-below-request", (*place, "resources", "limits", name), told)


def _mounts(manifest: Manifest, place: tuple[Step, ...], container: Mapping[str, Any]) -> Iterator[Finding]:
    volumes = {str(each.get("name")) for each in _mappings(manifest.get(*pod_place(manifest), "volumes"))}
    claims = _mappings(manifest.get("spec", "volumeClaimTemplates"))
    volumes |= {str(each["metadata"].get("name")) for each in claims if isinstance(each.get("metadata"), Mapping)}
    for number, mount in enumerate(_mappings(container.get("volumeMounts"))):
        name = str(mount.get("name"))
        if name not in volumes:
            told = f"volumeMount {name!r} has no volume; the pod has {_listed(volumes)}."
            yield _found(manifest, "mount-without-volume", (*place, "volumeMounts", number), told)
