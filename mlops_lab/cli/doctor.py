"""Can this machine run the course? Told line by line, with the command that helps."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.cli.answers import MARKS, columns, marked, print_json
from mlops_lab.cli.options import answer_options


@click.command()
@answer_options
def doctor(home: Path, as_json: bool) -> int:
    r"""Can this environment run the course?

    Line by line: ✓ is well, ✗ is missing and needed, – is missing and optional (the line says how to get it). Nothing
    is changed.

    \b
    Examples:
      mlops-lab doctor
      mlops-lab doctor --json

    Exit codes: 0 all that is needed is here, 1 something needed is missing
    """
    from mlops_lab.cli.examining import examine

    found = examine(home)
    missing = [each for each in found if each.good is False]
    if as_json:
        print_json({"ready": not missing, "exit_code": int(bool(missing)), "checks": found})
    else:
        rows = [[MARKS[each.good], each.name, each.told] for each in found]
        click.echo(marked(columns(rows)))
        click.echo(f"\n{len(missing)} of {len(found)} need attention." if missing else "\nready.")
    return int(bool(missing))
