"""How are past dates of the schedule caught up with, one run each, so that one can stop and go on?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import Stopped, columns, print_json
from mlops_lab.cli.options import answer_options, dag_of, login_name, open_problem
from mlops_lab.cli.run import became, pipeline_params, run_options
from mlops_lab.pipeline.dag import DAG, DagRun, Schedule, list_runs, run_dag
from mlops_lab.pipeline.problem import outcome, pipeline_of

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
