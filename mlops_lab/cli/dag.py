"""The command `dag`: the DAG and its runs, and the past dates of its schedule, one run each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.cli.answers import Stopped, columns, cut, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.dag_file import check, modules_option, read_dag, schema
from mlops_lab.cli.dag_file import run as run_file
from mlops_lab.cli.options import answer_options, dag_of, login_name, moment, open_problem
from mlops_lab.cli.run import became, pipeline_params, run_options
from mlops_lab.pipeline.dag import DAG, DagRun, Schedule, list_runs, run_dag, to_dict
from mlops_lab.pipeline.problem import outcome, pipeline_of
from mlops_lab.teaching.drawing.words import plain

_MOST = 1000  # runs; more is a typing error in a year
_OVER = ("promoted", "rolled back", "refused")


@click.command()
@click.option("--from", "start", required=True, metavar="D", help="The first day or moment.")
@click.option("--to", "end", required=True, metavar="D", help="The last day (all of it) or moment.")
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
@run_options
@answer_options
def backfill(
    start: str,
    end: str,
    dry_run: bool,
    features: str | None,
    model: str | None,
    texts: tuple[str, ...],
    author: str | None,
    workers: int,
    quiet: bool,
    home: Path,
    as_json: bool,
) -> int:
    r"""Run every date of the schedule in a range.

    The earliest first. Dates that are done are skipped, those that failed or were killed go on where they were: run
    the same command again
    after mending. It stops at the first failure, and where an approval is waited for; a refused gate is no failure.

    \b
    Example:
      mlops-lab dag backfill --from 2013-09-01 --to 2013-09-03
    Exit codes: 0 every date is done, 1 an error or a failed run, 3 waiting for an approval
    """
    problem = open_problem(home)
    pipeline = pipeline_of(problem)
    dates = _dates(start, end, pipeline)
    params = pipeline_params(texts, problem=problem, features=features, model=model, author=author)
    before = _backfills(home)
    settled = [(date, _standing(before.get(date))) for date in dates]
    told: list[dict[str, Any]] = []
    for date, standing in settled:
        told.append({"logical_date": date, "outcome": standing, "ran": False})
        if standing in _OVER or dry_run:
            continue
        given = params if before.get(date) or "author" in params else {**params, "author": login_name()}
        word = _run(pipeline, home, date, given, before.get(date), workers=workers, quiet=quiet or as_json)
        told[-1] |= {"outcome": word, "ran": True}
        if not as_json:
            click.echo(f"{date.isoformat()}  {word}")
        if word in ("failed", "waiting"):
            break
    last = told[-1]["outcome"] if told else "promoted"
    code = 0 if dry_run else {"failed": 1, "waiting": 3}.get(last, 0)
    answer = {"dag_id": pipeline.dag_id, "dry_run": dry_run, "exit_code": code, "runs": told}
    if not as_json:
        _print(told, dates, dry_run=dry_run)
    if code:
        raise Stopped(f"stopped at {told[-1]['logical_date'].isoformat()}: {last}.", code=code, told=answer)
    if as_json:
        print_json(answer)
    return code


def _dates(start: str, end: str, pipeline: DAG) -> list[datetime]:
    from itertools import islice

    first, last = parse_utc(start), parse_utc(end)
    if len(end.strip()) <= len("2013-09-01"):
        last += timedelta(days=1, microseconds=-1)
    if last < first:
        raise InvalidData(f"--to {end} lies before --from {start}.")
    schedule = Schedule(str(pipeline.schedule), pipeline.timezone)
    found = [date for date in islice(schedule.iterate(first), _MOST + 1) if date <= last]
    if len(found) > _MOST:
        raise InvalidData(f"from {start} to {end} there are more than {_MOST:,} runs; choose a shorter range.")
    return found


def _backfills(home: Path) -> Mapping[datetime, DagRun]:
    """The runs that earlier backfills have begun, by logical date."""
    runs = list_runs(home, dag_id=dag_of(home), limit=100_000)
    return {run.logical_date: run for run in runs if run.run_type == "backfill"}


def _standing(run: DagRun | None) -> str:
    if run is None:
        return "to run"
    return became(run) if became(run) in _OVER else "to resume"


def _run(
    pipeline: DAG,
    home: Path,
    date: datetime,
    params: Mapping[str, Any],
    before: DagRun | None,
    *,
    workers: int,
    quiet: bool,
) -> str:
    from mlops_lab.cli.progress import Progress

    with Progress(quiet=quiet) as progress:
        done = run_dag(
            pipeline,
            params=params,
            logical_date=date,
            clock=SystemClock(),
            home=home,
            max_workers=workers,
            resume=None if before is None else before.run_id,
            on_event=progress.tell,
            run_type="backfill",
        )
    word = outcome(done)
    if word == "failed":
        failed = next((each for each in done.task_instances if each.state == "failed"), None)
        if failed is not None:
            click.echo(f"task {failed.task_id!r}: {' '.join(failed.why.split())}", err=True)
    return word


def _print(told: list[dict[str, Any]], dates: list[datetime], *, dry_run: bool) -> None:
    if dry_run:
        rows = [[each["logical_date"].isoformat(), each["outcome"]] for each in told]
        click.echo(columns([["logical date", "standing"], *rows]) if rows else "no date of the schedule in this range.")
        return
    skipped = sum(not each["ran"] for each in told)
    ran = len(told) - skipped
    click.echo(f"{ran} run, {skipped} done before and skipped, {len(dates) - len(told)} not reached.")


@click.group("dag", cls=Family, context_settings=SETTINGS)
def dag() -> None:
    r"""The DAG: draw, list, backfill, schedule; and DAGs of your own, as YAML or JSON files.

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
