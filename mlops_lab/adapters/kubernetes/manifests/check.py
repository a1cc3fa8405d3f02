"""What is wrong with the manifests in files, folders or a stream, in the order of the files?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mlops_lab.adapters.kubernetes.manifests.analysis import analysis_findings
from mlops_lab.adapters.kubernetes.manifests.findings import Finding
from mlops_lab.adapters.kubernetes.manifests.objects import object_findings
from mlops_lab.adapters.kubernetes.manifests.pods import pod_findings
from mlops_lab.adapters.kubernetes.manifests.reading import Manifest, read_manifests
from mlops_lab.adapters.kubernetes.manifests.relations import relation_findings

__all__ = ["RULES", "check_manifests"]

#: Every rule and what it looks for.
RULES: Mapping[str, str] = {
    "limit-below-request": "a limit that is smaller than the request",
    "mount-without-volume": "a volumeMount whose volume the pod does not have",
    "name": "a name that the API refuses",
    "no-answer": "an analysis that takes the silence of Prometheus for success",
    "no-way-forward": "an update, a drain or a scale that can never begin",
    "port-name": "a probe or a Service that asks for a port by a name nobody gave",
    "port-range": "a port outside 1 to 65535",
    "probe-handler": "a probe without exactly one thing to ask",
    "quantity": "an amount of memory or cores that is none",
    "scale-target": "an autoscaler of a workload that is not there",
    "selector": "a selector that does not choose the pods it is meant for",
    "unknown-field": "a field of a probe or a rolling update that Kubernetes does not have",
}


def check_manifests(paths: Iterable[str | Path] | None = None, *, manifests: Iterable[Manifest] = ()) -> list[Finding]:
    r"""Every defect of a set of manifests that a schema check lets through, in the order of files and lines.

    A schema knows types and fields; the API server knows more, and some defects only show when pods do not come up. The
    rules are those of `RULES`. Relations (a Service and its pods) are looked for among everything that is given, so
    give what is applied together: best the output of `kubectl kustomize`.

    Args:
        paths: files, folders, or `-` for standard input.
        manifests: objects that have been read already.

    Raises:
        UnknownName: there is no such file or folder.
        InvalidData: a file that is no YAML.

    >>> import tempfile
    >>> text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: Late_Flights\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "service.yaml")
    ...     _ = path.write_text(text)
    ...     [(found.line, found.rule) for found in check_manifests([path])]
    [(4, 'name')]

    See Also:
        https://kubernetes.io/docs/reference/kubernetes-api/
    """
    read = [*manifests, *(read_manifests(paths) if paths is not None else [])]
    order = {each.path: number for number, each in reversed(list(enumerate(read)))}
    found = [
        finding for each in read for finding in (*object_findings(each), *pod_findings(each), *analysis_findings(each))
    ]
    found += relation_findings(read)
    return sorted(set(found), key=lambda finding: (order[finding.path], finding))
