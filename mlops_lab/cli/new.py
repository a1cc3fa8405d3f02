"""`new`: a project of one's own, from an example or from a file."""

from __future__ import annotations

from dataclasses import asdict

import click

from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import print_json
from mlops_lab.pipeline.problem import new_project


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--from", "data", metavar="FILE", help="Your own CSV or Parquet file: one row a decision.")
@click.option("--label", metavar="COLUMN", help="The outcome to predict.")
@click.option("--time", metavar="COLUMN", help="When a row is decided.")
@click.option("--key", metavar="COLUMN", help="What names a row.")
@click.option("--known", metavar="COLUMN", help="When its outcome was known.")
@click.option("--created", metavar="COLUMN", help="When the row was written; never guessed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def new(folder: str, data: str | None, as_json: bool, **told: str | None) -> None:
    r"""Lay out a project of your own in FOLDER: problem, tests, notebook, workflows.

    Without --from it is an example that runs at once. With it, the file is looked at: what its columns seem to be is
    written into problem.py, what was guessed is said, and so is what no file can say.

    \b
    Examples:
      mlops-lab new warm_days
      mlops-lab new returns --from orders.csv --label returned --known returned_at
    """
    if data is None and any(told.values()):
        raise InvalidData("--label, --time, --key, --known and --created are about a file; name it with --from FILE.")
    found = new_project(folder, data=data, **told)
    if as_json:
        return print_json({"folder": folder, "proposal": None if found is None else asdict(found)})
    click.echo(f"a new project is in {folder}.")
    if found is not None:
        click.echo(f"\nthe columns of {found.file.name}:")
        click.echo("\n".join(f"  {name}: {role}" for name, role in found.roles.items()))
        click.echo("guessed:\n" + "\n".join(f"  {each}" for each in found.guessed))
        click.echo("not known:\n" + "\n".join(f"  {each}" for each in found.unknown))
        if found.suspicions:
            click.echo("suspicious:\n" + "\n".join(f"  {each}" for each in found.suspicions))
        marks = "GUESS and UNKNOWN" if not found.suspicions else "GUESS, UNKNOWN and SUSPICION"
        click.echo(f"\nThe marks {marks} in problem.py say where; look at each.")
    click.echo(f"\nnext:\n  cd {folder}\n  mlops-lab leaks problem.py\n  mlops-lab run problem.py\n  python -m pytest")
    return None
