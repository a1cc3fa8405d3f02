"""The commands `lineage` and `refit`: where a version came from, and whether its model can be fitted again."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import Stopped, answer, columns, print_json
from mlops_lab.cli.options import answer_options, open_problem, open_registry, subject, version_of
from mlops_lab.models import lineage as lineages
from mlops_lab.models.training import refit as fitted_again
from mlops_lab.models.training import time_split
from mlops_lab.models.training.fit import TOLERANCE
from mlops_lab.pipeline.engines import open_tracker


@click.command()
@subject
@click.option("--view", metavar="VIEW", help="Go forward from this feature view instead.")
@click.option(
    "--rows", type=click.IntRange(1, 1000), metavar="N", help="Also the first N rows it learnt from, verified."
)
@click.option("--draw", metavar="FILE", help="Draw it into FILE: .svg, .png, .dot or .txt.")
@answer_options
def lineage(
    subject: tuple[str, ...], view: str | None, rows: int | None, draw: str | None, home: Path, as_json: bool
) -> None:
    r"""Where did a version come from?

    Down to the rows, and on to what became of it; or, with --view, what depends on a feature view. Without a
    VERSION it is the one in Production, else the latest.

    \b
    Examples:
      mlops-lab lineage
      mlops-lab lineage 2 --rows 3
      mlops-lab lineage --view VIEW
      mlops-lab lineage --draw lineage.svg
    """
    from mlops_lab.teaching.drawing import draw_lineage

    registry, tracker = open_registry(home), open_tracker(home, clock=SystemClock())
    version = None
    if view is None:
        version = version_of(registry, subject)
        found = lineages.lineage(version, registry, tracker=tracker)
    elif subject or rows:
        raise InvalidData("--view goes forward from a feature view; give it without a version and without --rows.")
    else:
        found = lineages.used_by(view, registry, tracker=tracker)
    frame = None if version is None or rows is None else lineages.training_rows(version, tracker).head(rows)
    drawing = draw_lineage(found, title="" if view is None else f"what depends on {view}")
    if draw is not None:
        drawing.save(draw)
        click.echo(f"drawn into {draw}", err=True)
    told, text = found.to_dict(), drawing.outline
    if frame is not None:
        told["rows"] = [dict(zip(frame.columns, row, strict=True)) for row in frame.astype(object).values.tolist()]
        many = counted(len(frame), "row")
        cells = frame.astype(object).where(frame.notna(), "–")
        lines = [
            [str(name), *(str(round(one, 6) if isinstance(one, float) else one) for one in cells[name])]
            for name in cells
        ]
        text += f"\n\nthe first {many} it learnt from, verified:\n{columns(lines, right=range(1, len(frame) + 1))}"
    answer(as_json, told, text)


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
    version = version_of(open_registry(home), subject)
    tracker = open_tracker(home, clock=SystemClock())
    run = tracker.get_run(version.run_id)
    rows = time_split(lineages.training_rows(version, tracker), parse_utc(str(run.params["split_at"]))).train
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
