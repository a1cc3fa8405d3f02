"""How does a family of commands help: in order, without a wall of errors, with the word that was meant?"""

from __future__ import annotations

from typing import Any

import click

from mlops_lab.base.errors import UnknownName

#: What all commands have in common for click.
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Family(click.Group):
    """Commands under one word: listed as they were added; alone it shows its help; a misspelt one is told."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        _keep_lines(self)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        r"""Click's own; lines below a `\b` in the command's docstring stay lines."""
        _keep_lines(cmd)
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


def _keep_lines(command: click.Command) -> None:
    """Click looks for a backspace; in a raw docstring it is written as a backslash and a b."""
    command.help = (command.help or "").replace("\\b\n", "\b\n")
