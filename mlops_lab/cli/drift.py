"""The command `drift`: whether the served data still look like what the model learnt from."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.cli.answers import MARKS, columns, marked, print_json
from mlops_lab.cli.options import answer_options, moment, open_problem, open_registry, subject, version_of
from mlops_lab.pipeline.problem import season_drift


@click.command()
@subject
@click.option("--until", metavar="D", help="The last day to watch.  [default: the last of the data]")
@click.option(
    "--rows",
    "per_month",
    default=1000,
    type=click.IntRange(200, 100_000),
    help="Rows of a month (1000).",
)
@click.option("--plot", "picture", metavar="FILE", help="Draw it too: .svg, .png or .txt.")
@answer_options
def drift(
    subject: tuple[str, ...], until: str | None, per_month: int, picture: str | None, home: Path, as_json: bool
) -> None:
    r"""Compare what is served with what the model learnt from, month by month.

    For every month since the version learnt: how far its answers and its features have moved (the population stability
    index; 0.25 is drift), and, because outcomes arrive late but do arrive, how good it was. A month that moved too far
    asks for retraining; the command that does it is printed. Without a VERSION it is the one in Production, else the
    latest.

    \b
    Examples:
      mlops-lab run --date 2013-03-01 --param holdout_days=10
      mlops-lab drift
      mlops-lab drift 1 --plot drift.svg
      mlops-lab drift --json | jq .retrain

    Exit code 0 also where retraining is asked for: it is a question, and the gate answers it.
    """
    from mlops_lab.teaching.drawing.plots import plot_drift

    registry = open_registry(home)
    problem = open_problem(home)
    version = version_of(registry, subject)
    seasons = season_drift(version, home=home, until=until and moment(until), per_month=per_month)
    asking = [each for each in seasons if each.report.retrain]
    again = f"mlops-lab run --date {_first_of_next(asking[0].report.period)}" if asking else None
    if picture is not None and seasons:
        plot_drift(f"{version.name} v{version.version}: served against learnt", [each.report for each in seasons]).save(
            picture
        )
    if as_json:
        months = [
            {**each.report.to_dict(), each.metric: each.figure, each.label: each.happened, "said": each.said}
            for each in seasons
        ]
        print_json({"version": version.version, "retrain": bool(asking), "command": again, "months": months})
        return
    if not seasons:
        needed = problem.drift.min_rows
        click.echo(f"{version.name} v{version.version}: no month since it learnt has {needed:,} rows with an outcome.")
        click.echo("Nothing is compared; drift=DriftPolicy(min_rows=…) on the page of the problem takes fewer.")
        return
    heads = [seasons[0].metric, seasons[0].label]
    rows = [["", "month", "answers", "drifted", *heads, "said", "why"]]
    for each in seasons:
        report = each.report
        rows.append(
            [
                MARKS[not report.retrain],
                report.period,
                f"{report.score.psi:.2f}" if report.score else MARKS[None],
                str(len(report.drifted)),
                MARKS[None] if each.figure is None else f"{each.figure:.3f}",
                f"{each.happened:.2f}",
                f"{each.said:.2f}",
                report.why,
            ]
        )
    click.echo(f"{version.name} v{version.version}, as served since it learnt")
    click.echo(marked(columns(rows, right=(2, 3, 4, 5, 6))))
    if again is not None:
        click.echo(f"{len(asking)} of {len(seasons)} months ask for retraining; the first is answered by: {again}")


def _first_of_next(period: str) -> str:
    """The day on which all of a month is known."""
    year, month = (int(part) for part in period.split("-"))
    return f"{year + month // 12}-{month % 12 + 1:02d}-01"
