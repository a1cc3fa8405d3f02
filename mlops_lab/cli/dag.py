"""The command `dag`: the DAG and its runs, past dates of its schedule, and DAGs written as YAML or JSON files."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.errors import InvalidData, MlopsLabError, TaskFailed, UnknownName
from mlops_lab.cli.answers import Stopped, answer, columns, cut, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.gate import print_verdict, verdict
from mlops_lab.cli.options import answer_options, dag_of, login_name, moment, open_problem, read_text
from mlops_lab.cli.run import Progress, became, pipeline_params, run_options, run_to_resume
from mlops_lab.pipeline.dag import (
    DAG,
    DagRun,
    Schedule,
    from_json,
    from_yaml,
    json_schema,
    list_runs,
    parse_params,
    run_dag,
    to_dict,
)
from mlops_lab.pipeline.problem import outcome, pipeline_of
from mlops_lab.teaching.drawing.words import plain

if TYPE_CHECKING:
    from types import ModuleType


#: Where the functions of a problem's pipeline are; a file may always name them.
PIPELINE = ("mlops_lab.pipeline.problem.steps", "mlops_lab.pipeline.problem.delivery")


def modules_option(command: Any) -> Any:
    """`--module`, which says where a file's functions may come from."""
    return click.option(
        "--module",
        "modules",
        multiple=True,
        metavar="NAME",
        help="A Python module whose functions FILE may name; it is imported, nothing else is.  (repeat)",
    )(command)


def read_dag(file: str, modules: Sequence[str] = ()) -> DAG:
    """The DAG of a YAML file, or of a JSON file when its name ends so.

    Raises:
        MlopsLabError: it cannot be read, or is none; the message begins with the file and the line at fault.
    """
    text = read_text(file)
    for name in ("steps", "delivery"):  # as documents of version 0.1 call them
        text = text.replace(f"mlops_lab.pipeline.flights.{name}:", f"mlops_lab.pipeline.problem.{name}:")
    allowed = (
        [_module(name) for name in (*PIPELINE, *modules)] if modules or "mlops_lab.pipeline.problem." in text else []
    )
    try:
        return (from_json if file.lower().endswith(".json") else from_yaml)(text, modules=allowed)
    except MlopsLabError as error:
        error.args = (f"{file}: {error}", *error.args[1:])
        raise


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # the last, so that nothing here takes the place of something installed
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:  # whatever a module does when it is imported
        raise InvalidData(f"cannot import the module {name!r}: {type(error).__name__}: {error}.") from None


def runnable(dag: DAG) -> DAG:
    """The DAG itself, when every task has its function."""
    for task in dag.tasks.values():
        if task.function is None and not task.source:
            raise InvalidData(f"task {task.task_id!r} of DAG {dag.dag_id} names no function, so it cannot be run.")
        if task.function is None:
            module = task.source.partition(":")[0]
            raise InvalidData(
                f"task {task.task_id!r} of DAG {dag.dag_id} names {task.source}; if you trust that module, allow it "
                f"with: --module {module}"
            )
    return dag


@click.command()
@click.argument("file", metavar="FILE")
@modules_option
@answer_options
def check(file: str, modules: tuple[str, ...], home: Path, as_json: bool) -> None:  # noqa: ARG001  --home everywhere
    r"""Is this file a DAG? If not: why, and on which line.

    FILE is YAML or JSON in the format of `export yaml`. Functions are names; only modules that --module names are
    imported, and then their names and parameters are checked too.

    \b
    Examples:
      mlops-lab export yaml --out night.yaml
      mlops-lab dag check night.yaml
      mlops-lab dag check night.yaml --module mycompany.tasks
    """
    dag = read_dag(file, modules)
    unchecked = sorted({each.source.partition(":")[0] for each in dag.tasks.values() if each.function is None})
    order, edges = dag.topological_order(), dag.edges
    told = {"dag_id": dag.dag_id, "tasks": order, "edges": edges, "functions_not_looked_up": unchecked}
    schedule = f"schedule {dag.schedule} ({dag.timezone})" if dag.schedule else "no schedule"
    counts = f"{len(order)} task{'s' * (len(order) != 1)}, {len(edges)} edge{'s' * (len(edges) != 1)}"
    lines = [f"{file}: DAG {dag.dag_id}, {counts}, {schedule}", cut(f"order: {', '.join(order)}")]
    if named := [each for each in unchecked if each]:
        lines.append(f"not looked up, for want of --module: functions of {', '.join(named)}")
    answer(as_json, {"file": file, "valid": True, **told}, "\n".join(lines))


