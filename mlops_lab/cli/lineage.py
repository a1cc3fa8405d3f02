"""The command `lineage`: where a version came from, and what depends on a view."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import print_json
from mlops_lab.cli.options import answer_options, open_registry, subject, version_of
from mlops_lab.models import lineage as room
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
        found = room.lineage(version, registry, tracker=tracker)
    elif subject or rows:
        raise InvalidData("--view goes forward from a feature view; give it without a version and without --rows.")
    else:
        found = room.used_by(view, registry, tracker=tracker)
    frame = None if version is None or rows is None else room.training_rows(version, tracker).head(rows)
    drawing = draw_lineage(found, title="" if view is None else f"what depends on {view}")
    if draw is not None:
        drawing.save(draw)
        click.echo(f"drawn into {draw}", err=True)
    if as_json:
        told = found.to_dict()
        if frame is not None:
            told["rows"] = [dict(zip(frame.columns, row, strict=True)) for row in frame.astype(object).values.tolist()]
        return print_json(told)
    click.echo(drawing.outline)
    if frame is not None:
        click.echo(
            f"\nthe first {counted(len(frame), 'row')} it learnt from, verified:\n" + frame.T.to_string(header=False)
        )
    return None
