"""Which commands does a shell script call, and what does each one's exit code meet?

A small reading of the POSIX shell language, enough for the `run:` of a workflow step: words, quotes, comments,
operators, groups and `$( )`. See https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html; here
documents, functions and `case` patterns are read as if they were commands, which finds too much rather than too little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

__all__ = ["Command", "commands"]

_OPERATORS = (
    "&>>",
    "<<<",
    "<<-",
    "&&",
    "||",
    ";;",
    "|&",
    ">>",
    "<<",
    ">&",
    "<&",
    "&>",
    ">|",
    ";",
    "|",
    "&",
    "(",
    ")",
    ">",
    "<",
)
_REDIRECTS = {"&>>", "<<<", "<<-", ">>", "<<", ">&", "<&", "&>", ">|", ">", "<"}
_KEYWORDS = {"if", "elif", "while", "until", "!", "then", "do", "else", "{", "}", "fi", "done", "time"}


@dataclass(frozen=True)
class _Token:
    text: str
    line: int
    operator: bool = False
    inner: tuple[str, ...] = ()  # the scripts of its $( )


@dataclass(frozen=True)
class Command:
    """One simple command.

    Attributes:
        words: its words without quotes and redirections; a `$( )` in one is written as `$()`.
        line: its line in the script, from 1.
        keywords: the words of the shell's grammar right before it, such as `if` or `!`.
        then: the operators behind it and behind each group that it is in, from the inside out.
        within: the command whose `$( )` it is in.
        inner: the scripts of its own `$( )`.
    """

    words: tuple[str, ...]
    line: int
    keywords: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    within: Command | None = None
    inner: tuple[str, ...] = field(default=(), repr=False)


def commands(script: str) -> list[Command]:
    """The commands of a script in order; those inside a `$( )` stand behind the command that it belongs to.

    >>> [(one.words, one.then) for one in commands("test -f x || { echo no; exit 1; }")]
    [(('test', '-f', 'x'), ('||',)), (('echo', 'no'), (';', '')), (('exit', '1'), (';', ''))]
    """
    found = []
    for command in _grouped(_simple(list(_tokens(script)))):
        found.append(command)
        for inner in command.inner:
            found += [
                replace(one, within=one.within or command, line=command.line + one.line - 1) for one in commands(inner)
            ]
    return found


def _tokens(script: str) -> Iterator[_Token]:
    at, line, word, inner = 0, 1, None, []

    def ended() -> Iterator[_Token]:
        nonlocal word, inner
        if word is not None:
            yield _Token(word, line, inner=tuple(inner))
        word, inner = None, []

    while at < len(script):
        rest, char = script[at:], script[at]
        if rest.startswith("\\\n"):
            at, line = at + 2, line + 1
        elif char == "\n":
            yield from ended()
            yield _Token(";", line, operator=True)
            at, line = at + 1, line + 1
        elif char.isspace():
            yield from ended()
            at += 1
        elif char == "#" and word is None:
            at += len(rest.split("\n", 1)[0])
        elif rest.startswith("$("):
            end = _closing(script, at + 2)
            inner.append(script[at + 2 : end])
            word, at, line = (word or "") + "$()", end + 1, line + script.count("\n", at, end)
        elif char in "'\"":
            text, scripts, end = _quoted(script, at)
            inner += scripts
            word, at, line = (word or "") + text, end, line + script.count("\n", at, end)
        elif char == "\\":
            word, at = (word or "") + script[at + 1 : at + 2], at + 2
        elif operator := next((one for one in _OPERATORS if rest.startswith(one)), ""):
            descriptor = operator in _REDIRECTS and word is not None and word.isdigit()
            word = None if descriptor else word  # the 2 of 2>
            yield from ended()
            yield _Token(operator, line, operator=True)
            at += len(operator)
        else:
            word, at = (word or "") + char, at + 1
    yield from ended()


def _quoted(script: str, at: int) -> tuple[str, list[str], int]:
    """The text of a quotation, the scripts in it, and where it has ended."""
    if script[at] == "'":
        end = script.find("'", at + 1)
        end = len(script) if end < 0 else end
        return script[at + 1 : end], [], end + 1
    text, inner, at = "", [], at + 1
    while at < len(script) and script[at] != '"':
        if script[at] == "\\":
            text, at = text + script[at + 1 : at + 2], at + 2
        elif script.startswith("$(", at):
            end = _closing(script, at + 2)
            inner.append(script[at + 2 : end])
            text, at = text + "$()", end + 1
        else:
            text, at = text + script[at], at + 1
    return text, inner, at + 1


def _closing(script: str, at: int) -> int:
    """Where the bracket that was opened right before `at` closes."""
    depth = 1
    while at < len(script):
        char = script[at]
        if char in "'\"":
            at = _quoted(script, at)[2]
            continue
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0:
            return at
        at += 2 if char == "\\" else 1
    return len(script)


def _simple(tokens: list[_Token]) -> Iterator[Command | str]:
    """Simple commands, and the marks of groups between them: `(`, `)`, `{`, `}`, `fi`, `done` and operators."""
    words: list[_Token] = []
    keywords: list[str] = []
    skip = False
    for token in [*tokens, _Token("", 0, operator=True)]:
        if skip and not token.operator:
            skip = False  # the file of a redirection
        elif token.operator and token.text in _REDIRECTS:
            skip = True
        elif token.operator:
            skip = False
            if words:
                inner = tuple(script for word in words for script in word.inner)
                yield Command(tuple(word.text for word in words), words[0].line, tuple(keywords), inner=inner)
            words, keywords = [], []
            yield token.text
        elif not words and token.text in _KEYWORDS:
            keywords.append(token.text)
            if token.text in ("{", "}", "fi", "done"):
                yield token.text
        else:
            words.append(token)


def _grouped(parts: Iterator[Command | str]) -> list[Command]:
    """The commands with the operators behind them and behind their groups."""
    found: list[Command] = []
    open_groups: list[int] = []
    waiting: list[int] = []  # the commands that the next operator stands behind
    for part in parts:
        if isinstance(part, Command):
            found.append(part)
            waiting = [len(found) - 1]
        elif part in ("(", "{"):
            open_groups.append(len(found))
        elif part in (")", "}"):
            start = open_groups.pop() if open_groups else len(found)
            found[start:] = [one if one.then else replace(one, then=("",)) for one in found[start:]]
            waiting = list(range(start, len(found)))
        elif part not in ("fi", "done"):
            for index in waiting:
                found[index] = replace(found[index], then=(*found[index].then, part))
            waiting = []
    return found
