"""The evidence that lets a version into Production, and what is missing where it does not.

Evidence is read from the history, never from what another move may clear: the gate report with its measurement, the
artifact, the policy, the champion it was compared with, and the approval.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.models.registry.history import read_events
from mlops_lab.models.registry.records import Approval, Event, GateReport, ModelVersion, is_somebody, same_person
from mlops_lab.models.tracking import Run


class Subject(NamedTuple):
    """Which version evidence is of, and the fingerprint of its bytes."""

    name: str
    version: int
    artifact: str


_SKEW = timedelta(days=1)  # how far ahead of our clock another's may be: a logical date is a day


def new_report(connection: sqlite3.Connection, report: GateReport, row: sqlite3.Row, now: datetime) -> Event | None:
    """Raise if this report cannot become the version's evidence; its event if it is the evidence already.

    Raises:
        InvalidData: the report is of other bytes than the version's, or from the future.
        NotAllowed: the report is older than the standing one, or was replaced before.
    """
    subject = f"{row['name']} v{row['version']}"
    if report.artifact != row["artefact"]:
        raise InvalidData(
            f"the report measured artifact {str(report.artifact)[:19]}…, but {subject} is {row['artefact'][:19]}…;"
            " evaluate the version that is registered."
        )
    if report.evaluated_at > now + _SKEW:
        raise InvalidData(
            f"the report of {subject} is of {report.evaluated_at.isoformat()}, and it is {now.isoformat()}; more than"
            f" {_SKEW.days} day ahead is the future."
        )
    earlier = _reports(connection, row)
    if not earlier:
        return None
    fingerprint = report.fingerprint
    standing = row["report_seq"] == earlier[-1].seq
    if standing and earlier[-1].details["fingerprint"] == fingerprint:
        return earlier[-1]
    if any(event.details["fingerprint"] == fingerprint for event in earlier):
        raise NotAllowed(f"this report of {subject} was recorded before and does not stand any more; evaluate again.")
    last = GateReport.from_dict(earlier[-1].details["report"]).evaluated_at
    if report.evaluated_at < last <= now + _SKEW:  # a date beyond that is a mistake of an earlier version
        raise NotAllowed(
            f"this report of {subject} is of {report.evaluated_at.isoformat()}, older than the one of"
            f" {last.isoformat()} that is recorded; evaluate again."
        )
    return None


def read_report(connection: sqlite3.Connection, row: sqlite3.Row) -> GateReport | None:
    """The standing report of a version, or None."""
    for event in _reports(connection, row):
        if event.seq == row["report_seq"]:
            return GateReport.from_dict(event.details["report"])
    return None


def check_passed(report: GateReport) -> None:
    """Raise unless the report passed.

    Raises:
        NotAllowed: with the rules that failed.
    """
    if not report.passed:
        failed = ", ".join(result.rule for result in report.failures) or "it has no results"
        subject = f"{report.name} v{report.version}"
        raise NotAllowed(f"{subject} did not pass its gate, so it cannot go to Production; failed: {failed}.")


def check_bound(report: GateReport, version: Subject | ModelVersion, run: Run, gate_policy: str) -> None:
    """Raise unless the report judged this version's own bytes and figures, by the policy that is demanded.

    Raises:
        NotAllowed: something of it belongs to another version, to nobody, or to another policy.
    """
    subject = f"{version.name} v{version.version}"
    if not report.metrics:
        raise NotAllowed(f"the gate report of {subject} holds no measurement; evaluate the gates on its run's figures.")
    if not report.artifact == version.artifact == run.artifact:
        raise NotAllowed(f"the gate report of {subject} and the run {run.run_id[:8]} are of other bytes than it is.")
    for name, value in report.metrics.items():
        kept = run.metrics.get(name)
        if kept is None or not (kept == value or (math.isnan(kept) and math.isnan(value))):
            raise NotAllowed(
                f"the gate report of {subject} judged {name} as {value:g}, but its run {run.run_id[:8]} has"
                f" {'no such figure' if kept is None else f'{kept:g}'}: the figures are not those of this version."
            )
    if gate_policy and report.policy != gate_policy:
        raise NotAllowed(
            f"{subject} was judged by policy {report.policy[:19] or 'unknown'}…, and {version.name} demands"
            f" {gate_policy[:19]}…; evaluate again."
        )


def check_evidence(
    connection: sqlite3.Connection,
    row: sqlite3.Row,
    present: int | None,
    run: Callable[[], Run],
    gate_policy: str,
) -> None:
    """Raise unless the version's standing report passed, is bound to it, and compared it with the present champion.

    Raises:
        NotAllowed: no report, a failed one, one of other figures, or one that compared with another champion.
    """
    subject = f"{row['name']} v{row['version']}"
    report = read_report(connection, row)
    if report is None:
        raise NotAllowed(f"{subject} has no gate report, so it cannot go to Production; evaluate the gates first.")
    check_passed(report)
    check_bound(report, _subject(row), run(), gate_policy)
    if report.champion != present:
        before = "no champion" if report.champion is None else f"v{report.champion}"
        now = "none" if present is None else f"v{present}"
        raise NotAllowed(
            f"the gate report of {subject} compared it with {before}, but in Production is {now}; evaluate again."
        )


def check_approval(
    subject: str, standing: Approval | None, given: Approval | None, authors: Iterable[str | None], promoter: str
) -> None:
    """Raise unless there is an approval by somebody else that still holds and, where one is given, is that one.

    Raises:
        NotAllowed: none, or not approved; `waiting` where asking or answering would help.
    """
    if standing is None:
        raise NotAllowed(
            f"{subject} needs an approval by somebody else than its author; ask with request_approval.", waiting=True
        )
    if standing.state == "rejected":
        raise NotAllowed(f"{subject} was rejected by {standing.decided_by}: {standing.comment or 'no comment'}.")
    if standing.state != "approved":
        help_ = "somebody has to approve it" if standing.state == "pending" else "ask again with request_approval"
        raise NotAllowed(f"the approval of {subject} is {standing.state}; {help_}.", waiting=True)
    _check_approver(subject, standing.decided_by or "", [*authors, standing.requested_by])
    if promoter and same_person(promoter, [standing.decided_by]):
        raise NotAllowed(f"{promoter} approved {subject}, so somebody else has to promote it.")
    if given is not None and given != standing:
        raise NotAllowed(f"{given!r} is not the approval on record for {subject}: {standing!r}.", waiting=True)


def loosened(connection: sqlite3.Connection, name: str) -> dict[str, Event]:
    """The event by which each demand of a model was loosened, where nobody has made it stricter or agreed to it since.

    Another gate policy in place of one that was demanded counts: nothing here knows which of the two is stricter.
    """
    demands: dict[str, Any] = {}
    found: dict[str, Event] = {}
    for event in read_events(connection, where="WHERE name = ? AND action = 'set_policy'", values=(name,)):
        for key, value in event.details.items():
            before, demands[key] = demands.get(key), value
            if before and value != before:
                found[key] = event
            elif key in found and (value != before or not same_person(event.actor, [found[key].actor])):
                del found[key]
    return found


def check_loosened(connection: sqlite3.Connection, row: sqlite3.Row, authors: Iterable[str | None]) -> None:
    """Raise if an author of the version loosened what is demanded of it: four eyes would be two.

    Raises:
        NotAllowed: names the event and what helps.
    """
    authors = list(authors)
    for key, event in loosened(connection, row["name"]).items():
        if same_person(event.actor, authors):
            raise NotAllowed(
                f"{event.actor} is an author of {row['name']} v{row['version']} and loosened what is demanded of it"
                f" ({key}, event {event.seq}); somebody else has to agree to that with set_policy."
            )


def check_return(
    connection: sqlite3.Connection,
    row: sqlite3.Row,
    run: Run,
    *,
    gate_policy: str,
    requires_approval: bool,
) -> None:
    """Raise unless the history still holds what a version needs to come back into Production.

    Its champion of that day is gone, and its approval may have run out: it passed both once. What was found or
    decided since counts.

    Raises:
        NotAllowed: nobody judged it, its last report failed or is not of it, or today's policy asks for an approval
            that it never had or that was taken back.
    """
    subject = f"{row['name']} v{row['version']}"
    events, no = _reports(connection, row), f"{row['name']} cannot be rolled back to v{row['version']}"
    if not events:
        raise NotAllowed(f"{no}: it has no gate report.")
    report = GateReport.from_dict(events[-1].details["report"])
    if not report.passed:
        raise NotAllowed(f"{no}: its latest gate report failed.")
    if report.metrics or gate_policy:  # a report without is of an earlier version of this package, which kept none
        check_bound(report, _subject(row), run, gate_policy)
    check_loosened(connection, row, [row["author"], run.author])
    where = "WHERE name = ? AND version = ? AND action IN ('request_approval', 'approve', 'reject')"
    told = list(read_events(connection, where=where, values=(row["name"], row["version"])))
    answers = [event for event in told if event.action != "request_approval"]
    if answers and answers[-1].action == "reject":
        raise NotAllowed(f"{no}: {answers[-1].actor} took the approval back.")
    if requires_approval:
        if not answers:
            raise NotAllowed(f"{no}: nobody approved it.")
        asked = [event.actor for event in told if event.action == "request_approval" and event.seq < answers[-1].seq]
        _check_approver(subject, answers[-1].actor, [row["author"], run.author, *asked[-1:]])


def _subject(row: sqlite3.Row) -> Subject:
    return Subject(row["name"], row["version"], row["artefact"])


def _check_approver(subject: str, approver: str, others: Iterable[str | None]) -> None:
    if not is_somebody(approver) or same_person(approver, others):
        raise NotAllowed(f"the approval of {subject} is by {approver!a}, and not by somebody else.", waiting=True)


def read_approval(connection: sqlite3.Connection, row: sqlite3.Row, now: datetime) -> Approval | None:
    """The latest request for a version and what became of it by now, or None."""
    found = connection.execute(
        "SELECT * FROM approvals WHERE name = ? AND version = ?", (row["name"], row["version"])
    ).fetchone()
    if found is None:
        return None
    times = {key: parse_utc(found[key]) for key in ("requested_at", "expires_at")}
    decided = parse_utc(found["decided_at"]) if found["decided_at"] else None
    state = found["state"]
    if state != "rejected" and (found["report"], found["artefact"]) != (row["report"], row["artefact"]):
        state = "outdated"  # it was measured again since
    elif state != "rejected" and (now >= times["expires_at"] or _ran_out(connection, row, found["expires_at"])):
        state = "expired"
    kept = {("artifact" if key == "artefact" else key): value for key, value in dict(found).items()}
    return Approval(**{**kept, **times, "decided_at": decided, "state": state})


def _ran_out(connection: sqlite3.Connection, row: sqlite3.Row, expires_at: str) -> bool:
    """Has anything happened since the request at a time past its end? A clock that is set back gives no more time."""
    asked = "SELECT max(seq) FROM events WHERE name = ? AND version = ? AND action = 'request_approval'"
    later = f"SELECT 1 FROM events WHERE seq > ({asked}) AND at >= ? LIMIT 1"  # noqa: S608
    return connection.execute(later, (row["name"], row["version"], expires_at)).fetchone() is not None


def _reports(connection: sqlite3.Connection, row: sqlite3.Row) -> list[Event]:
    where = "WHERE name = ? AND version = ? AND action = 'record_gate_report'"
    return list(read_events(connection, where=where, values=(row["name"], row["version"])))
