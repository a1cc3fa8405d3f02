"""Workflow files of GitHub Actions, drawn, simulated, executed and linted from a terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData
from mlops_lab.ci import Outcome, Trigger, Workflow, WorkflowRun, load_workflow, simulate_chain
from mlops_lab.ci import execute as executed
from mlops_lab.ci import simulate as simulated
from mlops_lab.cli.answers import Stopped, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.event_options import EventOptions, run_options
from mlops_lab.cli.linting import lint
from mlops_lab.cli.workflow_setup import setup
from mlops_lab.teaching.drawing.words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


_file = click.argument("file", metavar="FILE")
_root = click.option(
    "--root", metavar="DIR", help="The repository.  [default: where FILE's .github is, else FILE's folder]"
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
_out = click.option("--out", metavar="FILE", help="Also draw it into this file: .svg, .png, .dot or .txt.")


@click.group("workflow", cls=Family, context_settings=SETTINGS)
def workflow() -> None:
    r"""A workflow of GitHub Actions, in any repository: draw, simulate, execute, lint, set up.

    \b
    Examples:
      mlops-lab workflow draw .github/workflows/train.yml
      mlops-lab workflow simulate .github/workflows/train.yml --outcome train/pipeline=failure
      mlops-lab workflow lint .github/workflows/*.yml
    """


@workflow.command()
@_file
@_root
@_out
@_json
def draw(file: str, root: str | None, out: str | None, as_json: bool) -> None:
    r"""Draw the jobs of a workflow file.

    Who waits for whom, with matrices, environments and called workflows.

    \b
    Examples:
      mlops-lab workflow draw .github/workflows/train.yml
      mlops-lab workflow draw ci.yml --out ci.svg
    """
    from mlops_lab.teaching.drawing.workflow import draw_workflow

    read = _load(file, root)
    drawing = draw_workflow(read)
    written = None if out is None else str(drawing.save(out))
    if as_json:
        jobs = {
            job.id: {"needs": job.needs, "uses": job.uses, "steps": [step.title for step in job.steps]}
            for job in read.jobs.values()
        }
        told = {"file": read.file, "name": read.name, "on": list(read.events), "jobs": jobs}
        return print_json({**told, "levels": read.levels(), "written": written})
    click.echo(drawing.outline if written is None else f"drawn into {written}")
    return None


@workflow.command()
@_file
@run_options
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    metavar="JOB[/STEP]=WHAT",
    help="What becomes of a step: success, failure or cancelled; else it is a success.  (repeat)",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="JOB/STEP.NAME=VALUE",
    help="What a step gives as output.  (repeat)",
)
@click.option(
    "--waited", default=0.0, type=click.FloatRange(0, 10_000), metavar="DAYS", help="Look so many days after it began."
)
@click.option("--chain", is_flag=True, help="Also simulate the workflows beside FILE that its run starts.")
@_root
@_out
@_json
def simulate(
    file: str,
    given: EventOptions,
    outcomes: tuple[str, ...],
    outputs: tuple[str, ...],
    waited: float,
    chain: bool,
    root: str | None,
    out: str | None,
    as_json: bool,
) -> int:
    r"""Say what GitHub would do with a workflow file; nothing is executed.

    Steps succeed unless --outcome says otherwise. What cannot be known without executing is told as a note.

    \b
    Examples:
      mlops-lab workflow simulate ci.yml --event push --ref refs/heads/topic
      mlops-lab workflow simulate train.yml --outcome train/pipeline=failure
      mlops-lab workflow simulate promote.yml --input version=3 --reviewers production=ada,grace \
        --prevent-self-review --actor ada --approve production=grace
    \b
    Exit codes: 0 success, 1 failed, cancelled, not started or an error, 3 waiting for a review, a timer or its turn
    """
    from datetime import timedelta

    from mlops_lab.cli.event_options import told_outcomes

    read = _load(file, root)
    clock = FakeClock()
    began = clock.now()
    clock.advance(timedelta(days=waited))
    trigger, settings = given.of(read)
    told = told_outcomes(outcomes, outputs)
    run = simulated(read, trigger, outcomes=told, clock=clock, started=began, **settings)
    if chain:
        _print_chain(read, trigger, told, clock=clock, started=began, **settings)
    return _answer(read, run, out=out, as_json=as_json)


def _print_chain(read: Workflow, trigger: Trigger, told: Mapping[str, Outcome], **settings: Any) -> None:
    """One line for each run that follows: of the workflows in the same folder, by `workflow_run`."""
    folder = (read.root / read.file).parent
    beside = [path for path in sorted(folder.glob("*.y*ml")) if path.name != Path(read.file).name]
    flows = [read]
    for other in (_load(str(path), str(read.root)) for path in beside):
        flows.append(replace(other, events={on: each for on, each in other.events.items() if on == "workflow_run"}))
    for number, run in enumerate(simulate_chain(flows, trigger, outcomes={read.file: told}, **settings), start=1):
        why = f" - {run.reason}" if run.reason else ""
        click.echo(plain(f"{number}. {run.workflow} on {run.event}: {run.conclusion or run.status}{why}"), err=True)


@workflow.command()
@_file
@run_options
@click.option("--yes", is_flag=True, help="Yes, run these steps on this machine.")
@click.option("--logs", is_flag=True, help="Print what every step printed, not only the failed ones.")
@click.option(
    "--step-timeout",
    default=600.0,
    show_default=True,
    type=click.FloatRange(1, 86_400),
    metavar="SECONDS",
    help="End a step that takes longer.",
)
@_root
@_out
@_json
def execute(
    file: str,
    given: EventOptions,
    yes: bool,
    logs: bool,
    step_timeout: float,
    root: str | None,
    out: str | None,
    as_json: bool,
) -> int:
    r"""Really run the `run:` steps of a workflow file, here and as you.

    In a scratch copy of the repository, without containers and without actions of other repositories. There is no
    sandbox: only for files you trust, so it asks for --yes.

    \b
    Examples:
      mlops-lab workflow execute .github/workflows/ci.yml --yes
      mlops-lab workflow execute train.yml --event workflow_dispatch --input date=2013-10-01 --yes --logs
    \b
    Exit codes: 0 success, 1 failed or an error, 3 waiting for a review
    """
    read = _load(file, root)
    if not yes:
        raise InvalidData(
            f"execute runs the steps of {file} on this machine, as you and without a sandbox; if you trust the file, "
            "say --yes (simulate shows what would run, and runs nothing)."
        )
    trigger, settings = given.of(read)
    run = executed(read, trigger, step_timeout=step_timeout, **settings)
    if not as_json:
        _print_logs(run, everything=logs)
    return _answer(read, run, out=out, as_json=as_json)


def _load(file: str, root: str | None) -> Workflow:
    if "\0" in file + (root or ""):
        raise InvalidData("a name of a file or a folder cannot hold a null byte.")
    if root is not None and not Path(root).is_dir():
        raise InvalidData(f"--root {root!r} is no folder.")
    return load_workflow(file, root=root)


def _answer(read: Workflow, run: WorkflowRun, *, out: str | None, as_json: bool) -> int:
    """Print a run; the exit code, or one line on standard error when it did not succeed."""
    from mlops_lab.teaching.drawing.workflow import draw_workflow

    code = 0 if run.conclusion in ("success", "skipped") else 3 if run.status in ("waiting", "pending") else 1
    written = None if out is None else str(draw_workflow(read, run).save(out))
    told: dict[str, Any] = {"exit_code": code, "run": run, "written": written}
    if not as_json:
        for line in run.outline().splitlines():
            click.echo(plain(line))
        click.echo(f"drawn into {written}" if written else "", nl=bool(written))
    if code == 1:
        raise Stopped(_why(run), code=code, kind="RunFailed", told=told)
    if as_json:
        print_json(told)
    return code


def _why(run: WorkflowRun) -> str:
    if run.status == "not_triggered":
        return f"{run.workflow} does not start: {run.reason}."
    bad = next((job for job in run.jobs if job.conclusion == "failure"), None)
    words = f"{run.workflow}: {run.conclusion or run.status}"
    return words + (f" in {bad.name}" if bad else "") + (f": {bad.reason}" if bad and bad.reason else "")


def _print_logs(run: WorkflowRun, *, everything: bool) -> None:
    for job in run.jobs:
        for step in job.steps:
            if step.log and (everything or step.outcome == "failure"):
                click.echo(f"{plain(job.name)} / {plain(step.name)}:")
                for line in step.log.rstrip("\n").splitlines():
                    click.echo(f"  {plain(line)}")


workflow.add_command(lint)
workflow.add_command(setup)
