"""Lineage: what a version was made of, and what depends on a view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_lab.base.errors import IntegrityError, InvalidData, UnknownName, expect
from mlops_lab.base.fingerprint import fingerprint_frame
from mlops_lab.models.registry import ModelVersion

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.models.registry import Registry
    from mlops_lab.models.tracking import Run, Tracker


@dataclass(frozen=True)
class Node:
    """One thing in a lineage.

    `kind` is one of source, view, service, training_set, run, version, gate_report, deployment; `facts` are what there
    is to say of it, in the order to say it.

    >>> Node("view:airport_weather", "view", "airport_weather").kind
    'view'
    """

    id: str
    kind: str
    title: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Lineage:
    """What came from what: nodes in the order things happened, edges from cause to effect.

    >>> Lineage((Node("run:1", "run", "run 1"), Node("version:1", "version", "late v1")), (("run:1", "version:1"),))
    Lineage(2 nodes, run → version)
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        kinds = list(dict.fromkeys(node.kind for node in self.nodes))
        return f"Lineage({len(self.nodes)} nodes, {' → '.join(kinds)})"

    def outline(self) -> str:
        """Everything as text, one thing a line, its facts below it."""
        lines = []
        for node in self.nodes:
            lines.append(f"{node.kind.replace('_', ' ')}: {node.title}")
            lines += [f"    {name}: {value}" for name, value in node.facts.items() if value]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """The lineage as JSON values."""
        return {
            "nodes": [{"id": n.id, "kind": n.kind, "title": n.title, "facts": dict(n.facts)} for n in self.nodes],
            "edges": [list(edge) for edge in self.edges],
        }


def lineage(version: ModelVersion, registry: Registry, *, tracker: Tracker) -> Lineage:
    """From a version back to the rows it was made of, and on to what became of it.

    Raises:
        UnknownName: the run it was made by is not in this home folder.
        InvalidData: it is no `ModelVersion`.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.registry import Registry
    >>> from mlops_lab.models.tracking import Tracker
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, registry = Tracker(home, clock=FakeClock()), Registry(home, clock=FakeClock())
    ...     model = tracker.artifacts.put_bytes(b"model")
    ...     run = tracker.log_run("train", params={"views": "weather"}, artifact=model, author="ada")
    ...     version = registry.register_model(run, "late")
    ...     lineage(version, registry, tracker=tracker)
    Lineage(3 nodes, view → run → version)
    """
    run = tracker.get_run(expect(version, ModelVersion, "what has a lineage").run_id)
    nodes = [*_made_of(run), _run_node(run), _version_node(version)]
    edges = [*_made_edges(run), (f"run:{run.run_id}", f"version:{version.name}:{version.version}")]
    here = f"version:{version.name}:{version.version}"
    report = registry.get_gate_report(version.name, version.version)
    if report is not None:
        good = sum(result.passed for result in report.results)
        facts = {
            "verdict": "passed" if report.passed else "refused",
            "rules": f"{good} of {len(report.results)} passed",
            "champion": f"v{report.champion}" if report.champion is not None else "none",
            "holdout": report.holdout,
            "because": " ".join(result.sentence for result in report.failures),
        }
        nodes.append(Node(f"{here}:gate", "gate_report", "gate report", facts))
        edges.append((here, f"{here}:gate"))
    steps = [event for event in registry.history(version.name, version=version.version) if _is_step(event.action)]
    for event in steps[-1:]:
        facts = {"state": event.action.removeprefix("rollout_").replace("_", " "), "why": event.why}
        nodes.append(Node(f"{here}:rollout", "deployment", "rollout", facts))
        edges.append((f"{here}:gate" if report is not None else here, f"{here}:rollout"))
    return Lineage(tuple(nodes), tuple(edges))


def used_by(view: str, registry: Registry, *, tracker: Tracker) -> Lineage:
    """From a feature view forward: every run that learnt from it, and the versions those runs became.

    Raises:
        UnknownName: no run has used a view of that name.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.registry import Registry
    >>> from mlops_lab.models.tracking import Tracker
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, registry = Tracker(home, clock=FakeClock()), Registry(home, clock=FakeClock())
    ...     model = tracker.artifacts.put_bytes(b"model")
    ...     run = tracker.log_run("train", params={"views": "weather"}, artifact=model, author="ada")
    ...     version = registry.register_model(run, "late")
    ...     used_by("weather", registry, tracker=tracker).edges[0][0]
    'view:weather'
    """
    runs = [run for run in tracker.search_runs(order_by="started ASC") if view in _listed(run, "views")]
    if not runs:
        known = {name for run in tracker.search_runs() for name in _listed(run, "views")}
        raise UnknownName("feature view", view, known, where="the runs of this home folder")
    versions = [version for name in registry.list_models() for version in registry.search(name=name)]
    nodes, edges = [Node(f"view:{view}", "view", view)], []
    for run in runs:
        nodes.append(_run_node(run))
        edges.append((f"view:{view}", f"run:{run.run_id}"))
        for version in sorted(versions, key=lambda each: (each.name, each.version)):
            if version.run_id == run.run_id:
                nodes.append(_version_node(version))
                edges.append((f"run:{run.run_id}", f"version:{version.name}:{version.version}"))
    return Lineage(tuple(nodes), tuple(edges))


