"""The command `workflow`: files of GitHub Actions, drawn, simulated, executed; the options that say what happened."""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, MlopsLabError, UnknownName
from mlops_lab.ci import (
    Environment,
    Outcome,
    Review,
    Trigger,
    Workflow,
    WorkflowRun,
    environments_from,
    load_workflow,
    read_yaml,
    simulate_chain,
)
from mlops_lab.ci import execute as executed
from mlops_lab.ci import simulate as simulated
from mlops_lab.cli.answers import Stopped, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.linting import lint
from mlops_lab.cli.options import json_option, read_text
from mlops_lab.cli.workflow_setup import setup
from mlops_lab.teaching.drawing.words import plain

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--event", metavar="EVENT", help="What happened.  [default: the first event of the file's `on`]"),
    click.option("--activity", metavar="TYPE", help="What exactly, such as opened; of a schedule, the cron."),
    click.option("--ref", metavar="REF", default="refs/heads/main", show_default=True, help="On which branch or tag."),
    click.option("--base", metavar="BRANCH", default="main", show_default=True, help="Where a pull request goes."),
    click.option("--head", metavar="BRANCH", default="feature", show_default=True, help="Where it comes from."),
    click.option("--fork", is_flag=True, help="The pull request is of a fork."),
    click.option("--actor", metavar="WHO", default="octocat", show_default=True, help="By whom."),
    click.option("--changed", multiple=True, metavar="PATH", help="A file that was changed, for `paths`.  (repeat)"),
    click.option("--payload", metavar="JSON", help="A file with the `github.event`."),
    click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input.  (repeat)"),
    click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="One of `vars`.  (repeat)"),
    click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="A secret; without a value, that of the environment variable of this name.  (repeat)",
    ),
    click.option(
        "--reviewers", multiple=True, metavar="ENV=A,B", help="Who may review jobs of this environment.  (repeat)"
    ),
    click.option(
        "--environments",
        "rules",
        metavar="FILE",
        help="YAML or JSON: each environment's reviewers, prevent_self_review, wait_timer, branches, tags, secrets.",
    ),
    click.option("--prevent-self-review", is_flag=True, help="Whoever started the run may not review it."),
    click.option("--approve", multiple=True, metavar="ENV=WHO", help="Somebody approves.  (repeat)"),
    click.option("--reject", multiple=True, metavar="ENV=WHO", help="Somebody rejects, before any approval.  (repeat)"),
)


def run_options(command: _Command) -> _Command:
    """The options that `simulate` and `execute` share; `given` is all that was typed, by name."""
    own = [name for name in inspect.signature(command).parameters if name != "given"]

    @functools.wraps(command)
    def called(**values: Any) -> Any:
        return command(given=values, **{name: values[name] for name in own})

    wrapped: Any = called
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def event_of(workflow: Workflow, given: Mapping[str, Any]) -> tuple[Trigger, dict[str, Any]]:
    """The trigger, and the arguments of `simulate` and `execute`.

    Raises:
        UnknownName: an environment that the workflow does not name.
        InvalidData: something that cannot be read.
    """
    trigger = Trigger(
        given["event"] or next(iter(workflow.events)),
        ref=given["ref"] if given["ref"].startswith("refs/") else f"refs/heads/{given['ref']}",
        base_ref=given["base"],
        head_ref=given["head"],
        fork=given["fork"],
        actor=given["actor"],
        activity=given["activity"],
        paths=given["changed"] or None,
        payload=_payload(given["payload"]),
    )
    environments = _environments(given)
    reviews = _reviews(given, {name.lower() for name in environments})
    _check_environments(workflow, environments)
    return trigger, {
        "inputs": dict(pairs(given["inputs"], "--input")),
        "variables": dict(pairs(given["variables"], "--var")),
        "secrets": _secrets(given["secrets"]),
        "environments": environments,
        "approvals": reviews,
    }


def _environments(given: Mapping[str, Any]) -> dict[str, Environment]:
    found, no_self = _rules(given["rules"]), given["prevent_self_review"]
    for name, words in pairs(given["reviewers"], "--reviewers"):
        people = tuple(word.strip() for word in words.split(",") if word.strip())
        if not people:
            raise InvalidData(f"--reviewers {name}= names nobody; write for example {name}=ada,grace.")
        found[name] = Environment(name, reviewers=people, prevent_self_review=no_self)
    if no_self and not found:
        raise InvalidData("--prevent-self-review needs --reviewers ENV=A,B: without reviewers there is no review.")
    return found


