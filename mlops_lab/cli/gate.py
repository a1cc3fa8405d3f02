"""The command `gate`: a registered version judged again, from what was measured and kept."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import click

from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.cli.answers import marked, print_json
from mlops_lab.cli.options import answer_options, dag_of, model_of, open_problem, open_registry, read_text, version_of
from mlops_lab.models.gates import DataProfile, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import GateReport, ModelVersion, Registry
from mlops_lab.pipeline.dag import list_runs
from mlops_lab.pipeline.dag.positions import read_json, read_yaml
from mlops_lab.pipeline.problem import get_json


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
    from mlops_lab.cli.verdict import report_lines

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
    if as_json:
        print_json({"gate": report.to_dict(), "exit_code": code, "recorded": demands is None, "policy_file": policy})
    else:
        by = "as recorded" if demands is None else f"judged by {policy}, not recorded"
        click.echo(f"{version.name} v{version.version}, {by}")
        click.echo(marked(report_lines(report)))
    return code


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
    if as_json:
        print_json(written)
        return 0
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    text = StringIO()
    yaml.dump(written, text)
    click.echo(text.getvalue(), nl=False)
    return 0
