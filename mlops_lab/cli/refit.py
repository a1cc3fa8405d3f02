"""The command `refit`: does a GPU come to the same model?"""

from __future__ import annotations

import os
from pathlib import Path

import click

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.display import counted
from mlops_lab.cli.answers import Stopped, print_json
from mlops_lab.cli.options import answer_options, open_problem, open_registry, subject, version_of
from mlops_lab.models.lineage import training_rows
from mlops_lab.models.training import refit as fitted_again
from mlops_lab.models.training import time_split
from mlops_lab.models.training.fit import TOLERANCE
from mlops_lab.pipeline.engines import open_tracker


@click.command()
@subject
@answer_options
def refit(subject: tuple[str, ...], home: Path, as_json: bool) -> None:
    r"""Fit a version's model again, on a GPU where one is.

    Takes the very rows that the version learnt from, has scikit-learn fit the model once more, says where, and compares
    the answers with those of the version. A logistic regression is fitted with CuPy on a GPU where there is one, any
    other model on the CPU.

    \b
    Examples:
      mlops-lab refit
      mlops-lab refit 2 --json
    \b
    Exit codes: 0 the same model, 1 another one, or an error
    """
    os.environ.setdefault("SCIPY_ARRAY_API", "1")  # scipy reads it when it is imported: later is too late
    from dataclasses import asdict

    version = version_of(open_registry(home), subject)
    tracker = open_tracker(home, clock=SystemClock())
    run = tracker.get_run(version.run_id)
    rows = time_split(training_rows(version, tracker), parse_utc(str(run.params["split_at"]))).train
    kind = open_problem(home).kind
    found = fitted_again(
        tracker.artifacts.load_model(version.artifact), rows, rows[str(run.params["label"])], kind=kind
    )
    told = {"version": version.version, **asdict(found), "tolerance": TOLERANCE, "same": found.is_same}
    if not as_json:
        click.echo(f"computed on the {found.device}: {found.why}.")
        size = f"{counted(found.rows, 'row')}, {counted(found.columns, 'column')}"
        click.echo(size + (f", {counted(found.steps, 'step')}." if found.steps else "."))
        what = "A probability" if found.log_loss is not None else "In standard deviations, an answer"
        click.echo(f"{what} differs from v{version.version}'s by {found.difference:.4f} at most.")
    if not found.is_same:
        why = f"{found.difference:.4f} is more than the {TOLERANCE} that is allowed: another model."
        raise Stopped(why, code=1, kind="AnotherModel", told=told)
    if as_json:
        print_json(told)
