"""The commands `break` and `reset`: a teacher breaks something, and mends it again."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_lab.cli.answers import columns, marked, page_width, print_json
from mlops_lab.cli.options import answer_options

if TYPE_CHECKING:
    from mlops_lab.teaching.classroom import Broken, Fault, Sight


@click.command("break")
@click.argument("name")
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
        print_json({**_told(fault), "before": _sight(shown.before), "after": _sight(shown.after), "closer": closer})
    else:
        page = _page(shown)
        if pauses:  # what stood before the damage was shown already
            page = page[page.index("\nafter ") :]
        click.echo(marked(page if pauses else f"{fault.title}\n\n{page}"))
        look = f"\nlook closer:  {closer}" if closer else ""
        click.echo(f"{look}\nmend it:      {_command('reset', fault.name, home)}")
    return None


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
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
    if as_json:
        print_json({"reset": {name: _sight(sight) for name, sight in seen.items()}})
    elif not seen:
        click.echo("nothing is broken.")
    else:
        click.echo(marked(columns([["✓", name, sight.line] for name, sight in seen.items()])))


def _ask(fault: Fault) -> Callable[[Sight], None]:
    """Show what there is before the damage and what will be done, and wait."""

    def ask(before: Sight) -> None:
        click.echo(marked(f"{fault.title}\n\nbefore  {before}\ndamage  {fault.damage}\n"))
        click.pause("What will happen? Let the class predict, then press a key.")

    return ask


def _list(home: Path, as_json: bool) -> None:
    from mlops_lab.teaching.classroom import FAULTS, standing

    if as_json:
        print_json({"failures": [{**_told(fault), "standing": standing(fault, home)} for fault in FAULTS]})
        return
    rows = [["name", "notebook", "now", "what happens"]]
    rows += [[fault.name, fault.notebook, standing(fault, home) or "–", fault.title] for fault in FAULTS]
    click.echo(columns(rows))


def _page(shown: Broken) -> str:
    """Long lines go on below themselves; what is told is what `Broken` tells."""
    import textwrap

    def fitting(line: str) -> str:
        if len(line) <= page_width():
            return line
        left = len(line) - len(line.lstrip())
        return textwrap.fill(line, page_width(), subsequent_indent=" " * (left + 2 if left else 10))

    return "\n".join(fitting(line) for line in repr(shown).splitlines())


def _told(fault: Fault) -> dict[str, str]:
    words = ("name", "title", "notebook", "damage", "lesson")
    return {word: getattr(fault, word) for word in words}


def _sight(sight: Sight) -> dict[str, object]:
    return {"good": sight.good, "line": sight.line, "words": sight.words}


def _closer(fault: Fault, home: Path) -> str | None:
    from mlops_lab.teaching.classroom.scene import scene_home

    if fault.closer is None:
        return None
    return f"mlops-lab {fault.closer[0]}".replace("HOME", shlex.quote(scene_home(fault, home).as_posix()))


def _command(verb: str, name: str, home: Path) -> str:
    from mlops_lab.cli.options import HOME

    return f"mlops-lab {verb} {name}" + ("" if str(home) == HOME else f" --home {shlex.quote(str(home))}")
