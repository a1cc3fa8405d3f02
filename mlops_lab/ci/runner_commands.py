"""What the runner does around a script: its command line, the files it writes, the commands in its log.

As https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell: without
`shell:` it is `bash -e`, which does not notice a failing command inside a pipe; with `shell: bash` it does.

Lines `name=value`, or `name<<DELIMITER`, lines, `DELIMITER`; as
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#multiline-strings.

`::add-mask::`, `::set-output`, `::error::`, `::warning::`, `::notice::`, `::group::`, `::stop-commands::`, as
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from mlops_lab.base.errors import InvalidData, UnknownName

_KNOWN = {
    "": ("bash -e {0}", ".sh"),
    "bash": ("bash --noprofile --norc -eo pipefail {0}", ".sh"),
    "sh": ("sh -e {0}", ".sh"),
    "python": ("python {0}", ".py"),
    "pwsh": ("pwsh -command \". '{0}'\"", ".ps1"),
}


def command_line(shell: str | None, script: str) -> list[str]:
    """The words of the command that runs the file `script`.

    >>> command_line("bash", "step.sh")
    ['bash', '--noprofile', '--norc', '-eo', 'pipefail', 'step.sh']
    >>> command_line("perl -w {0}", "x y.pl")
    ['perl', '-w', 'x y.pl']

    Raises:
        UnknownName: a shell that is neither known nor a command line with `{0}` in it.
        InvalidData: a command line that cannot be taken apart.
    """
    template = _KNOWN[shell or ""][0] if (shell or "") in _KNOWN else shell or ""
    if not shell and shutil.which("bash") is None:
        template = "sh -e {0}"
    if "{0}" not in template:
        raise UnknownName("shell", template, [name for name in _KNOWN if name])
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise InvalidData(f"the shell {template!r} cannot be read: {error}.") from None
    if words[0] == "python" and shutil.which("python") is None:
        words[0] = sys.executable
    return [word.replace("{0}", script) for word in words]


def suffix(shell: str | None) -> str:
    """The ending that the script's file needs.

    >>> suffix("python")
    '.py'
    """
    return _KNOWN.get(shell or "", ("", ".sh"))[1]


def parse_assignments(text: str, *, kind: str) -> dict[str, str]:
    r"""The names and values of an output or environment file; the last of a name counts.

    >>> parse_assignments("auc=0.70\nreport<<END\na=1\nb\nEND\n", kind="output")
    {'auc': '0.70', 'report': 'a=1\nb'}

    Raises:
        InvalidData: a line that is neither form, or a delimiter that never comes, in GitHub's words.
    """
    found: dict[str, str] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line[:equals], line[equals + 1 :]
        elif heredoc >= 0:
            name, delimiter = line[:heredoc], line[heredoc + 2 :]
            if not delimiter or delimiter not in lines[at:]:
                raise _failed(kind, f"Invalid value. Matching delimiter not found '{delimiter}'")
            end = lines.index(delimiter, at)
            value = "\n".join(lines[at:end])
            at = end + 1
        else:
            raise _failed(kind, f"Invalid format '{line}'")
        if not name:
            raise _failed(kind, f"Invalid format '{line}'. Name must not be empty")
        found[name] = value
    return found


def _failed(kind: str, why: str) -> InvalidData:
    return InvalidData(f"Unable to process file command '{kind}' successfully. {why}")


def parse_lines(text: str) -> list[str]:
    r"""The lines of GITHUB_PATH that say something.

    >>> parse_lines("/opt/tool/bin\n\n")
    ['/opt/tool/bin']
    """
    return [line for line in text.splitlines() if line.strip()]


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
