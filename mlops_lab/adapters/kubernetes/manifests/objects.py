"""Which defects does one object have by itself: its name, its selector, its way of updating?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_lab.adapters.kubernetes.manifests.findings import Finding
from mlops_lab.adapters.kubernetes.manifests.quantities import share
from mlops_lab.adapters.kubernetes.manifests.reading import Manifest
from mlops_lab.base.errors import closest

__all__ = ["matches", "object_findings"]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_SHORT = ("Service", "Namespace")  # their names are labels of the domain name system, 63 letters and no dot
_FREE = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")  # theirs may hold a colon


def object_findings(manifest: Manifest) -> Iterator[Finding]:
    """Everything that is wrong with one object, its pod template aside."""
    yield from _name(manifest)
    yield from _selector(manifest)
    yield from _rolling(manifest)


def _found(manifest: Manifest, rule: str, place: tuple[str, ...], told: str) -> Finding:
    return Finding(manifest.path, manifest.line(*place), rule, f"{manifest!r}: {told}")


def _name(manifest: Manifest) -> Iterator[Finding]:
    name, place = manifest.name, ("metadata", "name")
    if not name or manifest.kind in _FREE:
        return
    if manifest.kind in _SHORT and not (_LABEL.fullmatch(name) and name[0].isalpha()):
        told = f"{name!r} is no name for a {manifest.kind}: a to z, 0 to 9 and -, a letter first, at most 63."
        yield _found(manifest, "name", place, told)
    elif len(name) > 253 or not _SUBDOMAIN.fullmatch(name):
        told = f"{name!r} is no name: a to z, 0 to 9, - and . only, a letter or digit at both ends, at most 253."
        yield _found(manifest, "name", place, told)


def matches(selector: Any, labels: Any) -> bool:
    """Would a selector choose these labels? Both forms: plain labels, and `matchLabels` with `matchExpressions`.

    >>> matches({"matchLabels": {"app": "late"}}, {"app": "late", "track": "stable"}), matches({"app": "x"}, {})
    (True, False)
    """
    if not isinstance(selector, Mapping) or not isinstance(labels, Mapping):
        return False
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
    plain = selector.get("matchLabels") or {}
    wanted = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in plain.items()) and all(_meets(one, labels) for one in wanted)


def _meets(expression: Any, labels: Mapping[str, Any]) -> bool:
    key, values = expression.get("key"), expression.get("values") or []
    answers = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return answers.get(str(expression.get("operator")), False)


def _selector(manifest: Manifest) -> Iterator[Finding]:
    if manifest.kind not in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout"):
        return
    selector = manifest.get("spec", "selector")
    template = manifest.get("spec", "template")
    if selector is None or template is None:
        return  # a patch, or a Rollout that refers to a Deployment
    labels = manifest.get("spec", "template", "metadata", "labels") or {}
    if not matches(selector, labels):
        told = f"the selector {_told(selector)} does not match the template's labels {_told(labels)}."
        yield _found(manifest, "selector", ("spec", "selector"), told)


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = value.get("matchLabels", value)
        if isinstance(inner, Mapping):
            return "{" + ", ".join(f"{key}: {each}" for key, each in inner.items()) + "}"
    return repr(value)


def _rolling(manifest: Manifest) -> Iterator[Finding]:
    if manifest.kind != "Deployment":
        return
    place = ("spec", "strategy", "rollingUpdate")
    rolling = manifest.get(*place)
    if not isinstance(rolling, Mapping):
        return
    known = ("maxSurge", "maxUnavailable")
    for key in rolling:
        if key not in known:
            meant = closest(str(key), known)
            told = f"rollingUpdate has no field {str(key)!r}" + (f"; did you mean {meant!r}?" if meant else ".")
            yield _found(manifest, "unknown-field", (*place, str(key)), told)
    replicas = manifest.get("spec", "replicas")
    pods = replicas if isinstance(replicas, int) else 1
    surge = share(rolling.get("maxSurge", "25%"), pods, up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), pods, up=False)
    if surge == 0 and unavailable == 0:
        told = f"of {pods} pods none may be added (maxSurge) and none taken away (maxUnavailable): no update can begin."
        yield _found(manifest, "no-way-forward", place, told)
