"""The command `class`: a learner hands in how far she has come, and a teacher sees how far the class has."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.base.errors import UnknownName
from mlops_lab.cli.answers import columns, marked, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family


@click.group("class", cls=Family, context_settings=SETTINGS)
def class_() -> None:
    r"""A class: hand in, report.

    A learner's file holds for every exercise its status, the tries and the hints looked at; no name, no answer, no
    time. Nothing is sent anywhere: files are handed in as any other.

    \b
    Examples:
      mlops-lab class export mine.json
      mlops-lab class report handed-in/ --out class.svg
    """


@class_.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def export(file: str, as_json: bool) -> None:
    """Write your own progress to a small file, to hand in or to keep."""
    from mlops_lab.teaching.checks import export_progress, progress

    table = progress()
    path = export_progress(file)
    if as_json:
        print_json({"file": path, "passed": table.passed, "of": len(table.rows)})
    else:
        click.echo(f"{path}: {table.passed} of {len(table.rows)} passed; no name is in it.")


@class_.command()
@click.option("--out", metavar="FILE", help="Write to this file and print nothing.")
def answers(out: str | None) -> None:
    r"""The answer key, for teachers: solutions, usual mistakes, hints.

    \b
    Examples:
      mlops-lab class answers --out answers.md
    """
    from mlops_lab.teaching.classroom import answer_key
    from mlops_lab.teaching.drawing.drawing import write_file

    text = answer_key()
    if out is None:
        click.echo(text, nl=False)
    else:
        write_file(Path(out), text.encode())


@class_.command()
@click.argument("folder")
@click.option("--out", metavar="FILE", help="Also draw the class, as an SVG file.")
@click.option("--anonymous", is_flag=True, help="Number the learners; do not show the names of their files.")
@click.option("--csv", "table", metavar="FILE", help="Also write the points as CSV, for a gradebook.")
@click.option("--for", "platform", default="moodle", metavar="NAME", help="Whose CSV: moodle (default) or canvas.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def report(folder: str, out: str | None, anonymous: bool, table: str | None, platform: str, as_json: bool) -> None:
    r"""How far has the class come? One line a learner, and where most are stuck.

    Reads every .json of the folder and of the folders in it. What is no progress file is told in one line and left out.

    \b
    Examples:
      mlops-lab class report handed-in/
      mlops-lab class report handed-in/ --anonymous --out class.svg
      mlops-lab class report handed-in/ --csv points.csv --for canvas
    """
    from mlops_lab.teaching.classroom import draw_class, read_class
    from mlops_lab.teaching.drawing.drawing import write_file

    if out is not None and Path(out).suffix.lower() != ".svg":
        raise UnknownName("file type for the picture of a class", Path(out).suffix, [".svg"])
    found = read_class(folder, anonymous=anonymous)
    if out is not None:
        write_file(Path(out), (draw_class(found) + "\n").encode())
    if table is not None:
        write_file(Path(table), found.gradebook(platform).encode())
    if as_json:
        return print_json(found.to_dict())
    click.echo(found.table())
    stuck = [
        [entry, f"{late} not yet", f"{told} saw the solution"]
        for entry, _, late, _, told in found.hardest()[:5]
        if late
    ]
    if stuck:
        click.echo("\nwhere most are stuck:\n" + columns(stuck, indent="  "))
    for note in found.notes:
        click.echo(marked(f"✗ {note}" if "not counted" in note else f"– {note}"))
    counts = [(len(found.learners), "learner"), (len(found.notes), "remark")]
    many, remarks = (f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    click.echo(f"\n{many}, {remarks}.")
    return None
