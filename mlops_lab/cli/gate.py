"""The command `gate`: a version judged again from what was kept; and what became of a run, as text or as JSON."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.cli.answers import MARKS, answer, columns, cut, figure, marked
from mlops_lab.cli.options import answer_options, dag_of, model_of, open_problem, open_registry, read_text, version_of
from mlops_lab.models.gates import DataProfile, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import GateReport, ModelVersion, Registry
from mlops_lab.pipeline.dag import DagRun, list_runs
from mlops_lab.pipeline.dag.positions import read_json, read_yaml
from mlops_lab.pipeline.engines import engines_of, open_tracker
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
    tracker, registry = open_tracker(home, clock=SystemClock()), open_registry(home)
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
    word, told = ("passed", report.results) if report.passed else ("refused by", report.failures)
    against = "" if report.champion is None else f", compared with v{report.champion}"
    rows = [["", "rule", "figure", "bound", "why"]]
    rows += [[MARKS[r.passed], r.rule, figure(r.figure), figure(r.bound), r.sentence] for r in report.results]
    head = f"gate: {word} {len(told)} of {len(report.results)} rules{against}"
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


@click.command()
@click.option("--name", help="The model.  [default: that of the home]")
@click.option("--version", "number", default="latest", show_default=True, help="A number, an alias, or latest.")
@click.option("--policy", metavar="FILE", help="Judge by this policy (.yml, .yaml or .json); nothing is recorded.")
@click.option("--print-policy", is_flag=True, help="Print the pipeline's own policy as YAML, to start from.")
@answer_options
def gate(name: str | None, number: str, policy: str | None, print_policy: bool, home: Path, as_json: bool) -> int:
    r"""May this version pass?

    Judged from the figures that were measured when it was made.

    Without --policy it is the report that stands in the registry; with it, the same measurements are held against
    other demands. Nothing is measured or recorded here.

    \b
    Examples:
      mlops-lab gate
      mlops-lab gate --version 2
      mlops-lab gate --print-policy > strict.yml
      mlops-lab gate --policy strict.yml

    Exit codes: 0 it passes, 1 an error (no such version, never measured, a policy that is none), 2 it is refused
    """
    if print_policy:
        return _print_policy(home, as_json)
    demands = None if policy is None else read_policy(policy)
    registry = open_registry(home)
    version = version_of(registry, (name or model_of(home), number), needed=True)
    report = registry.get_gate_report(version.name, version.version)
    if demands is not None:
        report = _judged(version, registry, demands, home=home)
    if report is None:
        raise InvalidData(f"{version.name} v{version.version} was never judged; its run did not get to the gate.")
    code = 0 if report.passed else 2
    told = {"gate": report.to_dict(), "exit_code": code, "recorded": demands is None, "policy_file": policy}
    by = "as recorded" if demands is None else f"judged by {policy}, not recorded"
    return answer(as_json, told, f"{version.name} v{version.version}, {by}\n{report_lines(report)}", code=code)


def read_policy(path: str) -> GatePolicy:
    """The policy that a file holds.

    Raises:
        InvalidData: the text is no YAML or JSON; with line and column.
        InvalidDefinition: it is, and no policy.
        UnknownName: another kind of file, or a rule or setting that does not exist.
    """
    readers: dict[str, Any] = {".yml": read_yaml, ".yaml": read_yaml, ".json": read_json}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise UnknownName("file type for a policy", suffix, readers)
    try:
        return GatePolicy.from_dict(readers[suffix](read_text(path))[0])
    except (InvalidData, InvalidDefinition) as error:
        raise type(error)(f"{path}: {error}") from None


def _judged(version: ModelVersion, registry: Registry, policy: GatePolicy, *, home: Path) -> GateReport:
    """The version by another policy, on the measurements that the run which made it has kept."""
    run = run_of(version, home)
    result = None if run is None else run.result("evaluate")
    if run is None or result is None:
        raise InvalidData(f"{version.name} v{version.version}: the run that made it kept no measurements.")
    found = get_json(registry.artifacts, result["measured"])
    champion = None if result["champion"] is None else registry.get_model_version(version.name, result["champion"])
    data = DataProfile.from_dict(found["data"])
    measured = Measured(found["metrics"], found["champion"], data, holdout=found["holdout"])
    return evaluate_gates(version, champion, policy, measured=measured, at=run.logical_date)


def run_of(version: ModelVersion, home: Path) -> Any:
    """The run of the pipeline that registered a version, or None where its trace is gone."""
    wanted = {"name": version.name, "version": version.version}
    runs = list_runs(home, dag_id=dag_of(home), limit=100_000)
    made = [run for run in runs if "register" in run.states and run.result("register") == wanted]
    return made[-1] if made else None


def _print_policy(home: Path, as_json: bool) -> int:
    from ruamel.yaml import YAML

    written = open_problem(home).policy.to_dict()
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    text = StringIO()
    yaml.dump(written, text)
    return answer(as_json, written, text.getvalue().rstrip("\n"), file=True)
