"""May this version move to that stage, and what moves with it?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import IllegalMove, NotAllowed
from mlops_lab.models.registry.catalogue import read_version
from mlops_lab.models.registry.evidence import Evidence, check_approval, check_evidence, check_passed
from mlops_lab.models.registry.history import read_events, retold
from mlops_lab.models.registry.names import check_person, check_stage
from mlops_lab.models.registry.records import Approval, ModelVersion, Promotion
from mlops_lab.models.registry.reports import GateReport
from mlops_lab.models.registry.state import MOVES, way_back
from mlops_lab.models.tracking.values import check_text

__all__ = ["Registry"]


class Registry(Evidence):
    r"""The registered models of one home folder: versions, stages, aliases, approvals and their whole history.

    Imitates MLflow's model registry (https://mlflow.org/docs/latest/ml/model-registry), with the stages it deprecated
    in 2.9 beside the aliases that replaced them. Differently from there, a version reaches Production only with a
    passed gate report of its own, measured against the present champion, and every change is one line of a
    hash-chained history, written together with the change.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.registry import GateReport, RuleResult
    >>> from mlops_lab.models.tracking import Tracker
    >>> clock = FakeClock()
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    ...     run = tracker.log_run("train", artefact=tracker.artefacts.put_bytes(b"model"), author="ada")
    ...     first = registry.register_model(run, "late")
    ...     rule = RuleResult("floor", True, 0.70, 0.65, "AUC 0.70 is at least 0.65.")
    ...     report = GateReport(name="late", version=1, artefact=first.artefact, results=(rule,), champion=None,
    ...                         holdout="sha256:" + "0" * 64, evaluated_at=clock.now())
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
            IntegrityError: the artefact's bytes have changed.
        """
        check_stage(stage)
        _check_reason(actor, why)
        if report is not None:
            if not isinstance(report, GateReport) or (report.name, report.version) != (name, version):
                raise NotAllowed(f"{report!r} is no gate report of {name} v{version}.")
            self.record_gate_report(report)
        if stage == "Production":
            self.artefacts.get_bytes(self.get_model_version(name, version).artefact)
        with self._database.transaction() as connection:
            self._transition(connection, name, version, stage, actor=actor, why=why, approval=approval)
            return self._version(connection, name, version)

    def promote(self, report: GateReport, *, actor: str, why: str, approval: Approval | None = None) -> Promotion:
        """Record the report and take its version through Staging into Production, as far as it may go.

        A version that lacks only an approval waits in Staging; promote it again when it is approved. Promoting what
        is in Production already gives the promotion that brought it there, so that a retried task does no harm.

        Raises:
            NotAllowed: the report failed (it is recorded all the same), is out of date, or an approval is missing.
            IllegalMove: the version is archived.
            UnknownName: there is no such version.
            IntegrityError: the artefact's bytes have changed.
        """
        _check_reason(actor, why)
        self.record_gate_report(report)
        name, version = report.name, report.version
        check_passed(report)
        self.artefacts.get_bytes(report.artefact)
        with self._database.transaction() as connection:
            row = self._row(connection, name, version)
            if row["stage"] == "Production":
                return self._promotion(connection, name, version)
            if row["stage"] == "None":
                check_evidence(connection, row, self._reigning(connection, name))
                self._transition(connection, name, version, "Staging", actor=actor, why=why)
        # Staging stands even where Production is refused: there the version waits for its approval.
        with self._database.transaction() as connection:
            if self._row(connection, name, version)["stage"] != "Production":
                self._transition(connection, name, version, "Production", actor=actor, why=why, approval=approval)
            return self._promotion(connection, name, version)

    def rollback(self, name: str, *, actor: str, why: str, present: int | None = None) -> Promotion:
        """Bring back the Production version before the present one, which is archived as a mistake.

        A second rollback goes one further back, never forward again; after Production was archived without a
        successor, the archived version comes back. It needs no new gate or approval: it passed both once; but a
        failed report recorded since stands in its way. Whoever decides on what it saw before names the version that it
        means in `present`, so that of two who take the same version back only one does.

        Raises:
            NotAllowed: there is nothing to go back to, its last report failed, or `present` is not in Production.
            UnknownName: there is no such model.
            IntegrityError: the artefact's bytes have changed; the present version stays.
        """
        _check_reason(actor, why)
        with self._database.transaction() as connection:
            self._known(connection, name)
            back, reigning = way_back(connection, name), self._reigning(connection, name)
            if present is not None and reigning != present:
                raise NotAllowed(f"{name} v{present} is not in Production any more; nothing was rolled back.")
            if back is None:
                since = "" if reigning is None else f" before v{reigning}"  # what was rolled back itself does not count
                why = f"no version of it that still stands was in Production{since}"
                raise NotAllowed(f"{name} cannot be rolled back, there is nothing to go back to: {why}.")
            row = self._row(connection, name, back)
            if row["report_passed"] == 0:
                raise NotAllowed(f"{name} cannot be rolled back to v{back}: its latest gate report failed.")
            self.artefacts.get_bytes(row["artefact"])
            if reigning is not None:
                self._append(
                    connection, "transition_stage", name, reigning, actor=actor, why=why, source="Production",
                    target="Archived", details={"rolled_back": True},
                )  # fmt: skip
            self._append(
                connection, "rollback", name, back, actor=actor, why=why, source=row["stage"], target="Production",
                details={"archived_version": reigning},
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
        with closing(retold(each for each in events if each.at <= moment)) as then:
            row = then.execute("SELECT * FROM versions WHERE stage = 'Production'").fetchone()
            return None if row is None else read_version(then, row)

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
        details = None
        if stage == "Production":
            present = self._reigning(connection, name)
            self._may_reign(connection, row, present, approval)
            details = {"archived_version": present, "report": row["report"]}
            if present is not None:
                reason = f"v{version} takes its place"
                self._append(
                    connection, "transition_stage", name, present, actor=actor, why=reason, source="Production",
                    target="Archived",
                )  # fmt: skip
        self._append(
            connection, "transition_stage", name, version, actor=actor, why=why, source=row["stage"], target=stage,
            details=details,
        )  # fmt: skip

    def _may_reign(
        self, connection: sqlite3.Connection, row: sqlite3.Row, present: int | None, approval: Approval | None
    ) -> None:
        check_evidence(connection, row, present)
        name = row["name"]
        standing = self._approval(connection, row, self._now(connection))
        if approval is not None or self._policy(connection, name):
            check_approval(f"{name} v{row['version']}", standing, approval)

    def _promotion(self, connection: sqlite3.Connection, name: str, version: int) -> Promotion:
        where = "WHERE name = ? AND version = ? AND target = 'Production'"
        event = list(read_events(connection, where=where, values=(name, version)))[-1]
        return Promotion(
            name=name,
            version=version,
            artefact=self._row(connection, name, version)["artefact"],
            archived_version=event.details["archived_version"],
            actor=event.actor,
            why=event.why,
            at=event.at,
            event=event.seq,
        )


def _check_reason(actor: str, why: str) -> None:
    check_person(actor, "the actor")
    check_text(why, "the reason (why)", needed=True)
