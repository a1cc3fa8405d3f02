"""The command `run`: the whole pipeline of a problem, what it does right now, and what became of it."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from mlops_lab.base.errors import InvalidData, TaskFailed, UnknownName
from mlops_lab.cli.answers import Stopped, print_json
from mlops_lab.cli.gate import print_verdict, verdict
from mlops_lab.cli.options import HOME, answer_options, dag_of, login_name, moment, open_problem
from mlops_lab.pipeline.dag import DagRun, Event, get_run, list_runs, parse_params
from mlops_lab.pipeline.engines import choose_engines
from mlops_lab.pipeline.problem import (
    OUTCOMES,
    Problem,
    load_problem,
    outcome,
    pipeline_of,
    remembered,
    run_problem,
    unconfirmed,
)
from mlops_lab.teaching.drawing.words import plain

_WIDE = 100  # columns; a pipe or a CI log has none of its own


class Progress:
    """One line for every end of an attempt; on a terminal also what is running now, as it turns.

    In a pipe or a CI log there are no movements and no colours, and lines stay lines.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console: Any = None
        self.status: Any = None
        self.since: dict[str, datetime | None] = {}

    def __enter__(self) -> Progress:
        if not self.quiet:
            from rich.console import Console

            self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
            if not self.console.is_terminal:
                self.console.width = _WIDE
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Nothing turns any more."""
        if self.status is not None:
            self.status.stop()
            self.status = None

    def tell(self, event: Event) -> None:
        """Show one change of a task's state."""
        if self.console is None:
            return
        from rich.text import Text

        from mlops_lab.teaching.drawing.style import state_look

        if event.state == "running":
            self.since[event.task_id] = event.at
            self._turn()
            return
        began = self.since.pop(event.task_id, None)
        seconds = f"{(event.at - began).total_seconds():6.1f} s" if began and event.at else ""
        look = state_look(event.state)
        attempt = f"  attempt {event.attempt}" if event.attempt > 1 or event.state == "up_for_retry" else ""
        why = plain(" ".join(event.why.split())) if event.state in ("failed", "up_for_retry", "skipped") else ""
        line = Text(f"{look.mark} ", style=look.border)
        line.append(f"{event.task_id:<20}", style="default")
        rest = f"{seconds:>9}{attempt}  {look.word if look.word != 'success' else ''}{': ' if why else ''}{why}"
        line.append(_fitting(rest.rstrip(), self.console.width - 24), style="default")
        self.console.print(line)
        self._turn()

    def _turn(self) -> None:
        """On a terminal, name what is running."""
        names = ", ".join(self.since)
        if not self.console.is_terminal or not names:
            self.stop()
        elif self.status is None:
            self.status = self.console.status(names)
            self.status.start()
        else:
            self.status.update(names)


def _fitting(text: str, width: int) -> str:
    room = max(width, 40)
    return text if len(text) <= room else text[: room - 1] + "…"


_JUDGED = ("gate", "approve", "promote", "roll_out")  # tasks of every problem's pipeline
_KINDS = {"features": "feature service", "model": "kind of model"}


