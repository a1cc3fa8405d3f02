"""Families of commands: in order, each loaded when it is asked for, and a misspelt word told what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from mlops_lab.base.errors import UnknownName

#: What all commands have in common for click.
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

#: What a metavar means for the tab of a shell.
_FILES = {"FILE": "file", "PROBLEM": "file", "PATH": "file", "DIR": "dir", "FOLDER": "dir"}


class Family(click.Group):
    """Commands under one word: listed as they were added; alone it shows its help; a misspelt one is told."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        _prepared(self)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Click's own, for a command that is prepared."""
        _prepared(cmd)
        super().add_command(cmd, name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's own, but the bare word shows its help and is no error."""
        if not args and not ctx.resilient_parsing:  # tab completion only wants to know where it stands
            click.echo(ctx.get_help())
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click calls it so
        """The commands in the order in which one needs them."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; UnknownName with the closest when there is none."""
        word = args[0]
        if not ctx.resilient_parsing and self.get_command(ctx, word) is None and not word.startswith("-"):
            raise UnknownName("command", word, self.commands, where=ctx.command_path)
        return super().resolve_command(ctx, args)


class Later(Family):
    """A family whose commands' modules are loaded one by one, so that help costs nothing.

    Args:
        places: where each command is, as `module:name` below `mlops_lab.cli`, and the first sentence of its help.
    """

    def __init__(self, *arguments: Any, places: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.commands, self._about = _Loaded(places), {name: about for name, (_, about) in places.items()}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Click's own, without loading a command to say what it does."""
        room = formatter.width - 6 - max(map(len, self._about))
        said = {name: click.Command(name, help=about) for name, about in self._about.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(room)) for name, each in said.items()])


class _Loaded(dict[str, click.Command]):
    def __init__(self, places: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(dict.fromkeys(places, click.Command(None)))
        self._places = {name: place for name, (place, _) in places.items()}

    def __getitem__(self, name: str) -> click.Command:
        place = self._places.pop(name, None)
        if place is not None:
            module, _, attribute = place.partition(":")
            self[name] = getattr(import_module(f"mlops_lab.cli.{module}"), attribute)
            _prepared(self[name])
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401  this is `get`


class _Name(click.types.StringParamType):
    """The text of a file's or a folder's name, which a shell's tab completes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """What the shell itself knows of."""
        return [CompletionItem(incomplete, type=self.kind)]


def _prepared(command: click.Command) -> None:
    r"""Lines below a `\b` stay lines, and names of files are completed.

    Click looks for a backspace; in a raw docstring it is written as a backslash and a b.
    """
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    for param in command.params:
        kind = _FILES.get((param.metavar or "").strip("[].").partition(" ")[0])
        if kind is not None and param.type is click.STRING:
            param.type = _Name(kind)