@click.command()
def schema() -> None:
    """Print the JSON Schema of DAG files, for editors and other programs."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@click.command("run")
@click.argument("file", metavar="FILE")
@modules_option
@click.option("--date", metavar="D", help="The day or moment that the run is for.  [default: now]")
@click.option("--param", "texts", multiple=True, metavar="K=V", help="A param of the DAG; repeat it.")
@click.option("--workers", default=1, type=click.IntRange(1, 64), help="Independent tasks side by side.")
@click.option("--resume", metavar="RUN_ID", help="Go on with a run of it that did not finish.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
@answer_options
def run_file(
    file: str,
    modules: tuple[str, ...],
    date: str | None,
    texts: tuple[str, ...],
    workers: int,
    resume: str | None,
    quiet: bool,
    home: Path,
    as_json: bool,
) -> int:
    r"""Run the DAG of a file.

    Its functions are looked up in the modules that --module names (those of the pipeline always are). The
    trace is kept in the home folder.

    \b
    Examples:
      mlops-lab dag run night.yaml --module mycompany.tasks --date 2013-10-01
      mlops-lab dag run night.yaml --module mycompany.tasks --resume manual__2013-10-01T00:00:00+00:00
    \b
    Exit codes: 0 the run succeeded, 1 an error or a failed run, 3 waiting for an approval
    """
    dag, clock = runnable(read_dag(file, modules)), SystemClock()
    params = parse_params(dag.params, texts)
    at: Any = moment(date) if date is not None else None if resume else clock.now()
    with Progress(quiet=quiet) as progress:
        done = run_dag(
            dag,
            params=params,
            logical_date=at,
            clock=clock,
            home=home,
            max_workers=workers,
            resume=resume,
            on_event=progress.tell,
        )
    return _answer(done, as_json=as_json)


def _answer(done: DagRun, *, as_json: bool) -> int:
    waiting = any(getattr(each.error, "waiting", False) for each in done.task_instances)
    code = 0 if done.state == "success" else 3 if waiting else 1
    tasks = [
        {"task_id": each.task_id, "state": each.state, "attempts": len(each.attempts), "why": each.why}
        for each in done.task_instances
    ]
    told = {"dag_id": done.dag_id, "run_id": done.run_id, "state": done.state, "tasks": tasks, "exit_code": code}
    if not as_json:
        for line in done.trace(durations=True).splitlines():
            click.echo(cut(plain(line)))
    if code == 1:
        try:
            done.raise_for_state()
        except TaskFailed as error:
            raise Stopped(str(error), code=1, kind="TaskFailed", told=told) from None
    if as_json:
        print_json(told)
    return code


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
    from mlops_lab.teaching.drawing import draw_dag

    drawn = pipeline_of(open_problem(home)) if file is None else read_dag(file, modules)
    run = None if run_id is None else run_to_resume(home, run_id, dag_id=drawn.dag_id)
    drawing = draw_dag(drawn, run)
    written = None if out is None else str(drawing.save(out))
    told = {"dag": to_dict(drawn), "states": None if run is None else dict(run.states), "written": written}
    answer(as_json, told, drawing.outline if written is None else f"drawn into {written}")


@dag.command("list")
@click.option("--dag", "dag_id", metavar="ID", help="The runs of this DAG.  [default: the pipeline of the home]")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True, help="How many, the newest.")
@answer_options
def list_(dag_id: str | None, limit: int, home: Path, as_json: bool) -> None:
    """The runs of this home folder, the newest last."""
    usual = dag_of(home)
    runs = list_runs(home, dag_id=dag_id or usual, limit=limit)
    if not runs and dag_id not in (None, usual):
        raise UnknownName("DAG", str(dag_id), {usual, *(run.dag_id for run in list_runs(home))})
    told, rows = [], [["run", "outcome", "features", "model", "started"]]
    for run in runs:
        word, began = became(run), "" if run.started is None else f"{run.started:%Y-%m-%d %H:%M:%S}Z"
        rows.append([run.run_id, word, str(run.params.get("features")), str(run.params.get("model")), began])
        told.append(
            {"run_id": run.run_id, "logical_date": run.logical_date, "state": run.state, "outcome": word}
            | {"started": run.started, "ended": run.ended, "params": dict(run.params)}
        )
    answer(as_json, {"runs": told}, columns(rows) if runs else "no run yet; start one with: mlops-lab run")


@dag.command()
@click.argument("run_id", metavar="RUN_ID", default="last")
@answer_options
def show(run_id: str, home: Path, as_json: bool) -> None:
    """One run again: trace, figures, verdict.

    RUN_ID is as `dag list` tells it; 'last', the default, is the newest.
    """
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
    lines = [f"schedule {pipeline.schedule} ({pipeline.timezone})"]
    lines += [each.isoformat().replace("+00:00", "Z") for each in found]
    told = {"schedule": pipeline.schedule, "timezone": pipeline.timezone, "next": found}
    answer(as_json, told, "\n".join(lines))


for _command in (backfill, check, run_file, schema):
    dag.add_command(_command)
