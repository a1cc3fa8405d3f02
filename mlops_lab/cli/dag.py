"""How does one look at the DAG and its runs from a terminal?"""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.errors import UnknownName
from mlops_lab.cli.answers import columns, cut, print_json
from mlops_lab.cli.backfill import backfill
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.dag_file import check, modules_option, read_dag, schema
from mlops_lab.cli.dag_file import run as run_file
from mlops_lab.cli.options import answer_options, dag_of, moment, open_problem
from mlops_lab.pipeline.dag import Schedule, list_runs, to_dict
from mlops_lab.pipeline.problem import pipeline_of
from mlops_lab.teaching.drawing.words import plain


@click.group("dag", cls=Family, context_settings=SETTINGS)
def dag() -> None:
    r"""The DAG: draw, runs, backfill, schedule; and DAGs of your own, as YAML or JSON files.

    \b
    Examples:
      mlops-lab dag draw
      mlops-lab dag draw --run last --out run.svg
      mlops-lab dag list
      mlops-lab dag backfill --from 2013-09-01 --to 2013-09-03 --dry-run
      mlops-lab dag check night.yaml
      mlops-lab dag run night.yaml --module mycompany.tasks
    """


@dag.command()
@click.argument("file", metavar="[FILE]", required=False)
@modules_option
@click.option("--out", metavar="FILE", help="Write FILE: .svg, .png, .dot or .txt.  [default: text, to the terminal]")
@click.option("--run", "run_id", metavar="RUN_ID", help="With the states of this run; 'last' is the newest.")
@answer_options
def draw(
    file: str | None, modules: tuple[str, ...], out: str | None, run_id: str | None, home: Path, as_json: bool
) -> None:
    """Draw the tasks in running order.

    Those of the home's pipeline, or of the DAG in FILE (YAML or JSON). With --run, with their states in one run.
    """
    from mlops_lab.cli.run import run_to_resume
    from mlops_lab.teaching.drawing import draw_dag

    drawn = pipeline_of(open_problem(home)) if file is None else read_dag(file, modules)
    run = None if run_id is None else run_to_resume(home, run_id, dag_id=drawn.dag_id)
    drawing = draw_dag(drawn, run)
    written = None if out is None else str(drawing.save(out))
    if as_json:
        states = None if run is None else dict(run.states)
        return print_json({"dag": to_dict(drawn), "states": states, "written": written})
    click.echo(drawing.outline if written is None else f"drawn into {written}")
    return None


@dag.command("list")
@click.option("--dag", "dag_id", metavar="ID", help="The runs of this DAG.  [default: the pipeline of the home]")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True, help="How many, the newest.")
@answer_options
def list_(dag_id: str | None, limit: int, home: Path, as_json: bool) -> None:
    """The runs of this home folder, the newest last."""
    from mlops_lab.cli.run import became

    usual = dag_of(home)
    runs = list_runs(home, dag_id=dag_id or usual, limit=limit)
    if not runs and dag_id not in (None, usual):
        raise UnknownName("DAG", str(dag_id), {usual, *(run.dag_id for run in list_runs(home))})
    words = [became(run) for run in runs]
    if as_json:
        told = [
            {"run_id": run.run_id, "logical_date": run.logical_date, "state": run.state, "outcome": word}
            | {"started": run.started, "ended": run.ended, "params": dict(run.params)}
            for run, word in zip(runs, words, strict=True)
        ]
        return print_json({"runs": told})
    rows = [["run", "outcome", "features", "model", "started"]]
    for run, word in zip(runs, words, strict=True):
        began = "" if run.started is None else f"{run.started:%Y-%m-%d %H:%M:%S}Z"
        rows.append([run.run_id, word, str(run.params.get("features")), str(run.params.get("model")), began])
    click.echo(columns(rows) if runs else "no run yet; start one with: mlops-lab run")
    return None


@dag.command()
@click.argument("run_id", metavar="RUN_ID", default="last")
@answer_options
def show(run_id: str, home: Path, as_json: bool) -> None:
    """One run again: trace, figures, verdict.

    RUN_ID is as `dag list` tells it; 'last', the default, is the newest.
    """
    from mlops_lab.cli.run import became, run_to_resume
    from mlops_lab.cli.verdict import print_verdict, verdict

    run = run_to_resume(home, run_id)
    told = verdict(run, became(run), home=home)
    if as_json:  # looking succeeded, whatever became of the run
        return print_json({**told, "exit_code": 0, "run_exit_code": told["exit_code"]})
    if run.state == "running":
        for line in run.trace(durations=True).splitlines():
            click.echo(cut(plain(line)))
        click.echo(f"\nit still runs, or its process died; then go on with: mlops-lab run --resume {run.run_id}")
    else:
        print_verdict(run, told)
    return None


@dag.command("next")
@click.option("--after", metavar="MOMENT", help="Count from here.  [default: now]")
@click.option("--count", default=1, type=click.IntRange(1, 1000), show_default=True, help="How many.")
@answer_options
def next_(after: str | None, count: int, home: Path, as_json: bool) -> None:
    """When would the schedule run the pipeline next?"""
    pipeline = pipeline_of(open_problem(home))
    schedule = Schedule(str(pipeline.schedule), pipeline.timezone)
    at = SystemClock().now() if after is None else parse_utc(moment(after))
    found = []
    for _ in range(count):
        at = schedule.next(at)
        found.append(at)
    if as_json:
        return print_json({"schedule": pipeline.schedule, "timezone": pipeline.timezone, "next": found})
    click.echo(f"schedule {pipeline.schedule} ({pipeline.timezone})")
    for each in found:
        click.echo(each.isoformat().replace("+00:00", "Z"))
    return None


for _command in (backfill, check, run_file, schema):
    dag.add_command(_command)