def run_options(command: Any) -> Any:
    """What the pipeline can be told; `run` and `dag backfill` take the same."""
    options = (
        click.option("--features", metavar="NAME", help="The feature service to learn from (as_known)."),
        click.option("--model", metavar="NAME", help="The kind of model (logistic, or gradient_boosting)."),
        click.option("--param", "texts", multiple=True, metavar="K=V", help="Any param of the pipeline; repeat it."),
        click.option("--author", metavar="WHO", help="Who answers for the version.  [default: your login name]"),
        click.option("--workers", default=1, type=click.IntRange(1, 64), help="Independent tasks side by side."),
        click.option("--quiet", "-q", is_flag=True, help="No progress on standard error."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def pipeline_params(texts: tuple[str, ...], *, problem: Problem, **named: str | None) -> dict[str, Any]:
    """The params of a problem's pipeline that the words of a command line give.

    Raises:
        UnknownName: a param, or a value of a param with a fixed choice, that does not exist.
        InvalidData: a value that cannot be, or a param given twice.
    """
    declared = pipeline_of(problem).params
    words = [*(f"{name}={value}" for name, value in named.items() if value is not None), *texts]
    for text in words:
        name, _, value = text.partition("=")
        param = declared.get(name.strip())
        if param is not None and param.enum and value not in param.enum:
            raise UnknownName(_KINDS.get(name.strip(), f"value for {name}"), value, param.enum)
        if name.strip() == "author" and not value.strip():
            raise InvalidData("the author is blank; somebody has to answer for the version.")
    return dict(parse_params(declared, words))


@click.command()
@click.argument("file", metavar="[PROBLEM]", required=False)
@click.option(
    "--date", metavar="D", help="Run as of this day or moment, on what was known then.  [default: when all is known]"
)
@run_options
@click.option("--features-engine", metavar="NAME", help="Who keeps features: embedded or feast; the home remembers.")
@click.option("--registry-engine", metavar="NAME", help="Who keeps runs and models: embedded or mlflow.")
@click.option("--registry-uri", metavar="URI", help="MLflow's tracking URI, if not a file of the home folder.")
@click.option("--resume", metavar="RUN_ID", help="Go on with a run that did not finish; 'last' is the newest.")
@answer_options
def run(
    file: str | None,
    date: str | None,
    features: str | None,
    model: str | None,
    texts: tuple[str, ...],
    author: str | None,
    workers: int,
    quiet: bool,
    features_engine: str | None,
    registry_engine: str | None,
    registry_uri: str | None,
    resume: str | None,
    home: Path,
    as_json: bool,
) -> int:
    r"""Run the whole pipeline of a problem.

    PROBLEM is a Python file that describes one, such as problem.py; its code runs, and the home folder remembers it.
    Without one it is the problem of the home, and that of the flights where it remembers none.

    Features, training, gate, promotion and rollout, task by task. Prints the trace of the tasks, the metric as
    measured offline and as served, the gate's verdict with a reason for every rule, and what became of the version.
    Everything is kept in the home folder.

    \b
    Examples:
      mlops-lab run
      mlops-lab run --features daily_averages        the everyday leak: refused, exit code 2
      mlops-lab run --date 2013-10-01 --model gradient_boosting
      mlops-lab run --date 2013-06-01 --param train_from=2013-05-01 --param holdout_days=10     in seconds
      mlops-lab run --param approval=true            somebody else has to agree: exit code 3
      mlops-lab run --resume last
      mlops-lab run problem.py                       your own data: see mlops-lab new
      mlops-lab run --home other --features-engine feast --registry-engine mlflow

    \b
    Params: features, model, train_from, holdout_days, watch_days, approval, seed, author (see: mlops-lab dag draw)
    Exit codes: 0 promoted, 1 an error, 2 the gate refused, 3 waiting for an approval, 5 promoted and then rolled back,
    130 stopped by Ctrl-C
    """
    problem = open_problem(home) if file is None else load_problem(file)
    if not quiet and (doubts := unconfirmed(file or _file_of(home))):
        click.echo(f"note: {doubts}; a gate knows only what the page says (mlops-lab leaks).", err=True)
    before = None if resume is None else run_to_resume(home, resume)
    named = {"features": features, "model": model, "author": author}
    if author is None and before is None and not any(text.startswith("author=") for text in texts):
        named["author"] = login_name()
    params = pipeline_params(texts, problem=problem, **named)
    chosen = {"features": features_engine, "registry": registry_engine, "registry_uri": registry_uri}
    if any(each is not None for each in chosen.values()):
        choose_engines(home, **chosen)
    moment_of_run: Any = (date and moment(date)) or (problem.usual_date if before is None else before.logical_date)
    with Progress(quiet=quiet) as progress:
        try:
            done = run_problem(
                problem,
                home,
                file=file or _file_of(home),
                date=moment_of_run,
                params=params,
                max_workers=workers,
                resume=None if before is None else before.run_id,
                on_event=progress.tell,
            )
        except KeyboardInterrupt:
            progress.stop()
            again = f"mlops-lab run --resume last{_elsewhere(home)}"
            raise Stopped(f"stopped by Ctrl-C; go on with: {again}", code=130, kind="KeyboardInterrupt") from None
    word = outcome(done)
    told = verdict(done, word, home=home)
    if not as_json:
        print_verdict(done, told, elsewhere=_elsewhere(home))
    if word == "failed":
        raise Stopped(_reason(done), code=OUTCOMES[word], kind="TaskFailed", told=told)
    if as_json:
        print_json(told)
    return OUTCOMES[word]


def _reason(run: DagRun) -> str:
    try:
        run.raise_for_state()
    except TaskFailed as error:
        return str(error)
    return f"run {run.run_id} did not promote a version."


def run_to_resume(home: Path, run_id: str, *, dag_id: str | None = None) -> DagRun:
    """The run that `--resume` means.

    Raises:
        UnknownName: there is no such run.
        InvalidData: there is no run at all.
    """
    dag_id = dag_id or dag_of(home)
    if run_id != "last":
        return get_run(home, run_id, dag_id=dag_id)
    runs = list_runs(home, dag_id=dag_id, limit=1)
    if not runs:
        raise InvalidData(f"there is no run in the home folder {home} to resume; start one with: mlops-lab run")
    return runs[-1]


def became(run: DagRun) -> str:
    """What became of a run, as far as its trace tells; also of one that was killed, or that an older DAG made."""
    if run.state == "running":
        return "running or killed"
    return outcome(run) if set(_JUDGED) <= set(run.states) else run.state


def _file_of(home: Path) -> Path | None:
    """The file that the home remembers, for its new fingerprint."""
    known = remembered(home)
    return None if known is None or known.file is None else Path(home, known.file)


def _elsewhere(home: Path) -> str:
    """What has to follow a command for it to find this home folder."""
    found = os.environ.get("MLOPS_LAB_HOME") or HOME
    return "" if str(home) == found else f" --home {shlex.quote(str(home))}"
