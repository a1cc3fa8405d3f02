"""Which lines of a step's log are commands to the runner, and what must not be read in it?

`::add-mask::`, `::set-output`, `::error::`, `::warning::`, `::notice::`, `::group::`, `::stop-commands::`, as
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["LogReader", "Masks"]

_COMMAND = re.compile(r"\s*::([A-Za-z][\w-]*)(?:\s+([^:]*(?:(?!::):[^:]*)*))?::(.*)", re.DOTALL)
_ESCAPES = (("%0D", "\r"), ("%0A", "\n"))
_SHOWN = {"error": "Error: ", "warning": "Warning: ", "notice": "Notice: ", "debug": "##[debug]"}
_MAX_LOG = 1024 * 1024  # characters kept of a step's log


class Masks:
    """Texts that the log shows as `***`.

    >>> masks = Masks(["hunter2", ""])
    >>> masks.hide("password hunter2"), masks.reveals("hunter2!")
    ('password ***', True)
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.values: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Hide a text from now on, each of its lines too; blank ones cannot be hidden."""
        for text in {secret.strip(), *(line.strip() for line in secret.splitlines())}:
            if text and text != "***" and text not in self.values:
                self.values.append(text)
        self.values.sort(key=len, reverse=True)  # the longest first, or its end would stay

    def hide(self, text: str) -> str:
        """The text with `***` for every secret in it."""
        for value in self.values:
            text = text.replace(value, "***")
        return text

    def reveals(self, text: str) -> bool:
        """Is there a secret in the text?"""
        return any(value in text for value in self.values)


@dataclass
class LogReader:
    """Reads a log line by line: commands are obeyed, the rest is kept, secrets hidden."""

    masks: Masks
    outputs: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    size: int = 0
    stop: str = ""

    def read(self, line: str) -> None:
        """Take one line, without its end."""
        found = _COMMAND.fullmatch(line)
        if self.stop:
            if found and found[1] == self.stop:
                self.stop = ""
                return
            self._keep(line)
        elif found is None or not self._obey(found[1].lower(), found[2] or "", _unescaped(found[3])):
            self._keep(line)

    def _obey(self, command: str, properties: str, message: str) -> bool:
        if command == "add-mask":
            self.masks.add(message)
        elif command == "set-output":
            name = dict(part.partition("=")[::2] for part in properties.split(",")).get("name", "")
            self.outputs[name.strip()] = message
        elif command == "stop-commands":
            self.stop = message
        elif command in _SHOWN:
            self._keep(_SHOWN[command] + message)
        elif command in ("group", "endgroup"):
            self._keep(f"▸ {message}" if command == "group" else "")
        else:
            return False
        return True

    def _keep(self, line: str) -> None:
        if self.size < _MAX_LOG:
            self.kept.append(self.masks.hide(line))
            self.size += len(line) + 1
            if self.size >= _MAX_LOG:
                self.kept.append("(the rest of the log was left out)")

    @property
    def text(self) -> str:
        """The log."""
        return "\n".join(self.kept).strip("\n")


def _unescaped(text: str) -> str:
    for code, char in _ESCAPES:
        text = text.replace(code, char)
    return text.replace("%25", "%")
