"""What did a step write into GITHUB_OUTPUT, GITHUB_ENV and GITHUB_PATH?

Lines `name=value`, or `name<<DELIMITER`, lines, `DELIMITER`; as
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#multiline-strings.
"""

from __future__ import annotations

from mlops_lab.base.errors import InvalidData

__all__ = ["parse_assignments", "parse_lines"]


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