def training_rows(version: ModelVersion, tracker: Tracker) -> pd.DataFrame:
    """The very rows a version was made from, verified against the fingerprint its run kept.

    Raises:
        InvalidData: the run kept no rows, or they are not in this home folder any more.
        IntegrityError: the rows are not the ones it was made from.
    """
    run = tracker.get_run(expect(version, ModelVersion, "what has a lineage").run_id)
    kept = run.inputs.get("training_rows")
    if kept is None or kept not in tracker.artifacts:
        gone = "kept no training rows, only their fingerprint" if kept is None else "names rows that are gone from here"
        raise InvalidData(f"the run of {version.name} v{version.version} {gone}; nobody can see them any more.")
    from pyarrow import BufferReader, feather

    data, expected = tracker.artifacts.get_bytes(kept), run.inputs.get("training_set", "their fingerprint")
    try:
        frame: pd.DataFrame = feather.read_feather(BufferReader(data))
    except (OSError, ValueError) as error:  # pyarrow's errors are children of these
        raise IntegrityError("the training set", expected="a table of rows", found=str(error)) from None
    found = fingerprint_frame(frame)
    if found != expected:
        raise IntegrityError("the training set", expected=expected, found=found)
    return frame


def _made_of(run: Run) -> Iterable[Node]:
    for name, found in run.inputs.items():
        if name.startswith("source."):
            yield Node(f"source:{name}", "source", name.removeprefix("source."), {"fingerprint": found})
    for view in _listed(run, "views"):
        yield Node(f"view:{view}", "view", view)
    service = str(run.params.get("feature_service", ""))
    if service:
        features = _listed(run, "features")
        yield Node(f"service:{service}", "service", service, {"features": str(len(features))})
    if "training_set" in run.inputs:
        facts = {
            "fingerprint": run.inputs["training_set"],
            "learnt from": f"{_day(run, 'train_from')} to {_day(run, 'train_until')}",
            "rows": f"{run.params.get('train_rows')} learnt, {run.params.get('holdout_rows')} held out",
        }
        yield Node("training_set", "training_set", "training set", facts)


def _made_edges(run: Run) -> Iterable[tuple[str, str]]:
    views, service = _listed(run, "views"), str(run.params.get("feature_service", ""))
    for pair in run.tags.get("sources", "").split(","):  # "airport_weather=weather", as the pipeline writes it
        view, _, table = pair.partition("=")
        if view in views and f"source.{table}" in run.inputs:
            yield (f"source:source.{table}", f"view:{view}")
    behind = [f"view:{view}" for view in views]
    for here in [f"service:{service}"] * bool(service) + ["training_set"] * ("training_set" in run.inputs):
        yield from ((before, here) for before in behind)
        behind = [here]
    yield from ((before, f"run:{run.run_id}") for before in behind)


def _run_node(run: Run) -> Node:
    facts = {
        "model": str(run.params.get("model", "")),
        "served AUC": _figure(run, "served.roc_auc"),
        "offline AUC": _figure(run, "offline.roc_auc"),
        "code": run.tags.get("code", ""),
        "author": run.author,
        "artifact": run.artifact or "",
    }
    return Node(f"run:{run.run_id}", "run", run.run_id[:8], facts)


def _version_node(version: ModelVersion) -> Node:
    facts = {"stage": version.stage, "aliases": ", ".join(version.aliases), "author": version.author}
    return Node(f"version:{version.name}:{version.version}", "version", f"{version.name} v{version.version}", facts)


def _listed(run: Run, name: str) -> list[str]:
    return [one for one in str(run.params.get(name, "")).split(",") if one]


def _figure(run: Run, name: str) -> str:
    return f"{run.metrics[name]:.3f}" if name in run.metrics else ""


def _day(run: Run, name: str) -> str:
    return str(run.params.get(name))[:10]  # the hour is in the run; a box has no room for it


def _is_step(action: str) -> bool:
    return action.startswith("rollout_")
