"""Do the steps of a workflow call commands of this course that exist, and heed what they answer?"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

import click
from ruamel.yaml.scalarstring import FoldedScalarString, LiteralScalarString
from shell_commands import Command, commands
from workflow_files import Finding, WorkflowFile

__all__ = ["arguments", "deploys", "ignored_exit_code", "unknown_command"]

_CLOUD = re.compile(
    r"\bkubectl\s+(apply|create|patch|replace|rollout|set)\b|\bhelm\s+(install|upgrade)\b"
    r"|\baws\s+sagemaker\s+(create|update)-|\bgcloud\s+ai\s+endpoints\s+(deploy|update)|\b(docker|podman)\s+push\b"
)
_MOVES = {
    ("registry", "promote"),
    ("registry", "rollback"),
    ("rollout", "resume"),
    ("rollout", "live"),
    ("rollout", "stop"),
}


def arguments(command: Command) -> tuple[str, ...] | None:
    """The words behind `python -m mlops_lab` or `mlops-lab`; nothing for any other command."""
    words = command.words
    for at, word in enumerate(words):
        if words[at : at + 2] == ("-m", "mlops_lab") and at and "python" in words[at - 1]:
            return words[at + 2 :]
        if word.rpartition("/")[2] == "mlops-lab" and (
            at == 0 or words[0].endswith(("exec", "nice", "time", "uv", "uvx"))
        ):
            return words[at + 1 :]
    return None


def deploys(script: str) -> bool:
    """Does a script change what serves, or what stands in Production?"""
    ours = [arguments(command) or () for command in commands(script)]
    return bool(_CLOUD.search(script)) or any(words[:1] == ("deploy",) or words[:2] in _MOVES for words in ours)


def _calls(file: WorkflowFile) -> Iterator[tuple[Any, Any, str, list[Command], int]]:
    for job, step in file.steps():
        script = step.get("run")
        if isinstance(script, str):
            is_block = isinstance(script, LiteralScalarString | FoldedScalarString)
            yield job, step, script, commands(script), step.lc.key("run")[0] + int(is_block)


def unknown_command(file: WorkflowFile) -> Iterator[Finding]:
    """Every `python -m mlops_lab …` names commands and options that exist."""
    for _, _, _, found, line in _calls(file):
        for command in found:
            words = arguments(command)
            if words is not None and (wrong := _misunderstood(words)):
                yield Finding(file.path, line + command.line, "unknown-command", wrong)


def _misunderstood(words: tuple[str, ...]) -> str:
    from mlops_lab.cli.program import program

    at: click.Command = program
    path, rest = ["mlops_lab"], list(words)
    while isinstance(at, click.Group) and rest and not rest[0].startswith("-"):
        if "$" in rest[0]:
            return ""
        if rest[0] not in at.commands:
            return f"there is no command `{' '.join([*path, rest[0]])}`{_meant(rest[0], list(at.commands))}"
        path.append(rest[0])
        at = at.commands[rest.pop(0)]
    known = {name: param for param in at.params for name in (*param.opts, *param.secondary_opts)}
    known |= dict.fromkeys(at.get_help_option_names(click.Context(at)))
    for word, following in zip(rest, [*rest, ""][1:], strict=True):
        option, _, value = word.partition("=")
        if word.startswith("-") and option not in known:
            options = [name for name in known if name.startswith("--")]
            return f"`{' '.join(path)}` has no option {option}{_meant(option, options)}"
        kind = getattr(known.get(option), "type", None)
        if isinstance(kind, click.Choice) and "$" not in (value or following):
            value = value or following
            if value not in kind.choices:
                return f"{option} of `{' '.join(path)}` cannot be {value}{_meant(value, list(kind.choices))}"
    return ""


def _meant(word: str, names: list[str]) -> str:
    close = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there is: {', '.join(sorted(names))}"


def ignored_exit_code(file: WorkflowFile) -> Iterator[Finding]:
    """Nothing swallows the exit code of a `python -m mlops_lab …`: the gate says no with it."""
    for job, step, script, found, line in _calls(file):
        shell = file.shell(job, step)
        if shell and not re.match(r"(bash|sh)\b", shell):
            continue
        has_pipefail = shell == "bash" or "pipefail" in shell + script
        for command in found:
            if arguments(command) is None:
                continue
            reasons = [
                (bool(re.search(r"\bset \+e\b", script)), "`set +e` goes on after a failure"),
                (_is_on(step.get("continue-on-error")), "the step continues on error"),
                (_is_on(job.data.get("continue-on-error")), "the job continues on error"),
            ]
            why = next((told for holds, told in reasons if holds), "") or _swallowed(command, found, has_pipefail)
            if why:
                sentence = f"the exit code of `mlops_lab {' '.join(arguments(command) or ())}` is lost: {why}"
                yield Finding(file.path, line + command.line, "ignored-exit-code", sentence)


def _is_on(value: Any) -> bool:
    return value not in (None, False)


def _swallowed(command: Command, all_of_them: list[Command], has_pipefail: bool) -> str:
    if command.within is not None:
        holder = command.within
        if len(holder.words) > 1 or "=" not in holder.words[0]:
            return f"it is inside a $( ) of `{holder.words[0]}`, which has its own"
    taken = {"if", "elif", "while", "until", "!"} & set(command.keywords)
    if taken:
        return f"`{taken.pop()}` takes it as a question"
    for operator in (*command.then, *(command.within.then if command.within else ())):
        if operator in ("|", "|&"):
            if not has_pipefail:
                return "a pipe has the exit code of its last command, without `shell: bash` or pipefail"
            command = _end_of_pipe(command, all_of_them)
            operator = command.then[0] if command.then else ""
        if operator == "&":
            return "it runs in the background"
        if operator in ("&&", "||") and (why := _answered(operator, command, all_of_them)):
            return why
    return ""


def _end_of_pipe(command: Command, all_of_them: list[Command]) -> Command:
    """The last command of the pipeline that a command begins."""
    rest = all_of_them[all_of_them.index(command) + 1 :]
    return next(
        (one for one in rest if one.within == command.within and one.then[:1] not in (("|",), ("|&",))), command
    )


def _answered(operator: str, command: Command, all_of_them: list[Command]) -> str:
    """Why a failure before `&&` or `||` is forgotten; empty where it is not."""
    after = [one for one in all_of_them[all_of_them.index(command) + 1 :] if one.within is None]
    while operator == "&&" and after:  # a failure goes past everything up to the next ||
        operator, after = (after[0].then or ("",))[0], after[1:]
        operator = "&&" if operator in ("|", "|&") else operator
    if operator != "||":
        return "a failure before `&&` does not end the script" if after else ""
    if after and "{" in after[0].keywords:  # the answer is a group, which has one operator more: its last word counts
        group = next((at for at, one in enumerate(after) if len(one.then) < len(after[0].then)), len(after))
        after = after[group - 1 :]
    answer = after[0].words if after else ()
    if answer[:1] in (("exit",), ("return",)) and answer[1:] != ("0",):
        return ""
    if answer == ("false",) and not {"&&", "||", "|", "|&", "&"} & set(after[0].then):
        return ""
    kept = re.fullmatch(r"(\w+)=\$\?", answer[0]) if len(answer) == 1 else None
    if kept and any(one.words in (("exit", f"${kept[1]}"), ("exit", f"${{{kept[1]}}}")) for one in after):
        return ""
    return f"`|| {' '.join(answer)}` answers for it"
