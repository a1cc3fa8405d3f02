"""The commands `leaks` and `drift`: which features know too much, and whether the data have moved since."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.cli.answers import MARKS, columns, marked, print_json
from mlops_lab.cli.options import answer_options, moment, open_problem, open_registry, subject, version_of
from mlops_lab.pipeline.problem import find_leaks, load_problem, season_drift


@click.command()
@click.argument("file", metavar="[PROBLEM]", required=False)
@click.option("--rows", default=20_000, type=click.IntRange(200, 10_000_000), help="Decisions to look at (20000).")
@click.option("--plot", "picture", metavar="FILE", help="Draw each feature offline and as served: .svg, .png or .txt.")
@click.option("--strict", is_flag=True, help="End with 2 for a warning too, until each is explained or taken out.")
@answer_options
def leaks(file: str | None, rows: int, picture: str | None, strict: bool, home: Path, as_json: bool) -> int:
    r"""Look for leaks in every feature view of a problem, before anything is trained.

    PROBLEM is a Python file, whose code runs; without one it is the problem of the home folder. Each view is joined as
    it stands offline and as it would have been served, and each feature alone is asked how well it ranks the outcomes.

    \b
    Examples:
      mlops-lab leaks problem.py
      mlops-lab leaks problem.py --plot leaks.svg
      mlops-lab leaks --json | jq .views
    \b
    Exit codes: 0 no leak was found, or only what is there for practice (a view with the tag practice), 1 an error,
    2 there are leaks
    """
    found = find_leaks(open_problem(home) if file is None else load_problem(file), rows=rows)
    table = found.to_frame()
    code = 2 if any(not leak.practice for leak in found.leaks) or (strict and found.warnings) else 0
    if picture is not None:
        from mlops_lab.teaching.drawing.plots import plot_bars

        shown = table.head(15)
        bars: dict[str, dict[str, float | None]] = {
            f"{view}: {name}": {"offline": paper, "served": service}
            for view, name, paper, service in shown[["view", "feature", "offline", "served"]].itertuples(index=False)
        }
        plot_bars(f"{found.problem}: each feature alone", bars, found.figure, decimals=3).save(picture)
    if as_json:
        told = [vars(leak) for leak in found.leaks]
        pictures = [vars(each) for each in found.pictures]
        print_json(
            {"problem": found.problem, "views": found.views, "leaks": told, "features": pictures}
            | {"unknown": found.unknown, "warnings": found.warnings, "exit_code": code}
        )
        return code
    lines = [["", "view", "feature", f"{found.figure} offline", "served", "leak"]]
    for view, name, paper, service, leak in table.itertuples(index=False):
        lines.append([MARKS[not leak], view, name, f"{paper:.3f}", f"{service:.3f}", leak])
    click.echo(marked(columns(lines, right=(3, 4))))
    click.echo("")
    for leak in found.leaks:
        kind = f"{leak.kind} (here for practice)" if leak.practice else leak.kind
        click.echo(marked(f"{MARKS[False]} {leak.view or 'the decisions'}, {kind}: {leak.sentence}"))
    for each in found.warnings:
        click.echo(f"{MARKS[None]} warning: {each}")
    for each in found.unknown:
        click.echo(f"{MARKS[None]} not known: {each}")
    if found.warnings:
        click.echo(
            f"{MARKS[None]} {len(found.warnings)} to be explained by who knows when each was known; no row shows it."
        )
    elif code == 0:
        else_ = " besides what is here for practice" if found.leaks else ""
        click.echo(marked(f"{MARKS[True]} no leak was found{else_}; what the rows do not say, no check can see."))
    return code


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
        click.echo(
            f"{version.name} v{version.version}: no month since it learnt has {needed:,} rows with an outcome.\n"
            "Nothing is compared; drift=DriftPolicy(min_rows=…) on the page of the problem takes fewer."
        )
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
