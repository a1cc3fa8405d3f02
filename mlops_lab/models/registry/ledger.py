"""Where does the registry live, and what has happened in it?"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc
from mlops_lab.base.errors import InvalidData, UnknownName, expect
from mlops_lab.base.storage import Database
from mlops_lab.models.registry.history import BEGINNING, append, read_events, verify
from mlops_lab.models.registry.names import check_name, check_person, check_version
from mlops_lab.models.registry.records import Event
from mlops_lab.models.registry.schema import APPLICATION_ID, SCHEMA, VERSION
from mlops_lab.models.registry.state import ACTIONS
from mlops_lab.models.tracking import ArtefactStore
from mlops_lab.models.tracking.values import check_text

__all__ = ["Ledger"]


class Ledger:
    """The registry's file and its history: the part of `Registry` that knows events but no stages.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as home:
    ...     ledger = Ledger(home, clock=FakeClock())
    ...     print(ledger.history(), ledger.verify(), ledger.head() == "sha256:" + "0" * 64)
    ...     ledger.close()
    () 0 True
    """

    def __init__(self, home: str | Path, *, clock: Clock | None = None) -> None:
        self.home = Path(home)
        self.clock = SystemClock() if clock is None else clock
        self.artefacts = ArtefactStore(home)
        self._database = Database(
            self.home / "registry.db", kind="registry", application_id=APPLICATION_ID, version=VERSION, schema=SCHEMA
        )

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._database.close()

    def history(self, name: str | None = None, version: int | None = None) -> tuple[Event, ...]:
        """What happened, oldest first: everywhere, to one model, or to one version; `str(event)` is a line of text.

        Raises:
            UnknownName: there is no such model or version.
        """
        conditions: list[tuple[str, Any]] = []
        with self._database.reading() as connection:
            if name is not None:
                conditions.append(("name = ?", name))
                self._known(connection, name)
            if version is not None:
                if name is None:
                    raise InvalidData(f"version {version} of which model? Give history(name, version).")
                conditions.append(("version = ?", check_version(version)))
                self._row(connection, name, version)
            where = "WHERE " + " AND ".join(text for text, _ in conditions) if conditions else ""
            return tuple(read_events(connection, where=where, values=[value for _, value in conditions]))

    def head(self) -> str:
        """The hash of the last event. Noted elsewhere, it lets `verify` notice a history that was written anew."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
            return str(row[0]) if row else BEGINNING

    def verify(self, *, head: str | None = None) -> int:
        """Recompute the chain, tell the history again, compare it with the tables; the number of events.

        Noticed: a changed, missing, added or moved event, a missing end, a table that says anything else than the
        history. Not noticed without a `head` that was noted elsewhere: somebody who rewrites the file in full, every
        hash included, or puts back an older copy of it. Artefacts are verified when they are read.

        Raises:
            IntegrityError: with the first event or row at fault.
        """
        with self._database.reading() as connection:
            return verify(connection, head=head)

    def record_event(
        self,
        name: str,
        version: int,
        *,
        action: str,
        actor: str,
        why: str,
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """Write down what another room did with a version, such as a canary's step; nothing else changes.

        Raises:
            UnknownName: there is no such version.
            InvalidData: the action is one of the registry's own, or the details are no JSON.
        """
        check_name(action, what="action")
        if action in ACTIONS:
            raise InvalidData(f"{action!r} is an action of the registry itself; choose another word.")
        with self._database.transaction() as connection:
            self._row(connection, name, version)
            return self._append(connection, action, name, version, actor=actor, why=why, details=details)

    def _append(
        self,
        connection: sqlite3.Connection,
        action: str,
        name: str,
        version: int | None,
        *,
        actor: str,
        why: str,
        source: str | None = None,
        target: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        event = Event(
            seq=0,
            at=self.clock.now(),
            actor=check_person(actor, "the actor"),
            action=action,
            name=name,
            version=version,
            source=source,
            target=target,
            why=check_text(why, "the reason (why)"),
            details=dict(expect(details or {}, Mapping, "what an event keeps as its details")),  # type: ignore[type-abstract]
        )
        return append(connection, event)

    def _now(self, connection: sqlite3.Connection) -> datetime:
        # The same time that the next event would get, see history.append.
        row = connection.execute("SELECT at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return max(self.clock.now(), parse_utc(row[0])) if row else self.clock.now()

    def _known(self, connection: sqlite3.Connection, name: str) -> None:
        check_name(name)
        if connection.execute("SELECT 1 FROM models WHERE name = ?", (name,)).fetchone() is None:
            known = [row[0] for row in connection.execute("SELECT name FROM models")]
            raise UnknownName("registered model", name, known)

    def _row(self, connection: sqlite3.Connection, name: str, version: int) -> sqlite3.Row:
        check_version(version)
        self._known(connection, name)
        row: sqlite3.Row | None = connection.execute(
            "SELECT * FROM versions WHERE name = ? AND version = ?", (name, version)
        ).fetchone()
        if row is None:
            known = connection.execute("SELECT version FROM versions WHERE name = ? ORDER BY version DESC", (name,))
            raise UnknownName("version", version, [each[0] for each in known], where=f"model {name}")
        return row
