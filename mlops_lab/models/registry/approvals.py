"""Who must agree before a version goes to Production, and have they?"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, NotAllowed, expect
from mlops_lab.models.registry.catalogue import Catalogue
from mlops_lab.models.registry.names import check_name, check_person, same_person
from mlops_lab.models.registry.records import Approval
from mlops_lab.models.tracking.values import check_text

__all__ = ["Approvals"]

_MONTH = timedelta(days=30)


class Approvals(Catalogue):
    """Asking for an approval and answering: the part of `Registry` where people decide.

    Imitates GitHub's required reviewers with self-review prevented and thirty days to answer
    (https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments); simplified: one
    answer is enough, and whoever is not the author or the asker may give it.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as home:
    ...     registry = Approvals(home, clock=FakeClock())
    ...     registry.set_policy("late", requires_approval=True, actor="grace", why="passengers are rebooked on it")
    ...     print(registry.requires_approval("late"), registry.pending_approvals())
    ...     registry.close()
    True ()
    """

    def set_policy(self, name: str, *, requires_approval: bool, actor: str = "unknown", why: str = "") -> None:
        """Say whether versions of this model need an approval; the model need not exist yet.

        Raises:
            InvalidData: the name cannot name a model, or requires_approval is no true or false.
        """
        check_name(name)
        if not isinstance(requires_approval, bool):
            raise InvalidData(f"requires_approval is {requires_approval!r}; say True or False.")
        with self._database.transaction() as connection:
            before = self._policy(connection, name)
            if before != requires_approval:
                self._append(
                    connection, "set_policy", name, None, actor=actor, why=why,
                    details={"requires_approval": requires_approval},
                )  # fmt: skip

    def requires_approval(self, name: str) -> bool:
        """Do versions of this model need an approval?"""
        with self._database.reading() as connection:
            return self._policy(connection, check_name(name))

    def request_approval(
        self, name: str, version: int, *, requested_by: str, why: str, expires_after: timedelta = _MONTH
    ) -> Approval:
        """Ask for an approval of the version as its gate report found it; asking again returns the open request.

        Raises:
            UnknownName: there is no such version.
            NotAllowed: no passed gate report yet, or nobody is known as the author.
            InvalidData: blank texts, or no time to answer.
        """
        check_person(requested_by, "the person who asks")
        check_text(why, "the reason (why)", needed=True)
        if expect(expires_after, timedelta, "the time to answer (expires_after)") <= timedelta(0):
            raise InvalidData(f"expires_after is {expires_after}; leave some time to answer.")
        with self._database.transaction() as connection:
            row = self._row(connection, name, version)
            if not row["report_passed"]:
                raise NotAllowed(f"{name} v{version} has no passed gate report, so there is nothing to approve yet.")
            if not row["author"]:
                raise NotAllowed(
                    f"{name} v{version} has no author, so nobody is known to be somebody else: log the run with its"
                    " author and register that."
                )
            now = self._now(connection)
            present = self._approval(connection, row, now)
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
            if same_person(check_person(by, "the person who approves"), [row["author"], request.requested_by]):
                raise NotAllowed(
                    f"{by.strip()} cannot approve {name} v{version}: an approval is by somebody else than its author"
                    f" ({row['author']}) and the one who asked ({request.requested_by}).",
                    waiting=True,
                )
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
            return self._approval(connection, row, self._now(connection))

    def pending_approvals(self, name: str | None = None) -> tuple[Approval, ...]:
        """The requests that wait for an answer, oldest first."""
        with self._database.reading() as connection:
            now = self._now(connection)
            rows = connection.execute(
                "SELECT versions.* FROM versions JOIN approvals USING (name, version)"
                " WHERE state = 'pending' AND coalesce(?, name) = name ORDER BY requested_at, name, version",
                (name,),
            ).fetchall()
            found = [self._approval(connection, row, now) for row in rows]
        return tuple(each for each in found if each is not None and each.state == "pending")

    def _policy(self, connection: sqlite3.Connection, name: str) -> bool:
        row = connection.execute("SELECT requires_approval FROM models WHERE name = ?", (name,)).fetchone()
        return row is not None and bool(row[0])

    def _approval_of(self, connection: sqlite3.Connection, name: str, version: int) -> Approval:
        found = self._approval(connection, self._row(connection, name, version), self._now(connection))
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

    def _approval(self, connection: sqlite3.Connection, row: sqlite3.Row, now: datetime) -> Approval | None:
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
        elif state != "rejected" and now >= times["expires_at"]:
            state = "expired"
        return Approval(**{**dict(found), **times, "decided_at": decided, "state": state})
