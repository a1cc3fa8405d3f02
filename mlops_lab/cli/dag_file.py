"""A DAG that somebody wrote as a YAML or JSON file, checked and run from a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import InvalidData, MlopsLabError, TaskFailed
from mlops_lab.cli.answers import Stopped, cut, print_json
from mlops_lab.cli.options import answer_options, moment, read_text
from mlops_lab.pipeline.dag import DAG, DagRun, from_json, from_yaml, json_schema, parse_params, run_dag
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
    if as_json:
        told = {"dag_id": dag.dag_id, "tasks": order, "edges": edges, "functions_not_looked_up": unchecked}
        return print_json({"file": file, "valid": True, **told})
    schedule = f"schedule {dag.schedule} ({dag.timezone})" if dag.schedule else "no schedule"
    counts = f"{len(order)} task{'s' * (len(order) != 1)}, {len(edges)} edge{'s' * (len(edges) != 1)}"
    click.echo(f"{file}: DAG {dag.dag_id}, {counts}, {schedule}")
    click.echo(cut(f"order: {', '.join(order)}"))
    if named := [each for each in unchecked if each]:
        click.echo(f"not looked up, for want of --module: functions of {', '.join(named)}")
    return None


@click.command()
def schema() -> None:
    """Print the JSON Schema of DAG files, for editors and other programs."""
    import json

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@click.command()
@click.argument("file", metavar="FILE")
@modules_option
@click.option("--date", metavar="D", help="The day or moment that the run is for.  [default: now]")
@click.option("--param", "texts", multiple=True, metavar="K=V", help="A param of the DAG; repeat it.")
@click.option("--workers", default=1, type=click.IntRange(1, 64), help="Independent tasks side by side.")
@click.option("--resume", metavar="RUN_ID", help="Go on with a run of it that did not finish.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
@answer_options
def run(
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
    from mlops_lab.cli.progress import Progress

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