def _reviews(given: Mapping[str, Any], guarded: set[str]) -> list[Review]:
    found = []
    for option, approved in (("reject", False), ("approve", True)):
        for name, who in pairs(given[option], f"--{option}"):
            if name.lower() not in guarded:
                raise InvalidData(f"nobody reviews {name!r} here; say who may: --reviewers {name}={who}")
            found.append(Review(name, by=who, approved=approved))
    return found


def pairs(words: Sequence[str], option: str) -> list[tuple[str, str]]:
    """What stands before and behind the first `=` of each word.

    Raises:
        InvalidData: there is no `=`, or nothing before it, or one name twice.
    """
    found: list[tuple[str, str]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise InvalidData(f"{option} {word!r} is not of the form NAME=VALUE.")
        found.append((name.strip(), value))
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None and option in ("--input", "--var", "--outcome", "--output", "--reviewers"):
        raise InvalidData(f"{option} gives {twice!r} twice.")
    return found


def told_outcomes(outcomes: Sequence[str], outputs: Sequence[str]) -> dict[str, Outcome]:
    """What `--outcome` and `--output` say of each step.

    >>> told_outcomes(["train/gate=failure"], ["train/fit.auc=0.7"])
    {'train/gate': Outcome('failure'), 'train/fit': Outcome('success', outputs auc)}

    Raises:
        InvalidData: one of them cannot be read.
    """
    given: dict[str, dict[str, str]] = {}
    for name, value in pairs(outputs, "--output"):
        step, dot, output = name.rpartition(".")
        if not dot or "/" not in step or not output:
            raise InvalidData(f"--output {name!r} is not of the form JOB/STEP.NAME=VALUE.")
        given.setdefault(step, {})[output] = value
    conclusions = {name: value.strip().lower() for name, value in pairs(outcomes, "--outcome")}
    return {
        name: Outcome(conclusions.get(name, "success"), outputs=given.get(name, {}), knows_outputs=name in given)
        for name in (*conclusions, *given)
    }


def _secrets(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and name not in os.environ:
            raise InvalidData(f"--secret {name}: there is no environment variable of this name; set it, or add =VALUE.")
        found[name] = value if equals else os.environ[name]
    return found


def _payload(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"--payload {path!r} is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise InvalidData(f"--payload {path!r} holds no JSON object.")
    return found


def _rules(path: str | None) -> dict[str, Environment]:
    if path is None:
        return {}
    given = read_yaml(read_text(path), file=path)[0].plain()
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise InvalidData(f"--environments {path!r} must hold a mapping: environment to its rules.")
    try:
        return {each.name: each for each in environments_from(given).values()}
    except (MlopsLabError, TypeError, AttributeError) as error:
        raise InvalidData(f"--environments {path!r}: {error}") from None


def _check_environments(workflow: Workflow, environments: Mapping[str, Environment]) -> None:
    """An environment that no job names guards nothing; a name that an expression makes cannot be checked."""
    flows, names = [workflow], set()
    for flow in flows:
        flows += flow.called.values()
        names |= {job.environment.word for job in flow.jobs.values() if job.environment is not None}
    if not any("${{" in name for name in names):
        for name in environments:
            if name.lower() not in {each.lower() for each in names}:
                raise UnknownName("environment", name, names, where=workflow.file)


_file = click.argument("file", metavar="FILE")
_root = click.option(
    "--root", metavar="DIR", help="The repository.  [default: where FILE's .github is, else FILE's folder]"
)
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
@json_option
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
@json_option
def simulate(
    file: str,
    given: Mapping[str, Any],
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
    read = _load(file, root)
    clock = FakeClock()
    began = clock.now()
    clock.advance(timedelta(days=waited))
    trigger, settings = event_of(read, given)
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
@json_option
def execute(
    file: str,
    given: Mapping[str, Any],
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
    trigger, settings = event_of(read, given)
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
