"""`leaks`: which features of a problem know what nobody could have known."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.cli.answers import MARKS, columns, marked, print_json
from mlops_lab.cli.options import answer_options, open_problem
from mlops_lab.pipeline.problem import find_leaks, load_problem


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
