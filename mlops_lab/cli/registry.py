"""The command `registry`: looking into it, and deciding there: approve, promote, roll back, archive."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.cli.answers import MARKS, Stopped, answer, columns, marked, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.gate import report_lines
from mlops_lab.cli.options import (
    answer_options,
    login_name,
    model_of,
    moment,
    open_home,
    open_problem,
    open_registry,
    person,
    split_subject,
    subject,
    version_of,
)
from mlops_lab.models.registry import ModelVersion, verify_home
from mlops_lab.pipeline.engines import open_tracker
from mlops_lab.pipeline.problem import check_policy, model_report
from mlops_lab.teaching.drawing.words import plain

_BY = click.option("--by", required=True, metavar="WHO", help="Who decides; somebody else than the author.")
_ANYBODY = click.option("--by", required=True, metavar="WHO", help="Who decides; anybody, the author too.")
_COMMENT = click.option("--comment", default="", metavar="TEXT", help="What the history keeps beside it.")


def _subject(version: ModelVersion) -> str:
    return f"{version.name} v{version.version}"


@click.group("registry", cls=Family, context_settings=SETTINGS)
def registry() -> None:
    r"""Versions, stages, approvals and their history.

    Which model is in Production, since when, on what evidence, and who agreed? Commands take [NAME] [VERSION]: the
    name is the home's model when left out, the version a number, an alias such as champion, or latest. Nothing reaches
    Production here without a passed gate and the approvals that are asked for.

    \b
    Examples:
      mlops-lab registry list
      mlops-lab registry history
      mlops-lab registry approve 3 --by grace
      mlops-lab registry rollback --why "complaints"
      mlops-lab registry production-at 2013-10-01
      mlops-lab registry copy --to mlflow
    """


@registry.command("list")
@click.argument("name", required=False)
@answer_options
def list_(name: str | None, home: Path, as_json: bool) -> None:
    """The versions of all models, or of one."""
    found = open_registry(home)
    versions = found.search(name=name)
    told, rows = [], [["gate", "name", "version", "stage", "author", "created", "aliases"]]
    for each in versions:
        report = found.get_gate_report(each.name, each.version)
        passed, made = None if report is None else report.passed, f"{each.created:%Y-%m-%d %H:%M}Z"
        names = ", ".join(each.aliases)
        rows.append([MARKS[passed], each.name, f"v{each.version}", each.stage, each.author, made, names])
        told.append({**vars(each), "gate_passed": passed})
    text = columns(rows) if versions else "no version yet."
    answer(as_json, {"models": found.list_models(), "versions": told}, text)


@registry.command()
@subject
@click.option("--markdown", is_flag=True, help="The model report as Markdown, for a job's summary or a pull request.")
@answer_options
def show(subject: tuple[str, ...], markdown: bool, home: Path, as_json: bool) -> None:
    """One version: stage, run, gate, approval.

    Without a VERSION it is the one in Production, else the latest.
    """
    found = open_registry(home)
    version = version_of(found, subject)
    run = open_tracker(home, clock=SystemClock()).get_run(version.run_id)
    report = found.get_gate_report(version.name, version.version)
    if markdown and as_json:
        raise InvalidData("say --markdown or --json, not both.")
    if markdown:
        problem = open_problem(home)
        text = model_report(version, run, report, metric=str(problem.metric), noun=problem.noun)
        click.echo(text, nl=False)
        return None
    approval = found.get_approval(version.name, version.version)
    if as_json:
        told = {"run": run, "gate": None if report is None else report.to_dict(), "approval": approval}
        return print_json({"version": version, **told})
    facts = {
        "stage": version.stage,
        "aliases": ", ".join(version.aliases),
        "author": version.author,
        "created": f"{version.created:%Y-%m-%d %H:%M:%S}Z",
        "run": run.run_id,
        "features": str(run.params.get("feature_service", "")),
        "model": str(run.params.get("model", "")),
        "artifact": version.artifact,
        "approval": "" if approval is None else f"{approval.state}, asked by {approval.requested_by}",
        **{f"tag {name}": value for name, value in version.tags.items()},
    }
    click.echo(f"{version.name} v{version.version}")
    click.echo(columns([[name, value] for name, value in facts.items() if value], indent="  "))
    click.echo("\n" + (marked(report_lines(report)) if report is not None else "gate: not judged"))
    return None


@registry.command()
@subject
@answer_options
def history(subject: tuple[str, ...], home: Path, as_json: bool) -> None:
    """What happened, one line an event.

    Oldest first; every event carries the hash of the one before (see --json).
    """
    found = open_registry(home)
    name, version = (None, None) if not subject else split_subject(subject, model_of(home))
    number = version_of(found, subject).version if version is not None else None
    events = found.history(name, number)
    answer(as_json, {"events": events, "head": found.head()}, "\n".join(plain(str(event)) for event in events))


@registry.command()
@click.option("--head", metavar="HASH", help="A hash noted earlier, which the history must still hold.")
@answer_options
def verify(head: str | None, home: Path, as_json: bool) -> None:
    """Is everything as it was written?

    Recomputes the chain of hashes, tells the history again and compares; then holds every gate report against the
    figures of its run, every approval against the author, and reads every version's artifact, run and training rows.

    Exit codes: 0 all is as it was written, 1 something was damaged or changed (the line says what)
    """
    found = open_registry(home)
    told = verify_home(found, open_tracker(home, clock=SystemClock()), head=head)
    answer(as_json, {"verified": True, **asdict(told)}, f"✓ verified: {told}")


@registry.command()
@click.argument("name", required=False)
@answer_options
def pending(name: str | None, home: Path, as_json: bool) -> None:
    """The requests that wait for an answer."""
    found = open_registry(home)
    if name is not None:
        found.search(name=name)  # a model that does not exist has nothing that waits, and is a mistake
    waiting = found.pending_approvals(name)
    lines = [
        f"{each.name} v{each.version}  asked by {each.requested_by}, until {each.expires_at:%Y-%m-%d}: {each.why}"
        for each in waiting
    ]
    answer(as_json, {"pending": waiting}, "\n".join(lines) or "nothing waits for an approval.")


@registry.command("production-at")
@click.argument("when", metavar="MOMENT")
@click.option("--name", help="The model.  [default: that of the home]")
@answer_options
def production_at(when: str, name: str | None, home: Path, as_json: bool) -> None:
    """Which version was in Production then?

    MOMENT is a day (its midnight in UTC) or a time with its zone: 2013-10-01T06:00:00Z.
    """
    name = name or model_of(home)
    version = open_registry(home).production_at(name, moment(when))
    text = f"{name}: {'none' if version is None else f'v{version.version}'} in Production at {when}."
    answer(as_json, {"at": when, "name": name, "version": version}, text)


@registry.command("copy")
@click.option("--to", required=True, metavar="ENGINE", help="Who keeps it from now on: mlflow or embedded.")
@click.option("--uri", metavar="URI", help="MLflow's tracking URI, if not a file of the home folder.")
@answer_options
def copy_(to: str, uri: str | None, home: Path, as_json: bool) -> None:
    r"""Move to another engine, history included.

    Copies runs, models and every event, verifies both ends, and lets the home folder use the other engine from then
    on. What the former engine kept stays where it is.

    \b
    Examples:
      mlops-lab registry copy --to mlflow
      mlops-lab registry copy --to mlflow --uri http://127.0.0.1:5000
      mlops-lab registry copy --to embedded
    """
    from mlops_lab.adapters import move_registry

    copied = move_registry(open_home(home), to=to, uri=uri)
    what = f"{counted(copied.runs, 'run')}, {counted(copied.events, 'event')}"
    lines = [f"✓ copied and verified: {what}, head {copied.head}"]
    lines.append(f"the registry of this home folder is kept by {to} from now on.")
    answer(as_json, {"to": to, "runs": copied.runs, "events": copied.events, "head": copied.head}, "\n".join(lines))


@registry.command()
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
    answer(as_json, {"approval": found}, f"{_subject(version)}: the approval is {found.state}.")


@registry.command()
@subject
@_BY
@_COMMENT
@answer_options
def approve(subject: tuple[str, ...], by: str, comment: str, home: Path, as_json: bool) -> None:
    r"""Say yes to a version that waits.

    Its author cannot, nor whoever asked. Afterwards the run that waits goes on: mlops-lab run --resume last

    \b
    Example:
      mlops-lab registry approve 3 --by grace --comment "better on cold days"
    """
    registry = open_registry(home)
    version = version_of(registry, subject, needed=True)
    found = registry.approve(version.name, version.version, by=by, comment=comment)
    answer(as_json, {"approval": found}, f"{_subject(version)}: approved by {found.decided_by}.")


@registry.command()
@subject
@_ANYBODY
@_COMMENT
@answer_options
def reject(subject: tuple[str, ...], by: str, comment: str, home: Path, as_json: bool) -> None:
    """Say no, or take back a yes; anybody may."""
    registry = open_registry(home)
    version = version_of(registry, subject, needed=True)
    found = registry.reject(version.name, version.version, by=by, comment=comment)
    answer(as_json, {"approval": found}, f"{_subject(version)}: rejected by {found.decided_by}.")


@registry.command()
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
        check_policy(report, open_problem(home), registry)
    try:
        found = registry.promote(report, actor=by or login_name(), why=why or "promoted from the command line")
    except NotAllowed as error:
        if error.waiting:
            raise Stopped(str(error), code=3, kind="NotAllowed") from None
        raise
    former = "" if found.archived_version is None else f"; v{found.archived_version} is archived"
    answer(as_json, {"promotion": found}, f"{_subject(version)} is in Production{former}.")


@registry.command()
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
    answer(as_json, {"promotion": found}, f"{found.name} v{found.version} is back in Production{former}.")


@registry.command()
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
      mlops-lab registry alias challenger 3
      mlops-lab registry alias challenger --delete
    """
    registry = open_registry(home)
    actor = by or login_name()
    if delete:
        name, number = split_subject(subject, model_of(home))
        if number is not None:
            raise InvalidData("an alias is taken away from the model, not from a version; leave the version out.")
        registry.delete_alias(name, alias, actor=actor, why=why)
        answer(as_json, {"alias": alias, "version": None}, f"{name} has no alias {alias} any more.")
        return
    version = version_of(registry, subject, needed=True)
    found = registry.set_alias(version.name, alias, version.version, actor=actor, why=why)
    answer(as_json, {"alias": alias, "version": found}, f"{alias} is {_subject(version)}.")


@registry.command()
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
    answer(as_json, {"version": found}, f"{_subject(version)} is archived; it was in stage {version.stage}.")
