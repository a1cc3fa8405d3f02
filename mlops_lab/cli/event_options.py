"""The options that say what happened to a repository, who agrees to what, and what else a run is given."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from mlops_lab.base.errors import InvalidData, MlopsLabError, UnknownName
from mlops_lab.ci import Environment, Outcome, Review, Trigger, Workflow, environments_from, read_yaml

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--event", metavar="EVENT", help="What happened.  [default: the first event of the file's `on`]"),
    click.option("--activity", metavar="TYPE", help="What exactly, such as opened; of a schedule, the cron."),
    click.option("--ref", metavar="REF", default="refs/heads/main", show_default=True, help="On which branch or tag."),
    click.option("--base", metavar="BRANCH", default="main", show_default=True, help="Where a pull request goes."),
    click.option("--head", metavar="BRANCH", default="feature", show_default=True, help="Where it comes from."),
    click.option("--fork", is_flag=True, help="The pull request is of a fork."),
    click.option("--actor", metavar="WHO", default="octocat", show_default=True, help="By whom."),
    click.option("--changed", multiple=True, metavar="PATH", help="A file that was changed, for `paths`.  (repeat)"),
    click.option("--payload", metavar="JSON", help="A file with the `github.event`."),
    click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input.  (repeat)"),
    click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="One of `vars`.  (repeat)"),
    click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="A secret; without a value, that of the environment variable of this name.  (repeat)",
    ),
    click.option(
        "--reviewers", multiple=True, metavar="ENV=A,B", help="Who may review jobs of this environment.  (repeat)"
    ),
    click.option(
        "--environments",
        "rules",
        metavar="FILE",
        help="YAML or JSON: each environment's reviewers, prevent_self_review, wait_timer, branches, tags, secrets.",
    ),
    click.option("--prevent-self-review", is_flag=True, help="Whoever started the run may not review it."),
    click.option("--approve", multiple=True, metavar="ENV=WHO", help="Somebody approves.  (repeat)"),
    click.option("--reject", multiple=True, metavar="ENV=WHO", help="Somebody rejects, before any approval.  (repeat)"),
)


def run_options(command: _Command) -> _Command:
    """The options that `simulate` and `execute` share, handed over as one `EventOptions`."""

    @functools.wraps(command)
    def called(**values: Any) -> Any:
        mine = {name: values.pop(name) for name in EventOptions.__dataclass_fields__}
        return command(given=EventOptions(**mine), **values)

    for option in reversed(_OPTIONS):
        called = option(called)
    return called  # type: ignore[return-value]


@dataclass(frozen=True)
class EventOptions:
    """The shared options as they were typed."""

    event: str | None
    activity: str | None
    ref: str
    base: str
    head: str
    fork: bool
    actor: str
    changed: tuple[str, ...]
    payload: str | None
    inputs: tuple[str, ...]
    variables: tuple[str, ...]
    secrets: tuple[str, ...]
    reviewers: tuple[str, ...]
    rules: str | None
    prevent_self_review: bool
    approve: tuple[str, ...]
    reject: tuple[str, ...]

    def of(self, workflow: Workflow) -> tuple[Trigger, dict[str, Any]]:
        """The trigger, and the arguments of `simulate` and `execute`.

        Raises:
            UnknownName: an environment that the workflow does not name.
            InvalidData: something that cannot be read.
        """
        event = self.event or next(iter(workflow.events))
        trigger = Trigger(
            event,
            ref=self.ref if self.ref.startswith("refs/") else f"refs/heads/{self.ref}",
            base_ref=self.base,
            head_ref=self.head,
            fork=self.fork,
            actor=self.actor,
            activity=self.activity,
            paths=self.changed or None,
            payload=_payload(self.payload),
        )
        environments = self._environments()
        reviews = self._reviews(environments)
        _check_environments(workflow, environments)
        return trigger, {
            "inputs": dict(pairs(self.inputs, "--input")),
            "variables": dict(pairs(self.variables, "--var")),
            "secrets": _secrets(self.secrets),
            "environments": environments,
            "approvals": reviews,
        }

    def _environments(self) -> dict[str, Environment]:
        found = _rules(self.rules)
        for name, words in pairs(self.reviewers, "--reviewers"):
            people = tuple(word.strip() for word in words.split(",") if word.strip())
            if not people:
                raise InvalidData(f"--reviewers {name}= names nobody; write for example {name}=ada,grace.")
            found[name] = Environment(name, reviewers=people, prevent_self_review=self.prevent_self_review)
        if self.prevent_self_review and not found:
            raise InvalidData("--prevent-self-review needs --reviewers ENV=A,B: without reviewers there is no review.")
        return found

    def _reviews(self, environments: Mapping[str, Environment]) -> list[Review]:
        found = []
        guarded = {name.lower() for name in environments}
        for option, words, approved in (("--reject", self.reject, False), ("--approve", self.approve, True)):
            for name, who in pairs(words, option):
                if name.lower() not in guarded:
                    raise InvalidData(f"nobody reviews {name!r} here; say who may: --reviewers {name}={who}")
                found.append(Review(name, by=who, approved=approved))
        return found


def pairs(words: Sequence[str], option: str) -> list[tuple[str, str]]:
    """What stands before and behind the first `=` of each word.

    Raises:
        InvalidData: there is no `=`, or nothing before it, or one name twice.
    """
    found: list[tuple[str, str]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise InvalidData(f"{option} {word!r} is not of the form NAME=VALUE.")
        found.append((name.strip(), value))
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None and option in ("--input", "--var", "--outcome", "--output", "--reviewers"):
        raise InvalidData(f"{option} gives {twice!r} twice.")
    return found


def told_outcomes(outcomes: Sequence[str], outputs: Sequence[str]) -> dict[str, Outcome]:
    """What `--outcome` and `--output` say of each step.

    >>> told_outcomes(["train/gate=failure"], ["train/fit.auc=0.7"])
    {'train/gate': Outcome('failure'), 'train/fit': Outcome('success', outputs auc)}

    Raises:
        InvalidData: one of them cannot be read.
    """
    given: dict[str, dict[str, str]] = {}
    for name, value in pairs(outputs, "--output"):
        step, dot, output = name.rpartition(".")
        if not dot or "/" not in step or not output:
            raise InvalidData(f"--output {name!r} is not of the form JOB/STEP.NAME=VALUE.")
        given.setdefault(step, {})[output] = value
    conclusions = {name: value.strip().lower() for name, value in pairs(outcomes, "--outcome")}
    return {
        name: Outcome(conclusions.get(name, "success"), outputs=given.get(name, {}), knows_outputs=name in given)
        for name in (*conclusions, *given)
    }


def _secrets(words: Sequence[str]) -> dict[str, str]:
    import os

    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and name not in os.environ:
            raise InvalidData(f"--secret {name}: there is no environment variable of this name; set it, or add =VALUE.")
        found[name] = value if equals else os.environ[name]
    return found


def _payload(path: str | None) -> dict[str, Any]:
    import json

    from mlops_lab.cli.options import read_text

    if path is None:
        return {}
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"--payload {path!r} is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise InvalidData(f"--payload {path!r} holds no JSON object.")
    return found


def _rules(path: str | None) -> dict[str, Environment]:
    from mlops_lab.cli.options import read_text

    if path is None:
        return {}
    given = read_yaml(read_text(path), file=path)[0].plain()
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise InvalidData(f"--environments {path!r} must hold a mapping: environment to its rules.")
    try:
        return {each.name: each for each in environments_from(given).values()}
    except (MlopsLabError, TypeError, AttributeError) as error:
        raise InvalidData(f"--environments {path!r}: {error}") from None


def _check_environments(workflow: Workflow, environments: Mapping[str, Environment]) -> None:
    """An environment that no job names guards nothing; a name that an expression makes cannot be checked."""
    flows, names = [workflow], set()
    for flow in flows:
        flows += flow.called.values()
        names |= {job.environment.word for job in flow.jobs.values() if job.environment is not None}
    if not any("${{" in name for name in names):
        for name in environments:
            if name.lower() not in {each.lower() for each in names}:
                raise UnknownName("environment", name, names, where=workflow.file)
