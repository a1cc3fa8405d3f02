"""Which command line runs a script?

As https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell: without
`shell:` it is `bash -e`, which does not notice a failing command inside a pipe; with `shell: bash` it does.
"""

from __future__ import annotations

import shlex
import shutil
import sys

from mlops_lab.base.errors import InvalidData, UnknownName

__all__ = ["command_line", "suffix"]

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
