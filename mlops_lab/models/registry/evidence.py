"""Is there evidence that a version is fit for Production, and does it still hold?"""

from __future__ import annotations

import sqlite3

from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.models.registry.approvals import Approvals
from mlops_lab.models.registry.history import read_events
from mlops_lab.models.registry.records import Approval, Event
from mlops_lab.models.registry.reports import GateReport

__all__ = ["Evidence", "check_approval", "check_evidence", "check_passed"]


class Evidence(Approvals):
    """Keeping gate reports: the part of `Registry` that knows what was measured.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.tracking import Tracker
    >>> clock = FakeClock()
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, registry = Tracker(home, clock=clock), Evidence(home, clock=clock)
    ...     run = tracker.log_run("train", artefact=tracker.artefacts.put_bytes(b"model"), author="ada")
    ...     first = registry.register_model(run, "late")
    ...     report = GateReport(name="late", version=1, artefact=first.artefact, results=(), champion=None,
    ...                         holdout="sha256:" + "0" * 64, evaluated_at=clock.now())
    ...     print(registry.record_gate_report(report).target, registry.get_gate_report("late", 1) == report)
    ...     registry.close(), tracker.close()
    failed True
    (None, None)
    """

    def record_gate_report(self, report: GateReport, *, actor: str = "gate", why: str = "") -> Event:
        """Keep a report as the version's evidence; the last one recorded counts, so a failed one takes a pass away.

        Recording the standing report again changes nothing.

        Raises:
            UnknownName: there is no such version.
            InvalidData: the report is of other bytes than the version's.
            NotAllowed: a report that is older than the standing one, or was replaced before.
        """
        if not isinstance(report, GateReport):
            raise InvalidData(f"a gate report is a GateReport, not {type(report).__name__}.")
        with self._database.transaction() as connection:
            row = self._row(connection, report.name, report.version)
            standing = _refuse_report(connection, report, row)
            if standing is not None:
                return standing
            return self._append(
                connection, "record_gate_report", report.name, report.version, actor=actor, why=why,
                target="passed" if report.passed else "failed",
                details={"fingerprint": report.fingerprint, "report": report.to_dict()},
            )  # fmt: skip

    def get_gate_report(self, name: str, version: int) -> GateReport | None:
        """The standing report of a version, or None.

        Raises:
            UnknownName: there is no such version.
        """
        with self._database.reading() as connection:
            return _read_report(connection, self._row(connection, name, version))


def _refuse_report(connection: sqlite3.Connection, report: GateReport, row: sqlite3.Row) -> Event | None:
    """Raise if this report cannot become the version's evidence; its event if it is the evidence already.

    Raises:
        InvalidData: the report is of other bytes than the version's.
        NotAllowed: the report is older than the standing one, or was replaced before.
    """
    subject = f"{row['name']} v{row['version']}"
    if report.artefact != row["artefact"]:
        raise InvalidData(
            f"the report measured artefact {str(report.artefact)[:19]}…, but {subject} is {row['artefact'][:19]}…;"
            " evaluate the version that is registered."
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
    if report.evaluated_at < last:
        raise NotAllowed(
            f"this report of {subject} is of {report.evaluated_at.isoformat()}, older than the one of"
            f" {last.isoformat()} that is recorded; evaluate again."
        )
    return None


def _read_report(connection: sqlite3.Connection, row: sqlite3.Row) -> GateReport | None:
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


def check_evidence(connection: sqlite3.Connection, row: sqlite3.Row, present: int | None) -> None:
    """Raise unless the version's standing report passed, against the version that is in Production now.

    Raises:
        NotAllowed: no report, a failed one, or one that compared with another champion.
    """
    subject = f"{row['name']} v{row['version']}"
    report = _read_report(connection, row)
    if report is None:
        raise NotAllowed(f"{subject} has no gate report, so it cannot go to Production; evaluate the gates first.")
    check_passed(report)
    if report.champion != present:
        before = "no champion" if report.champion is None else f"v{report.champion}"
        now = "none" if present is None else f"v{present}"
        raise NotAllowed(
            f"the gate report of {subject} compared it with {before}, but in Production is {now}; evaluate again."
        )


def check_approval(subject: str, standing: Approval | None, given: Approval | None) -> None:
    """Raise unless there is an approval that still holds and, where one is given, is that one.

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
    if given is not None and given != standing:
        raise NotAllowed(f"{given!r} is not the approval on record for {subject}: {standing!r}.", waiting=True)


def _reports(connection: sqlite3.Connection, row: sqlite3.Row) -> list[Event]:
    where = "WHERE name = ? AND version = ? AND action = 'record_gate_report'"
    return list(read_events(connection, where=where, values=(row["name"], row["version"])))
