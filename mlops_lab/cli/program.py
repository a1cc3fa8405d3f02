"""`mlops-lab` itself: its commands, and how each ends: with which line, and which exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

import mlops_lab
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.cli.answers import Stopped, print_json, tolerate
from mlops_lab.cli.catalogue import SETTINGS, Later

_INTERRUPTED = 130  # 128 + SIGINT, as shells say it


#: Every command: where it is, and the first sentence of its help.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run:run", "Run the whole pipeline of a problem."),
    "doctor": ("doctor:doctor", "Can this environment run the course, or the problem of the home?"),
    "gate": ("gate:gate", "May this version pass?"),
    "registry": ("registry:registry", "Versions, stages, approvals and their history."),
    "lineage": ("lineage:lineage", "Where did a version come from?"),
    "refit": ("lineage:refit", "Fit a version's model again, on a GPU where one is."),
    "rollout": ("rollout:rollout", "Rollouts: look, stop, go on."),
    "serve": ("serve:serve", "Serve a version: the champion, when none is named."),
    "drift": ("watching:drift", "Compare what is served with what the model learnt from, month by month."),
    "leaks": ("watching:leaks", "Look for leaks in every feature view of a problem, before anything is trained."),
    "new": ("layout:new", "Lay out a project of your own in FOLDER: problem, tests, notebook, workflows."),
    "features": ("features:features", "Features: what there is, what is served, rebuild."),
    "dag": ("dag:dag", "The DAG: draw, list, backfill, schedule; and DAGs of your own, as YAML or JSON files."),
    "workflow": (
        "workflow:workflow",
        "A workflow of GitHub Actions, in any repository: draw, simulate, execute, lint, set up.",
    ),
    "export": ("export:export", "Write the pipeline, or a DAG of your own, for another program."),
    "manifests": ("export:manifests", "Kubernetes manifests: find what a schema lets through."),
    "deploy": (
        "deploy:deploy",
        "Deliver a promoted version to a target, shift traffic to a challenger there, or take it back.",
    ),
    "container": ("container:container", "What the image does inside a cloud: serve, train, or run one task."),
    "course": ("layout:course", "Lay out the notebooks of the course in a folder, to work in."),
    "lab": ("layout:lab", "Open the course in JupyterLab."),
    "break": ("classroom:break_", "Break something on purpose: list, or NAME."),
    "reset": ("classroom:reset", "Mend what `break` broke: everything, or NAME."),
    "class": ("classroom:class_", "A class: hand in, report."),
}


@click.group("mlops-lab", cls=Later, places=COMMANDS, context_settings=SETTINGS)
@click.version_option(mlops_lab.__version__, message="mlops-lab %(version)s")
def program() -> None:
    r"""A pipeline for machine learning on 336,776 real flights, command by command.

    \b
    A first quarter of an hour:
      mlops-lab doctor                          can this machine run it?
      mlops-lab run                             the whole pipeline
      mlops-lab run --features daily_averages   the same with a leak: the gate refuses it
      mlops-lab registry history                what happened
      mlops-lab lineage                         where the model came from
      mlops-lab lab                             the course itself
      mlops-lab new FOLDER                      a project with your own data

    \b
    Exit codes of every command:
      0    done (promoted, where promotion was asked for)
      1    a usage or input error, or a task that failed: one line on standard error
      2    the gate refused
      3    waiting for an approval
      4    neutral: a target outside this machine cannot be reached (deploy)
      5    promoted, and rolled back by its canary (run)
      130  stopped by Ctrl-C

    MLOPS_LAB_HOME names the home folder, NO_COLOR turns colours off, MLOPS_LAB_DEBUG=1 shows tracebacks.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing is raised.

    Args:
        argv: the words after `mlops-lab`; those of this process when left out.

    >>> main(["--version"])
    mlops-lab 0.2.0
    0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell closed it (>&-): what is said there is said to nobody
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        tolerate(getattr(sys, name))
    real = sys.stdout
    if real is sys.__stdout__:
        sys.stdout = _ReadEnough(real)
    try:
        code = _run(words)
        sys.stdout.flush()
    except OSError as error:  # the disk that our output goes to is full
        click.echo(f"mlops-lab: the answer cannot be written: {error.strerror or error}.", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    finally:
        sys.stdout = real
    return code


class _ReadEnough:
    """A stream whose reader may leave (`gate | head -1`): the command goes on, and its exit code is its own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or nothing to nobody."""
        try:
            return int(self._stream.write(text))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _run(words: list[str]) -> int:
    try:
        answer: Any = program.main(words, prog_name="mlops-lab", standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except SystemExit as stop:  # click's own answer to a closed pipe
        return stop.code if isinstance(stop.code, int) else 1
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _failed(words, "stopped by Ctrl-C.", kind="KeyboardInterrupt", code=_INTERRUPTED)
    except Stopped as stop:
        return _failed(words, stop.message, kind=stop.kind, code=stop.code, told=stop.told)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "mlops-lab"
        return _failed(words, f"{error.format_message()} See: {where} --help", kind="UsageError")
    except click.ClickException as error:
        return _failed(words, error.format_message(), kind=type(error).__name__)
    except MlopsLabError as error:
        return _failed(words, str(error), kind=type(error).__name__, error=error)
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.errno == errno.ENOSPC:
            raise
        return _failed(words, f"{error}.", kind="OSError", error=error)
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        help_ = "This is a bug of mlops-lab; run it again with MLOPS_LAB_DEBUG=1 for the traceback."
        return _failed(words, f"{told}. {help_}", kind=type(error).__name__, error=error)


def _failed(
    words: list[str],
    message: str,
    *,
    kind: str,
    code: int = 1,
    error: Exception | None = None,
    told: Mapping[str, Any] | None = None,
) -> int:
    """One line on standard error and, where JSON was asked for, one object on standard output."""
    from mlops_lab.teaching.drawing.words import plain

    if error is not None and os.environ.get("MLOPS_LAB_DEBUG", "") not in ("", "0"):
        import traceback

        traceback.print_exception(error)
    line = plain(" ".join(message.split()))
    if "--json" in words:
        print_json(told if told is not None else {"error": line, "exit_code": code, "kind": kind})
    click.echo(f"mlops-lab: {line}", err=True)
    return code
