"""Registered models: versions, stages, aliases, approvals and their whole history."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.display import Listing
from mlops_lab.base.errors import IllegalMove, InvalidData, NotAllowed, UnknownName, expect
from mlops_lab.base.storage import check_name
from mlops_lab.models.registry.catalogue import Catalogue, aliases_of, policy_of, read_version, reigning_version
from mlops_lab.models.registry.evidence import (
    check_approval,
    check_bound,
    check_evidence,
    check_loosened,
    check_passed,
    check_return,
    loosened,
    new_report,
    read_approval,
    read_report,
)
from mlops_lab.models.registry.history import (
    MOVES,
    POLICY,
    read_events,
    retold,
    verify,
    way_back,
)
from mlops_lab.models.registry.records import (
    Approval,
    Event,
    GateReport,
    ModelVersion,
    Promotion,
    check_person,
    check_somebody,
    check_stage,
    is_somebody,
    same_person,
)
from mlops_lab.models.tracking import Run
from mlops_lab.models.tracking.runs import check_text

_MONTH = timedelta(days=30)


class Registry(Catalogue):
    r"""The registered models of one home folder: versions, stages, aliases, approvals and their whole history.

    Imitates MLflow's model registry (https://mlflow.org/docs/latest/ml/model-registry), with the stages it deprecated
    in 2.9 beside the aliases that replaced them. Differently from there, a version reaches Production only with a
    passed gate report of its own figures, judged against the present champion, and every change is one line of a
    hash-chained history, written together with the change.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.registry import GateReport, RuleResult
    >>> from mlops_lab.models.tracking import Tracker
    >>> clock = FakeClock()
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    ...     model = tracker.artifacts.put_bytes(b"model")
    ...     run = tracker.log_run("train", metrics={"auc": 0.7}, artifact=model, author="ada")
    ...     first = registry.register_model(run, "late")
    ...     rule = RuleResult("floor", True, 0.70, 0.65, "AUC 0.70 is at least 0.65.")
    ...     report = GateReport(name="late", version=1, artifact=first.artifact, results=(rule,), champion=None,
    ...                         holdout="sha256:" + "0" * 64, evaluated_at=clock.now(), metrics=run.metrics)
    ...     print(registry.promote(report, actor="ada", why="the first model"))
    ...     print(registry.get_production("late"), registry.verify())
    ...     print(*registry.history("late"), sep="\n")
    ...     registry.close(), tracker.close()
    Promotion(late v1 in Production)
    ModelVersion(late v1, Production, aliases: champion) 4
    1  2014-01-01T00:00:00Z  late v1  register_model  by ada
    2  2014-01-01T00:00:00Z  late v1  record_gate_report  - → passed  by gate
    3  2014-01-01T00:00:00Z  late v1  transition_stage  None → Staging  by ada: the first model
    4  2014-01-01T00:00:00Z  late v1  transition_stage  Staging → Production  by ada: the first model
    (None, None)

    Raises:
        HomeError: the home folder cannot be read or written.
        IntegrityError: `registry.db` is damaged.
    """

    def set_policy(
        self,
        name: str,
        *,
        requires_approval: bool | None = None,
        separate_promoter: bool | None = None,
        gate_policy: str | None = None,
        actor: str = "unknown",
        why: str = "",
    ) -> None:
        """Say what versions of this model need before Production; the model need not exist yet, None stays as it is.

        What an author loosens lets no version of theirs into Production until somebody else says the same.

        Args:
            name: the model.
            requires_approval: an approval by somebody else than the author.
            separate_promoter: whoever approved may not promote.
            gate_policy: the fingerprint of the gate policy that a report must have judged by; "" for any.
            actor: who says so.
            why: the reason.

        Raises:
            InvalidData: the name cannot name a model, a demand is none, or nobody in particular loosens one.
        """
        check_name(name, "a model")
        given = {"requires_approval": requires_approval, "separate_promoter": separate_promoter}
        for key, value in given.items():
            if not isinstance(value, bool | None):
                raise InvalidData(f"{key} is {value!r}; say True or False.")
        demands = {key: value for key, value in {**given, "gate_policy": gate_policy}.items() if value is not None}
        if not demands:
            raise InvalidData(f"a policy says one of {', '.join(POLICY)}.")
        if gate_policy:
            check_text(gate_policy, "the gate policy's fingerprint")
        with self._database.transaction() as connection:
            before = policy_of(connection, name)
            changed = {key: value for key, value in demands.items() if before[key] != value}
            looser = loosened(connection, name)
            if any(before[key] and before[key] != value for key, value in demands.items()):
                check_somebody(actor, "whoever loosens a policy (actor)")
            changed |= {  # to agree to what somebody else loosened is an event of its own
                key: value for key, value in demands.items()
                if key in looser and is_somebody(actor) and not same_person(actor, [looser[key].actor])
            }  # fmt: skip
            if changed:
                self._append(connection, "set_policy", name, None, actor=actor, why=why, details=changed)

    def requires_approval(self, name: str) -> bool:
        """Do versions of this model need an approval?"""
        with self._database.reading() as connection:
            return bool(policy_of(connection, check_name(name, "a model"))["requires_approval"])

    def request_approval(
        self, name: str, version: int, *, requested_by: str, why: str, expires_after: timedelta = _MONTH
    ) -> Approval:
        """Ask for an approval of the version as its gate report found it; asking again returns the open request.

        Raises:
            UnknownName: there is no such version.
            NotAllowed: no passed gate report yet, or nobody is known as the author.
            InvalidData: blank texts, or no time to answer.
        """
        check_somebody(requested_by, "the person who asks")
        check_text(why, "the reason (why)", needed=True)
        if expect(expires_after, timedelta, "the time to answer (expires_after)") <= timedelta(0):
            raise InvalidData(f"expires_after is {expires_after}; leave some time to answer.")
        with self._database.transaction() as connection:
            row = self._row(connection, name, version)
            if not row["report_passed"]:
                raise NotAllowed(f"{name} v{version} has no passed gate report, so there is nothing to approve yet.")
            if not is_somebody(row["author"]):
                raise NotAllowed(
                    f"{name} v{version} has no author, so nobody is known to be somebody else: log the run with its"
                    " author and register that."
                )
            now = self._now(connection)
            present = read_approval(connection, row, now)
            if present is not None and present.state in {"pending", "approved"}:
                return present
            try:
                expires = now + expires_after
            except OverflowError:
                raise InvalidData(f"expires_after is {expires_after}; that is past the end of the calendar.") from None
            details = {"artefact": row["artefact"], "report": row["report"], "expires_at": expires}
            self._append(
                connection, "request_approval", name, version, actor=requested_by, why=why, target="pending",
                details=details,
            )  # fmt: skip
            return self._approval_of(connection, name, version)

    def approve(self, name: str, version: int, *, by: str, comment: str = "") -> Approval:
        """Say yes to an open request.

        Raises:
            UnknownName: there is no such version.
            NotAllowed: no open request, or the person is the version's author or the one who asked.
        """
        with self._database.transaction() as connection:
            row = self._row(connection, name, version)
            request = self._open_request(connection, row, {"pending"})
            authors = list(dict.fromkeys(filter(None, (row["author"], self._run(row).author))))
            others = [*authors, request.requested_by]
            if same_person(check_text(by, "the person who approves", needed=True), others):
                raise NotAllowed(
                    f"{by.strip()} cannot approve {name} v{version}: an approval is by somebody else than its author"
                    f" ({' and '.join(authors) or 'unknown'}) and the one who asked ({request.requested_by}).",
                    waiting=True,
                )
            check_somebody(by, "the person who approves")
            self._append(
                connection, "approve", name, version, actor=by, why=comment, source="pending", target="approved"
            )
            return self._approval_of(connection, name, version)

    def reject(self, name: str, version: int, *, by: str, comment: str = "") -> Approval:
        """Say no to an open request, or take back a yes; anybody may, the author too.

        Raises:
            UnknownName: there is no such version.
            NotAllowed: no request to answer.
        """
        with self._database.transaction() as connection:
            row = self._row(connection, name, version)
            check_somebody(by, "the person who rejects")
            request = self._open_request(connection, row, {"pending", "approved"})
            self._append(
                connection, "reject", name, version, actor=by, why=comment, source=request.state, target="rejected"
            )
            return self._approval_of(connection, name, version)

    def get_approval(self, name: str, version: int) -> Approval | None:
        """The latest request for this version and what became of it, or None.

        Raises:
            UnknownName: there is no such version.
        """
        with self._database.reading() as connection:
            row = self._row(connection, name, version)
            return read_approval(connection, row, self._now(connection))

    def pending_approvals(self, name: str | None = None) -> tuple[Approval, ...]:
        """The requests that wait for an answer, oldest first."""
        with self._database.reading() as connection:
            now = self._now(connection)
            rows = connection.execute(
                "SELECT versions.* FROM versions JOIN approvals USING (name, version)"
                " WHERE state = 'pending' AND coalesce(?, name) = name ORDER BY requested_at, name, version",
                (name,),
            ).fetchall()
            found = [read_approval(connection, row, now) for row in rows]
        return Listing(each for each in found if each is not None and each.state == "pending")

    def record_gate_report(self, report: GateReport, *, actor: str = "gate", why: str = "") -> Event:
        """Keep a report as the version's evidence; the last one recorded counts, so a failed one takes a pass away.

        Recording the standing report again changes nothing.

        Raises:
            UnknownName: there is no such version.
            InvalidData: the report is of other bytes than the version's.
            NotAllowed: a report that is older than the standing one, was replaced before, or passed on figures that are
                not those of the version's run.
        """
        if not isinstance(report, GateReport):
            raise InvalidData(f"a gate report is a GateReport, not {type(report).__name__}.")
        report = GateReport.from_dict(report.to_dict())  # what is judged is what will be read, whatever a child says
        with self._database.transaction() as connection:
            row = self._row(connection, report.name, report.version)
            standing = new_report(connection, report, row, self._now(connection))
            if standing is not None:
                return standing
            if report.passed:
                policy = policy_of(connection, report.name)["gate_policy"]
                check_bound(report, self._version(connection, report.name, report.version), self._run(row), policy)
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
            return read_report(connection, self._row(connection, name, version))

    def __repr__(self) -> str:
        return "Registry()"

    def transition_stage(
        self,
        name: str,
        version: int,
        stage: str,
        *,
        actor: str,
        why: str,
        report: GateReport | None = None,
        approval: Approval | None = None,
    ) -> ModelVersion:
        """Move a version: None → Staging or Archived, Staging → Production or Archived, Production → Archived,
        Archived → Staging (where it needs fresh evidence).

        Into Production goes only a version whose standing report passed, against the champion of this moment, and
        which was approved where the policy asks; the former Production version is archived in the same step, and the
        aliases `champion` and `previous` follow. A `report` given is recorded first; an `approval` given must be the
        standing one.

        Raises:
            IllegalMove: no such way from the version's stage.
            NotAllowed: evidence or approval is missing; `waiting` says whether an approval would help.
            UnknownName: there is no such version or stage.
            IntegrityError: the artifact's bytes have changed.
        """
        check_stage(stage)
        _check_reason(actor, why)
        if report is not None:
            if not isinstance(report, GateReport) or (report.name, report.version) != (name, version):
                raise NotAllowed(f"{report!r} is no gate report of {name} v{version}.")
            self.record_gate_report(report)
        if stage == "Production":
            self.artifacts.get_bytes(self.get_model_version(name, version).artifact)
        with self._database.transaction() as connection:
            self._transition(connection, name, version, stage, actor=actor, why=why, approval=approval)
            return self._version(connection, name, version)

    def promote(self, report: GateReport, *, actor: str, why: str, approval: Approval | None = None) -> Promotion:
        """Record the report and take its version through Staging into Production, as far as it may go.

        A version that lacks only an approval waits in Staging; promote it again when it is approved. Promoting what
        is in Production already gives the promotion that brought it there, so that a retried task does no harm.

        The registry does not know which gate policy is the right one: it holds the report against another only where
        `set_policy(name, gate_policy=...)` demands that, and a run's figures are what was logged, as in MLflow. The
        pipeline and `mlops-lab registry promote` know the problem: they refuse a report by any policy but the
        problem's, and measure the model again where another process has measured it, or nobody.

        Raises:
            NotAllowed: the report failed (it is recorded all the same), is out of date, or an approval is missing.
            IllegalMove: the version is archived.
            UnknownName: there is no such version.
            IntegrityError: the artifact's bytes have changed, or a table says anything else than the history.
        """
        _check_reason(actor, why)
        self.record_gate_report(report)
        name, version = report.name, report.version
        check_passed(report)
        self.artifacts.get_bytes(report.artifact)
        with self._database.transaction() as connection:
            row = self._row(connection, name, version)
            if row["stage"] == "Production":
                return self._promotion(connection, name, version)
            if row["stage"] == "None":
                self._check_evidence(connection, row, reigning_version(connection, name))
                self._transition(connection, name, version, "Staging", actor=actor, why=why)
        # Staging stands even where Production is refused: there the version waits for its approval.
        with self._database.transaction() as connection:
            if self._row(connection, name, version)["stage"] != "Production":
                self._transition(connection, name, version, "Production", actor=actor, why=why, approval=approval)
            return self._promotion(connection, name, version)

    def rollback(self, name: str, *, actor: str, why: str, present: int | None = None) -> Promotion:
        """Bring back the Production version before the present one, which is archived as a mistake.

        A second rollback goes one further back, never forward again; after Production was archived without a
        successor, the archived version comes back. It needs no new gate or approval: it passed both once; but the
        history must still hold them, and a failed report or an approval taken back since stands in its way. Whoever
        decides on what it saw before names the version that it means in `present`, so that of two who take the same
        version back only one does.

        Raises:
            NotAllowed: there is nothing to go back to, its evidence does not hold any more, or `present` is not in
                Production.
            UnknownName: there is no such model.
            IntegrityError: the artifact's bytes have changed, or a table says anything else than the history; the
                present version stays.
        """
        _check_reason(actor, why)
        with self._database.transaction() as connection:
            self._known(connection, name)
            back, reigning = way_back(connection, name), reigning_version(connection, name)
            if present is not None and reigning != present:
                raise NotAllowed(f"{name} v{present} is not in Production any more; nothing was rolled back.")
            if back is None:
                since = "" if reigning is None else f" before v{reigning}"  # what was rolled back itself does not count
                why = f"no version of it that still stands was in Production{since}"
                raise NotAllowed(f"{name} cannot be rolled back, there is nothing to go back to: {why}.")
            verify(connection)  # what lets it back is read from the tables, too
            row = self._row(connection, name, back)
            policy = policy_of(connection, name)
            check_return(
                connection, row, self._run(row), gate_policy=policy["gate_policy"],
                requires_approval=bool(policy["requires_approval"]),
            )  # fmt: skip
            self.artifacts.get_bytes(row["artefact"])
            if reigning is not None:
                self._append(
                    connection, "transition_stage", name, reigning, actor=actor, why=why, source="Production",
                    target="Archived", details={"rolled_back": True, "serving": "ends"},
                )  # fmt: skip
            self._append(
                connection, "rollback", name, back, actor=actor, why=why, source=row["stage"], target="Production",
                details={"archived_version": reigning, "serving": "champion"},
            )  # fmt: skip
            return self._promotion(connection, name, back)

    def production_at(self, name: str, at: datetime | str) -> ModelVersion | None:
        """The version that was in Production at a moment (that moment's events included), as it was then, or None.

        Raises:
            UnknownName: there is no such model.
            InvalidData: a time without a zone.
        """
        moment = parse_utc(at) if isinstance(at, str) else to_utc(at)
        with self._database.reading() as connection:
            self._known(connection, name)
            events = list(read_events(connection, where="WHERE name = ?", values=(name,)))
        last = max((each.seq for each in events if each.at <= moment), default=0)  # the order is that of the numbers
        with closing(retold(each for each in events if each.seq <= last)) as then:
            row = then.execute("SELECT * FROM versions WHERE stage = 'Production'").fetchone()
            return None if row is None else read_version(then, row)

    def _approval_of(self, connection: sqlite3.Connection, name: str, version: int) -> Approval:
        found = read_approval(connection, self._row(connection, name, version), self._now(connection))
        if found is None:
            raise NotAllowed(f"nobody asked for an approval of {name} v{version}.", waiting=True)
        return found

    def _open_request(self, connection: sqlite3.Connection, row: sqlite3.Row, states: set[str]) -> Approval:
        request = self._approval_of(connection, row["name"], row["version"])
        if request.state not in states:
            raise NotAllowed(
                f"the request for {row['name']} v{row['version']} is {request.state}; ask again with request_approval.",
                waiting=request.state != "approved",
            )
        return request

    def _transition(
        self,
        connection: sqlite3.Connection,
        name: str,
        version: int,
        stage: str,
        *,
        actor: str,
        why: str,
        approval: Approval | None = None,
    ) -> None:
        row = self._row(connection, name, version)
        if stage not in MOVES[row["stage"]]:
            raise IllegalMove(row["stage"], stage, MOVES[row["stage"]])
        details: dict[str, Any] | None = {"serving": "ends"} if row["stage"] == "Production" else None
        if stage == "Production":
            verify(connection)  # policies, approvals and authors are read from the tables, and a table can be edited
            present = reigning_version(connection, name)
            self._check_evidence(connection, row, present)
            self._check_approval(connection, row, approval, actor)
            champion = aliases_of(connection, name).get("champion")
            serving = "champion" if champion in (None, version) else "challenger"
            details = {"archived_version": present, "report": row["report"], "serving": serving}
            if present is not None:
                reason = f"v{version} takes its place"
                self._append(
                    connection, "transition_stage", name, present, actor=actor, why=reason, source="Production",
                    target="Archived", details={"serving": "stays" if serving == "challenger" else "ends"},
                )  # fmt: skip
        self._append(
            connection, "transition_stage", name, version, actor=actor, why=why, source=row["stage"], target=stage,
            details=details,
        )  # fmt: skip

    def _run(self, row: sqlite3.Row) -> Run:
        """The run that a version is of, as the tracker has it.

        Raises:
            NotAllowed: it is not there.
            IntegrityError: it is not what its id was made of.
        """
        try:
            return self._runs.get_run(row["run_id"])
        except UnknownName:
            raise NotAllowed(
                f"the run {row['run_id'][:8]} of {row['name']} v{row['version']} is not in this home folder, so nobody"
                " knows what was measured of it."
            ) from None

    def _check_evidence(self, connection: sqlite3.Connection, row: sqlite3.Row, present: int | None) -> None:
        gate_policy = policy_of(connection, row["name"])["gate_policy"]
        check_evidence(connection, row, present, lambda: self._run(row), gate_policy)

    def _check_approval(
        self, connection: sqlite3.Connection, row: sqlite3.Row, given: Approval | None, actor: str
    ) -> None:
        policy, authors = policy_of(connection, row["name"]), [row["author"], self._run(row).author]
        check_loosened(connection, row, authors)
        standing = read_approval(connection, row, self._now(connection))
        rejected = standing is not None and standing.state == "rejected"  # a no counts where nobody has to say yes, too
        if given is not None or policy["requires_approval"] or rejected:
            promoter = actor if policy["separate_promoter"] else ""
            check_approval(f"{row['name']} v{row['version']}", standing, given, authors, promoter)

    def _promotion(self, connection: sqlite3.Connection, name: str, version: int) -> Promotion:
        where = "WHERE name = ? AND version = ? AND target = 'Production'"
        event = list(read_events(connection, where=where, values=(name, version)))[-1]
        return Promotion(
            name=name,
            version=version,
            artifact=self._row(connection, name, version)["artefact"],
            archived_version=event.details["archived_version"],
            actor=event.actor,
            why=event.why,
            at=event.at,
            event=event.seq,
        )


def _check_reason(actor: str, why: str) -> None:
    check_person(actor, "the actor")
    check_text(why, "the reason (why)", needed=True)
