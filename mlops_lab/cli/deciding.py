"""How do people decide over versions from a terminal: approve, promote, roll back, archive?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.cli.answers import Stopped, print_json
from mlops_lab.cli.options import (
    answer_options,
    login_name,
    model_of,
    open_problem,
    open_registry,
    person,
    split_subject,
    subject,
    version_of,
)
from mlops_lab.models.registry import ModelVersion
from mlops_lab.pipeline.problem import check_policy

_BY = click.option("--by", required=True, metavar="WHO", help="Who decides; somebody else than the author.")
_ANYBODY = click.option("--by", required=True, metavar="WHO", help="Who decides; anybody, the author too.")
_COMMENT = click.option("--comment", default="", metavar="TEXT", help="What the history keeps beside it.")


def _answer(told: dict[str, Any], line: str, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        click.echo(line)


def _subject(version: ModelVersion) -> str:
    return f"{version.name} v{version.version}"


@click.command()
@subject
@person
@answer_options
def request(subject: tuple[str, ...], by: str | None, why: str, home: Path, as_json: bool) -> None:
    """Ask for an approval."""
    registry = open_registry(home)
    version = version_of(registry, subject, needed=True)
    found = registry.request_approval(
        version.name, version.version, requested_by=by or login_name(), why=why or "asked for from the command line"
    )
    _answer({"approval": found}, f"{_subject(version)}: the approval is {found.state}.", as_json)


@click.command()
@subject
@_BY
@_COMMENT
@answer_options
def approve(subject: tuple[str, ...], by: str, comment: str, home: Path, as_json: bool) -> None:
    r"""Say yes to a version that waits.

    Its author cannot, nor whoever asked. Afterwards the run that waits goes on: mlops-lab run --resume last

    \b
    Example:
      mlops-lab registry approve late_flights 3 --by grace --comment "better on snow days"
    """
    registry = open_registry(home)
    version = version_of(registry, subject, needed=True)
    found = registry.approve(version.name, version.version, by=by, comment=comment)
    _answer({"approval": found}, f"{_subject(version)}: approved by {found.decided_by}.", as_json)


@click.command()
@subject
@_ANYBODY
@_COMMENT
@answer_options
def reject(subject: tuple[str, ...], by: str, comment: str, home: Path, as_json: bool) -> None:
    """Say no, or take back a yes; anybody may."""
    registry = open_registry(home)
    version = version_of(registry, subject, needed=True)
    found = registry.reject(version.name, version.version, by=by, comment=comment)
    _answer({"approval": found}, f"{_subject(version)}: rejected by {found.decided_by}.", as_json)


@click.command()
@subject
@person
@answer_options
def promote(subject: tuple[str, ...], by: str | None, why: str, home: Path, as_json: bool) -> None:
    """Take a version into Production.

    Through Staging, on its own passed gate report, against the champion of this moment.

    Exit codes: 0 promoted, 1 an error (no report, archived, another champion), 2 its gate refused it, 3 an approval is
    missing
    """
    registry = open_registry(home)
    version = version_of(registry, subject, needed=True)
    report = registry.get_gate_report(version.name, version.version)
    if report is None:
        raise NotAllowed(f"{_subject(version)} has no gate report, so it cannot go to Production.")
    if not report.passed:
        reasons = " ".join(result.sentence for result in report.failures)
        raise Stopped(f"the gate refused {_subject(version)}: {reasons}", code=2, kind="NotAllowed")
    if version.name == model_of(home):
        check_policy(report, open_problem(home))
    try:
        found = registry.promote(report, actor=by or login_name(), why=why or "promoted from the command line")
    except NotAllowed as error:
        if error.waiting:
            raise Stopped(str(error), code=3, kind="NotAllowed") from None
        raise
    former = "" if found.archived_version is None else f"; v{found.archived_version} is archived"
    _answer({"promotion": found}, f"{_subject(version)} is in Production{former}.", as_json)


@click.command()
@click.argument("name", required=False)
@person
@answer_options
def rollback(name: str | None, by: str | None, why: str, home: Path, as_json: bool) -> None:
    """Bring back the version before this one.

    The present Production version is archived as a mistake.
    """
    registry = open_registry(home)
    model = split_subject((name,) if name else (), model_of(home))[0]
    found = registry.rollback(model, actor=by or login_name(), why=why or "rolled back from the command line")
    former = "" if found.archived_version is None else f"; v{found.archived_version} is archived"
    _answer({"promotion": found}, f"{found.name} v{found.version} is back in Production{former}.", as_json)


@click.command()
@subject
@person
@answer_options
def archive(subject: tuple[str, ...], by: str | None, why: str, home: Path, as_json: bool) -> None:
    """Put a version into the archive.

    Where it was in Production, nothing takes its place.
    """
    registry = open_registry(home)
    version = version_of(registry, subject, needed=True)
    reason = why or "archived from the command line"
    found = registry.transition_stage(version.name, version.version, "Archived", actor=by or login_name(), why=reason)
    _answer({"version": found}, f"{_subject(version)} is archived; it was in stage {version.stage}.", as_json)


@click.command()
@click.argument("alias")
@subject
@click.option("--delete", is_flag=True, help="Take the alias away.")
@person
@answer_options
def alias(
    alias: str, subject: tuple[str, ...], delete: bool, by: str | None, why: str, home: Path, as_json: bool
) -> None:
    r"""Point an alias to a version.

    The aliases champion and previous follow Production by themselves; while a rollout goes on, its
    version is the challenger.

    \b
    Examples:
      mlops-lab registry alias challenger late_flights 3
      mlops-lab registry alias challenger --delete
    """
    registry = open_registry(home)
    actor = by or login_name()
    if delete:
        name, number = split_subject(subject, model_of(home))
        if number is not None:
            raise InvalidData("an alias is taken away from the model, not from a version; leave the version out.")
        registry.delete_alias(name, alias, actor=actor, why=why)
        return _answer({"alias": alias, "version": None}, f"{name} has no alias {alias} any more.", as_json)
    version = version_of(registry, subject, needed=True)
    found = registry.set_alias(version.name, alias, version.version, actor=actor, why=why)
    return _answer({"alias": alias, "version": found}, f"{alias} is {_subject(version)}.", as_json)
