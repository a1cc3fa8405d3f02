"""What became of a run, and why: gathered once, shown as text or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.cli.answers import MARKS, columns, cut, figure, marked
from mlops_lab.models.registry import GateReport
from mlops_lab.pipeline.dag import DagRun
from mlops_lab.pipeline.engines import engines_of, open_registry, open_tracker
from mlops_lab.pipeline.problem import OUTCOMES, get_json, problem_of
from mlops_lab.teaching.drawing.words import plain

_WORDS = {"roc_auc": "ROC AUC"}


def verdict(run: DagRun, outcome: str, *, home: Path) -> dict[str, Any]:
    """Everything that a run of the pipeline says, from its trace and the home folder."""
    engines, metric = engines_of(home), problem_of(home).metric
    names = (f"offline.{metric}", f"served.{metric}")
    told: dict[str, Any] = {
        "outcome": outcome,
        "exit_code": OUTCOMES.get(outcome),
        "home": home,
        "engines": {"features": engines.features, "registry": engines.registry},
        "run_id": run.run_id,
        "logical_date": run.logical_date,
        "state": run.state,
        "params": dict(run.params),
        "tasks": [
            {"task_id": each.task_id, "state": each.state, "attempts": len(each.attempts), "why": each.why}
            | {"started": each.started, "ended": each.ended}
            for each in run.task_instances
        ],
        "version": None,
        "figures": None,
        "champion": None,
        "gate": None,
        "approval": None,
        "rollout": next((each.result for each in run.task_instances if each.task_id == "roll_out"), None),
        "production": None,
    }
    results = {each.task_id: each.result for each in run.task_instances}
    registered, measured = results.get("register"), results.get("evaluate")
    if registered is None:
        return told
    tracker, registry = open_tracker(home, clock=SystemClock()), open_registry(home, clock=SystemClock())
    version = registry.get_model_version(registered["name"], registered["version"])
    metrics = tracker.get_run(version.run_id).metrics
    report = registry.get_gate_report(version.name, version.version)
    production = registry.get_production(version.name)
    told |= {
        "version": version,
        "figures": {name: metrics.get(name) for name in names},
        "gate": None if report is None else report.to_dict(),
        "approval": registry.get_approval(version.name, version.version),
        "production": None if production is None else production.version,
    }
    if measured is not None and measured["champion"] is not None:
        figures = get_json(tracker.artifacts, measured["measured"])["champion"] or {}
        told["champion"] = {"version": measured["champion"], **{name: figures.get(name) for name in names}}
    return told


def print_verdict(run: DagRun, told: dict[str, Any], *, elsewhere: str = "") -> None:
    """Print the trace, the two figures, the gate's reasons and what became of the version."""
    for line in run.trace(durations=True).splitlines():
        click.echo(cut(plain(line)))
    version = told["version"]
    if version is None:
        return
    metric = next(iter(told["figures"])).removeprefix("offline.")
    rows = [[_WORDS.get(metric, metric), "offline", "as served"]]
    features, model = told["params"]["features"], told["params"]["model"]
    rows.append([f"v{version.version}, {model} on {features}", *(figure(each) for each in told["figures"].values())])
    if told["champion"] is not None:
        champion = told["champion"]
        rows.append([f"v{champion['version']}, the champion", *(figure(champion[name]) for name in told["figures"])])
    click.echo("\n" + columns(rows, right=[1, 2]))
    if set(told["engines"].values()) != {"embedded"}:
        click.echo("kept by: " + ", ".join(f"{part} {engine}" for part, engine in told["engines"].items()))
    if told["gate"] is not None:
        click.echo("\n" + marked(report_lines(GateReport.from_dict(told["gate"]))))
    click.echo("\n" + "\n".join(_ending(told, elsewhere)))


def report_lines(report: GateReport) -> str:
    """A gate report as text: the verdict, then a line for every rule with its figure, its bound and its sentence."""
    good = sum(result.passed for result in report.results)
    word = "passed" if report.passed else "refused"
    against = "" if report.champion is None else f", compared with v{report.champion}"
    rows = [["", "rule", "figure", "bound", "why"]]
    rows += [[MARKS[r.passed], r.rule, figure(r.figure), figure(r.bound), r.sentence] for r in report.results]
    head = f"gate: {word}, {good} of {len(report.results)} rules{against}"
    return f"{MARKS[report.passed]} {head}\n" + columns(rows, right=[2, 3], indent="  ")


def _ending(told: dict[str, Any], elsewhere: str) -> list[str]:
    version, word = told["version"], told["outcome"]
    name = f"{version.name} v{version.version}"
    stays = "nothing is" if told["production"] is None else f"v{told['production']} is"
    stage = f"stage {version.stage}" + (f", aliases {', '.join(version.aliases)}" if version.aliases else "")
    lines = [f"{name}: {word}; {stage}; {stays} in Production."]
    if told["rollout"] is not None:
        rollout = told["rollout"]
        lines.append(f"rollout: {rollout['state'].replace('_', ' ')} at {rollout['weight']} %: {rollout['why']}")
    if word == "waiting":
        lines += [
            f"It waits for an approval by somebody other than {version.author}:",
            f"  mlops-lab registry approve {version.name} {version.version} --by WHO{elsewhere}",
            f"  mlops-lab run --resume {told['run_id']}{elsewhere}",
        ]
    return lines
