"""The commands `break`, `reset` and `class`: what a teacher breaks and mends, and how far a class has come."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_lab.base.display import counted
from mlops_lab.base.errors import UnknownName
from mlops_lab.cli.answers import answer, columns, marked, print_json, wrapped
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.options import HOME, answer_options, begins, json_option

if TYPE_CHECKING:
    from mlops_lab.teaching.classroom import Fault, Sight


def _failures(_context: click.Context, _param: click.Parameter, text: str) -> list[str]:
    from mlops_lab.teaching.classroom import FAULTS

    return begins(text, ["list", *(fault.name for fault in FAULTS)])


@click.command("break")
@click.argument("name", shell_complete=_failures)
@click.option("--pause", "pauses", is_flag=True, help="Wait for a key before the damage: time for a prediction.")
@answer_options
def break_(name: str, pauses: bool, home: Path, as_json: bool) -> None:
    r"""Break something on purpose: list, or NAME.

    Sets up a small scene in the home folder's `classroom`, shows that all is well, does the damage, and shows what the
    real code says to it. Nothing else in the home folder is touched, and `reset` mends it.

    \b
    Examples:
      mlops-lab break list
      mlops-lab break leak --pause
      mlops-lab reset leak

    Exit codes: 0 it broke as stated, 1 an error (no such failure, or it did not break)
    """
    from mlops_lab.teaching.classroom import break_it, find_fault

    if name == "list":
        return _list(home, as_json)
    fault = find_fault(name)
    shown = break_it(fault, home, pause=_ask(fault) if pauses and not as_json else None)
    closer = _closer(fault, home)
    if as_json:
        print_json({**_told(fault), "before": _result(shown.before), "after": _result(shown.after), "closer": closer})
    else:
        page = "\n".join(map(wrapped, repr(shown).splitlines()))
        if pauses:  # what stood before the damage was shown already
            page = page[page.index("\nafter ") :]
        click.echo(marked(page if pauses else f"{fault.title}\n\n{page}"))
        look = f"\nlook closer:  {closer}" if closer else ""
        click.echo(f"{look}\nmend it:      {_command('reset', fault.name, home)}")
    return None


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=_failures)
@answer_options
def reset(names: tuple[str, ...], home: Path, as_json: bool) -> None:
    r"""Mend what `break` broke: everything, or NAME.

    Whatever became of a scene, it is as it was set up afterwards, and a look at it shows that all is well.

    \b
    Examples:
      mlops-lab reset
      mlops-lab reset leak

    Exit codes: 0 all is well, 1 an error (no such failure)
    """
    from mlops_lab.teaching.classroom import FAULTS, find_fault, standing
    from mlops_lab.teaching.classroom import reset as mend

    faults = [find_fault(name) for name in names] or [fault for fault in FAULTS if standing(fault, home) == "broken"]
    seen = {fault.name: mend(fault, home) for fault in faults}
    told = {"reset": {name: _result(each) for name, each in seen.items()}}
    rows = [["✓", name, each.line] for name, each in seen.items()]
    answer(as_json, told, columns(rows) if rows else "nothing is broken.")


def _ask(fault: Fault) -> Callable[[Sight], None]:
    """Show what there is before the damage and what will be done, and wait."""

    def ask(before: Sight) -> None:
        click.echo(marked(f"{fault.title}\n\nbefore  {before}\ndamage  {fault.damage}\n"))
        click.pause("What will happen? Let the class predict, then press a key.")

    return ask


def _list(home: Path, as_json: bool) -> None:
    from mlops_lab.teaching.classroom import FAULTS, standing

    told = {"failures": [{**_told(fault), "standing": standing(fault, home)} for fault in FAULTS]}
    rows = [["name", "notebook", "now", "what happens"]]
    rows += [[fault.name, fault.notebook, standing(fault, home) or "–", fault.title] for fault in FAULTS]
    answer(as_json, told, columns(rows))


def _told(fault: Fault) -> dict[str, str]:
    words = ("name", "title", "notebook", "damage", "lesson")
    return {word: getattr(fault, word) for word in words}


def _result(seen: Sight) -> dict[str, object]:
    return {"good": seen.good, "line": seen.line, "words": seen.words}


def _closer(fault: Fault, home: Path) -> str | None:
    from mlops_lab.teaching.classroom.scene import scene_home

    if fault.closer is None:
        return None
    return f"mlops-lab {fault.closer[0]}".replace("HOME", shlex.quote(scene_home(fault, home).as_posix()))


def _command(verb: str, name: str, home: Path) -> str:
    return f"mlops-lab {verb} {name}" + ("" if str(home) == HOME else f" --home {shlex.quote(str(home))}")


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
@json_option
def export(file: str, as_json: bool) -> None:
    """Write your own progress to a small file, to hand in or to keep."""
    from mlops_lab.teaching.checks import export_progress, progress

    table = progress()
    path = export_progress(file)
    told = {"file": path, "passed": table.passed, "of": len(table.rows)}
    answer(as_json, told, f"{path}: {table.passed} of {len(table.rows)} passed; no name is in it.")


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
@json_option
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
    lines, hardest = [found.table()], [each for each in found.hardest()[:5] if each[2]]
    if stuck := [[entry, f"{late} not yet", f"{told} saw the solution"] for entry, _, late, _, told in hardest]:
        lines.append("\nwhere most are stuck:\n" + columns(stuck, indent="  "))
    lines += [f"✗ {note}" if "not counted" in note else f"– {note}" for note in found.notes]
    lines.append(f"\n{counted(len(found.learners), 'learner')}, {counted(len(found.notes), 'remark')}.")
    answer(as_json, found.to_dict(), "\n".join(lines))
