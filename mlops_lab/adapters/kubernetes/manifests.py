"""Relations between Kubernetes objects, and inside a pod, that no schema sees: names that point at nothing.

Types and fields are kubernetes-validate's business, security is checkov's, and what a value may be is the API server's
(`kubectl apply --dry-run=server`). None of them looks whether a Service finds its pods.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import InvalidData, UnknownName, closest, place_in

Finding = tuple[str, int, str]  # a file, the line (from 1) to look at, and what is wrong there
Step = str | int
Told = Iterator[tuple[tuple[Step, ...], str]]  # a place in an object, and what is wrong there
_SUFFIXES = (".yaml", ".yml", ".json")
_POD: Mapping[str, tuple[Step, ...]] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "Job", "Rollout"), ("spec", "template", "spec")),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "InferenceService": ("spec", "predictor"),
    "Pod": ("spec",),
}


@dataclass(frozen=True, repr=False, eq=False)
class Manifest:
    """One object of a file: its `path`, `kind`, `name` ("" where it has none) and `body` as it is written."""

    path: str
    kind: str
    name: str
    body: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()

    def get(self, *steps: Step) -> Any:
        """The value at a place, or None where there is nothing."""
        return self.at(*steps)[0]

    def at(self, *steps: Step) -> tuple[Any, int]:
        """The value at a place, and its line or that of the nearest thing around it, from 0."""
        found: Any = self.body
        line = int(getattr(getattr(found, "lc", None), "line", 0) or 0)
        for step in steps:
            inside = range(len(found)) if isinstance(found, list) else found if isinstance(found, Mapping) else ()
            if step not in inside:
                return None, line
            line = ((getattr(getattr(found, "lc", None), "data", None) or {}).get(step) or (line,))[0]
            found = found[step]
        return found, line


def read_manifests(paths: Iterable[str | Path]) -> list[Manifest]:
    """Every Kubernetes object in files and folders, in order; `-` is standard input, a `List` what is in it.

    Raises:
        UnknownName: there is no such file or folder.
        InvalidData: a file that is no YAML, with its line, or cannot be read, or a folder without any.
    """
    return [one for path in paths for name, text in _texts(path) for one in _objects(name, text)]


def _texts(path: str | Path) -> Iterator[tuple[str, str]]:
    place = Path(path)
    if str(path) == "-":
        yield "<stdin>", sys.stdin.read()
    elif not place.exists():
        raise UnknownName("file or folder", path)
    else:
        inside = sorted(one for one in place.rglob("*") if one.suffix in _SUFFIXES) if place.is_dir() else [place]
        if not inside:
            raise InvalidData(f"there is no {', '.join(_SUFFIXES)} below {str(path)!r}.")
        yield from ((one.as_posix(), one.read_text("utf-8", "replace")) for one in inside)


def _objects(path: str, text: str) -> Iterator[Manifest]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        documents = list(YAML(typ="rt").load_all(text))
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        why = getattr(error, "problem", None) or type(error).__name__
        line = f":{place_in(text, error)[0]}" if isinstance(error, MarkedYAMLError) else ""
        raise InvalidData(f"{path}{line}: no YAML: {why}.") from None
    mappings = (each for each in documents if isinstance(each, Mapping))  # a patch in JSON is a list
    for document in (one for each in mappings for one in _mappings(each.get("items")) or [each]):
        if {"kind", "apiVersion"} <= set(document):  # others are values of a chart, or kustomize's own
            kind, metadata = str(document["kind"]), document.get("metadata")
            name = metadata.get("name") if isinstance(metadata, Mapping) else None
            yield Manifest(path, kind, str(name or ""), document)


def check_manifests(manifests: Sequence[Manifest]) -> list[Finding]:
    """Every broken relation in a set of manifests, in the order of objects and lines.

    A Service, a budget or a workload whose selector chooses no pod; a port asked for by a name that nobody gave; a
    mount without a volume; an autoscaler of nothing; a budget that blocks every drain. Give what is applied together,
    best the output of `kubectl kustomize`.
    """
    rules = {"Service": _service, "PodDisruptionBudget": _budget, "HorizontalPodAutoscaler": _autoscaler}
    found: list[Finding] = []
    for one in manifests:
        told = [*_pod(one), *(rules[one.kind](one, manifests) if one.kind in rules else ())]
        found += sorted({(one.path, one.at(*place)[1] + 1, f"{one!r}: {what}") for place, what in told})
    return found


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    """A list of mappings; of anything else nothing, as a schema sees that."""
    return value if isinstance(value, list) and all(isinstance(each, Mapping) for each in value) else []


def _containers(manifest: Manifest) -> list[tuple[tuple[Step, ...], Mapping[str, Any]]]:
    place = _POD.get(manifest.kind, ())
    groups = [(*place, group) for group in ("initContainers", "containers") if place]
    return [((*group, at), one) for group in groups for at, one in enumerate(_mappings(manifest.get(*group)))]


def _ports(container: Mapping[str, Any]) -> set[str]:
    return {str(port["name"]) for port in _mappings(container.get("ports")) if "name" in port}


def _instead(name: str, names: Iterable[str]) -> str:
    meant = closest(name, there := sorted(names))
    return f"there is {', '.join(there) or 'none'}" + (f"; did you mean {meant!r}?" if meant else ".")


def _chosen(selector: Any, manifests: Sequence[Manifest]) -> list[Manifest]:
    """The objects whose pods have the labels of a selector; `matchExpressions` are believed."""
    wanted = selector if isinstance(selector, Mapping) else {}
    wanted = (wanted.get("matchLabels") or {}) if {"matchLabels", "matchExpressions"} & set(wanted) else wanted
    wanted = wanted if isinstance(wanted, Mapping) else {}
    labels = [one.get(*_POD[one.kind][:-1], "metadata", "labels") if _containers(one) else None for one in manifests]
    found = zip(manifests, labels, strict=True)
    return [one for one, has in found if isinstance(has, Mapping) and wanted.items() <= has.items()]


def _pod(manifest: Manifest) -> Told:
    """Its selector against its own labels, its probes against its ports, its mounts against its volumes."""
    selector, place = manifest.get("spec", "selector"), _POD.get(manifest.kind, ())
    if selector is not None and _containers(manifest) and not _chosen(selector, [manifest]):
        yield ("spec", "selector"), "its selector does not match the labels of its template."
    claims = [one.get("metadata") for one in _mappings(manifest.get("spec", "volumeClaimTemplates"))]
    volumes = _mappings([*_mappings(manifest.get(*place, "volumes")), *claims])
    names = {str(one.get("name")) for one in volumes}
    for at, container in _containers(manifest):
        for number, mount in enumerate(_mappings(container.get("volumeMounts"))):
            if (name := str(mount.get("name"))) not in names:
                yield (*at, "volumeMounts", number), f"volumeMount {name!r} has no volume; {_instead(name, names)}"
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            for where in ((*at, probe, way, "port") for way in ("httpGet", "tcpSocket")):
                port, ports = manifest.get(*where), _ports(container)
                if isinstance(port, str) and port not in ports:
                    yield where, f"{probe} asks port {port!r}; {_instead(port, ports)}"


def _service(service: Manifest, manifests: Sequence[Manifest]) -> Told:
    selector = service.get("spec", "selector")
    chosen = _chosen(selector, manifests) if selector else []
    if selector and not chosen and any(map(_containers, manifests)):
        yield ("spec", "selector"), "its selector chooses no pod of these manifests."
    names = {name for one in chosen for _, container in _containers(one) for name in _ports(container)}
    for at, port in enumerate(_mappings(service.get("spec", "ports")) if chosen else []):
        if isinstance(target := port.get("targetPort"), str) and target not in names:
            told = f"targetPort {target!r} is no port of its pods; {_instead(target, names)}"
            yield ("spec", "ports", at, "targetPort"), told


def _budget(budget: Manifest, manifests: Sequence[Manifest]) -> Told:
    chosen, least = _chosen(budget.get("spec", "selector"), manifests), budget.get("spec", "minAvailable")
    if not chosen and any(map(_containers, manifests)):
        yield ("spec", "selector"), "its selector chooses no pod of these manifests."
    pods = [_least_pods(one, manifests) for one in chosen]
    share = str(least).removesuffix("%")
    if pods and all(isinstance(one, int) for one in pods) and share.isdecimal() and len(share) < 10:
        needed = -(-int(share) * sum(pods) // 100) if str(least).endswith("%") else int(share)
        if needed >= sum(pods):
            told = f"{least} of {sum(pods)} pods must stay, so no node with one of them can ever be drained."
            yield ("spec", "minAvailable"), told


def _least_pods(workload: Manifest, manifests: Sequence[Manifest]) -> Any:
    """How few pods it may have: what its autoscaler says, else what it says itself."""
    for scaler in manifests:
        if [scaler.get("spec", "scaleTargetRef", one) for one in ("kind", "name")] == [workload.kind, workload.name]:
            return scaler.get("spec", "minReplicas") or 1
    return workload.get("spec", "replicas")


def _autoscaler(scaler: Manifest, manifests: Sequence[Manifest]) -> Told:
    kind, name = (scaler.get("spec", "scaleTargetRef", one) for one in ("kind", "name"))
    there = [one.name for one in manifests if one.kind == kind]
    if name and there and name not in there:
        yield ("spec", "scaleTargetRef", "name"), f"it scales {kind} {name!r}; {_instead(str(name), there)}"
